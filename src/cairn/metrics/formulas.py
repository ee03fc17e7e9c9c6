"""How each metric is computed from (y, prediction, threshold); `scores.py` is the table of their names.

torchmetrics computes the metrics that it has; its shares and ranks are float32, good for 6 digits. Those that
it lacks, or whose edge cases differ from scikit-learn, are a few lines of numpy.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cairn.data.predictions import Floats
from cairn.metrics import decisions

ECE_BINS = 16
"""Equal-width bins of the calibration error; the edges of sixteenths are exact in every float type."""

Score = Callable[[NDArray[Any], Floats, float], float]


def row_log_loss(y: NDArray[np.int64], prediction: Floats) -> Floats:
    """Return the negative log-likelihood of the actual class, in nats, shape (n,).

    Probabilities are kept eps away from 0 and 1 (float64 eps, 2.2e-16), as scikit-learn does.
    """
    if prediction.ndim == 1:
        given = np.where(y == 1, prediction, 1 - prediction)
    else:
        given = prediction[np.arange(len(y)), y]
    eps = np.finfo(np.float64).eps
    return -np.log(np.clip(given, eps, 1 - eps))


def row_brier(y: NDArray[np.int64], prediction: Floats) -> Floats:
    """Return the squared distance between the probabilities and the actual class, shape (n,).

    Binary: (p - y)², in 0..1. Multiclass: summed over the classes, in 0..2 (Brier 1950).
    """
    if prediction.ndim == 1:
        return (prediction - y) ** 2
    return ((prediction - np.eye(prediction.shape[1])[y]) ** 2).sum(axis=1)


def _torchmetrics(name: str, y: NDArray[Any], prediction: Floats, **options: Any) -> float:
    import torch
    from torchmetrics import functional
    from torchmetrics.functional import classification

    function = getattr(classification, name, None) or getattr(functional, name)
    return float(function(torch.tensor(prediction), torch.tensor(y), **options))


def decided(name: str) -> Score:
    """A torchmetrics function of binary decisions."""
    return lambda y, prediction, threshold: _torchmetrics(
        name, y, prediction, threshold=threshold, validate_args=False
    )


def of_classes(name: str, **options: Any) -> Score:
    """A torchmetrics function of multiclass probabilities."""
    return lambda y, prediction, threshold: _torchmetrics(
        name, y, prediction, num_classes=prediction.shape[1], validate_args=False, **options
    )


def ranked(name: str) -> Score:
    """A torchmetrics function of the binary ranking; NaN when only one class occurs."""

    def compute(y: NDArray[Any], prediction: Floats, threshold: float) -> float:
        one_class = y.min() == y.max()
        return float("nan") if one_class else _torchmetrics(name, y, prediction, validate_args=False)

    return compute


def one_vs_rest(binary: Score) -> Score:
    """The mean of a binary metric over the classes that occur; NaN when only one does."""

    def compute(y: NDArray[Any], prediction: Floats, threshold: float) -> float:
        present = np.unique(y)
        if len(present) < 2:
            return float("nan")
        each = [binary((y == code).astype(np.int64), prediction[:, code], threshold) for code in present]
        return float(np.mean(each))

    return compute


def from_cells(formula: Callable[[Floats], Floats]) -> Score:
    """A formula over the confusion matrix."""

    def compute(y: NDArray[Any], prediction: Floats, threshold: float) -> float:
        k = 2 if prediction.ndim == 1 else prediction.shape[1]
        cells = decisions.confusion_cells(y, decisions.decide(prediction, threshold), k)
        return float(formula(cells))

    return compute


def mean_of(rows: Callable[[NDArray[Any], Floats], Floats]) -> Score:
    """The mean of a loss per row."""
    return lambda y, prediction, threshold: float(rows(y, prediction).mean())


def calibration_error(y: NDArray[Any], prediction: Floats, threshold: float) -> float:
    """Mean over equal-width bins of |mean probability - observed rate|, weighted by rows."""
    return _torchmetrics("binary_calibration_error", y, prediction, n_bins=ECE_BINS, validate_args=False)


def of_values(name: str, **options: Any) -> Score:
    """A torchmetrics function of predicted values."""
    return lambda y, prediction, threshold: _torchmetrics(name, y, prediction, **options)


def mape(y: NDArray[Any], prediction: Floats, threshold: float) -> float:
    """Mean of |error| / |target| over the rows whose target is not 0; NaN when there are none."""
    rows = y != 0
    if not rows.any():
        return float("nan")
    return float(np.abs((y[rows] - prediction[rows]) / y[rows]).mean())


def r2(y: NDArray[Any], prediction: Floats, threshold: float) -> float:
    """1 - residual / total sum of squares; NaN when the target is constant."""
    if y.min() == y.max():
        return float("nan")
    # torchmetrics subtracts n·mean² from the sum of squares, which loses every digit when the mean is
    # large beside the spread; the value does not depend on the origin, so it is moved to the mean.
    origin = y.mean()
    return of_values("r2_score")(y - origin, prediction - origin, threshold)
