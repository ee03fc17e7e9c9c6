"""Decisions, and the metrics of their confusion matrix.

The formulas take cells of shape (k, k, ...), actual class first, so that the same lines serve one
matrix and a thousand bootstrap draws of it. A ratio without a denominator is 0, as in scikit-learn.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.settings.data import Task

Floats = NDArray[np.float64]


def decide(prediction: Floats, threshold: float = 0.5) -> NDArray[np.int64]:
    """Turn predictions into class codes.

    Args:
        prediction: P(positive), shape (n,), or class probabilities, shape (n, k).
        threshold: for P(positive): above it the decision is positive.

    Returns:
        Codes, shape (n,): 0 or 1, or the class with the largest probability (the first of equals).
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
    """Count rows by actual (index) and predicted class (columns).

    Args:
        task: binary or multiclass.
        y: class codes 0..k-1, shape (n,).
        prediction: P(positive) (n,) for binary, probabilities (n, k) for multiclass.
        threshold: for binary, see `decide`.
        classes: names of the codes in order; the codes themselves when None.

    Raises:
        ValueError: the task has no classes, or their number is not that of the predictions.
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
