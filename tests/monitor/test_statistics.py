"""What is measured in a window, against SciPy and by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

from cairn.monitor.relations import fit_relations, forward_selection
from cairn.monitor.statistics import (
    Statistic,
    concentration,
    jensen_shannon,
    learn,
    measure,
    varies_with_months,
)
from cairn.monitor.values import breaks
from cairn.monitor.windows import halves_of, length_of, windows_of
from cairn.settings.contract import Column, Contract

CONTRACT = Contract(
    columns={
        "x": Column(kind="numeric", group="g", nullable=True),
        "y": Column(kind="numeric", group="g", nullable=True),
        "k": Column(kind="categorical", group="g", nullable=True),
        "id": Column(kind="numeric"),
    }
)
ROWS = 200
"""Rows of a window."""


def table(windows=40, seed=0):
    rng = np.random.default_rng(seed)
    x = 3 + rng.normal(size=windows * ROWS)
    return pd.DataFrame(
        {
            "x": x,
            "y": x**2 + 0.1 * rng.normal(size=len(x)),
            "k": rng.choice(["a", "b"], len(x)),
            "id": np.arange(len(x)),
        }
    )


def measured(frame, reference_frame=None):
    known = table() if reference_frame is None else reference_frame
    length = length_of(f"{ROWS}rows")
    reference = learn(known, windows_of(None, len(known), length), CONTRACT)
    found = measure(frame, windows_of(None, len(frame), length), reference, {})
    return {statistic: found.values[:, at] for at, statistic in enumerate(found.statistics)}


# SciPy divides by the sum and overflows where a share is subnormal.
SHARES = st.lists(st.floats(0, 1, allow_subnormal=False), min_size=4, max_size=4).filter(
    lambda parts: sum(parts) > 0.1
)


@given(SHARES, SHARES)
def test_the_distance_is_that_of_scipy(first, second):
    p, q = np.array(first) / sum(first), np.array(second) / sum(second)
    assert jensen_shannon(p, q) == pytest.approx(np.nan_to_num(jensenshannon(p, q, base=2)), abs=1e-7)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60))
def test_concentration_is_one_over_the_exponential_of_the_entropy(values):
    windows = windows_of(None, len(values), length_of("1000rows"))
    expected = np.exp(-entropy(np.bincount(values)))
    assert concentration(pd.Series(values, dtype=float), windows)[0] == pytest.approx(expected)


def test_concentration_leaves_missing_values_out():
    windows = windows_of(None, 4, length_of("2rows"))
    found = concentration(pd.Series([1.0, np.nan, np.nan, np.nan]), windows)
    assert found[0] == 1 and np.isnan(found[1])


def test_shares_of_missing_and_unseen_values_are_counted_by_window():
    frame = table(2, seed=1)
    frame.loc[:49, "x"] = np.nan
    frame.loc[ROWS : ROWS + 19, "k"] = "c"
    frame.loc[ROWS + 20 : ROWS + 29, "k"] = None
    found = measured(frame)
    assert found[Statistic("missing", "x")].tolist() == [0.25, 0]
    assert found[Statistic("unseen", "k")].tolist() == [0, 0.1]
    assert found[Statistic("missing", "k")].tolist() == [0, 0.05]
    assert not any(statistic.column == "id" for statistic in found)


def test_a_category_of_a_single_window_of_the_reference_counts_as_unseen():
    known = table()
    known.loc[:4, "k"] = "once"
    frame = table(1, seed=1)
    frame.loc[:9, "k"] = "once"
    assert measured(frame, known)[Statistic("unseen", "k")].tolist() == [0.05]


def test_numbers_between_those_of_the_reference_are_counted_where_it_has_steps():
    known = table().assign(x=lambda rows: rows["x"].round() * 1.15078)
    frame = pd.DataFrame({"x": known["x"][: 4 * ROWS], "y": 0.0, "k": "a"})
    frame.loc[ROWS : 2 * ROWS - 1, "x"] *= 0.44704
    frame.loc[2 * ROWS : 3 * ROWS - 1, "x"] += 99
    frame.loc[3 * ROWS :, "x"] = frame["x"] * (1 + 1e-12)
    frame.loc[3 * ROWS, "x"] = np.nan
    found = measured(frame, known)
    usual, other_unit, larger, computed = found[Statistic("grid", "x")]
    assert usual == larger == computed == 0 and other_unit > 0.9
    assert Statistic("grid", "y") not in found


@pytest.mark.parametrize(("shift", "least", "most"), [(0, 0, 0.2), (3, 0.7, 1)])
def test_a_moved_column_has_a_large_distance(shift, least, most):
    frame = table(3, seed=2)
    frame["x"] += shift
    distance = measured(frame)[Statistic("drift", "x")]
    assert ((distance >= least) & (distance <= most)).all()


def test_a_curved_relation_is_found_and_its_break_is_measured():
    known, frame = table(), table(2, seed=3)
    frame.loc[ROWS:, "y"] = frame.loc[ROWS:, "y"] * 1.8 + 3
    windows = windows_of(None, len(known), length_of(f"{ROWS}rows"))
    relations = fit_relations(known, windows, ["x", "y"], ["k"])
    assert [list(relations.columns)[at] for at in relations.found["y"].predictors] == ["x"]
    found = measured(frame)
    usual, broken = found[Statistic("relation", "y")]
    assert usual < 0.05 and broken > 1
    few, many = found[Statistic("outliers", "y")]
    assert few < 0.05 and many > 0.5


def test_columns_of_noise_have_no_relation():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(4000, 3)), columns=list("abc"))
    windows = windows_of(None, len(frame), length_of("100rows"))
    assert fit_relations(frame, windows, list("abc"), []).found == {}


def test_forward_selection_takes_what_explains_most_first():
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(3, 5000))
    inputs = np.column_stack([2 * a + b, a, b, c])
    chosen = forward_selection(np.corrcoef(inputs.T), 0, np.array([False, True, True, True]), 3)
    assert chosen == [1, 2]


def test_halves_are_weeks_in_turn():
    assert halves_of(16).tolist() == [0] * 7 + [1] * 7 + [0] * 2


def test_a_column_that_follows_the_months_is_seasonal_and_another_month_is_not_assessable():
    days = pd.date_range("2023-01-01", "2023-06-30", freq="D")
    time = pd.Series(np.repeat(days, 30))
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"x": 10 * time.dt.month + rng.normal(size=len(time)), "y": rng.normal(size=len(time))}
    )
    contract = Contract(columns={name: CONTRACT.columns[name] for name in "xy"})
    reference = learn(frame, windows_of(time, len(time), length_of("1D")), contract)
    assert {name: usual.seasonal for name, usual in reference.columns.items()} == {"x": True, "y": False}
    later = pd.Series(np.repeat(pd.to_datetime(["2024-03-10", "2024-10-10"]), 30))
    rows = pd.DataFrame({"x": 10 * later.dt.month + rng.normal(size=60), "y": rng.normal(size=60)})
    found = measure(rows, windows_of(later, 60, length_of("1D")), reference, {})
    at = found.statistics.index(Statistic("drift", "x"))
    assert found.values[0, at] < 0.7 and np.isnan(found.values[1, at])
    assert found.seasonal[at]


def test_noise_does_not_vary_with_the_months():
    rng = np.random.default_rng(0)
    months = np.repeat(np.arange(1, 9), 28)
    assert not varies_with_months(rng.normal(size=(224, 2)), months)
    assert varies_with_months(months[:, None] + rng.normal(size=(224, 1)), months)


@pytest.mark.parametrize(
    ("values", "column", "broken"),
    [
        ([1.0, None, 3.0], {"kind": "numeric"}, [False, True, False]),
        ([1.0, None, 3.0], {"kind": "numeric", "nullable": True, "max": 2}, [False, False, True]),
        ([1, "x", "3"], {"kind": "numeric", "min": 2}, [True, True, False]),
        ([True, False, True], {"kind": "numeric"}, [True, True, True]),
        ([1, 0, 2], {"kind": "boolean"}, [False, False, True]),
        (["a", "b", None], {"kind": "categorical", "allowed": ["a"], "nullable": True}, [False, True, False]),
        (["2024-01-01", "soon", "2024-01-02"], {"kind": "datetime"}, [False, True, False]),
        ([None, None, None], {"kind": "numeric", "nullable": True}, [False, False, False]),
    ],
)
def test_each_value_that_breaks_the_contract_is_found_and_no_other(values, column, broken):
    assert breaks(pd.Series(values), Column(**column)).tolist() == broken
