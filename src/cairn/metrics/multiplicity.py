"""Many tests at once: p-values that stay honest however many questions were asked."""

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that one false alarm or more among all tests is no likelier than the level.

    The smallest is multiplied by the number of tests, the next by one less, and so on, none becoming
    smaller than the one before it; valid however the tests depend on each other (Holm 1979, Scandinavian
    Journal of Statistics 6:65-70).

    Args:
        p_values: one per test; NaN where there was nothing to test, which does not count as a test.

    Returns:
        Adjusted p-values in the same order, at most 1; NaN stays NaN.
    """
    values = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(len(values), np.nan)
    order = np.argsort(values, kind="stable")[: np.count_nonzero(~np.isnan(values))]
    steps = values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted.tolist()
