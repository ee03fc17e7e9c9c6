"""What one column holds: how much is missing, how it is spread in train, and the same bars for validation."""

from dataclasses import dataclass

import numpy as np

from cairn.report.explore.values import Floats, Values
from cairn.settings.contract import Kind

BARS = 24
LEVELS = 8
TAIL = 0.005
ORDERS = 1_000.0
QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Bars:
    """A histogram of `BARS` bins at most from low to high; values beyond are in the outermost bins.

    Attributes:
        low: the lowest value that the first bin is meant for.
        high: the highest value that the last bin is meant for.
        train: share of the values of train in each bin.
        validation: likewise.
        logarithmic: whether the bins are equally wide in the logarithm.
    """

    low: float
    high: float
    train: Floats
    validation: Floats
    logarithmic: bool


@dataclass(frozen=True)
class Level:
    """One value of a category, with the share of the values of train and of validation that it has."""

    name: str
    rows: int
    train: float
    validation: float


@dataclass(frozen=True)
class Profile:
    """A column of train, beside validation.

    Attributes:
        kind: what the contract calls it.
        missing: share of the rows of train without a value (an infinite one is none).
        distinct: number of values in train.
        quantiles: lowest, quartiles, highest; None for a category or without values.
        mean: None likewise.
        bars: None likewise.
        levels: the most frequent ones of a category.
        other_levels: how many more there are in train.
    """

    kind: Kind
    missing: float
    distinct: int
    quantiles: tuple[float, ...] | None = None
    mean: float | None = None
    bars: Bars | None = None
    levels: tuple[Level, ...] = ()
    other_levels: int = 0

    @property
    def constant(self) -> bool:
        """Whether train has one value or none."""
        return self.distinct < 2


def profile(train: Values, validation: Values) -> Profile:
    """Describe a column, train and validation coded alike."""
    known, other = train.numbers[train.known], validation.numbers[validation.known]
    missing = 1 - len(known) / len(train.numbers)
    distinct = len(np.unique(known))
    if not train.ordered:
        levels = _levels(train, known, other)
        return Profile(train.kind, missing, distinct, levels=levels, other_levels=distinct - len(levels))
    if not len(known):
        return Profile(train.kind, missing, distinct)
    quantiles = tuple(float(value) for value in np.quantile(known, QUANTILES))
    return Profile(
        train.kind, missing, distinct, quantiles, float(known.mean()), _bars(train.kind, known, other)
    )


def _levels(train: Values, known: Floats, other: Floats) -> tuple[Level, ...]:
    rows, others = (
        np.bincount(values.astype(np.int64), minlength=len(train.levels)) for values in (known, other)
    )
    return tuple(
        Level(name, int(rows[code]), rows[code] / max(len(known), 1), others[code] / max(len(other), 1))
        for code, name in enumerate(train.levels[:LEVELS])
        if rows[code]
    )


def _bars(kind: Kind, known: Floats, other: Floats) -> Bars:
    # Dates of a later part have no place among those of train: they would all be in its last bar.
    shown = np.concatenate([known, other]) if kind == "datetime" else known
    edges = bin_edges(shown)
    shares = [
        np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / max(len(values), 1)
        for values in (known, other)
    ]
    low, high = max(edges[0], shown.min()), min(edges[-1], shown.max())
    if whole(shown):
        low, high = np.ceil(low), np.floor(high)
    return Bars(float(low), float(high), *shares, logarithmic=not whole(shown) and wide(edges[0], edges[-1]))


def whole(values: Floats) -> bool:
    """Whether all values are whole numbers, small enough for a float to tell them from their neighbours."""
    return bool(np.abs(values).max() < 2**52 and (values == np.round(values)).all())


def wide(low: float, high: float) -> bool:
    """Whether values are all positive and so far apart that equal bins would put nearly all in the first."""
    return low > 0 and high > ORDERS * low


def bin_edges(values: Floats) -> Floats:
    """Return the edges of equal bins from the 0.5 % to the 99.5 % quantile, around whole numbers if all are.

    Args:
        values: without NaN, at least one.
    """
    low, high = np.quantile(values, [TAIL, 1 - TAIL], method="nearest")
    if low == high:
        low, high = values.min(), values.max()
    if low == high:
        return np.array([low - 0.5, low + 0.5])
    if whole(values):
        width = np.ceil((high - low + 1) / BARS)
        return low - 0.5 + width * np.arange(np.ceil((high - low + 1) / width) + 1)
    with np.errstate(over="ignore", invalid="ignore"):  # the range of the largest floats is infinite
        edges = (np.geomspace if wide(low, high) else np.linspace)(low, high, BARS + 1)
    return edges if (np.diff(edges) > 0).all() else np.array([low, high])
