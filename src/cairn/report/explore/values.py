"""A column as numbers, the form in which all else is computed."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from cairn.settings.contract import Kind

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Values:
    """One column of n rows.

    Attributes:
        kind: what the contract calls it.
        numbers: shape (n,), NaN where missing or infinite; the codes of a category, 0 the most frequent;
            0 and 1 of a boolean; seconds since 1970 of a date.
        levels: the names of the codes of a category, else empty.
    """

    kind: Kind
    numbers: Floats
    levels: tuple[str, ...] = ()

    @property
    def ordered(self) -> bool:
        """Whether larger numbers mean more of something; codes of a category do not."""
        return self.kind != "categorical"

    @property
    def known(self) -> NDArray[np.bool_]:
        """Where there is a value, shape (n,)."""
        return ~np.isnan(self.numbers)

    def at(self, rows: slice | NDArray[np.int64]) -> "Values":
        """Return some of the rows; the codes stay what they are."""
        return Values(self.kind, self.numbers[rows], self.levels)


def of_parts(train: pd.Series, validation: pd.Series, kind: Kind) -> tuple[Values, Values]:
    """Return a column of both parts, coded alike, the levels most frequent in train first."""
    both = as_values(pd.concat([train, validation], ignore_index=True), kind, len(train))
    return both.at(slice(None, len(train))), both.at(slice(len(train), None))


def as_values(column: pd.Series, kind: Kind, leading: int | None = None) -> Values:
    """Return a column as numbers.

    Args:
        column: n rows that keep the contract.
        kind: what the contract calls it.
        leading: order the levels of a category by how often they are among so many first rows (None: all).
    """
    if kind == "categorical":
        return _coded(column, len(column) if leading is None else leading)
    if kind == "datetime":
        return Values(kind, _seconds(column))
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return Values(kind, np.where(np.isfinite(numbers), numbers, np.nan))


def _coded(column: pd.Series, leading: int) -> Values:
    codes, found = pd.factorize(column.astype(object), use_na_sentinel=True)
    # 1, 1.0 and "1" are one level, as they are for the models.
    names, merged = np.unique([_word(level) for level in found] or [""], return_inverse=True)
    codes = np.where(codes < 0, -1, merged[codes])
    rows = np.bincount(codes[:leading][codes[:leading] >= 0], minlength=len(names))
    order = np.lexsort((np.arange(len(names)), -rows))
    place = np.empty(len(names))
    place[order] = np.arange(len(names))
    levels = tuple(names[order].tolist()) if len(found) else ()
    return Values("categorical", np.where(codes < 0, np.nan, place[codes]), levels)


def _word(level: object) -> str:
    return str(int(level)) if isinstance(level, float) and level.is_integer() else str(level)


def _seconds(column: pd.Series) -> Floats:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    if not types.is_datetime64_any_dtype(column):
        column = pd.to_datetime(column)
    seconds = column.to_numpy(dtype="datetime64[us]").astype(np.int64) / 1e6
    return np.where(column.isna().to_numpy(), np.nan, seconds)
