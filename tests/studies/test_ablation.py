"""The importance of a group is what scikit-learn says, and verdicts are right where the truth is known."""

import json

import numpy as np
import pytest
from chromium import violations
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from toy_study import GROUPS, config, prepared

from cairn.errors import UserError
from cairn.metrics.bootstrap import Resampling, bootstrap
from cairn.report.studies.ablation import sheet_of
from cairn.report.studies.sheet import to_html, to_markdown, to_text
from cairn.studies.ablation import ablate, groups_in_use, parts_of


def ablated(*groups, columns=False, seeds=1, overrides=(), **data):
    rows, settings = prepared(*groups), config(*overrides, **data)
    used = groups_in_use(rows.contract, settings)
    return ablate(
        settings,
        rows,
        used,
        parts_of(used, None, columns=columns),
        seeds=seeds,
        alone=not columns,
    )


def auc(columns):
    rows = prepared()
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    model.fit(rows.train[columns], rows.train["y"])
    return roc_auc_score(rows.validation["y"], model.predict_proba(rows.validation[columns])[:, 1])


def by_name(ablation):
    return {part.part: part for part in ablation.parts}


def test_the_importance_of_a_group_is_the_difference_of_two_models_of_scikit_learn():
    found = by_name(ablated("signal", "noise"))
    everything = auc([*GROUPS["signal"], *GROUPS["noise"]])
    assert found["signal"].differences["roc_auc"].difference == pytest.approx(
        everything - auc(GROUPS["noise"]), abs=1e-6
    )
    assert found["noise"].differences["roc_auc"].difference == pytest.approx(
        everything - auc(GROUPS["signal"]), abs=1e-6
    )
    assert found["signal"].alone.value == pytest.approx(auc(GROUPS["signal"]), abs=1e-6)


def test_signal_is_kept_and_noise_is_inconclusive():
    ablation = ablated("signal", "noise")
    assert [part.part for part in ablation.parts] == ["signal", "noise"]
    assert [part.verdict for part in ablation.parts] == ["keep", "unclear"]
    said = sheet_of(ablation).verdicts
    assert said[0][0].startswith("signal: keep; with it, ROC AUC +0.")
    assert said[1][0].startswith("noise: no evidence of a difference; with it, ROC AUC")
    assert [tone for _, tone in said] == ["better", "unclear"]


def test_a_group_that_misleads_is_named():
    rows, settings = prepared("signal", "noise", rows=60), config("model.classifier.C=1000")
    rows.train["c"] = rows.train["y"] + 0.1 * rows.train["c"]  # true in train, noise in validation
    used = groups_in_use(rows.contract, settings)
    found = ablate(settings, rows, used, parts_of(used, ["noise"], columns=False), seeds=1, alone=False)
    assert found.parts[0].verdict == "drop"
    assert sheet_of(found).verdicts[0][0].startswith("noise: leave out; with it, ROC AUC −0.")


def test_twins_look_unimportant_one_by_one_and_are_good_alone():
    found = by_name(ablated("signal", "twin", "noise"))
    for name in ("signal", "twin"):
        assert abs(found[name].differences["roc_auc"].difference) < 0.005
        assert found[name].alone.value > 0.8


def test_days_are_drawn_whole_and_the_same_days_for_every_model():
    settings = config("evaluate.block=1D", time="when")
    rows = prepared("signal", "noise")
    used = groups_in_use(rows.contract, settings)
    found = ablate(settings, rows, used, used, seeds=1, alone=False)
    assert (found.protocol.units, found.protocol.block) == (100, "1D")
    frame = rows.validation
    predictions = {}
    for name, columns in {"full": [*GROUPS["signal"], *GROUPS["noise"]], "less": GROUPS["signal"]}.items():
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
        predictions[name] = model.fit(rows.train[columns], rows.train["y"]).predict_proba(frame[columns])[
            :, 1
        ]
    drawn = bootstrap(
        "binary", frame["y"], predictions, Resampling(200, settings.seed, np.arange(1000) // 10),
        metrics=["roc_auc"],
    )  # fmt: skip
    spread = (drawn["full"]["roc_auc"] - drawn["less"]["roc_auc"]).std(ddof=1) * (100 / 99) ** 0.5
    assert by_name(found)["noise"].differences["roc_auc"].error == pytest.approx(spread, rel=1e-3)


def test_the_seeds_noise_is_in_the_interval():
    forest = ["model=extra_trees", "model.params.n_estimators=2"]
    several, one = (ablated("signal", "noise", seeds=s, overrides=forest) for s in (3, 1))
    assert one.noise is None
    assert several.noise > 0.005
    text = to_text(sheet_of(one))
    assert "One seed" in text
    assert "spread between seeds" in " ".join(to_text(sheet_of(several)).split())


@pytest.mark.slow
def test_columns_are_left_out_one_by_one_and_the_same_again_gives_the_same_bits():
    first, again = (sheet_of(ablated(columns=True, seeds=2)) for _ in range(2))
    assert sorted(part["part"] for part in first.record["parts"]) == sorted(
        name for names in GROUPS.values() for name in names
    )
    assert json.dumps(first.record) == json.dumps(again.record)
    assert to_html(first) == to_html(again)
    for name in ("a2", "noise"):
        assert (f"| {name} |" in to_markdown(first)) == (name != "noise")


def test_a_page_loads_nothing():
    page = to_html(sheet_of(ablated("signal", "noise")))
    assert "<svg" in page
    for loading in ("src=", "@import", "url(http", '<link rel="stylesheet'):
        assert loading not in page


def test_a_regression_and_many_unclear_parts_speak_too():
    rows, settings = prepared(), config("evaluate.primary=rmse", task="regression", target="value")
    used = groups_in_use(rows.contract, settings)
    found = ablate(settings, rows, used, used, seeds=1, alone=True)
    assert found.full["rmse"].low < found.full["rmse"].value < found.full["rmse"].high
    assert by_name(found)["signal"].without.value > 0


@pytest.mark.parametrize(
    ("groups", "asked", "columns", "words"),
    [
        ({"g": ["a", "b"]}, None, False, "g has all the features: without it none is left; --columns"),
        ({"g": ["a"]}, None, True, "a has all the features"),
        ({"g": ["a"], "weather": ["b"]}, ["wether"], False, "--groups wether: .*did you mean 'weather"),
    ],
)
def test_what_cannot_be_left_out_is_an_error(groups, asked, columns, words):
    with pytest.raises(UserError, match=words):
        parts_of(groups, asked, columns=columns)


@pytest.mark.scale
def test_axe_finds_nothing_on_the_page(tmp_path):
    assert violations(to_html(sheet_of(ablated("signal", "noise"))), tmp_path) == {}
