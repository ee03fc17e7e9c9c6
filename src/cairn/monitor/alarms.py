"""Alarms whose rate of false ones is a setting: windows are compared with the windows of the reference.

Rows that share a cause (the flights of a day share its weather) are not independent, so a test that counts
rows alarms every day. The unit here is the window: each statistic is divided by its own largest value in
the windows of the reference; the largest of these ratios is compared with the same maximum in the windows
of the reference, each left out of its own scale. That also accounts for there being many statistics.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cairn.data.predictions import Floats
from cairn.errors import UserError
from cairn.monitor.statistics import ALL, FLOORS, SEASON_WINDOWS, Measured, Statistic, in_season

FEWEST = 20
"""Windows of the reference that a threshold needs."""


@dataclass(frozen=True)
class Votes:
    """An alarm counts if the latest window and so many of the last windows, itself included, alarm."""

    needed: int = 2
    of: int = 3

    def count(self, alarms: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return where alarms in consecutive windows count, along the first axis."""
        recent: deque[NDArray[np.bool_]] = deque(maxlen=self.of)
        counted = np.zeros_like(alarms)
        for at, alarm in enumerate(alarms):
            recent.append(alarm)
            counted[at] = alarm & (np.sum(recent, axis=0) >= self.needed)
        return counted


@dataclass(frozen=True)
class Scale:
    """What is usual of each statistic, and the threshold of the largest ratio.

    Attributes:
        statistics: in the order of the columns.
        seasonal: whether a statistic is compared with the same months only, shape (s,).
        worst: largest value in the reference as a whole (0) and in every season (1 to 12), shape (13, s); NaN
            where the reference has none.
        floors: added to it, shape (s,).
        threshold: of the largest ratio of a window.
        maxima: largest ratio of each window of the reference, left out of its own scale, shape (w,).
    """

    statistics: list[Statistic]
    seasonal: NDArray[np.bool_]
    worst: Floats
    floors: Floats
    threshold: float
    maxima: Floats

    def ratios(self, measured: Measured, months: NDArray[np.int64]) -> Floats:
        """Return the statistics of windows over their usual worst, shape (w, s); NaN if not assessable.

        A statistic that is not measured, such as one of a column that is not there, is NaN.
        """
        place = {statistic: at for at, statistic in enumerate(measured.statistics)}
        columns = np.array([place.get(statistic, -1) for statistic in self.statistics])
        values = np.where(columns >= 0, measured.values[:, columns], np.nan)
        return values / (self.worst_of(months) + self.floors)

    def worst_of(self, months: NDArray[np.int64]) -> Floats:
        """Return the usual worst of every statistic in windows of these months, shape (w, s)."""
        return np.where(self.seasonal, self.worst[months], self.worst[ALL])


def calibrate(measured: Measured, months: NDArray[np.int64], rate: float) -> Scale:
    """Return the scale and the threshold that the windows of the reference set.

    Args:
        measured: the reference.
        months: of its windows, shape (w,).
        rate: share of windows that may alarm although nothing is wrong, before votes.

    Raises:
        UserError: too few windows.
    """
    n_windows = len(measured.values)
    if n_windows < FEWEST:
        raise UserError(
            f"--window: the reference has {n_windows} windows, and {FEWEST} are needed to know what is usual;"
            " make windows shorter"
        )
    floors = np.array([FLOORS[statistic.kind] for statistic in measured.statistics])
    worst = np.full((13, len(floors)), np.nan)
    others = np.full(measured.values.shape, np.nan)
    for season in (ALL, *np.unique(months[months > 0])):
        inside = np.ones(n_windows, dtype=bool) if season == ALL else in_season(months, season)
        columns = ~measured.seasonal if season == ALL else measured.seasonal
        if season != ALL and (months == season).sum() < SEASON_WINDOWS:
            continue
        worst[season, columns] = _largest(measured.values[inside][:, columns])
        judged = np.flatnonzero(inside & ((months == season) | (season == ALL)))
        others[np.ix_(judged, np.flatnonzero(columns))] = _without_own(
            measured.values[:, columns], inside, judged
        )
    maxima = largest_ratio(measured.values / (others + floors))
    return Scale(
        measured.statistics,
        measured.seasonal,
        worst,
        floors,
        float(np.quantile(maxima, 1 - rate)),
        maxima,
    )


def largest_ratio(ratios: Floats) -> Floats:
    """Return the largest ratio of every window that is not NaN, shape (w,); 0 if all are."""
    return np.where(np.isnan(ratios), 0.0, ratios).max(axis=1, initial=0.0)


def _largest(values: Floats) -> Floats:
    """Return the largest value of each column without NaN; 0 for a column that has none."""
    return np.where(np.isnan(values), 0.0, values).max(axis=0, initial=0.0)


def _without_own(values: Floats, inside: NDArray[np.bool_], judged: NDArray[np.int64]) -> Floats:
    """Return by judged window and column the largest value of the other windows inside."""
    known = np.where(np.isnan(values), 0.0, values)
    ordered = np.sort(known[inside], axis=0)
    first, second = ordered[-1], ordered[-2] if len(ordered) > 1 else ordered[-1]
    return np.where(known[judged] >= first, second, first)


def replayed(
    measured: Measured, months: NDArray[np.int64], rate: float, votes: Votes, folds: int = 5
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Replay the reference: calibrate on all of it but a fold of consecutive windows, and judge these.

    Returns:
        Whether each window alarms, and whether it does by vote, each of shape (w,).
    """
    alarms = np.zeros(len(measured.values), dtype=bool)
    for part in np.array_split(np.arange(len(alarms)), folds):
        rest = np.setdiff1d(np.arange(len(alarms)), part)
        scale = calibrate(_of(measured, rest), months[rest], rate)
        alarms[part] = largest_ratio(scale.ratios(_of(measured, part), months[part])) > scale.threshold
    return alarms, votes.count(alarms)


def _of(measured: Measured, windows: NDArray[np.int64]) -> Measured:
    return Measured(measured.statistics, measured.values[windows], measured.seasonal)
