"""How far two samples of a column are apart, between 0 and 1, and whether chance alone explains it."""

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.settings.contract import Contract

SAMPLE = 20_000
MOST = 20


def distances(train: pd.DataFrame, other: pd.DataFrame, contract: Contract, seed: int) -> dict[str, float]:
    """Return the distance of every feature between two parts, the largest first.

    Categories have the total variation distance, all else the Kolmogorov-Smirnov distance. Either is the
    share of rows by which some set of values, or some range from the lowest, is more common in one part than
    in the other. Missing counts as a level, and as below every number. Samples of 20,000 rows are compared.
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


def total_variation(first: pd.Series, second: pd.Series) -> float:
    """Return half the sum of absolute differences between the shares of the levels.

    It is the share of rows that would have to change their level (Levin, Peres and Wilmer, Markov Chains and
    Mixing Times, 2009, section 4.1). Missing is a level.
    """
    shares = [part.value_counts(normalize=True, dropna=False) for part in (first, second)]
    return float(shares[0].sub(shares[1], fill_value=0).abs().sum() / 2)


def chi_square_p(first: pd.Series, second: pd.Series) -> float:
    """Return the p-value of Pearson's chi-square test that the levels of both have the same distribution."""
    from scipy.stats import chi2_contingency

    counts = pd.concat([part.value_counts(dropna=False) for part in (first, second)], axis=1).fillna(0)
    return float(chi2_contingency(counts.to_numpy(dtype=np.float64)).pvalue)


def kolmogorov_smirnov(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the largest difference between the cumulative distributions of two samples without NaN."""
    first, second = np.sort(first), np.sort(second)
    values = np.concatenate([first, second])
    shares = [np.searchsorted(part, values, side="right") / len(part) for part in (first, second)]
    return float(np.abs(shares[0] - shares[1]).max())


def kolmogorov_smirnov_p(distance: float, first: int, second: int) -> float:
    """Return the p-value of a Kolmogorov-Smirnov distance between samples of so many rows, from its limit.

    The limit is that of N. Smirnov, Table for estimating the goodness of fit of empirical distributions,
    Annals of Mathematical Statistics 19 (1948), pages 279-281.
    """
    from scipy.stats import kstwobign

    return float(kstwobign.sf(distance * math.sqrt(first * second / (first + second))))


def chance(first: int, second: int) -> float:
    """Return the Kolmogorov-Smirnov distance whose p-value is 0.05 for samples of so many rows."""
    return 1.3581 * math.sqrt((first + second) / (first * second))


def _numbers(values: pd.Series) -> NDArray[np.float64]:
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isfinite(numbers), numbers, -np.inf)
