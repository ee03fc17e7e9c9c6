"""How far the rows of one part are from those of train, column by column, between 0 and 1."""

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.settings.contract import Contract

SAMPLE = 20_000
MOST = 20


def shifts(train: pd.DataFrame, other: pd.DataFrame, contract: Contract, seed: int) -> dict[str, float]:
    """Return the distance of every feature between two parts, the largest first.

    For categories it is the total variation distance: half the sum over the levels of the absolute
    difference of their shares. For all else it is the Kolmogorov-Smirnov distance: the largest difference
    between the two cumulative distributions. Either is the share of rows by which some set of values, or some
    range from the lowest, is more common in one part than in the other. Missing counts as a level, and as
    below every number.

    Args:
        train: rows with the features, n of them.
        other: likewise.
        contract: kinds; the columns with a group are the features.
        seed: of the samples of 20,000 rows that are compared.
    """
    first, second = (part.sample(min(SAMPLE, len(part)), random_state=seed) for part in (train, other))
    found = {}
    for name, column in contract.columns.items():
        if column.group is None:
            continue
        if column.kind == "categorical":
            found[name] = total_variation(first[name], second[name])
        else:
            found[name] = kolmogorov_smirnov(_numbers(first[name]), _numbers(second[name]))
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def summary(distances: dict[str, float]) -> dict[str, Any]:
    """Return the number of features, the median of their distances, and the 20 largest by name."""
    return {
        "features": len(distances),
        "median": float(np.median(list(distances.values()))) if distances else None,
        "most": dict(list(distances.items())[:MOST]),
    }


def chance(first: int, second: int) -> float:
    """Return the Kolmogorov-Smirnov distance that 5 in 100 pairs of samples of one source of numbers exceed.

    From its limit (N. Smirnov, Table for estimating the goodness of fit of empirical distributions, Annals of
    Mathematical Statistics 19 (1948), pages 279-281).

    Args:
        first: rows of one sample.
        second: rows of the other.
    """
    return 1.3581 * math.sqrt((first + second) / (first * second))


def total_variation(first: pd.Series, second: pd.Series) -> float:
    """Return half the sum of absolute differences between the shares of the levels."""
    shares = [part.value_counts(normalize=True, dropna=False) for part in (first, second)]
    return float(shares[0].sub(shares[1], fill_value=0).abs().sum() / 2)


def kolmogorov_smirnov(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the largest difference between the cumulative distributions of two samples without NaN."""
    first, second = np.sort(first), np.sort(second)
    both = np.concatenate([first, second])
    below = [np.searchsorted(part, both, side="right") / len(part) for part in (first, second)]
    return float(np.abs(below[0] - below[1]).max())


def _numbers(values: pd.Series) -> NDArray[np.float64]:
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isfinite(numbers), numbers, -np.inf)
