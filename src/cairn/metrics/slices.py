"""Scores of slices, the rows with one level of one column, compared with a baseline."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cairn.metrics.bootstrap import Blocks, bootstrap, interval
from cairn.metrics.scores import METRICS, score
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
    *,
    model: str,
    reference: str,
    min_rows: int,
    resamples: int,
    seed: int,
    blocks: Blocks = None,
    confidence: float = 0.95,
    metrics: Iterable[str] | None = None,
) -> pd.DataFrame:
    """Score every level of every column with at least `min_rows` rows.

    Args:
        task: binary, multiclass or regression.
        y: class codes or values, shape (n,), see `scores.score`.
        predictions: by name, predictions of these rows; those of `model` and `reference` are used.
        columns: the columns to slice by, n rows in the same order; missing values are a level.
        model: whose scores are reported.
        reference: the baseline it is compared with.
        min_rows: smaller slices are left out.
        resamples: number of bootstrap draws; with blocks, all slices see the same ones.
        seed: of the draws.
        blocks: block code per row, see `bootstrap`.
        confidence: of the interval of the difference.
        metrics: names; `SLICE_METRICS` of the task when None.

    Returns:
        One row per column, level and metric: column, level, rows, mean (of the target: the base rate of a
        binary one, NaN for classes), metric, value, reference, gain, low, high. `gain` is the paired
        difference with the sign of "the model is better", with its interval.
    """
    target = np.asarray(y)
    names = list(SLICE_METRICS[task] if metrics is None else metrics)
    pair = {name: np.asarray(predictions[name]) for name in dict.fromkeys((model, reference))}
    codes = None if blocks is None else np.asarray(blocks, dtype=np.int64)
    found = []
    for column in columns:
        for level, rows in slice_levels(columns[column], min_rows).items():
            part = {name: values[rows] for name, values in pair.items()}
            draws = bootstrap(
                task,
                target[rows],
                part,
                resamples=resamples,
                seed=seed,
                blocks=None if codes is None else codes[rows],
                n_blocks=None if codes is None else int(codes.max()) + 1,
                metrics=names,
            )
            values = {name: score(task, target[rows], part[name], metrics=names) for name in part}
            mean = np.nan if task == "multiclass" else float(target[rows].mean())
            for name in names:
                sign = METRICS[name].sign
                ours, theirs = values[model][name], values[reference][name]
                low, high = interval(sign * (draws[model][name] - draws[reference][name]), confidence)
                gain = sign * (ours - theirs)
                found.append((column, level, len(rows), mean, name, ours, theirs, gain, low, high))
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
