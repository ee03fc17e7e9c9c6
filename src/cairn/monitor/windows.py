"""Windows of rows: every so many hours or days of the time column, or every so many rows."""

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.errors import UserError

FOLD = 7
"""Consecutive windows that are in the same half of the reference."""
OF_ROWS = re.compile(r"(\d+)\s*(?:r|rows?)")


@dataclass(frozen=True)
class Length:
    """How long a window is: a span of time, or a number of rows; the other one is None."""

    span: timedelta | None = None
    rows: int | None = None

    def __str__(self) -> str:
        """Return it as the option is written: `1D`, `6h` or `1000rows`."""
        if self.span is None:
            return f"{self.rows}rows"
        hours = self.span / timedelta(hours=1)
        return f"{hours / 24:g}D" if hours % 24 == 0 else f"{hours:g}h"


def length_of(text: str) -> Length:
    """Return the length that a text such as `1D`, `6h` or `1000rows` means.

    Raises:
        UserError: it means none.
    """
    if (found := OF_ROWS.fullmatch(text.strip())) and int(found[1]) > 0:
        return Length(rows=int(found[1]))
    span = span_of(text)
    if span is None:
        raise UserError(f"--window: '{text}' is not a length; write hours (6h), days (1D) or rows (1000rows)")
    return Length(span=span)


def span_of(text: str) -> timedelta | None:
    """Return a span of time such as `6h` or `3D`, None for a text that is none."""
    try:
        span = pd.Timedelta(text)
    except ValueError:
        return None
    if not isinstance(span, pd.Timedelta) or span <= pd.Timedelta(0):
        return None
    return span.to_pytimedelta()


@dataclass(frozen=True)
class Windows:
    """Rows grouped into windows, which are in the order of time; empty ones are left out.

    Attributes:
        of_row: the window of every row, shape (n,).
        names: when each window begins, or its first row, shape (w,).
        rows: how many rows each window has, shape (w,).
        starts: when each window begins; None where windows are numbers of rows and rows have no time.
        ends: the share of its span that has passed at the last row of each window, shape (w,).
        hours: hour of the day of every row, 0 to 23, shape (n,); None where rows have no time.
    """

    of_row: NDArray[np.int64]
    names: list[str]
    rows: NDArray[np.int64]
    starts: pd.DatetimeIndex | None
    ends: NDArray[np.float64]
    hours: NDArray[np.int64] | None

    def __len__(self) -> int:
        """Return how many windows there are."""
        return len(self.names)

    @cached_property
    def months(self) -> NDArray[np.int64]:
        """The calendar month of every window, 1 to 12; 0 where rows have no time."""
        if self.starts is None:
            return np.zeros(len(self), dtype=np.int64)
        return self.starts.month.to_numpy().astype(np.int64)

    def within(self, first: int, last: int) -> NDArray[np.int64]:
        """Return the positions of the rows of the windows from first up to last, itself included."""
        return np.flatnonzero((self.of_row >= first) & (self.of_row <= last))


def windows_of(time: pd.Series | None, n_rows: int, length: Length) -> Windows:
    """Group rows into windows.

    A window of time begins at a multiple of its length after midnight of 1 January 1970. One of a number of
    rows has them in the order of time, or as they come; the rows that are left over at the end make a
    smaller window.

    Args:
        time: of each row, shape (n,), without missing values; None if rows have none.
        n_rows: number of rows.
        length: of a window.

    Raises:
        UserError: no rows, or a window of time for rows without one.
    """
    if n_rows == 0:
        raise UserError("there are no rows to monitor")
    moments = None if time is None else naive(time)
    hours = None if moments is None else moments.dt.hour.to_numpy().astype(np.int64)
    if length.span is not None:
        if moments is None:
            raise UserError("--window: rows without a time need a number of rows, such as --window 1000rows")
        at = moments.to_numpy().astype("datetime64[ns]").astype(np.int64)
        span = length.span // timedelta(microseconds=1) * 1000
        found, of_row = np.unique(at // span, return_inverse=True)
        ends = np.zeros(len(found))
        np.maximum.at(ends, of_row, (at % span) / span)
        starts = pd.DatetimeIndex((found * span).astype("datetime64[ns]"))
        return Windows(of_row, list(map(written, starts)), np.bincount(of_row), starts, ends, hours)
    size = length.rows or n_rows
    order = np.arange(n_rows) if moments is None else np.argsort(moments.to_numpy(), kind="stable")
    of_row = np.empty(n_rows, dtype=np.int64)
    of_row[order] = np.arange(n_rows) // size
    rows = np.bincount(of_row)
    firsts = order[::size]
    starts = None if moments is None else pd.DatetimeIndex(moments.iloc[firsts])
    names = [f"row {at}" for at in firsts] if starts is None else list(map(written, starts))
    return Windows(of_row, names, rows, starts, rows / size, hours)


def halves_of(n_windows: int) -> NDArray[np.int64]:
    """Return the half of the reference that each window belongs to: for days, weeks in turn."""
    return np.arange(n_windows) // FOLD % 2


def naive(time: pd.Series) -> pd.Series:
    """Return moments without an offset, in UTC if they have one."""
    return time if time.dt.tz is None else time.dt.tz_convert(None)


def written(moment: pd.Timestamp) -> str:
    """Return a moment as a date, with the time of day unless it is midnight."""
    return f"{moment:%Y-%m-%d}" if moment == moment.normalize() else f"{moment:%Y-%m-%d %H:%M}"
