"""The target in parts of train: over time, in groups, and where values are missing; with intervals."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.report.explore.values import Floats, as_values
from cairn.settings.data import Task

PERIODS = {"hour": "h", "day": "D", "week": "W", "month": "M", "quarter": "Q", "year": "Y"}
MOST_PERIODS = 100
Z = 1.959964
CLASSES = 6
IS = "is "
"""Stands before the name of a class, which may be that of any other column."""


@dataclass(frozen=True)
class Mean:
    """A share or mean of some rows with its 95 % interval; the rows are taken as independent."""

    rows: int
    value: float
    low: float
    high: float


def mean_of(target: Floats, task: Task) -> Mean:
    """Return the mean of the target and its interval.

    For shares the interval is Wilson's (E. B. Wilson, Probable inference, the law of succession, and
    statistical inference, Journal of the American Statistical Association 22 (1927), pages 209-212), for
    other means the normal one.

    Args:
        target: shape (n,), n > 0; 0 and 1 in a binary task.
        task: binary or regression.
    """
    n, value = len(target), float(target.mean())
    if task == "binary":
        centre = (value + Z**2 / (2 * n)) / (1 + Z**2 / n)
        half = Z / (1 + Z**2 / n) * np.sqrt(value * (1 - value) / n + Z**2 / (4 * n**2))
        return Mean(n, value, float(centre - half), float(centre + half))
    half = Z * target.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    return Mean(n, value, float(value - half), float(value + half))


def period_of(time: pd.Series) -> str | None:
    """Return the shortest of hour, day, week, month, quarter that gives 100 periods at most, else year.

    Returns:
        None where all rows are in one period of any length.
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
    """Return the target by period, one row for each that has rows.

    Args:
        time: n dates, no time zone, none missing.
        target: of the same rows.
        task: for classes there is a column of shares for each of the six most frequent, no interval.
        period: a name in PERIODS.

    Returns:
        Columns start (a date), rows, and value, low and high, or `is NAME` for every class.
    """
    start = time.dt.to_period(PERIODS[period]).dt.start_time
    if task == "multiclass":
        classes = target.value_counts().index[:CLASSES]
        shares = pd.DataFrame({f"{IS}{name}": target == name for name in classes}).groupby(start).mean()
        shares.insert(0, "rows", start.value_counts().sort_index())
        return shares.rename_axis("start").reset_index()
    found = [
        {"start": at, **vars(mean_of(values.to_numpy(dtype=np.float64), task))}
        for at, values in target.groupby(start)
    ]
    return pd.DataFrame(found)


def moments(values: pd.Series) -> pd.Series:
    """Return dates without a time zone: those of UTC where there is one."""
    return pd.Series(pd.to_datetime(as_values(values, "datetime").numbers, unit="s"), index=values.index)


def gap_means(missing: NDArray[np.bool_], target: Floats, task: Task) -> tuple[Mean, Mean] | None:
    """Return the target where a column is missing and where it is not; None where one of them has no rows."""
    if missing.all() or not missing.any():
        return None
    return mean_of(target[missing], task), mean_of(target[~missing], task)
