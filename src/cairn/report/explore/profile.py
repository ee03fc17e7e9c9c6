"""What one column holds: its values as numbers, their distribution, missing values and rare levels."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.report.numbers import in_order
from cairn.settings.contract import Kind

Floats = NDArray[np.float64]

BARS = 24
LEVELS = 8
TAIL = 0.005
ORDERS = 1_000.0
QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
FEW = 20
"""A level with fewer rows of train is rare: the encoders merge such levels by default (min_frequency)."""
EXAMPLES = 3


@dataclass(frozen=True)
class Values:
    """One column of n rows as numbers.

    Attributes:
        numbers: shape (n,), NaN where missing or infinite; the codes of a category, 0 the most frequent;
            0 and 1 for a boolean; seconds since 1970 for a date.
        levels: the names of the codes of a category, else empty.
    """

    kind: Kind
    numbers: Floats
    levels: tuple[str, ...] = ()

    @property
    def ordered(self) -> bool:
        """Whether the numbers have an order; the codes of a category do not."""
        return self.kind != "categorical"

    @property
    def known(self) -> NDArray[np.bool_]:
        """Where there is a value, shape (n,)."""
        return ~np.isnan(self.numbers)

    @cached_property
    def codes(self) -> NDArray[np.int64]:
        """The place of each value among the distinct ones in order, from 0, shape (n,); -1 where missing."""
        return pd.factorize(self.numbers, sort=True)[0]

    def at(self, rows: slice | NDArray[np.int64]) -> "Values":
        """Return some of the rows, with the same codes."""
        return Values(self.kind, self.numbers[rows], self.levels)

    def counts(self) -> NDArray[np.int64]:
        """Return the number of rows of each level of a category."""
        return np.bincount(self.numbers[self.known].astype(np.int64), minlength=len(self.levels))


class Bars(NamedTuple):
    """A histogram of at most `BARS` bins from low to high, as shares of the values of each part.

    Values outside are in the outermost bins. The bins may be equally wide on a log scale. Edges has the first
    and last value of each bin; the two are one if it has a single whole number.
    """

    low: float
    high: float
    train: Floats
    validation: Floats
    logarithmic: bool
    edges: list[tuple[float, float]]


class Level(NamedTuple):
    """A level of a category, with its share of the values of train and of validation."""

    name: str
    train: float
    validation: float


class Profile(NamedTuple):
    """A column in train, with validation beside it.

    Attributes:
        missing: share of the rows of train without a value (infinite counts as missing).
        quantiles: minimum, quartiles, maximum; None, as mean and bars, for a category or without values.
        levels: the most frequent levels of a category.
        other_levels: how many more levels train has.
    """

    kind: Kind
    missing: float
    distinct: int
    quantiles: tuple[float, ...] | None = None
    mean: float | None = None
    bars: Bars | None = None
    levels: tuple[Level, ...] = ()
    other_levels: int = 0


@dataclass(frozen=True)
class Rare:
    """A category with levels that have fewer than 20 rows of train, or none (unseen in train).

    Attributes:
        rare_share: share of the values of train that have a rare level.
        examples: the rarest levels.
        unseen_share: share of the values of validation that have an unseen level.
    """

    column: str
    levels: int
    rare: int
    rare_share: float
    examples: tuple[str, ...]
    unseen_share: float
    unseen: tuple[str, ...]

    @property
    def identifies_rows(self) -> bool:
        """Whether most values have a rare level, as in an identifier."""
        return self.rare_share > 0.5


def of_parts(train: pd.Series, validation: pd.Series, kind: Kind) -> tuple[Values, Values]:
    """Return a column of both parts with the same codes, in the order of their frequency in train."""
    both = as_values(pd.concat([train, validation], ignore_index=True), kind, len(train))
    return both.at(slice(None, len(train))), both.at(slice(len(train), None))


def as_values(column: pd.Series, kind: Kind, leading: int | None = None) -> Values:
    """Return a column as numbers; only the `leading` rows, or all, decide the order of the levels."""
    if kind == "categorical":
        return _coded(column, leading)
    if kind == "datetime":
        seconds = to_utc(column).to_numpy("datetime64[us]").astype(np.int64) / 1e6
        return Values(kind, np.where(column.isna(), np.nan, seconds))
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return Values(kind, np.where(np.isfinite(numbers), numbers, np.nan))


def to_utc(column: pd.Series) -> pd.Series:
    """Return dates in UTC without a time zone; dates without one are kept."""
    return pd.to_datetime(column, utc=True).dt.tz_localize(None)


def _coded(column: pd.Series, leading: int | None) -> Values:
    places, distinct = pd.factorize(column.astype(object) if column.dtype == bool else column)
    # 1, 1.0 and "1" are one level, as they are for the models.
    names = [_name(level) for level in distinct]
    counted = np.bincount(places[:leading][places[:leading] >= 0], minlength=len(names))
    rows = dict.fromkeys(names, 0)
    for name, count in zip(names, counted.tolist(), strict=True):
        rows[name] += count
    levels = sorted(rows, key=lambda name: (-rows[name], name))
    code_of = {name: float(code) for code, name in enumerate(levels)}
    codes = np.array([*(code_of[name] for name in names), np.nan])
    return Values("categorical", codes[places], tuple(levels))


def _name(level: object) -> str:
    return str(int(level)) if isinstance(level, float) and level.is_integer() else str(level)


def profile(train: Values, validation: Values) -> Profile:
    """Describe a column by its values in train and in validation, which have the same codes."""
    known, other = train.numbers[train.known], validation.numbers[validation.known]
    ranked = np.sort(known)
    missing, distinct = 1 - len(known) / len(train.numbers), _distinct(ranked)
    if not train.ordered:
        levels = _levels(train, validation)
        return Profile(train.kind, missing, distinct, levels=levels, other_levels=distinct - len(levels))
    if not len(known):
        return Profile(train.kind, missing, distinct)
    quantiles = tuple(np.quantile(ranked, QUANTILES).tolist())
    bars = _bars(train.kind, ranked, other)
    return Profile(train.kind, missing, distinct, quantiles, float(known.mean()), bars)


def _distinct(ranked: Floats) -> int:
    """Return the number of different values among sorted ones."""
    return int(np.count_nonzero(np.diff(ranked))) + (len(ranked) > 0)


def _levels(train: Values, validation: Values) -> tuple[Level, ...]:
    rows, others = train.counts(), validation.counts()
    shares, other_shares = (counts / max(counts.sum(), 1) for counts in (rows, others))
    shown = [code for code in range(min(LEVELS, len(train.levels))) if rows[code]]
    return tuple(
        Level(train.levels[code], float(shares[code]), float(other_shares[code]))
        for code in (shown[at] for at in in_order([train.levels[code] for code in shown]))
    )


def _bars(kind: Kind, known: Floats, other: Floats) -> Bars:
    # Dates of a later part are outside the range of train: they would all be in its last bar.
    shown = np.concatenate([known, other]) if kind == "datetime" else known
    edges = bin_edges(shown)
    shares = [
        np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / max(len(values), 1)
        for values in (known, other)
    ]
    low, high = max(edges[0], shown.min()), min(edges[-1], shown.max())
    if _whole(shown):
        low, high = np.ceil(low), np.floor(high)
    logarithmic = not _whole(shown) and _wide(edges[0], edges[-1])
    ends = np.clip(np.column_stack([edges[:-1], edges[1:]]), low, high)
    if _whole(shown):
        ends = np.column_stack([np.ceil(ends[:, 0]), np.floor(ends[:, 1])])
    pairs = [(float(first), float(last)) for first, last in ends]
    return Bars(float(low), float(high), *shares, logarithmic=logarithmic, edges=pairs)


def bin_edges(values: Floats) -> Floats:
    """Return the edges of equal bins from the 0.5% to the 99.5% quantile of values without NaN.

    Bins are centred on whole numbers if all values are whole, and equally wide on a log scale if the values
    are positive and span more than three orders of magnitude.
    """
    low, high = np.quantile(values, [TAIL, 1 - TAIL], method="nearest")
    if low == high:
        low, high = values.min(), values.max()
    if low == high:
        return np.array([low - 0.5, low + 0.5])
    if _whole(values):
        width = np.ceil((high - low + 1) / BARS)
        return low - 0.5 + width * np.arange(np.ceil((high - low + 1) / width) + 1)
    with np.errstate(over="ignore", invalid="ignore"):  # the range of the largest floats is infinite
        edges = (np.geomspace if _wide(low, high) else np.linspace)(low, high, BARS + 1)
    return edges if (np.diff(edges) > 0).all() else np.array([low, high])


def _whole(values: Floats) -> bool:
    """Whether all values are whole numbers that float64 represents exactly."""
    return bool(np.abs(values).max() < 2**52 and (values == np.round(values)).all())


def _wide(low: float, high: float) -> bool:
    return low > 0 and high > ORDERS * low


def worst_first(found: Iterable[Rare]) -> list[Rare]:
    """Return the categories that have rare or unseen levels, those with the most such values first."""
    concerned = (rare for rare in found if rare.rare or rare.unseen)
    return sorted(concerned, key=lambda rare: (-max(rare.rare_share, rare.unseen_share), rare.column))


def rare_levels(name: str, train: Values, validation: Values) -> Rare:
    """Count the levels of a category that are rare in train or unseen there."""
    rows, others = train.counts(), validation.counts()
    rare = np.flatnonzero((rows > 0) & (rows < FEW))
    unseen = np.flatnonzero((rows == 0) & (others > 0))
    return Rare(
        column=name,
        levels=int((rows > 0).sum()),
        rare=len(rare),
        rare_share=float(rows[rare].sum() / max(rows.sum(), 1)),
        examples=tuple(train.levels[code] for code in rare[::-1][:EXAMPLES]),
        unseen_share=float(others[unseen].sum() / max(others.sum(), 1)),
        unseen=tuple(train.levels[code] for code in unseen[:EXAMPLES]),
    )
