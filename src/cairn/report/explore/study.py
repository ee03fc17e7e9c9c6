"""Everything the page shows about a table, computed from train and the features of validation."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.data.drift import distances
from cairn.data.leakage import Judged
from cairn.data.split import contents
from cairn.data.tables import duplicated
from cairn.metrics.bootstrap import Estimate
from cairn.report.explore.profile import (
    Floats,
    Profile,
    Rare,
    Values,
    as_values,
    of_parts,
    profile,
    rare_levels,
    to_utc,
    worst_first,
)
from cairn.report.explore.statistics import (
    Pair,
    alike,
    association,
    matrix,
    mean_of,
    over_time,
    period_of,
    with_target,
)
from cairn.report.numbers import in_order, short
from cairn.settings.contract import Contract, Kind
from cairn.settings.data import DataConfig, Task

SAMPLE = 20_000
SAMPLE_OF_PAIRS = 5_000
MATRIX = 30
COMPARED = 60
"""The features closest to the target that are compared with each other; the matrix shows the first 30."""
MOST_LEVELS = 12
MOST_COLUMNS = 6
MOST_SUSPECTS = 150
NOT_IN_TRAIN = -1


class Gap(NamedTuple):
    """Columns that are missing in exactly the same rows of train, and the target in these and other rows."""

    columns: tuple[str, ...]
    share: float
    where_missing: Estimate | None
    elsewhere: Estimate | None
    association: float | None


class Group(NamedTuple):
    """A level of a column: its share of train and validation, its rows and mean target in train."""

    name: str
    train: float
    validation: float
    rows: int
    target: Estimate | None


class Entities(NamedTuple):
    """The entities in train by data.group, which a group split keeps together."""

    number: int
    median_rows: float
    largest_share: float


class Duplicates(NamedTuple):
    """Rows of train that equal an earlier row in all but row_id and key, or only in the features."""

    rows: int
    conflicting: int


class Suspect(NamedTuple):
    """A column judged as the stage split judges features; the reason is empty if it is not suspect.

    The score is what a small tree on it reaches on rows it was not fitted on, ROC AUC or R².
    """

    column: str
    role: Literal["feature", "trusted", "not a feature"]
    score: float
    reason: str


@dataclass(frozen=True)
class Study:
    """What was found. Names are columns of the prepared table; only `target` is about the target.

    Attributes:
        profiles: of all columns but the target.
        associations: of all columns with the target, the strongest first.
        compared: c features that were compared with each other, the closest to the target first.
        matrix: their associations, shape (c, c).
        complete: share of the rows of train that have every feature.
        shifts: distance of validation from train by feature, the largest first.
    """

    rows: int
    validation_rows: int
    task: Task
    features: list[str]
    target: Profile
    profiles: dict[str, Profile]
    associations: dict[str, float | None]
    compared: list[str]
    matrix: Floats
    alike: list[Pair]
    gaps: list[Gap]
    complete: float
    rare: list[Rare]
    duplicates: Duplicates
    suspects: list[Suspect]
    shifts: dict[str, float]
    groups: dict[str, list[Group]]
    entities: Entities | None
    periods: pd.DataFrame | None
    period: str | None


def study(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    contract: Contract,
    data: DataConfig,
    judged: dict[str, Judged],
    *,
    slices: list[str],
    seed: int,
) -> Study:
    """Study the training part of a table and the features of its validation part.

    judged has what `split` found out about leaks, by column.

    If there are no `slices`, the groups of the first columns with few levels are studied. The seed is that of
    the samples: 20,000 rows for single columns and the target, 5,000 for pairs of columns.
    """
    names = [name for name in contract.columns if name != data.target]
    features = [name for name in names if contract.columns[name].group]
    # Classes are levels, an event is 1.
    kinds: dict[Task, Kind] = {"multiclass": "categorical", "binary": "boolean", "regression": "numeric"}
    target = as_values(train[data.target], kinds[data.task])
    sample = pd.Series(range(len(train))).sample(min(SAMPLE, len(train)), random_state=seed).to_numpy()
    sliced = [name for name in slices if name in names]
    samples, profiles, rare, shown = {}, {}, [], {}
    for name in names:  # one by one: the numbers of all of them are as large as the table
        both = of_parts(train[name], validation[name], contract.columns[name].kind)
        samples[name], profiles[name] = both[0].at(sample), profile(*both)
        if name in features and not both[0].ordered:
            rare.append(rare_levels(name, *both))
        if name in sliced or (not sliced and len(shown) < MOST_COLUMNS and has_few_levels(both[0])):
            shown[name] = groups(*both, target, data.task)
    associations = with_target(samples, target.at(sample))
    compared = [n for n, value in associations.items() if n in features and value is not None][:COMPARED]
    pairs = matrix({name: samples[name].at(slice(SAMPLE_OF_PAIRS)) for name in compared})
    time = to_utc(train[data.time]) if data.time else None
    period = None if time is None else period_of(time)
    periods = over_time(time, train[data.target], data.task, period) if time is not None and period else None
    return Study(
        rows=len(train),
        validation_rows=len(validation),
        task=data.task,
        features=features,
        target=profile(target, target.at(slice(0, 0))),
        profiles=profiles,
        associations=associations,
        compared=compared,
        matrix=pairs,
        alike=alike(compared, pairs),
        gaps=gaps(train, names, target, data.task),
        complete=float(train[features].notna().all(axis=1).mean()),
        rare=worst_first(rare),
        duplicates=duplicates(train, contract, data, features),
        suspects=suspects(judged, contract, data, list(associations)),
        shifts=distances(train, validation, contract, seed),
        groups={name: shown[name] for name in sliced or shown},
        entities=entities(train[data.group]) if data.group else None,
        periods=periods,
        period=period,
    )


def suspects(
    judged: dict[str, Judged], contract: Contract, data: DataConfig, names: list[str]
) -> list[Suspect]:
    """Return the first 150 of these columns that were judged, features or not, the most suspicious first."""
    found = []
    for name in [name for name in names if name in judged][:MOST_SUSPECTS]:
        role = "trusted" if name in data.leakage.trusted else "feature"
        role = role if contract.columns[name].group else "not a feature"
        found.append(Suspect(name, role, judged[name].score, "; ".join(judged[name].reasons)))
    return sorted(found, key=lambda suspect: (not suspect.reason, -suspect.score, suspect.column))


def gaps(train: pd.DataFrame, names: list[str], target: Values, task: Task) -> list[Gap]:
    """Return the columns with missing values, grouped by the rows where they are missing."""
    together: dict[bytes, list[str]] = {}
    for name in names:
        missing = train[name].isna().to_numpy()
        if missing.any():
            together.setdefault(np.packbits(missing).tobytes(), []).append(name)
    found = [
        _gap(columns, train[columns[0]].isna().to_numpy(), target, task) for columns in together.values()
    ]
    return sorted(found, key=lambda gap: (-gap.share, gap.columns))


def _gap(columns: list[str], missing: NDArray[np.bool_], target: Values, task: Task) -> Gap:
    means = [
        mean_of(target.numbers[rows], task) if task != "multiclass" and not missing.all() else None
        for rows in (missing, ~missing)
    ]
    found = association(Values("boolean", missing.astype(np.float64)), target)
    return Gap(tuple(columns), float(missing.mean()), *means, found)


def duplicates(train: pd.DataFrame, contract: Contract, data: DataConfig, features: list[str]) -> Duplicates:
    """Count the rows of train that repeat others."""
    whole = pd.Series(contents(train, contract, data))
    same = train[duplicated(train[features], keep=False)]
    targets = same.groupby(features, dropna=False, sort=False)[data.target].transform("nunique")
    return Duplicates(int(whole.duplicated().sum()), int((targets > 1).sum()))


def has_few_levels(train: Values) -> bool:
    """Return whether a column is a category or boolean with 2 to 12 levels, whose groups the page shows."""
    if train.kind not in ("categorical", "boolean"):
        return False
    return 1 < len(np.unique(train.numbers[train.known])) <= MOST_LEVELS


def groups(train: Values, validation: Values, target: Values, task: Task) -> list[Group]:
    """Return the 12 largest groups of a column; a column with more numbers is cut at its quartiles."""
    first, second, names = _cut(train, validation)
    rows = np.bincount(first.astype(np.int64), minlength=len(names))
    # A stable order: equally large groups are in the order of their values or codes.
    largest = np.argsort(-rows, kind="stable")[:MOST_LEVELS]
    shown = sorted(largest) if train.ordered else largest[in_order([names[code] for code in largest])]
    return [
        Group(
            names[code],
            float(rows[code] / len(first)),
            float((second == code).mean()),
            int(rows[code]),
            None if task == "multiclass" else mean_of(target.numbers[first == code], task),
        )
        for code in shown
        if rows[code]
    ]


def _cut(train: Values, validation: Values) -> tuple[Floats, Floats, list[str]]:
    """Number the groups of train and validation, a missing value last, and name them."""
    numbers = np.concatenate([train.numbers, validation.numbers])
    known = train.numbers[train.known]
    values = np.unique(known)
    if not train.ordered:
        codes, names = numbers, list(train.levels)
    elif len(values) <= MOST_LEVELS:
        codes = np.where(np.isin(numbers, values), np.searchsorted(values, numbers), NOT_IN_TRAIN)
        names = [
            str(bool(value)).lower() if train.kind == "boolean" else short(float(value)) for value in values
        ]
    else:
        ends = np.unique(np.quantile(known, [0.25, 0.5, 0.75]))
        codes = np.searchsorted(ends, numbers)
        names = [*(f"up to {short(end)}" for end in ends), f"above {short(ends[-1])}"]
    codes = np.where(np.isnan(numbers), len(names), codes)
    return codes[: len(train.numbers)], codes[len(train.numbers) :], [*names, "(missing)"]


def entities(column: pd.Series) -> Entities:
    """Describe how the rows of train are distributed over the entities of data.group."""
    rows = column.value_counts()
    return Entities(len(rows), float(rows.median()), float(rows.max() / rows.sum()))
