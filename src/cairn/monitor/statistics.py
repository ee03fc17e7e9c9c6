"""What is measured in every window: distances, missing and unseen values, concentration, broken relations.

A statistic is a number per window that grows when something is wrong. `Reference` learns from the windows
of the reference what is usual; `measure` computes the statistics of any windows against it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.data.predictions import Floats
from cairn.monitor.courses import Course, learn_courses, measure_courses
from cairn.monitor.relations import Relations, fit_relations
from cairn.monitor.values import as_numbers, as_text
from cairn.monitor.windows import Windows
from cairn.settings.contract import Column, Contract

Kind = Literal[
    "contract", "missing", "unseen", "grid", "stuck", "drift", "relation", "outliers", "clock", "rows"
]
FLOORS: dict[Kind, float] = {
    "contract": 0.01,
    "missing": 0.01,
    "unseen": 0.01,
    "grid": 0.25,
    "stuck": 0.05,
    "drift": 0.03,
    "relation": 0.05,
    "outliers": 0.05,
    "clock": 10.0,
    "rows": 0.1,
}
"""Added to the largest value of a statistic in the reference, so that one that never moved has a scale."""
BINS = 10
OFF_GRID = 0.01
"""Share of rows up to which the numbers of the reference repeat, so that others are worth counting."""
SCORE = "(score)"
"""The name of the scores among the columns; with several classes, (score) CLASS."""
ALL = 0
"""The season of statistics that do not vary with it; the others are the months 1 to 12."""
SEASON_WINDOWS = 10
"""Windows that the reference needs in a month for it to be a season to compare with."""
MONTHS_EXPLAIN = 0.5
"""Share of the variance between windows that months explain in a column that varies with the season."""


class Statistic(NamedTuple):
    """What is measured of which column: of which group for the clock, and of none for the number of rows."""

    kind: Kind
    column: str


@dataclass(frozen=True)
class Measured:
    """The statistics of windows: values have shape (w, s); NaN where one is not defined or assessable."""

    statistics: list[Statistic]
    values: Floats
    seasonal: NDArray[np.bool_]


@dataclass(frozen=True)
class Bins:
    """How the values of a column are counted: bins of numbers between edges, or categories.

    The last bin holds missing values, the one before it categories not seen.

    Attributes:
        edges: between bins, empty for categories.
        levels: categories that at least two windows of the reference have; None for numbers.
    """

    edges: Floats
    levels: pd.Index | None

    @property
    def count(self) -> int:
        """The number of bins."""
        return (len(self.edges) + 1 if self.levels is None else len(self.levels) + 1) + 1

    def codes(self, values: pd.Series) -> NDArray[np.int64]:
        """Return the bin of every value, shape (n,)."""
        missing = values.isna().to_numpy()
        if self.levels is None:
            codes = np.searchsorted(self.edges, as_numbers(values), side="left")
        else:
            codes = self.levels.get_indexer(pd.Index(as_text(values)))
            codes = np.where(codes < 0, self.count - 2, codes)
        return np.where(missing, self.count - 1, codes).astype(np.int64)


def bins_of(values: pd.Series, column: Column, windows: Windows) -> Bins:
    """Choose bins from the reference: those between its deciles, or its categories."""
    if column.kind == "categorical":
        pairs = pd.DataFrame({"value": as_text(values), "window": windows.of_row}).drop_duplicates()
        counts = pairs["value"].dropna().value_counts()
        return Bins(np.empty(0), pd.Index(sorted(counts.index[counts > 1])))
    numbers = as_numbers(values)
    there = numbers[np.isfinite(numbers)]
    inner = np.quantile(there, np.arange(1, BINS) / BINS) if len(there) else np.empty(0)
    return Bins(np.unique(inner), None)


def jensen_shannon(first: Floats, second: Floats) -> Floats:
    """Return the Jensen-Shannon distance of shares along the last axis, from 0 to 1 (base 2).

    J. Lin, Divergence measures based on the Shannon entropy, IEEE Transactions on Information Theory 37
    (1991); the distance is its square root.
    """
    middle = (first + second) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(one > 0, one * np.log2(one / middle), 0.0).sum(axis=-1) for one in (first, second)]
    return np.sqrt(np.clip((parts[0] + parts[1]) / 2, 0, 1))


def shares(counts: Floats) -> Floats:
    """Return counts along the last axis as shares of their sum; NaN where it is 0."""
    with np.errstate(invalid="ignore"):
        return counts / counts.sum(axis=-1, keepdims=True)


@dataclass(frozen=True)
class Usual:
    """What is usual in one column of the reference.

    Attributes:
        bins: how its values are counted.
        by_season: shares of the bins in the reference as a whole (0), and for a column that varies with the
            season in the same months (1 to 12); NaN without such months, shape (13, bins).
        seasonal: whether it varies with the season.
        grid: numbers that at least two windows have, sorted, where others are rare; None for other columns.
    """

    bins: Bins
    by_season: Floats
    seasonal: bool
    grid: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Reference:
    """What is usual in the windows of the reference.

    Attributes:
        columns: by name, in the order of the contract, the scores last.
        relations: between numeric columns.
        courses: within a day, by group of columns.
        contract: of the columns.
        rows: median number of rows of a window.
    """

    columns: dict[str, Usual]
    relations: Relations
    courses: dict[str, Course]
    contract: Contract
    rows: float


def learn(frame: pd.DataFrame, windows: Windows, contract: Contract) -> Reference:
    """Learn what is usual from the windows of the reference.

    Args:
        frame: the features, and the scores under SCORE.
        windows: of its rows.
        contract: of the columns of the frame; those with a group, and the scores, are compared.
    """
    usual = {}
    for name, column in compared(contract).items():
        if name in frame.columns:
            bins = bins_of(frame[name], column, windows)
            counts = counted(bins.codes(frame[name]), bins, windows)
            level = shares(counts) if bins.levels is not None else _levels(frame[name], windows)
            seasonal = varies_with_months(level, windows.months)
            grid = grid_of(frame[name], windows) if bins.levels is None else None
            usual[name] = Usual(bins, _by_season(counts, windows.months, seasonal), seasonal, grid)
    numeric = [name for name, one in usual.items() if one.bins.levels is None and not name.startswith(SCORE)]
    categorical = [name for name, one in usual.items() if one.bins.levels is not None]
    relations = fit_relations(frame, windows, numeric, categorical)
    courses = learn_courses(frame, windows, contract)
    return Reference(usual, relations, courses, contract, float(np.median(windows.rows)))


def compared(contract: Contract) -> dict[str, Column]:
    """Return the columns whose distributions are compared: the features."""
    return {name: column for name, column in contract.columns.items() if column.group is not None}


def counted(codes: NDArray[np.int64], bins: Bins, windows: Windows) -> Floats:
    """Count the bins of every window, shape (w, bins)."""
    cells = np.bincount(windows.of_row * bins.count + codes, minlength=len(windows) * bins.count)
    return cells.reshape(len(windows), bins.count).astype(np.float64)


def grid_of(values: pd.Series, windows: Windows) -> NDArray[np.float32] | None:
    """Return the numbers that at least two windows of the reference have; None if many rows have others.

    A sensor counts in steps: knots, whole degrees, minutes. In another unit its numbers are others, though
    they may be as large.
    """
    numbers = _stepped(values)
    known = ~np.isnan(numbers)
    every, codes = np.unique(numbers[known], return_inverse=True)
    pairs = np.unique(codes.astype(np.int64) * len(windows) + windows.of_row[known]) // len(windows)
    grid = every[np.bincount(pairs, minlength=len(every)) > 1]
    if len(grid) < 2 or np.nanmean(off_grid(values, grid)) > OFF_GRID:
        return None
    return grid


def off_grid(values: pd.Series, grid: NDArray[np.float32]) -> Floats:
    """Return 1 for numbers between the smallest and the largest of a grid that are none of it, 0 for others.

    Missing values are NaN, shape (n,).
    """
    numbers = _stepped(values)
    inside = (numbers > grid[0]) & (numbers < grid[-1])
    nearest = grid[np.searchsorted(grid, numbers).clip(max=len(grid) - 1)]
    return np.where(np.isnan(numbers), np.nan, inside & (nearest != numbers))


def _stepped(values: pd.Series) -> NDArray[np.float32]:
    """Return numbers without the digits in which one step differs when it is computed in two ways."""
    with np.errstate(over="ignore"):
        return as_numbers(values).astype(np.float32)


def _levels(values: pd.Series, windows: Windows) -> Floats:
    """Return the mean of every window, shape (w, 1)."""
    return mean_by_window(as_numbers(values), windows)[:, None]


def _by_season(counts: Floats, months: NDArray[np.int64], seasonal: bool) -> Floats:
    by_season = np.full((13, counts.shape[1]), np.nan)
    by_season[ALL] = shares(counts.sum(axis=0))
    for month in np.unique(months) if seasonal else ():
        if (months == month).sum() >= SEASON_WINDOWS:
            by_season[month] = shares(counts[in_season(months, month)].sum(axis=0))
    return by_season


def in_season(months: NDArray[np.int64], month: int) -> NDArray[np.bool_]:
    """Return which windows are in a month, the one before or the one after."""
    return np.isin((months - month) % 12, (0, 1, 11))


def varies_with_months(windows: Floats, months: NDArray[np.int64]) -> bool:
    """Return whether months explain most of what differs between windows, in means or shares (w, c)."""
    known = ~np.isnan(windows).any(axis=1)
    windows, months = windows[known], months[known]
    different = np.unique(months)
    total = ((windows - windows.mean(axis=0)) ** 2).sum()
    if len(different) < 2 or total <= 0:
        return False
    within = sum(((windows[months == m] - windows[months == m].mean(axis=0)) ** 2).sum() for m in different)
    return bool(1 - within / total > MONTHS_EXPLAIN)


def measure(
    frame: pd.DataFrame,
    windows: Windows,
    reference: Reference,
    broken: Mapping[str, NDArray[np.bool_]],
    halves: NDArray[np.int64] | None = None,
) -> Measured:
    """Compute the statistics of windows against a reference.

    Args:
        frame: the columns that `learn` was given; one that is not there is not measured.
        windows: of its rows.
        reference: what is usual.
        broken: by column whether each row breaks the contract, shape (n,).
        halves: for the windows of the reference itself, the half each belongs to, see `relations`; None for
            other windows.
    """
    found: dict[Statistic, tuple[Floats, bool]] = {}
    for name, usual in reference.columns.items():
        if name not in frame.columns:
            continue
        found |= _column(name, frame[name], usual, windows)
    for name, rows in broken.items():
        found[Statistic("contract", name)] = (mean_by_window(rows.astype(float), windows), False)
    for name, (mean, beyond) in reference.relations.measure(frame, windows, halves).items():
        found[Statistic("relation", name)] = (mean, False)
        found[Statistic("outliers", name)] = (beyond, False)
    for group, other in measure_courses(reference.courses, frame, windows, halves).items():
        found[Statistic("clock", group)] = (other, False)
    found[Statistic("rows", "")] = (np.abs(np.log(windows.rows / reference.rows)), False)
    values = np.column_stack([values for values, _ in found.values()])
    return Measured(list(found), values, np.array([seasonal for _, seasonal in found.values()]))


def _column(
    name: str, values: pd.Series, usual: Usual, windows: Windows
) -> dict[Statistic, tuple[Floats, bool]]:
    codes = usual.bins.codes(values)
    counts = counted(codes, usual.bins, windows)
    here = shares(counts)
    season = windows.months if usual.seasonal else np.full(len(windows), ALL)
    found = {
        Statistic("drift", name): (jensen_shannon(here, usual.by_season[season]), usual.seasonal),
        Statistic("missing", name): (here[:, -1], False),
        Statistic("stuck", name): (
            concentration(codes if usual.bins.levels is not None else values, windows),
            False,
        ),
    }
    if usual.bins.levels is not None:
        found[Statistic("unseen", name)] = (here[:, -2], False)
    if usual.grid is not None:
        found[Statistic("grid", name)] = (mean_by_window(off_grid(values, usual.grid), windows), False)
    return found


def concentration(values: pd.Series | NDArray[np.int64], windows: Windows) -> Floats:
    """Return 1 over the effective number of different values in each window, shape (w,); 1 if all are equal.

    The effective number is the exponential of the entropy, Hill's number of order 1 (M. O. Hill, Diversity
    and evenness, Ecology 54, 1973). Missing values are left out; NaN if all are missing.
    """
    codes = values if isinstance(values, np.ndarray) else pd.factorize(as_numbers(values))[0]
    there = codes >= 0
    width = int(codes.max(initial=0)) + 1
    keys = np.sort(windows.of_row[there] * width + codes[there])
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    runs = np.diff(starts, append=len(keys))
    window = keys[starts] // width
    rows = np.bincount(window, runs, minlength=len(windows))
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.bincount(window, runs * np.log(runs), minlength=len(windows)) / rows
        return np.exp(logs - np.log(rows))


def mean_by_window(values: Floats, windows: Windows) -> Floats:
    """Return the mean of the values (n,) in each window without NaN, shape (w,); NaN if none is left."""
    known = ~np.isnan(values)
    sums = np.bincount(windows.of_row[known], values[known], minlength=len(windows))
    counts = np.bincount(windows.of_row[known], minlength=len(windows))
    with np.errstate(invalid="ignore"):
        return sums / counts
