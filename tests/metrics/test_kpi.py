"""Money: a small case worked by hand, and what must hold for any costs."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.metrics.bootstrap import Resampling, interval
from cairn.metrics.kpi import policy_series, row_cost
from cairn.settings.kpi import CostKpi

COSTS = CostKpi(kind="cost", currency="USD", action=100.0, loss=1000.0, share_saved=0.4)
series_of = partial(policy_series, costs=COSTS)


def test_ten_flights_by_hand():
    y = [1, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    rule = [1, 0, 0, 1, 1, 0, 0, 0, 0, 0]
    model = [1, 1, 0, 1, 0, 0, 0, 0, 0, 0]
    series = series_of(y, {"rule": rule, "model": model})
    values = {name: {key: float(one[0]) for key, one in found.items()} for name, found in series.items()}
    # Per 10 rows: nothing 3·1000; always 10·100 + 3·600; rule 300 + 600 + 2·1000; model 300 + 2·600 + 1000.
    assert {name: found["cost"] for name, found in values.items()} == {
        "nothing": 300_000, "always": 280_000, "rule": 290_000, "model": 250_000, "oracle": 210_000,
    }  # fmt: skip
    assert values["model"] == pytest.approx(
        {
            "cost": 250_000, "spent": 30_000, "saving": 50_000, "roi": 50 / 30, "acted": 0.3,
            "precision": 2 / 3, "recall": 2 / 3, "share_of_oracle": 50 / 90,
        }
    )  # fmt: skip
    assert np.isnan(values["nothing"]["roi"])


def test_the_cost_of_a_row():
    assert row_cost([0, 1, 0, 1], [0, 0, 1, 1], COSTS).tolist() == [0, 1000, 100, 700]


decisions = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40)


@settings(max_examples=50, deadline=None)
@given(decisions)
def test_reported_costs_are_those_of_the_rows(rows):
    y, acted = np.array(rows, dtype=int).T
    series = series_of(y, {"model": acted})
    for name, policy in {"nothing": 0 * y, "always": 0 * y + 1, "model": acted, "oracle": y}.items():
        assert series[name]["cost"] == pytest.approx(1000 * row_cost(y, policy, COSTS).mean())


@settings(max_examples=50, deadline=None)
@given(decisions)
def test_nobody_beats_the_oracle(rows):
    y, acted = np.array(rows, dtype=int).T
    policies = series_of(y, {"model": acted}, resampling=Resampling(5, 0))
    assert all((policies["oracle"]["cost"] <= found["cost"] + 1e-9).all() for found in policies.values())


def test_always_costs_what_nothing_does_where_the_base_rate_is_the_threshold():
    y = np.tile([1, 0, 0, 0], 25)
    assert COSTS.threshold == pytest.approx(y.mean())
    policies = series_of(y, {})
    assert policies["always"]["cost"] == pytest.approx(policies["nothing"]["cost"])
    # flights.md, section 4: at a base rate of .2499 nothing costs 249.9 a flight and the oracle 174.9.
    assert policies["nothing"]["cost"] == pytest.approx(250_000)
    assert policies["oracle"]["cost"] == pytest.approx(175_000)


def test_acting_above_the_bayes_threshold_is_cheapest_when_probabilities_are_true():
    rng = np.random.default_rng(0)
    p = rng.beta(1, 3, 200_000)
    y = rng.random(200_000) < p
    cuts = {f"{shift:+}": p > COSTS.threshold + shift for shift in (-0.1, 0.0, 0.1)}
    policies = series_of(y, cuts)
    assert min(cuts, key=lambda name: policies[name]["cost"]) == "+0.0"


def test_a_policy_compared_with_itself_saves_exactly_nothing():
    rng = np.random.default_rng(0)
    y, acted = rng.integers(0, 2, (2, 300))
    blocks = np.arange(300) // 10
    series = series_of(y, {"a": acted, "b": acted.copy()}, resampling=Resampling(50, 0, blocks))
    assert (series["a"]["cost"] == series["b"]["cost"]).all()


def test_the_interval_of_a_saving_is_paired():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 3000)
    acted = rng.integers(0, 2, 3000)
    other = np.where(rng.random(3000) < 0.01, 1 - acted, acted)
    series = series_of(y, {"a": acted, "b": other}, resampling=Resampling(200, 0))
    paired, alone = series["b"]["cost"] - series["a"]["cost"], series["a"]["cost"]
    assert interval(paired[1:])[0] <= paired[0] <= interval(paired[1:])[1]
    assert np.ptp(interval(paired[1:])) < 0.3 * np.ptp(interval(alone[1:]))
