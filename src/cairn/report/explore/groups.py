"""Who is in the table: the groups of rows, how many of them train has, and what their target is."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cairn.report.explore.target import Mean, mean_of
from cairn.report.explore.values import Values
from cairn.report.numbers import short
from cairn.settings.data import Task

MOST_LEVELS = 12
MOST_COLUMNS = 6
NOT_IN_TRAIN = -1


@dataclass(frozen=True)
class Group:
    """Rows that share a level of a column.

    Attributes:
        name: the level.
        train: share of the rows of train.
        validation: share of the rows of validation.
        rows: of train.
        target: in train; None for classes.
    """

    name: str
    train: float
    validation: float
    rows: int
    target: Mean | None


@dataclass(frozen=True)
class Entities:
    """The entities that data.group names, which a group split keeps together.

    Attributes:
        count: of train.
        median_rows: of one.
        largest_share: of the rows of train that the largest has.
        effective: so many equally large ones would be as uneven, 1 / sum of squared shares (M. O. Hill,
            Diversity and evenness, Ecology 54 (1973), page 429, order 2).
    """

    count: int
    median_rows: float
    largest_share: float
    effective: float


def columns_to_show(slices: list[str], columns: dict[str, tuple[Values, Values]]) -> list[str]:
    """Return the columns that evaluate.slices names, or else the first six of few levels."""
    named = [name for name in slices if name in columns]
    few = [name for name, (train, _) in columns.items() if _few_levels(train)]
    return named or few[:MOST_COLUMNS]


def groups(train: Values, validation: Values, target: Values, task: Task) -> list[Group]:
    """Return the 12 largest groups of a column; a column of many numbers is cut at its quartiles."""
    first, second, names = _cut(train, validation)
    found = []
    # The codes of a category begin with its largest levels; the last code is what is missing.
    codes = range(len(names)) if train.ordered else [*range(min(MOST_LEVELS, len(names) - 1)), len(names) - 1]
    for code in codes:
        rows = first == code
        if rows.any():
            mean = None if task == "multiclass" else mean_of(target.numbers[rows], task)
            found.append(
                Group(names[code], float(rows.mean()), float((second == code).mean()), int(rows.sum()), mean)
            )
    largest = sorted(found, key=lambda group: -group.rows)[:MOST_LEVELS]
    return [group for group in found if group in largest] if train.ordered else largest


def entities(column: pd.Series) -> Entities:
    """Describe how the rows of train are spread over the entities of data.group."""
    rows = column.value_counts().to_numpy()
    shares = rows / rows.sum()
    return Entities(
        len(rows), float(np.median(rows)), float(shares.max()), float(1 / np.square(shares).sum())
    )


def _few_levels(values: Values) -> bool:
    if values.kind not in ("categorical", "boolean"):
        return False
    return 1 < len(np.unique(values.numbers[values.known])) <= MOST_LEVELS


def _cut(train: Values, validation: Values) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Number the groups of train and validation, a missing value last, and name them."""
    numbers = np.concatenate([train.numbers, validation.numbers])
    known = train.numbers[train.known]
    values = np.unique(known)
    if not train.ordered:
        codes, names = numbers, list(train.levels)
    elif len(values) <= MOST_LEVELS:
        position = np.searchsorted(values, numbers)
        codes = np.where(np.isin(numbers, values), position, NOT_IN_TRAIN)
        words = ("false", "true") if train.kind == "boolean" else None
        names = [words[int(value)] if words else short(value) for value in values]
    else:
        ends = np.unique(np.quantile(known, [0.25, 0.5, 0.75]))
        codes = np.searchsorted(ends, numbers)
        names = [*(f"up to {short(end)}" for end in ends), f"above {short(ends[-1])}"]
    codes = np.where(np.isnan(numbers), len(names), codes)
    return codes[: len(train.numbers)], codes[len(train.numbers) :], [*names, "(missing)"]
