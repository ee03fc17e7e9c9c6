"""Associations between columns of any kind, and the target over time and in groups, with intervals."""

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.metrics.bootstrap import Estimate
from cairn.report.explore.profile import Floats, Values
from cairn.settings.data import Task

Codes = NDArray[np.int64]

FEWEST_ROWS = 10
ALIKE = 0.98
MOST_PAIRS = 20
PERIODS = {"hour": "h", "day": "D", "week": "W", "month": "M", "quarter": "Q", "year": "Y"}
MOST_PERIODS = 100
CLASSES = 6
Z = NormalDist().inv_cdf(0.975)
IS = "is "
"""Prefix of the columns of classes, whose names may equal those of other columns."""


class Pair(NamedTuple):
    """Two features that hold nearly the same information."""

    first: str
    second: str
    association: float


def association(first: Values, second: Values) -> float | None:
    """Return the association of two columns of n rows, on the rows where both have a value.

    There is one measure for each pair of kinds; all three equal the correlation if both columns are binary:

    - two ordered columns (numbers, booleans, dates): Spearman's rank correlation, with its sign;
    - a category and an ordered column: the square root of epsilon squared of the ranks, the share of their
      variance that the levels explain, less what is expected by chance (T. L. Kelley, An unbiased
      correlation ratio measure, PNAS 21 (1935), pages 554-559; on ranks it is (H - k + 1) / (n - k) with
      Kruskal and Wallis's H);
    - two categories: bias-corrected Cramér's V (W. Bergsma, A bias-correction for Cramér's V and Tschuprow's
      T, Journal of the Korean Statistical Society 42 (2013), pages 323-328).

    Returns:
        -1 to 1 if both are ordered, else 0 to 1; None for fewer than 10 such rows, a constant, or a
        category with a level for every row.
    """
    rows = (first.codes >= 0) & (second.codes >= 0)
    if rows.sum() < FEWEST_ROWS:
        return None
    x, y = first.codes[rows], second.codes[rows]
    if (x == x[0]).all() or (y == y[0]).all():
        return None
    if first.ordered and second.ordered:
        return float(np.corrcoef(_ranks(x), _ranks(y))[0, 1])
    if not first.ordered and not second.ordered:
        return _cramer(x, y)
    return _epsilon(y, x) if first.ordered else _epsilon(x, y)


def with_target(columns: Mapping[str, Values], target: Values) -> dict[str, float | None]:
    """Return the association of every column with the target, the strongest first, undefined ones last."""
    found = {name: association(values, target) for name, values in columns.items()}
    return dict(sorted(found.items(), key=lambda item: (item[1] is None, -abs(item[1] or 0), item[0])))


def matrix(columns: Mapping[str, Values]) -> Floats:
    """Return the association of every pair of p columns, shape (p, p); NaN where it is undefined."""
    values = list(columns.values())
    found = np.full((len(values), len(values)), np.nan)
    for i, j in zip(*np.tril_indices(len(values), -1), strict=True):
        measured = association(values[i], values[j])
        found[i, j] = found[j, i] = np.nan if measured is None else measured
    return found


def alike(names: list[str], matrix: Floats) -> list[Pair]:
    """Return the pairs of columns with an association of at least 0.98, the strongest 20."""
    first, second = np.tril_indices(len(names), -1)
    strong = np.nan_to_num(np.abs(matrix[first, second])) >= ALIKE
    pairs = [
        Pair(names[j], names[i], float(matrix[i, j]))
        for i, j in zip(first[strong], second[strong], strict=True)
    ]
    return sorted(pairs, key=lambda pair: (-abs(pair.association), pair.first, pair.second))[:MOST_PAIRS]


def _ranks(codes: Codes) -> Floats:
    """Return the ranks of values by their codes, equal values with their mean rank; nothing is sorted."""
    rows = np.bincount(codes)
    return (np.cumsum(rows) - (rows - 1) / 2)[codes]


def _epsilon(levels: Codes, values: Codes) -> float | None:
    ranks, n, rows = _ranks(values), len(values), np.bincount(levels)
    k = np.count_nonzero(rows)
    if k >= n:
        return None
    means = np.bincount(levels, ranks) / np.maximum(rows, 1)
    explained = means[levels].var() / ranks.var()
    unbiased = 1 - (1 - explained) * (n - 1) / (n - k)
    return float(np.sqrt(np.clip(unbiased, 0, 1)))


def _cramer(x: Codes, y: Codes) -> float | None:
    # Only the cells that have rows: two columns of 5,000 levels have 25 million cells.
    width = y.max() + 1
    cells, rows = np.unique(x * width + y, return_counts=True)
    across, down, n = np.bincount(x), np.bincount(y), len(x)
    k, r = np.count_nonzero(across), np.count_nonzero(down)
    phi2 = (rows / across[cells // width] * (rows / down[cells % width])).sum() - 1
    unbiased = max(0.0, phi2 - (k - 1) * (r - 1) / (n - 1))
    widest = min(k - (k - 1) ** 2 / (n - 1), r - (r - 1) ** 2 / (n - 1)) - 1
    return float(np.sqrt(min(unbiased / widest, 1.0))) if widest > 0 else None


def mean_of(target: Floats, task: Task) -> Estimate:
    """Return the mean of the target, shape (n,), with its 95% interval; the rows are taken as independent.

    Rates have Wilson's interval, other means the normal one (NaN for a single row).
    """
    n, mean = len(target), float(target.mean())
    if task == "binary":
        middle, scale = mean + Z**2 / (2 * n), 1 + Z**2 / n
        half = Z * math.sqrt(mean * (1 - mean) / n + (Z / (2 * n)) ** 2)
        return Estimate(mean, max((middle - half) / scale, 0.0), min((middle + half) / scale, 1.0))
    half = Z * float(target.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan
    return Estimate(mean, mean - half, mean + half)


def period_of(time: pd.Series) -> str | None:
    """Return the shortest of PERIODS that gives at most 100 of them.

    It is the longest with several if all give more; None if all rows are in one period of any length.
    """
    several = None
    for name, code in PERIODS.items():
        first, last = pd.PeriodIndex([time.min(), time.max()], freq=code).asi8
        if last > first:
            several = name
            if last - first < MOST_PERIODS:
                break
    return several


def over_time(time: pd.Series, target: pd.Series, task: Task, period: str) -> pd.DataFrame:
    """Return the target by period, one row for each period that has rows.

    Returns:
        Columns start (a date), rows, and value, low and high, or `is NAME`, the share, for each of the six
        most frequent classes.
    """
    start = time.dt.to_period(PERIODS[period]).dt.start_time.rename("start")
    if task == "multiclass":
        classes = target.value_counts().index[:CLASSES]
        shares = pd.DataFrame({f"{IS}{name}": target == name for name in classes}).groupby(start).mean()
        shares.insert(0, "rows", start.value_counts().sort_index())
        return shares.reset_index()
    found = [
        {"start": at, "rows": len(values), **mean_of(values.to_numpy(dtype=np.float64), task)._asdict()}
        for at, values in target.groupby(start)
    ]
    return pd.DataFrame(found)
