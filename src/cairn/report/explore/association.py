"""How strongly two columns go together, between 0 and 1 whatever their kinds, and what is known of the sign.

One measure for each pair of kinds, all three equal to the correlation of 0 and 1 where both have two values:

- numbers, booleans and dates among each other: Spearman's rank correlation, with its sign
  (C. Spearman, The proof and measurement of association between two things, American Journal of Psychology
  15 (1904), pages 72-101);
- a category and numbers: the root of epsilon squared of the ranks, how much of their variance the levels
  explain, less what levels explain by chance (T. L. Kelley, An unbiased correlation ratio measure, PNAS 21
  (1935), pages 554-559; on ranks it is (H - k + 1) / (n - k) with Kruskal and Wallis's H);
- two categories: Cramér's V without its bias (W. Bergsma, A bias-correction for Cramér's V and Tschuprow's T,
  Journal of the Korean Statistical Society 42 (2013), pages 323-328).
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from cairn.report.explore.values import Floats, Values

FEWEST_ROWS = 10


def association(first: Values, second: Values) -> float | None:
    """Return the association of two columns of n rows, on the rows where both have a value.

    Returns:
        -1 to 1 where both are ordered, else 0 to 1; None for fewer than 10 such rows, a constant, or a
        category with a level for every row.
    """
    rows = first.known & second.known
    if rows.sum() < FEWEST_ROWS:
        return None
    x, y = first.numbers[rows], second.numbers[rows]
    if (x == x[0]).all() or (y == y[0]).all():
        return None
    if first.ordered and second.ordered:
        return _spearman(x, y)
    if not first.ordered and not second.ordered:
        return _cramer(_dense(x), _dense(y))
    return _epsilon(_dense(y), x) if first.ordered else _epsilon(_dense(x), y)


def with_target(columns: Mapping[str, Values], target: Values) -> dict[str, float | None]:
    """Return the association of every column with the target, the strongest first."""
    found = {name: association(values, target) for name, values in columns.items()}
    return dict(sorted(found.items(), key=lambda item: (-strength(item[1]), item[0])))


def matrix(columns: Mapping[str, Values]) -> Floats:
    """Return the association of every pair of p columns, shape (p, p); NaN where there is none to say."""
    values = list(columns.values())
    found = np.full((len(values), len(values)), np.nan)
    for i, j in zip(*np.tril_indices(len(values), -1), strict=True):
        measured = association(values[i], values[j])
        found[i, j] = found[j, i] = np.nan if measured is None else measured
    return found


def strength(measured: float | None) -> float:
    """Return an association without its sign, for sorting: none counts as weakest."""
    return -1.0 if measured is None else abs(measured)


def _spearman(x: Floats, y: Floats) -> float:
    return float(np.clip(np.corrcoef(rankdata(x), rankdata(y))[0, 1], -1, 1))


def _epsilon(codes: NDArray[np.int64], values: Floats) -> float | None:
    ranks = rankdata(values)
    n, rows = len(ranks), np.bincount(codes)
    if len(rows) >= n:
        return None
    deviation = ranks - ranks.mean()
    sums = np.bincount(codes, weights=deviation)
    explained = (sums**2 / rows).sum() / (deviation**2).sum()
    unbiased = 1 - (1 - explained) * (n - 1) / (n - len(rows))
    return float(np.sqrt(np.clip(unbiased, 0, 1)))


def _cramer(x: NDArray[np.int64], y: NDArray[np.int64]) -> float | None:
    n, across, down = len(x), np.bincount(x), np.bincount(y)
    cells, rows = np.unique(x * len(down) + y, return_counts=True)
    expected = across[cells // len(down)] * down[cells % len(down)] / n
    phi2 = ((rows**2) / expected).sum() / n - 1
    k, r = len(across), len(down)
    unbiased = max(0.0, phi2 - (k - 1) * (r - 1) / (n - 1))
    widest = min(k - (k - 1) ** 2 / (n - 1), r - (r - 1) ** 2 / (n - 1)) - 1
    if widest <= 0:
        return None
    return float(np.sqrt(min(unbiased / widest, 1.0)))


def _dense(codes: Floats) -> NDArray[np.int64]:
    """Number the codes that occur 0, 1, 2 and so on."""
    return np.unique(codes, return_inverse=True)[1]
