"""Count and average past events per key and time window, for every row of a table at once.

Each row asks what had happened to others with its key before its time. Events are sorted once by key and
time; a window is then the difference of two running totals, found by binary search. Totals are integers, so
no result depends on what happened after the window, not even in the last digit.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

# Stamps are key * SPAN + minute, so one sorted array holds every key: minutes since 1970 stay below 2**32.
SPAN = 1 << 32
DIGITS = 3


class EventLog:
    """At most one event per row; rows with the same key can look back at it, except the row itself."""

    def __init__(self, key: np.ndarray, time: np.ndarray, values: Sequence[np.ndarray] = ()) -> None:
        """Sort the events.

        Args:
            key: int64 (rows,), at least 0; a row sees only events of rows with the same key.
            time: float64 (rows,), whole minutes since 1970 at which the event was known; NaN: it never was.
            values: whole numbers (rows,) each, to be summed; read only where time is not NaN.
        """
        happened = ~np.isnan(time)
        rows = np.flatnonzero(happened)
        stamps = key[rows] * SPAN + time[rows].astype("int64")
        order = np.argsort(stamps, kind="stable")
        self.key = key
        self.own_time = time
        self.rows = rows[order]
        self.stamps = stamps[order]
        self.own_values = [np.where(happened, value, 0).astype("int64") for value in values]
        self.totals = [np.concatenate([[0], np.cumsum(own[self.rows])]) for own in self.own_values]

    def window(self, now: np.ndarray, minutes: int | None) -> list[np.ndarray]:
        """Return the number of events in (now - minutes, now] and the sum of each of their values.

        Args:
            now: int64 (rows,), the minute from which each row looks back.
            minutes: width of the window; None looks back to the beginning.

        Returns:
            int64 arrays (rows,): the count, then one sum per value. The row's own event is left out.
        """
        since = np.zeros_like(now) if minutes is None else now - minutes
        last, first = self._position(now), self._position(since)
        own = (self.own_time > since) & (self.own_time <= now)
        sums = [
            total[last] - total[first] - own * value
            for total, value in zip(self.totals, self.own_values, strict=True)
        ]
        return [last - first - own, *sums]

    def means(self, now: np.ndarray, minutes: int | None) -> list[np.ndarray]:
        """Return the mean of each value in the window, float64 (rows,) to 3 digits; NaN without events."""
        count, *sums = self.window(now, minutes)
        return [ratio(total, count) for total in sums]

    def latest(self, now: np.ndarray) -> np.ndarray:
        """Return the row of the last event up to now that is not the row's own, int64 (rows,); -1: none."""
        position = self._position(now) - 1
        found = self._row_at(position)
        return self._row_at(np.where(found == np.arange(len(now)), position - 1, position))

    def _position(self, moment: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.stamps, self.key * SPAN + moment, side="right")

    def _row_at(self, position: np.ndarray) -> np.ndarray:
        if not len(self.rows):
            return np.full(len(position), -1)
        row = self.rows[np.maximum(position, 0)]
        return np.where((position >= 0) & (self.key[row] == self.key), row, -1)


def ratio(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Return total / count to 3 digits, float64; NaN where count is 0."""
    return np.round(np.where(count > 0, total / np.maximum(count, 1), np.nan), DIGITS)


def codes(*columns: pd.Series | np.ndarray) -> np.ndarray:
    """Number the distinct combinations of the columns, int64 (rows,); missing counts as a value."""
    combined = np.zeros(len(columns[0]), "int64")
    for column in columns:
        numbers, _ = pd.factorize(column, use_na_sentinel=False)
        combined = pd.factorize(combined * (numbers.max(initial=0) + 1) + numbers)[0].astype("int64")
    return combined
