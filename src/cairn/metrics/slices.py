"""Scores of slices, the rows with one level of one column, compared with a baseline."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cairn.metrics.bootstrap import Resampling, bootstrap, on_all_rows
from cairn.metrics.scores import METRICS
from cairn.settings.data import Task

SLICE_METRICS: dict[Task, tuple[str, ...]] = {
    "binary": ("roc_auc", "log_loss"),
    "multiclass": ("roc_auc", "log_loss"),
    "regression": ("rmse", "mae"),
}
MOST_LEVELS = 50
"""A numeric column with more distinct values than this is cut at its quartiles."""

MISSING = "(missing)"


def slice_scores(
    task: Task,
    y: ArrayLike,
    predictions: Mapping[str, ArrayLike],
    columns: pd.DataFrame,
    resampling: Resampling,
    *,
    model: str,
    reference: str,
    min_rows: int,
    primary: str | None = None,
    thresholds: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Compare model with reference in every level of at least `min_rows` rows.

    The metrics are `SLICE_METRICS` and the primary one; thresholds are of binary decisions, by model.

    y and predictions are as in `scores.score`; columns has the same n rows, and missing values are a level.
    With blocks, all slices see the same draws.

    Returns:
        One row per column, level and metric: column, level, rows, mean (of the target: the base rate of a
        binary one, NaN for classes), metric, value, reference, gain, low, high. `gain` is the paired
        difference with the sign of "the model is better", with its interval.
    """
    target = np.asarray(y)
    names = tuple(dict.fromkeys((*SLICE_METRICS[task], *([primary] if primary else []))))
    cut = {name: (thresholds or {}).get(name, 0.5) for name in (model, reference)}
    pair = {name: np.asarray(predictions[name]) for name in dict.fromkeys((model, reference))}
    found = []
    for column in columns:
        for level, rows in slice_levels(columns[column], min_rows).items():
            part = {name: values[rows] for name, values in pair.items()}
            labels, drawn_from = target[rows], resampling.of(rows)
            draws = bootstrap(task, labels, part, drawn_from, metrics=names, thresholds=cut)
            weights = drawn_from.weights
            values = {
                name: on_all_rows(task, labels, p, threshold=cut[name], metrics=names, weights=weights)
                for name, p in part.items()
            }
            known = task != "multiclass" and (weights is None or weights.any())
            mean = float(np.average(labels, weights=weights)) if known else np.nan
            for name in names:
                sign = METRICS[name].sign
                ours, theirs = values[model][name], values[reference][name]
                drawn = sign * (draws[model][name] - draws[reference][name])
                gain = resampling.estimate(sign * (ours - theirs), drawn)
                found.append((column, level, len(rows), mean, name, ours, theirs, *gain))
    header = ["column", "level", "rows", "mean", "metric", "value", "reference", "gain", "low", "high"]
    return pd.DataFrame(found, columns=header)


def slice_levels(column: pd.Series, min_rows: int) -> dict[str, NDArray[np.int64]]:
    """Return the row positions of each level with at least `min_rows` rows, in the order of the levels.

    A numeric column with more than `MOST_LEVELS` distinct values is cut at its quartiles.
    """
    return {level: rows for level, rows in _levels(column).items() if len(rows) >= min_rows}


def small_levels(columns: pd.DataFrame, min_rows: int) -> dict[str, dict[str, int]]:
    """Count the levels that `slice_levels` leaves out and their rows, for the columns that have any."""
    found = {}
    for column in columns:
        sizes = [len(rows) for rows in _levels(columns[column]).values() if len(rows) < min_rows]
        if sizes:
            found[str(column)] = {"levels": len(sizes), "rows": sum(sizes)}
    return found


def _levels(column: pd.Series) -> dict[str, NDArray[np.int64]]:
    values = column.reset_index(drop=True)
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > MOST_LEVELS:
        values = pd.qcut(values, 4, duplicates="drop")
    groups = {
        str(level): rows.to_numpy(dtype=np.int64)
        for level, rows in values.groupby(values, observed=True).groups.items()
    }
    missing = np.flatnonzero(values.isna())
    if len(missing):
        groups[MISSING] = missing
    return groups
