"""Decisions, the metrics of their confusion matrix, and the choice of their threshold.

The formulas take cells of shape (k, k, ...), actual class first, so that the same lines serve one
matrix and a thousand bootstrap draws of it. A ratio without a denominator is 0, as in scikit-learn.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cairn.data.predictions import Floats
from cairn.settings.data import Task
from cairn.settings.kpi import CostKpi, KpiConfig


def decide(prediction: Floats, threshold: float = 0.5) -> NDArray[np.int64]:
    """Turn predictions into class codes, shape (n,).

    P(positive), shape (n,), is positive above the threshold; probabilities, shape (n, k), give the class
    with the largest one (the first of equals).
    """
    if prediction.ndim == 1:
        return (prediction > threshold).astype(np.int64)
    return prediction.argmax(axis=1).astype(np.int64)


def confusion_cells(y: NDArray[np.int64], decided: NDArray[np.int64], classes: int) -> Floats:
    """Count rows by actual (first axis) and decided class, shape (classes, classes)."""
    counts = np.bincount(y * classes + decided, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.float64)


def confusion(
    task: Task,
    y: NDArray[np.int64],
    prediction: Floats,
    *,
    threshold: float = 0.5,
    classes: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Count rows by actual (index) and predicted class (columns), named by classes or by code; see `score`.

    Raises:
        ValueError: the task has no classes, or not as many as the predictions.
    """
    if task == "regression":
        raise ValueError("a regression has no confusion matrix")
    k = 2 if prediction.ndim == 1 else prediction.shape[1]
    names = [str(code) for code in range(k)] if classes is None else list(classes)
    if len(names) != k:
        raise ValueError(f"{len(names)} class names for predictions of {k} classes")
    cells = confusion_cells(np.asarray(y, dtype=np.int64), decide(prediction, threshold), k)
    return pd.DataFrame(
        cells.astype(np.int64),
        index=pd.Index(names, name="actual"),
        columns=pd.Index(names, name="predicted"),
    )


def ratio(numerator: Floats, denominator: Floats, empty: float = 0.0) -> Floats:
    """Divide element by element; `empty` where the denominator is 0."""
    out = np.full(np.broadcast_shapes(np.shape(numerator), np.shape(denominator)), empty)
    return np.divide(numerator, denominator, out=out, where=np.asarray(denominator) != 0)


def hits(cells: Floats) -> Floats:
    """The diagonal: correct decisions per class, shape (k, ...)."""
    return np.einsum("ii...->i...", cells)


def accuracy(cells: Floats) -> Floats:
    """Share of correct decisions, shape (...)."""
    return ratio(hits(cells).sum(axis=0), cells.sum(axis=(0, 1)))


def precision(cells: Floats) -> Floats:
    """Per class: the share of its decisions that are correct; shape (k, ...)."""
    return ratio(hits(cells), cells.sum(axis=0))


def recall(cells: Floats) -> Floats:
    """Per class: the share of its rows that are found; shape (k, ...)."""
    return ratio(hits(cells), cells.sum(axis=1))


def f1(cells: Floats) -> Floats:
    """Per class: the harmonic mean of precision and recall; shape (k, ...)."""
    return ratio(2 * hits(cells), cells.sum(axis=0) + cells.sum(axis=1))


def macro(per_class: Floats, cells: Floats) -> Floats:
    """Mean over the classes that occur among actual or decided ones; shape (...)."""
    occurs = (cells.sum(axis=0) + cells.sum(axis=1)) > 0
    return ratio((per_class * occurs).sum(axis=0), occurs.sum(axis=0).astype(np.float64))


def balanced_accuracy(cells: Floats) -> Floats:
    """Mean recall over the actual classes; shape (...)."""
    occurs = cells.sum(axis=1) > 0
    return ratio((recall(cells) * occurs).sum(axis=0), occurs.sum(axis=0).astype(np.float64))


def mcc(cells: Floats) -> Floats:
    """Matthews correlation for any number of classes (Gorodkin 2004, the R_K statistic); shape (...).

    0 if there is only one actual or one decided class, as in scikit-learn (torchmetrics returns 1 or -1).
    """
    decided, actual, total = cells.sum(axis=0), cells.sum(axis=1), cells.sum(axis=(0, 1))
    covariance = hits(cells).sum(axis=0) * total - (decided * actual).sum(axis=0)
    spread_decided = total**2 - (decided**2).sum(axis=0)
    spread_actual = total**2 - (actual**2).sum(axis=0)
    return ratio(covariance, np.sqrt(spread_decided * spread_actual))


def decision_threshold(y: ArrayLike, prediction: ArrayLike, kpi: KpiConfig, *, probability: bool) -> float:
    """Choose the threshold t for which `prediction > t` is the best decision.

    y and prediction (n,) are of validation rows, never of test. Under costs a probability needs no tuning
    (CostKpi.threshold, the Bayes rule); another score gets the threshold that saves most on these rows.
    """
    if not isinstance(kpi, CostKpi):
        return best_f1_threshold(y, prediction)
    return kpi.threshold if probability else best_cost_threshold(y, prediction, kpi)


def best_f1_threshold(y: ArrayLike, prediction: ArrayLike) -> float:
    """Find the threshold t for which deciding `prediction > t` has the best F1; 0.5 if no row is positive."""
    values, rows, caught = _by_threshold(y, prediction)
    if caught[-1] == 0:
        return 0.5
    return _below_the_best(values, 2 * caught / (rows + caught[-1]))


def best_cost_threshold(y: ArrayLike, prediction: ArrayLike, kpi: CostKpi) -> float:
    """Find the threshold t for which acting on `prediction > t` saves most; the largest score if none."""
    values, rows, caught = _by_threshold(y, prediction)
    saving = caught * kpi.loss * kpi.share_saved - rows * kpi.action
    return _below_the_best(values, saving) if saving[values > 0].max(initial=0) > 0 else float(values[0])


def _by_threshold(y: ArrayLike, prediction: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Return the distinct predictions in descending order, with the rows and events at or above each."""
    values, group = np.unique(np.asarray(prediction, dtype=np.float64), return_inverse=True)
    rows = np.bincount(group)[::-1].cumsum().astype(np.float64)
    caught = np.bincount(group, weights=np.asarray(y, dtype=np.float64))[::-1].cumsum()
    return values[::-1], rows, caught


def _below_the_best(values: Floats, worth: Floats) -> float:
    """Return the midpoint of the best value and the next lower one: equal predictions stay together."""
    lower = np.append(values[1:], 0.0)
    # A prediction of exactly 0 is above no threshold, so it can never be called positive.
    best = int(np.argmax(np.where(values > 0, worth, -np.inf)))
    middle = (values[best] + lower[best]) / 2
    return float(middle if middle < values[best] else lower[best])
