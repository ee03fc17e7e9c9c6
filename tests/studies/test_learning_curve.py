"""Learning curves: nested sets, a power law found where there is one, no forecast where it fails."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import curve_fit
from toy_study import config, prepared

from cairn.errors import UserError
from cairn.report.ablation.curve_words import sheet_of, verdict
from cairn.report.ablation.sheet import to_html, to_text
from cairn.studies.ablation.curve import check_classes, learning_curve, nested, units
from cairn.studies.ablation.measure import Jury, Measured
from cairn.studies.ablation.power_law import fit, forecast

SHARES = [1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0]
SIZES = [round(32_000 * share) for share in SHARES]
JURY = Jury("binary", np.zeros(9, dtype=np.int64), None, "roc_auc", None, 400, 0.95, 1)


def measured(scores, noise=0.0, seeds=3):
    """Points whose draws share what other validation rows change and differ by their seeds."""
    rng = np.random.default_rng(0)
    rows = rng.normal(0, 0.02, 400)
    found = []
    for score in scores:
        values = score + rng.normal(0, noise, seeds)
        found.append(Measured({"roc_auc": values}, {"roc_auc": values.mean() + rows}))
    return found


@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=80),
    st.sampled_from(["recent", "random"]),
    st.integers(0, 9),
)
def test_sets_are_nested_whole_units_and_as_large_as_asked(labels, by, seed):
    codes = np.unique(labels, return_inverse=True)[1]
    sets = nested(codes, SHARES, by, seed)
    for share, rows, larger in zip(SHARES, sets, [*sets[1:], np.arange(len(codes))], strict=True):
        assert set(rows) <= set(larger)
        inside = set(codes[rows])
        assert len(rows) == np.isin(codes, list(inside)).sum() >= share * len(codes) - 1e-6
        if by == "recent":
            assert inside == set(range(min(inside), codes.max() + 1))
            assert (codes > min(inside)).sum() < share * len(codes) or len(inside) == 1
    assert len(sets[-1]) == len(codes)


def test_recent_takes_the_latest_days_whatever_the_order_of_the_rows():
    rows = prepared().train.sample(frac=1, random_state=1)
    codes, unit = units(rows, config("evaluate.block=1D", time="when"), "recent")
    latest = nested(codes, [0.25], "recent", 0)[0]
    assert unit == "blocks of 1D"
    assert rows["when"].iloc[latest].min() == rows["when"].sort_values().iloc[300]
    assert len(latest) == 100


def test_groups_stay_whole_in_random_sets():
    rows = prepared().train
    codes, unit = units(rows, config(group="who"), "random")
    some = nested(codes, [0.3], "random", 4)[0]
    assert unit == "groups of who"
    assert not set(rows["who"].iloc[some]) & set(rows["who"].drop(rows.index[some]))


@pytest.mark.parametrize("c", [0.15, 0.5, 1.3])
def test_the_law_is_found_as_by_scipy(c):
    x = np.array(SHARES)
    rng = np.random.default_rng(1)
    b = 0.2 / 32**c
    scores = 0.8 - b * x**-c + rng.normal(0, 0.0005, len(x))
    found = fit(x, scores[:, None])
    weights = np.sqrt(np.arange(1, len(x) + 1) / len(x))
    theirs, _ = curve_fit(lambda x, a, b, c: a - b * x**-c, x, scores, p0=(0.8, b, c), sigma=1 / weights)
    assert found.at(2.0)[0] == pytest.approx(theirs[0] - theirs[1] * 2 ** -theirs[2], abs=2e-4)


def test_a_power_law_is_forecast_and_its_interval_holds_the_truth():
    truth = [0.8 - 0.02 * share**-0.4 for share in SHARES]
    law = forecast(JURY, SIZES, measured(truth, noise=0.0005))
    assert law.honest
    assert law.gain.low <= 0.02 * (1 - 2**-0.4) <= law.gain.high
    exact = forecast(JURY, SIZES, measured(truth))
    assert exact.gain.value == pytest.approx(0.02 * (1 - 2**-0.4), rel=0.02)
    assert exact.miss.value == pytest.approx(0, abs=1e-4)


def test_a_jump_at_the_end_is_no_power_law():
    law = forecast(JURY, SIZES, measured([0.70, 0.71, 0.715, 0.7175, 0.719, 0.76], noise=0.0002))
    assert not law.honest
    assert law.miss.value > 0.03


def test_four_points_are_no_forecast():
    law = forecast(JURY, SIZES[2:], measured([0.6, 0.7, 0.75, 0.77]))
    assert not law.honest
    assert np.isnan(law.gain.value)


def test_more_rows_help_a_learner_that_has_too_few():
    settings = config("model=extra_trees", "model.params.n_estimators=10", "model.params.min_samples_leaf=40")
    curve = learning_curve(settings, prepared(rows=3000), by="random", points=5, seeds=3)
    scores = [point.score.value for point in curve.points]
    assert scores[0] < scores[-1] - 0.02
    assert [point.rows for point in curve.points] == [188, 375, 750, 1500, 3000]
    assert curve.points[0].to_full["roc_auc"].value == pytest.approx(scores[-1] - scores[0])
    assert curve.points[0].to_full["roc_auc"].low > 0


def test_more_rows_help_nobody_who_has_learnt_it_all():
    curve = learning_curve(config(), prepared("signal", rows=3000), by="random", points=3, seeds=3)
    said, tone = verdict(curve)
    assert tone == "unclear"
    assert said.startswith("Cannot tell whether more of the same would help: the last doubling, from 1,500")
    assert "no forecast from 3 points" in said


def test_older_rows_that_mislead_are_told():
    rows = prepared("signal", rows=2000)
    old = rows.train.index < 1000
    rows.train.loc[old, ["a", "b"]] *= -1
    settings = config("evaluate.block=1D", time="when")
    curve = learning_curve(settings, rows, by="recent", points=2, seeds=2)
    assert verdict(curve)[0].startswith("Older rows do harm")
    assert curve.points[0].since == "2020-04-10"
    assert "2020-04-10" in to_text(sheet_of(curve, figures=False))


def test_the_same_again_gives_the_same_page():
    pages = [
        to_html(sheet_of(learning_curve(config(), prepared(), by="random", points=5, seeds=2), figures=True))
        for _ in range(2)
    ]
    assert pages[0] == pages[1]
    assert "<svg" in pages[0]


def test_what_cannot_be_drawn_is_told():
    rows = prepared().train
    with pytest.raises(UserError, match=r"recent needs data\.time"):
        units(rows, config(), "recent")
    with pytest.raises(UserError, match="smallest set has 1 rows and none of y = "):
        check_classes(rows, np.array([0]), config().data)
