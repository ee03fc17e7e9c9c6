"""The decision threshold where no costs are given: the best F1 on validation."""

import numpy as np
from numpy.typing import ArrayLike

from cairn.metrics.decisions import Floats


def best_f1_threshold(y: ArrayLike, prediction: ArrayLike) -> float:
    """Finds the threshold t for which deciding `prediction > t` has the largest F1.

    Args:
        y: 0 or 1, shape (n,).
        prediction: P(positive), shape (n,), of validation rows: never of test.

    Returns:
        The middle between two neighbouring predictions (the upper of equally good ones), so that rows of
        the same prediction are decided alike; 0.5 when no row is positive.
    """
    target = np.asarray(y, dtype=np.float64)
    values: Floats
    values, group = np.unique(np.asarray(prediction, dtype=np.float64), return_inverse=True)
    rows = np.bincount(group)[::-1].cumsum()
    caught = np.bincount(group, weights=target)[::-1].cumsum()
    if caught[-1] == 0:
        return 0.5
    f1 = 2 * caught / (rows + caught[-1])
    values = values[::-1]
    lower = np.append(values[1:], 0.0)
    # A prediction of exactly 0 is above no threshold, so it can never be called positive.
    best = int(np.argmax(np.where(values > 0, f1, -1)))
    middle = (values[best] + lower[best]) / 2
    return float(middle if middle < values[best] else lower[best])
