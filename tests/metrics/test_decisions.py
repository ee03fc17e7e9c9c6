"""Where a decision turns: against trying every threshold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.metrics.decisions import best_cost_threshold, best_f1_threshold, decision_threshold
from cairn.metrics.kpi import row_cost
from cairn.settings.kpi import CostKpi, NoKpi

COSTS = CostKpi(kind="cost", currency="EUR", action=100.0, loss=1000.0, share_saved=0.4)
ROWS = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.2, 0.5, 0.7, 3.0])), min_size=1, max_size=30
)


@given(ROWS)
@settings(deadline=None)
def test_no_other_threshold_costs_less(rows):
    y, score = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    chosen = row_cost(y, score > best_cost_threshold(y, score, COSTS), COSTS).sum()
    tried = [row_cost(y, score > t, COSTS).sum() for t in [*np.unique(score), 0.0]]
    assert chosen == pytest.approx(min(tried))


def test_a_probability_gets_the_bayes_threshold_and_a_raw_score_a_tuned_one():
    y, score = np.array([0, 0, 1, 1]), np.array([0.3, 0.4, 0.8, 0.9])
    assert decision_threshold(y, score, COSTS, probability=True) == 0.25
    assert decision_threshold(y, score, COSTS, probability=False) == pytest.approx(0.6)


def test_without_costs_both_get_the_best_f1():
    y, score = np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.5, 0.9])
    for probability in (True, False):
        found = decision_threshold(y, score, NoKpi(kind="none"), probability=probability)
        assert found == best_f1_threshold(y, score)
