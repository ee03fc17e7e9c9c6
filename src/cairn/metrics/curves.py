"""Curves as small tables, at most about 200 rows each, for `dvc plots` and the figures."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from cairn.data.predictions import Floats
from cairn.metrics.decisions import confusion
from cairn.settings.data import Task

DIGITS = 6
"""Decimals in files: far finer than any interval, coarser than the differences between machines."""


POINTS, CALIBRATION_BINS, REGRESSION_BINS = 200, 10, 20


def _rounded(frame: pd.DataFrame) -> pd.DataFrame:
    """Round the float columns; negative zeros become plain zeros, so that files have stable bytes."""
    floats = frame.select_dtypes("floating").columns
    return frame.assign(**{str(name): frame[name].round(DIGITS) + 0.0 for name in floats})


def _thinned(frame: pd.DataFrame) -> pd.DataFrame:
    """Keep at most POINTS rows, evenly spaced along the length of the curve in its first two columns.

    Length is the sum of steps in x and y, so that steep parts keep as many points as flat ones.
    """
    if len(frame) <= POINTS:
        return frame
    steps = np.abs(np.diff(frame.iloc[:, :2].to_numpy(dtype=np.float64), axis=0)).sum(axis=1)
    length = np.append(0.0, steps.cumsum())
    kept = np.unique(np.searchsorted(length, np.linspace(0, length[-1], POINTS)).clip(max=len(frame) - 1))
    return frame.iloc[np.union1d(kept[: POINTS - 2], [0, len(frame) - 1])]


def roc_curve_points(y: ArrayLike, prediction: ArrayLike, weights: Floats | None = None) -> pd.DataFrame:
    """Return the ROC curve of 0 or 1, shape (n,), and P(positive), shape (n,), thinned; weights (n,) of rows.

    Returns:
        Columns fpr, tpr, from (0, 0) to (1, 1); empty if only one class occurs.
    """
    from sklearn.metrics import roc_curve

    if len(np.unique(y)) < 2:
        return pd.DataFrame({"fpr": [], "tpr": []}, dtype=np.float64)
    fpr, tpr, _ = roc_curve(y, prediction, sample_weight=weights)
    return _rounded(_thinned(pd.DataFrame({"fpr": fpr, "tpr": tpr}))).reset_index(drop=True)


def pr_curve_points(y: ArrayLike, prediction: ArrayLike, weights: Floats | None = None) -> pd.DataFrame:
    """Return the precision-recall curve of 0 or 1 (n,) and P(positive) (n,), thinned; weights (n,) of rows.

    Returns:
        Columns recall, precision, with recall rising to 1, without the points where it is 0 (set by
        convention or by a single row); empty if only one class occurs.
    """
    from sklearn.metrics import precision_recall_curve

    if len(np.unique(y)) < 2:
        return pd.DataFrame({"recall": [], "precision": []}, dtype=np.float64)
    precision, recall, _ = precision_recall_curve(
        y, prediction, drop_intermediate=True, sample_weight=weights
    )
    curve = pd.DataFrame({"recall": recall[::-1], "precision": precision[::-1]})
    return _rounded(_thinned(curve[curve["recall"] > 0])).reset_index(drop=True)


def _quantile_bins(prediction: Floats, bins: int) -> Floats:
    """Return codes from 0 of at most `bins` groups of about equal size, shape (n,); ties stay together."""
    return pd.qcut(pd.Series(prediction), bins, labels=False, duplicates="drop").fillna(0).to_numpy(dtype=int)


def calibration_table(y: ArrayLike, prediction: ArrayLike) -> pd.DataFrame:
    """Return predicted and observed rates in at most 10 quantile bins; ties may leave fewer.

    y is 0 or 1, shape (n,); prediction is P(positive), shape (n,).

    Returns:
        Columns rows, predicted (mean), observed (rate), low, high (95% Wilson interval of the rate, rows
        taken as independent); by rising prediction.
    """
    from scipy.stats import binomtest

    p = np.asarray(prediction, dtype=np.float64)
    frame = pd.DataFrame({"predicted": p, "observed": np.asarray(y, dtype=np.float64)})
    groups = frame.groupby(_quantile_bins(p, CALIBRATION_BINS))
    table = groups.mean().assign(rows=groups.size())
    intervals = [
        binomtest(round(rate * rows), int(rows)).proportion_ci(0.95, method="wilson")
        for rate, rows in zip(table["observed"], table["rows"], strict=True)
    ]
    table = table.assign(low=[ci.low for ci in intervals], high=[ci.high for ci in intervals])
    return _rounded(table[["rows", "predicted", "observed", "low", "high"]].reset_index(drop=True))


def regression_table(y: ArrayLike, prediction: ArrayLike) -> pd.DataFrame:
    """Return actual and predicted values, shape (n,), in at most 20 quantile bins of the prediction.

    Returns:
        Columns rows, predicted (mean), actual (mean), low and high (10% and 90% quantile of the actual).
    """
    p = np.asarray(prediction, dtype=np.float64)
    frame = pd.DataFrame({"predicted": p, "actual": np.asarray(y, dtype=np.float64)})
    groups = frame.groupby(_quantile_bins(p, REGRESSION_BINS))
    table = groups.mean().assign(
        rows=groups.size(), low=groups["actual"].quantile(0.1), high=groups["actual"].quantile(0.9)
    )
    return _rounded(table[["rows", "predicted", "actual", "low", "high"]].reset_index(drop=True))


def confusion_per_thousand(
    task: Task,
    y: ArrayLike,
    prediction: ArrayLike,
    *,
    threshold: float = 0.5,
    classes: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return the confusion matrix as 1,000 rows (actual, predicted), because DVC's template counts rows.

    The cells are rounded so that they sum to exactly 1,000 (largest remainders). For the arguments see
    `decisions.confusion`.
    """
    codes, probabilities = np.asarray(y, dtype=np.int64), np.asarray(prediction, dtype=np.float64)
    table = confusion(task, codes, probabilities, threshold=threshold, classes=classes)
    exact = 1000 * table.to_numpy().ravel() / len(codes)
    whole = np.floor(exact).astype(int)
    order = np.argsort(whole - exact, kind="stable")
    whole[order[: 1000 - whole.sum()]] += 1
    cells = pd.MultiIndex.from_product([table.index, table.columns], names=["actual", "predicted"])
    return cells.repeat(whole).to_frame(index=False)
