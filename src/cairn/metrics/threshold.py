"""The decision threshold: from the costs if there are any, else the best F1 on validation."""

import numpy as np
from numpy.typing import ArrayLike

from cairn.metrics.decisions import Floats
from cairn.settings.kpi import CostKpi, KpiConfig


def decision_threshold(y: ArrayLike, prediction: ArrayLike, kpi: KpiConfig, *, probability: bool) -> float:
    """Choose the threshold t for which `prediction > t` is the best decision.

    Args:
        y: 0 or 1, shape (n,).
        prediction: P(positive) or another score, shape (n,), of validation rows: never of test.
        kpi: the costs, if there are any.
        probability: under costs a probability needs no tuning (CostKpi.threshold, the Bayes rule); another
            score gets the threshold that saves most on these rows.
    """
    if not isinstance(kpi, CostKpi):
        return best_f1_threshold(y, prediction)
    return kpi.threshold if probability else best_cost_threshold(y, prediction, kpi)


def best_f1_threshold(y: ArrayLike, prediction: ArrayLike) -> float:
    """Find the threshold t for which deciding `prediction > t` has the largest F1; 0.5 if no row is positive.

    Args:
        y: 0 or 1, shape (n,).
        prediction: P(positive), shape (n,), of validation rows: never of test.
    """
    values, rows, caught = _by_threshold(y, prediction)
    if caught[-1] == 0:
        return 0.5
    return _below_the_best(values, 2 * caught / (rows + caught[-1]))


def best_cost_threshold(y: ArrayLike, prediction: ArrayLike, kpi: CostKpi) -> float:
    """Find the threshold t for which acting on `prediction > t` saves most; the largest score if none does.

    Args:
        y: 0 or 1, shape (n,).
        prediction: any score that rises with the chance of the event, shape (n,), of validation rows.
        kpi: what acting costs and saves.
    """
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
