"""Holm's correction: the published example, and what it promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.metrics.multiplicity import holm


def test_holm_is_a_sequence_of_bonferroni_tests_of_what_is_left():
    p = [0.01, 0.04, 0.03, 0.005]
    assert holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert np.isnan(holm([0.02, float("nan"), 0.6])[1])
    assert holm([0.02, float("nan"), 0.6])[::2] == pytest.approx([0.04, 0.6])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.001, 0.5))
def test_holm_rejects_what_the_step_down_procedure_rejects(p, level):
    rejected = np.zeros(len(p), dtype=bool)
    for step, i in enumerate(np.argsort(p, kind="stable")):
        if p[i] * (len(p) - step) > level:
            break
        rejected[i] = True
    assert (np.array(holm(p)) <= level).tolist() == rejected.tolist()
