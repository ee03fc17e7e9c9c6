"""Rates of protected columns against scikit-learn's, and their intervals against draws one by one."""

import numpy as np
import pandas as pd
import pytest
from resamples import draw_counts
from sklearn.metrics import confusion_matrix

from cairn.metrics.bootstrap import Resampling
from cairn.metrics.fairness import MEASURES, fairness

RNG = np.random.default_rng(0)
SEX = RNG.choice(["f", "m"], 400, p=[0.3, 0.7])
Y = (RNG.random(400) < 0.4).astype(int)
P = np.clip(0.4 * Y + 0.3 * RNG.random(400) + 0.2 * (SEX == "m"), 0, 1)
DAYS = np.arange(400) % 25
TABLE = pd.DataFrame({"sex": SEX})


def rates(y, p, weights=None):
    """The four measures by their definition."""
    (tn, fp), (fn, tp) = confusion_matrix(y, p > 0.45, labels=[0, 1], sample_weight=weights)
    total = tn + fp + fn + tp
    gap = np.average(p - y, weights=weights)
    return dict(zip(MEASURES, [(fp + tp) / total, fp / (fp + tn), fn / (fn + tp), gap], strict=True))


def measured(columns=TABLE, y=Y, p=P, **more):
    resampling = Resampling(100, 3, DAYS, 0.9)
    found = fairness(y, p, 0.45, columns, resampling, **{"min_rows": 10} | more)
    return {(row["level"], row["measure"]): row for row in found}


@pytest.mark.parametrize("level", ["f", "m"])
def test_every_rate_is_that_of_scikit_learn_and_the_gap_is_to_all_other_rows(level):
    found, inside = measured(), level == SEX
    ours, rest = rates(Y[inside], P[inside]), rates(Y[~inside], P[~inside])
    for measure in MEASURES:
        row = found[level, measure]
        assert (row["column"], row["rows"]) == ("sex", inside.sum())
        assert row["estimate"].value == pytest.approx(ours[measure])
        assert row["gap"].value == pytest.approx(ours[measure] - rest[measure])


def test_the_intervals_are_those_of_the_days_drawn():
    inside, drawn = SEX == "f", {measure: [] for measure in MEASURES}
    for counts in draw_counts(DAYS, 100, 3):
        weights = counts[DAYS]
        ours = rates(Y[inside], P[inside], weights[inside])
        rest = rates(Y[~inside], P[~inside], weights[~inside])
        for measure in MEASURES:
            drawn[measure].append((ours[measure], ours[measure] - rest[measure]))
    found = measured()
    for measure, values in drawn.items():
        (low, gap_low), (high, gap_high) = np.quantile(values, [0.05, 0.95], axis=0)
        row = found["f", measure]
        assert (row["estimate"].low, row["estimate"].high) == pytest.approx((low, high))
        assert (row["gap"].low, row["gap"].high) == pytest.approx((gap_low, gap_high))


def test_a_difference_that_was_built_in_is_found():
    gap = measured()["m", "selection_rate"]["gap"]
    assert gap.low > 0.05
    assert measured()["f", "selection_rate"]["gap"].value == pytest.approx(-gap.value)


def test_a_rate_of_no_rows_is_undefined_and_small_levels_are_left_out():
    columns = pd.DataFrame({"sex": np.where(Y == 1, "event", "none")})
    found = measured(columns)
    assert np.isnan(found["event", "false_positive_rate"]["estimate"].value)
    assert found["event", "calibration"]["estimate"].value == pytest.approx((P - Y)[Y == 1].mean())
    assert {level for level, _ in measured(min_rows=200)} == {"m"}
    assert measured(TABLE[[]]) == {}
