"""How differently a binary model treats the rows with one value of a protected column and all other rows."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.data.predictions import Floats
from cairn.metrics.bootstrap import Estimate, Resampling, bootstrap_sums
from cairn.metrics.decisions import decide, ratio
from cairn.metrics.slices import slice_levels
from cairn.metrics.weighted import weighted_rows

MEASURES = ("selection_rate", "false_positive_rate", "false_negative_rate", "calibration")


def measured_rows(y: NDArray[np.int64], prediction: Floats, threshold: float) -> Mapping[str, Floats]:
    """Return by measure what is divided by what, two numbers per row, shape (n, 2).

    selection_rate: share of rows decided positive; false_positive_rate: that share of the negative rows;
    false_negative_rate: share of the positive rows decided negative; calibration: mean of predicted
    probability minus outcome, above 0 where the probabilities are too high.
    """
    positive, chosen, every = y == 1, decide(prediction, threshold) == 1, np.ones(len(y))
    return {
        "selection_rate": np.column_stack([chosen, every]),
        "false_positive_rate": np.column_stack([chosen & ~positive, ~positive]).astype(np.float64),
        "false_negative_rate": np.column_stack([~chosen & positive, positive]).astype(np.float64),
        "calibration": np.column_stack([prediction - y, every]),
    }


def fairness(
    y: NDArray[np.int64],
    prediction: Floats,
    threshold: float,
    columns: pd.DataFrame,
    resampling: Resampling,
    *,
    min_rows: int,
) -> list[dict[str, object]]:
    """Measure every level of at least `min_rows` rows of every column, and its gap to all other rows.

    Args:
        y: 1 for the event, shape (n,).
        prediction: probabilities, shape (n,).
        threshold: rows above it are decided positive.
        columns: the protected columns of the same rows; missing values are a level, see slice_levels.
        resampling: of the rows, for the intervals.
        min_rows: of a level.

    Returns:
        One record per column, level and measure: column, level, rows, measure, estimate and gap, both
        Estimates; the gap is the value of the level minus the rest's. NaN where nothing is divided by.
    """
    found: list[dict[str, object]] = []
    for column in columns:
        for level, rows in slice_levels(columns[column], min_rows).items():
            inside = np.zeros((len(y), 1))
            inside[rows] = 1
            for measure, pair in measured_rows(y, prediction, threshold).items():
                estimate, gap = _compared(np.hstack([pair * inside, pair * (1 - inside)]), resampling)
                found.append(
                    {"column": str(column), "level": level, "rows": len(rows), "measure": measure}
                    | {"estimate": estimate, "gap": gap}
                )
    return found


def _compared(pairs: Floats, resampling: Resampling) -> Sequence[Estimate]:
    """Return the ratio of the first two columns of (n, 4), and how far it is above the others' ratio."""
    pairs = weighted_rows(pairs, resampling.weights)
    sums = np.vstack([pairs.sum(axis=0), bootstrap_sums(pairs, resampling)])
    level, rest = (ratio(sums[:, at], sums[:, at + 1], np.nan) for at in (0, 2))
    return [resampling.estimate(values[0], values[1:]) for values in (level, level - rest)]
