"""Learning curves: nested sets, and verdicts that are right where the truth is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_study import config, prepared

from cairn.errors import UserError
from cairn.report.studies.learning_curve import sheet_of, verdict
from cairn.report.studies.sheet import to_html, to_text
from cairn.studies.learning_curve import check_classes, learning_curve, nested, order_of, units

SHARES = [1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0]


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


def test_more_rows_help_a_learner_that_has_too_few():
    settings = config("model=extra_trees", "model.params.n_estimators=10", "model.params.min_samples_leaf=40")
    curve = learning_curve(settings, prepared(rows=3000), by="random", points=5, seeds=3)
    scores = [point.score.value for point in curve.points]
    assert scores[0] < scores[-1] - 0.02
    assert [point.rows for point in curve.points] == [188, 375, 750, 1500, 3000]
    assert curve.points[0].to_full["roc_auc"].difference == pytest.approx(scores[-1] - scores[0])
    assert curve.points[0].to_full["roc_auc"].low > 0


def test_more_rows_help_nobody_who_has_learnt_it_all():
    curve = learning_curve(config(), prepared("signal", rows=3000), by="random", points=3, seeds=3)
    said, tone = verdict(curve)
    assert tone == "unclear"
    assert said.startswith("No evidence that more of the same helps: from 1,500 to 3,000 rows, ROC AUC")


def test_older_rows_that_mislead_are_told():
    rows = prepared("signal", rows=2000)
    old = rows.train.index < 1000
    rows.train.loc[old, ["a", "b"]] *= -1
    settings = config("evaluate.block=1D", time="when")
    curve = learning_curve(settings, rows, by="recent", points=2, seeds=2)
    assert verdict(curve)[0].startswith("Older rows do harm")
    assert curve.points[0].since == "2020-04-10"
    assert "2020-04-10" in to_text(sheet_of(curve))


def test_the_same_again_gives_the_same_page():
    pages = [
        to_html(sheet_of(learning_curve(config(), prepared(), by="random", points=5, seeds=2)))
        for _ in range(2)
    ]
    assert pages[0] == pages[1]
    assert "<svg" in pages[0]


def test_what_cannot_be_drawn_is_told():
    rows = prepared().train
    with pytest.raises(UserError, match=r"recent needs data\.time"):
        order_of(config(), "recent")
    with pytest.raises(UserError, match="smallest set has 1 rows and none of y = "):
        check_classes(rows, np.array([0]), config().data)
