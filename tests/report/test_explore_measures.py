"""The measures of the page explore agree with SciPy, pandas or a count by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cairn.data.drift import chance, distances, kolmogorov_smirnov, summary, total_variation
from cairn.report.explore.page import histogram, target_figure
from cairn.report.explore.profile import (
    Values,
    as_values,
    bin_edges,
    of_parts,
    profile,
    rare_levels,
    to_utc,
    worst_first,
)
from cairn.report.explore.statistics import association, matrix, mean_of, over_time, period_of, with_target
from cairn.report.explore.study import entities, gaps, groups
from cairn.report.numbers import moment

RNG = np.random.default_rng(0)
X = RNG.normal(size=400).round(1)
Y = X + RNG.normal(size=400)
LEVEL = pd.Series(RNG.choice(["a", "b", "ü"], 400, p=[0.6, 0.3, 0.1]))
OTHER = pd.Series(np.where(RNG.random(400) < 0.5, LEVEL, RNG.choice(["a", "b", "ü"], 400)))


def numbers(values):
    return as_values(pd.Series(values), "numeric")


def category(values):
    return as_values(pd.Series(values), "categorical")


def test_numbers_are_associated_by_spearmans_rho_on_the_rows_where_both_are_known():
    gappy = np.where(RNG.random(400) < 0.3, np.nan, Y)
    expected = stats.spearmanr(X, gappy, nan_policy="omit").statistic
    assert association(numbers(X), numbers(gappy)) == pytest.approx(expected, abs=1e-12)
    assert association(numbers(-X), numbers(gappy)) == pytest.approx(-expected, abs=1e-12)


def test_a_category_and_numbers_are_associated_by_epsilon_of_kruskal_and_wallis():
    shifted = X + LEVEL.map({"a": 0.0, "b": 0.8, "ü": 0.3})
    h = stats.kruskal(*(shifted[level == LEVEL] for level in "abü")).statistic
    expected = np.sqrt((h - 3 + 1) / (400 - 3))
    assert association(category(LEVEL), numbers(shifted)) == pytest.approx(expected, abs=1e-12)
    assert association(numbers(shifted), category(LEVEL)) == pytest.approx(expected, abs=1e-12)


def test_two_categories_are_associated_by_bergsmas_v():
    table = pd.crosstab(LEVEL, OTHER).to_numpy()
    raw = stats.contingency.association(table, method="cramer")
    n, k = 400, 3
    phi2 = raw**2 * (k - 1) - (k - 1) ** 2 / (n - 1)
    expected = np.sqrt(phi2 / (k - (k - 1) ** 2 / (n - 1) - 1))
    assert association(category(LEVEL), category(OTHER)) == pytest.approx(expected, abs=1e-12)


def test_the_three_measures_agree_for_two_values_each():
    first, second = RNG.random(4000) < 0.3, RNG.random(4000) < 0.5
    second |= first
    as_numbers = association(numbers(first * 1.0), numbers(second * 1.0))
    mixed = association(category(first), numbers(second * 1.0))
    as_levels = association(category(first), category(second))
    assert as_numbers == pytest.approx(np.corrcoef(first, second)[0, 1])
    assert mixed == pytest.approx(as_numbers, abs=1e-3)
    assert as_levels == pytest.approx(as_numbers, abs=1e-3)


def test_independent_columns_have_no_association_even_with_many_levels():
    many = category(RNG.integers(0, 300, 2000).astype(str))
    assert association(many, numbers(RNG.normal(size=2000))) < 0.2
    assert association(many, category(RNG.integers(0, 5, 2000).astype(str))) < 0.2


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (numbers(np.full(50, 3.0)), numbers(X[:50])),
        (numbers(np.full(50, np.nan)), numbers(X[:50])),
        (category([f"id {i}" for i in range(50)]), numbers(X[:50])),
        (category([f"id {i}" for i in range(50)]), category(["a", "b"] * 25)),
        (numbers(X[:9]), numbers(Y[:9])),
    ],
)
def test_constants_identifiers_and_very_few_rows_have_no_association(first, second):
    assert association(first, second) in (None, 0.0)


def test_columns_are_ranked_by_strength_and_the_matrix_holds_every_pair():
    columns = {"noise": numbers(RNG.normal(size=400)), "down": numbers(-Y), "level": category(LEVEL)}
    ranked = with_target(columns, numbers(X))
    assert next(iter(ranked)) == "down"
    assert ranked["down"] < 0
    found = matrix(columns)
    assert found[0, 1] == found[1, 0] == association(columns["noise"], columns["down"])
    assert np.isnan(np.diag(found)).all()


def test_distances_are_those_of_a_count_by_hand():
    assert kolmogorov_smirnov(np.array([1.0, 2.0, 3.0]), np.array([2.5, 3.5])) == pytest.approx(2 / 3)
    assert total_variation(pd.Series(list("aab")), pd.Series(["a", "c", None, "a"])) == pytest.approx(0.5)
    # Smirnov's limit is the Kolmogorov distribution, of which SciPy has the quantiles.
    assert chance(20_000, 5_000) == pytest.approx(stats.kstwobign.ppf(0.95) / np.sqrt(4_000), rel=1e-3)


@given(*2 * [st.lists(st.integers(-9, 9) | st.floats(allow_nan=False), min_size=2, max_size=40)])
def test_the_distance_of_two_samples_is_that_of_scipy(first, second):
    samples = np.array(first, dtype=float), np.array(second, dtype=float)
    assert kolmogorov_smirnov(*samples) == stats.ks_2samp(*samples, method="asymp").statistic


def test_a_gap_that_only_one_part_has_is_a_shift_and_the_largest_come_first():
    from cairn.settings.contract import Contract

    train = pd.DataFrame({"same": X, "gap": X, "level": LEVEL, "key": range(400)})
    other = train.assign(gap=np.where(np.arange(400) < 100, np.nan, X), level="a")
    kinds = {"same": "numeric", "gap": "numeric", "level": "categorical"}
    columns = {name: {"kind": kind, "group": "g"} for name, kind in kinds.items()}
    contract = Contract.model_validate({"columns": columns | {"key": {"kind": "numeric"}}})
    found = distances(train, other, contract, 0)
    assert list(found) == ["level", "gap", "same"]
    assert found["same"] == 0
    assert found["gap"] == pytest.approx(0.25)
    assert found["level"] == pytest.approx((LEVEL != "a").mean())
    assert summary(found)["median"] == found["gap"]


def test_a_column_of_numbers_is_described_as_pandas_does():
    values = pd.Series(np.where(np.arange(400) % 4 == 0, np.nan, X))
    described = values.describe()
    seen = profile(*of_parts(values, values[:100], "numeric"))
    assert seen.missing == 0.25
    assert seen.distinct == values.nunique()
    assert seen.quantiles == pytest.approx(described[["min", "25%", "50%", "75%", "max"]].tolist())
    assert seen.mean == pytest.approx(described["mean"])
    assert seen.bars.train.sum() == pytest.approx(1)
    assert seen.bars.validation.sum() == pytest.approx(1)


def test_the_levels_of_a_category_are_counted_in_both_parts_in_the_order_of_train():
    seen = profile(*of_parts(LEVEL, pd.Series(["ü", "ü", "new", None]), "categorical"))
    assert [level.name for level in seen.levels] == LEVEL.value_counts().index.tolist()
    assert [level.train for level in seen.levels] == pytest.approx(
        LEVEL.value_counts(normalize=True).tolist()
    )
    assert [level.validation for level in seen.levels] == pytest.approx([0, 0, 2 / 3])
    assert seen.distinct == 3


def test_a_number_and_its_text_are_one_level_as_they_are_for_the_models():
    values = category(pd.Series([1, 1.0, "1", 2, None], dtype=object))
    assert values.levels == ("1", "2")
    assert values.numbers[:4].tolist() == [0, 0, 0, 1]
    assert np.isnan(values.numbers[4])


@given(st.lists(st.floats(-1e12, 1e12) | st.integers(-50, 50), min_size=1, max_size=60))
def test_bin_edges_increase_and_are_at_most_26(values):
    edges = bin_edges(np.array(values, dtype=float))
    assert (np.diff(edges) > 0).all() or len(edges) == 2
    assert 2 <= len(edges) <= 26


def test_positive_numbers_of_several_orders_of_magnitude_have_logarithmic_bins():
    values = pd.Series(np.exp(5 * RNG.normal(size=400)))
    seen = profile(*of_parts(values, values, "numeric"))
    assert seen.bars.logarithmic
    assert seen.bars.train.max() < 0.2
    assert not profile(*of_parts(values - 1, values, "numeric")).bars.logarithmic


def test_whole_numbers_have_bins_centred_on_whole_numbers():
    assert bin_edges(np.array([0.0, 1, 2, 3])).tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5]


@pytest.mark.parametrize("events", [0, 7, 50])
def test_the_interval_of_a_rate_is_that_of_scipy(events):
    wilson = stats.binomtest(events, 50).proportion_ci(method="wilson")
    mean = mean_of(np.r_[np.ones(events), np.zeros(50 - events)], "binary")
    assert mean == pytest.approx((events / 50, wilson.low, wilson.high), abs=1e-12)


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution():
    low, high = stats.norm.interval(0.95, X.mean(), stats.sem(X))
    mean = mean_of(X, "regression")
    assert (mean.low, mean.high) == pytest.approx((low, high))


@pytest.mark.parametrize(
    ("span", "period"),
    [("30h", "hour"), ("60D", "day"), ("400D", "week"), ("3000D", "month"), ("70000D", "year")],
)
def test_the_period_is_the_shortest_that_gives_at_most_100_periods(span, period):
    time = pd.Series(
        pd.Timestamp("2020-01-01") + pd.to_timedelta(np.linspace(0, 1, 500) * pd.Timedelta(span))
    )
    assert period_of(time) == period


def test_rows_of_a_single_time_have_no_period():
    assert period_of(pd.Series(pd.to_datetime(["2020-01-01"] * 3))) is None


def test_the_target_by_day_equals_pandas_groupby():
    time = pd.Series(pd.date_range("2020-01-01", periods=400, freq="h"))
    y = pd.Series((X > 0).astype("int8"))
    by_day = y.groupby(time.dt.date)
    found = over_time(time, y, "binary", "day")
    assert found["value"].tolist() == pytest.approx(by_day.mean().tolist())
    assert found["rows"].tolist() == by_day.size().tolist()
    classes = over_time(time, LEVEL, "multiclass", "day")
    expected = (LEVEL == "a").groupby(time.dt.date).mean()
    assert classes["is a"].tolist() == pytest.approx(expected.tolist())


@pytest.mark.parametrize("name", ["rows", "start", "value", "$_$", "_hidden", "<b>"])
def test_a_class_may_have_any_name_in_the_figure_over_time(name):
    time = pd.Series(pd.date_range("2020-01-01", periods=400, freq="D"))
    found = over_time(time, LEVEL.replace("a", name), "multiclass", "month")
    drawn = target_figure(found, {}, f"share of {name}")
    assert drawn.count(name.replace("<", "&lt;").replace(">", "&gt;")) >= 2


@pytest.mark.parametrize(
    "ends",
    [
        ("2020-07-19 00:00:00+02:00", "2020-11-27 00:00:00+01:00"),
        ("2020-07-19 00:00:00", "2020-11-27 00:00:00.500000"),
    ],
)
def test_the_ends_of_validation_may_be_written_in_two_ways(ends):
    time = pd.Series(pd.date_range("2020-01-01", periods=400, freq="D"))
    found = over_time(time, pd.Series(X), "regression", "month")
    part = {"from": ends[0], "until": ends[1], "mean": 0.0}
    assert "validation" in target_figure(found, {"validation": part}, "mean y")


def test_dates_with_a_time_zone_are_shown_in_utc():
    local = pd.Series(pd.to_datetime(["2020-07-01 12:00"]).tz_localize("Europe/Berlin"))
    assert to_utc(local)[0] == pd.Timestamp("2020-07-01 10:00")
    assert moment(as_values(local, "datetime").numbers[0]) == "2020-07-01 10:00"


def test_columns_missing_in_the_same_rows_are_one_gap():
    holes = np.arange(400) < 80
    table = pd.DataFrame({"a": np.where(holes, np.nan, X), "b": LEVEL.mask(holes), "c": X, "d": Y})
    table.loc[399, "d"] = np.nan
    y = np.r_[np.ones(100), np.zeros(300)]
    first, second = gaps(table, list("abcd"), Values("boolean", y), "binary")
    assert first.columns == ("a", "b")
    assert (first.share, first.where_missing.value, first.elsewhere.value) == (0.2, 1.0, 20 / 320)
    assert first.association == pytest.approx(np.corrcoef(holes, y)[0, 1])
    assert second.columns == ("d",)


def test_rare_and_unseen_levels_are_counted():
    train = pd.Series(["a"] * 100 + ["b"] * 19 + ["c"])
    rare = rare_levels("x", *of_parts(train, pd.Series(["a", "new", None]), "categorical"))
    assert worst_first([rare]) == [rare]
    assert (rare.levels, rare.rare, rare.rare_share) == (3, 2, 20 / 120)
    assert (rare.unseen, rare.unseen_share) == (("new",), 0.5)
    assert not rare.identifies_rows


def test_groups_are_the_levels_or_the_quarters_of_a_column_and_missing_is_one():
    column = pd.Series(np.r_[np.arange(96.0), [np.nan] * 4])
    y = np.r_[np.zeros(50), np.ones(50)]
    found = groups(*of_parts(column, column[:50], "numeric"), Values("boolean", y), "binary")
    assert [group.rows for group in found] == [24, 24, 24, 24, 4]
    assert found[-1].name == "(missing)"
    assert found[0].validation == pytest.approx(24 / 50)
    assert found[3].target.value == 1


def test_the_largest_levels_of_a_category_are_its_groups_and_missing_is_one():
    column = pd.Series(np.repeat([f"l{i}" for i in range(30)] + [None], np.r_[np.arange(30, 0, -1), 40]))
    found = groups(*of_parts(column, column[:50], "categorical"), Values("boolean", np.ones(505)), "binary")
    assert [group.name for group in found] == ["(missing)", *(f"l{i}" for i in range(11))]


def test_entities_are_counted():
    equal = entities(pd.Series(np.repeat(range(10), 5)))
    assert equal == (10, 5, 0.1)
    assert entities(pd.Series([0] * 98 + [1, 2])).largest_share == 0.98


def test_a_histogram_has_a_bar_for_every_bin_with_rows():
    seen = profile(*of_parts(pd.Series([0, 0, 1, 3]), pd.Series([0, 3]), "numeric"))
    drawn = histogram(seen.bars, "numeric")
    assert drawn["train"].count("M") == 3
    assert [text for _, text in drawn["bins"]] == [
        "0: 50.0% of train, 50.0% of validation",
        "1: 25.0% of train, 0.0% of validation",
        "2: 0.0% of train, 0.0% of validation",
        "3: 25.0% of train, 50.0% of validation",
    ]
    wide = profile(*of_parts(pd.Series(np.arange(1000) / 7), pd.Series([5.0]), "numeric"))
    for (low, high), share in zip(wide.bars.edges[1:-1], wide.bars.train[1:-1], strict=True):
        assert ((np.arange(1000) / 7 >= low) & (np.arange(1000) / 7 < high)).mean() == pytest.approx(share)
