"""Money: a small case worked by hand, and what must hold for any costs."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.metrics.bootstrap import Resampling
from cairn.metrics.kpi import kpi_report, row_cost
from cairn.settings.kpi import CostKpi

COSTS = CostKpi(kind="cost", currency="USD", action=100.0, loss=1000.0, share_saved=0.4)
report_of = partial(kpi_report, costs=COSTS, resampling=Resampling(50, 0))


def test_ten_flights_by_hand():
    y = [1, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    rule = [1, 0, 0, 1, 1, 0, 0, 0, 0, 0]
    model = [1, 1, 0, 1, 0, 0, 0, 0, 0, 0]
    report = report_of(y, {"rule": rule, "model": model})
    values = {name: {key: e.value for key, e in found.items()} for name, found in report.policies.items()}
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
    savings = {other: e.value for other, e in report.savings["model"].items()}
    assert savings == {"nothing": 50_000, "always": 30_000, "rule": 40_000}
    assert np.isnan(values["nothing"]["roi"])


def test_the_cost_of_a_row():
    assert row_cost([0, 1, 0, 1], [0, 0, 1, 1], COSTS).tolist() == [0, 1000, 100, 700]


decisions = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40)


@settings(max_examples=50, deadline=None)
@given(decisions)
def test_reported_costs_are_those_of_the_rows(rows):
    y, acted = np.array(rows, dtype=int).T
    report = kpi_report(y, {"model": acted}, COSTS, Resampling(5, 0))
    for name, policy in {"nothing": 0 * y, "always": 0 * y + 1, "model": acted, "oracle": y}.items():
        assert report.policies[name]["cost"].value == pytest.approx(1000 * row_cost(y, policy, COSTS).mean())


@settings(max_examples=50, deadline=None)
@given(decisions)
def test_nobody_beats_the_oracle(rows):
    y, acted = np.array(rows, dtype=int).T
    policies = kpi_report(y, {"model": acted}, COSTS, Resampling(5, 0)).policies
    assert all(policies["oracle"]["cost"].value <= found["cost"].value + 1e-9 for found in policies.values())


def test_always_costs_what_nothing_does_where_the_base_rate_is_the_threshold():
    y = np.tile([1, 0, 0, 0], 25)
    assert COSTS.threshold == pytest.approx(y.mean())
    policies = report_of(y, {}).policies
    assert policies["always"]["cost"].value == pytest.approx(policies["nothing"]["cost"].value)
    # flights.md, section 4: at a base rate of .2499 nothing costs 249.9 a flight and the oracle 174.9.
    assert policies["nothing"]["cost"].value == pytest.approx(250_000)
    assert policies["oracle"]["cost"].value == pytest.approx(175_000)


def test_acting_above_the_bayes_threshold_is_cheapest_when_probabilities_are_true():
    rng = np.random.default_rng(0)
    p = rng.beta(1, 3, 200_000)
    y = rng.random(200_000) < p
    cuts = {f"{shift:+}": p > COSTS.threshold + shift for shift in (-0.1, 0.0, 0.1)}
    policies = report_of(y, cuts).policies
    assert min(cuts, key=lambda name: policies[name]["cost"].value) == "+0.0"


def test_a_policy_compared_with_itself_saves_exactly_nothing():
    rng = np.random.default_rng(0)
    y, acted = rng.integers(0, 2, (2, 300))
    blocks = np.arange(300) // 10
    report = report_of(y, {"a": acted, "b": acted.copy()}, resampling=Resampling(50, 0, blocks))
    assert report.savings["a"]["b"] == (0, 0, 0)


def test_the_interval_of_a_saving_is_paired():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 3000)
    acted = rng.integers(0, 2, 3000)
    other = np.where(rng.random(3000) < 0.01, 1 - acted, acted)
    report = kpi_report(y, {"a": acted, "b": other}, COSTS, Resampling(200, 0))
    paired, alone = report.savings["a"]["b"], report.policies["a"]["cost"]
    assert paired.low <= paired.value <= paired.high
    assert paired.high - paired.low < 0.3 * (alone.high - alone.low)


@pytest.mark.parametrize(
    ("decided", "says"), [({"oracle": [1, 0]}, "cannot be called 'oracle'"), ({"a": [1]}, "decides on")]
)
def test_impossible_policies_are_refused(decided, says):
    with pytest.raises(ValueError, match=says):
        report_of([0, 1], decided)
