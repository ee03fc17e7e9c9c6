"""The worth of a group is what scikit-learn says it is, and verdicts are right where the truth is known."""

import json
from itertools import permutations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from toy_study import GROUPS, config, prepared

from cairn.errors import UserError
from cairn.metrics.bootstrap import bootstrap
from cairn.report.ablation.sheet import to_html, to_markdown, to_text
from cairn.report.ablation.words import sheet_of
from cairn.studies.ablation.ablation import ablate
from cairn.studies.ablation.parts import every_subset, groups_in_use, parts_of, shapley_weights


def ablated(*groups, columns=False, subsets=False, seeds=1, overrides=(), **data):
    rows, settings = prepared(*groups), config(*overrides, **data)
    used = groups_in_use(rows.contract, settings)
    return ablate(
        settings,
        rows,
        used,
        parts_of(used, None, columns=columns),
        seeds=seeds,
        alone=not columns,
        subsets=subsets,
    )


def auc(columns):
    rows = prepared()
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    model.fit(rows.train[columns], rows.train["y"])
    return roc_auc_score(rows.validation["y"], model.predict_proba(rows.validation[columns])[:, 1])


def by_name(ablation):
    return {part.part: part for part in ablation.parts}


def test_the_worth_of_a_group_is_the_difference_of_two_models_of_scikit_learn():
    found = by_name(ablated("signal", "noise"))
    everything = auc([*GROUPS["signal"], *GROUPS["noise"]])
    assert found["signal"].gain["roc_auc"].value == pytest.approx(everything - auc(GROUPS["noise"]), abs=1e-6)
    assert found["noise"].gain["roc_auc"].value == pytest.approx(everything - auc(GROUPS["signal"]), abs=1e-6)
    assert found["signal"].alone.value == pytest.approx(auc(GROUPS["signal"]), abs=1e-6)


def test_signal_is_kept_and_nobody_can_tell_of_noise():
    ablation = ablated("signal", "noise")
    assert [part.part for part in ablation.parts] == ["signal", "noise"]
    assert [part.verdict for part in ablation.parts] == ["keep", "unclear"]
    said = [text for text, _ in sheet_of(ablation, figures=False).verdicts]
    assert said[0].startswith("signal: worth 0.")
    assert said[0].endswith("of ROC AUC; keep.")
    assert said[1].startswith("noise: cannot tell")


def test_a_group_that_misleads_is_named():
    rows, settings = prepared("signal", "noise", rows=60), config("model.classifier.C=1000")
    rows.train["c"] = rows.train["y"] + 0.1 * rows.train["c"]  # true in train, noise in validation
    used = groups_in_use(rows.contract, settings)
    found = ablate(
        settings, rows, used, parts_of(used, ["noise"], columns=False), seeds=1, alone=False, subsets=False
    )
    assert found.parts[0].verdict == "drop"
    assert "better without it" in sheet_of(found, figures=False).verdicts[0][0]


def test_twins_look_worthless_one_by_one_and_share_the_worth_in_every_order():
    ablation = ablated("signal", "twin", "noise", subsets=True)
    found = by_name(ablation)
    full, nothing = ablation.full["roc_auc"].value, ablation.nothing.value
    assert nothing == 0.5
    for name in ("signal", "twin"):
        assert abs(found[name].gain["roc_auc"].value) < 0.005
        assert found[name].alone.value > 0.8
        assert found[name].share["roc_auc"].value == pytest.approx((full - nothing) / 2, abs=0.02)
    assert sum(part.share["roc_auc"].value for part in ablation.parts) == pytest.approx(full - nothing)


def test_shapley_weights_are_the_mean_over_all_orders():
    parts = {"x": ["x1", "x2"], "y": ["y1"], "z": ["z1"]}
    every = frozenset(column for names in parts.values() for column in names)
    rng = np.random.default_rng(0)
    value = {left: rng.normal() for left in [*every_subset(parts), every]}
    for part in parts:
        added = []
        for order in permutations(parts):
            before = order[: order.index(part)]
            left = every - {column for name in before for column in parts[name]}
            added.append(value[left - set(parts[part])] - value[left])
        weighed = sum(weight * value[left] for left, weight in shapley_weights(parts, part).items())
        assert weighed == pytest.approx(np.mean(added))


def test_days_are_drawn_whole_and_the_same_days_for_every_model():
    settings = config("evaluate.block=1D", time="when")
    rows = prepared("signal", "noise")
    used = groups_in_use(rows.contract, settings)
    found = ablate(settings, rows, used, used, seeds=1, alone=False, subsets=False)
    assert (found.background.units, found.background.block) == (100, "1D")
    frame = rows.validation
    predictions = {}
    for name, columns in {"full": [*GROUPS["signal"], *GROUPS["noise"]], "less": GROUPS["signal"]}.items():
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
        predictions[name] = model.fit(rows.train[columns], rows.train["y"]).predict_proba(frame[columns])[
            :, 1
        ]
    drawn = bootstrap(
        "binary", frame["y"], predictions, resamples=200, seed=settings.seed,
        blocks=np.arange(1000) // 10, metrics=["roc_auc"],
    )  # fmt: skip
    spread = (drawn["full"]["roc_auc"] - drawn["less"]["roc_auc"]).std(ddof=1) * (100 / 99) ** 0.5
    assert by_name(found)["noise"].gain["roc_auc"].error == pytest.approx(spread, rel=1e-3)


def test_the_seeds_noise_is_in_the_interval():
    forest = ["model=extra_trees", "model.params.n_estimators=2"]
    several, one = (ablated("signal", "noise", seeds=s, overrides=forest) for s in (3, 1))
    assert one.noise is None
    assert several.noise > 0.005
    text = to_text(sheet_of(one, figures=False))
    assert "One seed" in text
    assert "spread between seeds" in " ".join(to_text(sheet_of(several, figures=False)).split())


def test_columns_are_left_out_one_by_one_and_the_same_again_gives_the_same_bits():
    first, again = (sheet_of(ablated(columns=True, seeds=2), figures=True) for _ in range(2))
    assert sorted(part["part"] for part in first.record["parts"]) == sorted(
        name for names in GROUPS.values() for name in names
    )
    assert json.dumps(first.record) == json.dumps(again.record)
    assert to_html(first) == to_html(again)
    for name in ("a2", "noise"):
        assert (f"| {name} |" in to_markdown(first)) == (name != "noise")


def test_a_page_loads_nothing():
    page = to_html(sheet_of(ablated("signal", "noise"), figures=True))
    assert "<svg" in page
    for loading in ("src=", "@import", "url(http", '<link rel="stylesheet'):
        assert loading not in page


def test_a_regression_and_many_unclear_parts_speak_too():
    rows, settings = prepared(), config("evaluate.primary=rmse", task="regression", target="value")
    used = groups_in_use(rows.contract, settings)
    found = ablate(settings, rows, used, used, seeds=1, alone=True, subsets=False)
    assert found.full["rmse"].low < found.full["rmse"].value < found.full["rmse"].high
    assert by_name(found)["signal"].without.value > 0


@pytest.mark.parametrize(
    ("groups", "asked", "columns", "words"),
    [
        ({"g": ["a", "b"]}, None, False, "g is all there is: without it nothing is left; --columns"),
        ({"g": ["a"]}, None, True, "a is all there is"),
        ({"g": ["a"], "weather": ["b"]}, ["wether"], False, "--groups wether: .*did you mean weather"),
    ],
)
def test_what_cannot_be_left_out_is_told(groups, asked, columns, words):
    with pytest.raises(UserError, match=words):
        parts_of(groups, asked, columns=columns)


def test_too_many_combinations_are_refused():
    with pytest.raises(UserError, match="63 combinations"):
        every_subset({name: [name] for name in "abcdef"})
