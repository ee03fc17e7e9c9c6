"""Everything the page says of a table, computed from train and the features of validation."""

from dataclasses import dataclass

import pandas as pd

from cairn.data.drift import distances
from cairn.report.explore.association import matrix, with_target
from cairn.report.explore.copies import Copies, Pair, alike, copies
from cairn.report.explore.gaps import Gap, complete_rows, gaps
from cairn.report.explore.groups import Entities, Group, columns_to_show, entities, groups
from cairn.report.explore.levels import Rare, rare_levels
from cairn.report.explore.profile import Profile, profile
from cairn.report.explore.suspects import Suspect, suspects
from cairn.report.explore.target import moments, over_time, period_of
from cairn.report.explore.values import Floats, Values, as_values, of_parts
from cairn.settings.contract import Contract
from cairn.settings.data import DataConfig, Task

SAMPLE = 20_000
SAMPLE_OF_PAIRS = 5_000
MATRIX = 30
COMPARED = 60
"""So many of the features closest to the target are compared with each other, and 30 of them drawn."""


@dataclass(frozen=True)
class Study:
    """What was found; every name is a column of the prepared table, the target in none but `target`.

    Attributes:
        rows: of train.
        validation_rows: of validation.
        features: names, in the order of the contract.
        target: its profile; validation's bars and shares stay empty.
        profiles: of all other columns.
        associations: of all other columns with the target, the strongest first.
        compared: features that were compared with each other, the closest to the target first.
        matrix: their associations, shape (c, c).
        alike: pairs among them that say nearly the same.
        gaps: what is missing together.
        complete: share of the rows of train that have every feature.
        rare: categories with rare or unseen levels.
        copies: rows that repeat others.
        suspects: what each column alone tells of the target.
        shifts: distance of validation from train by feature, the largest first.
        groups: by column.
        entities: of data.group.
        periods: the target by period; None without a time.
        period: their length.
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
    copies: Copies
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
    *,
    slices: list[str],
    seed: int,
) -> Study:
    """Look at a table.

    Args:
        train: the training part.
        validation: the validation part; its target is not looked at.
        contract: of the prepared table.
        data: task, target, time, group and the bounds of leaks.
        slices: columns whose groups are to be shown; empty: the first ones of few levels.
        seed: of the samples: 20,000 rows for what each column says of the target, 5,000 for pairs of columns.
    """
    parts = {
        name: of_parts(train[name], validation[name], column.kind)
        for name, column in contract.columns.items()
        if name != data.target
    }
    features = [name for name in parts if contract.columns[name].group]
    target = target_values(train[data.target], data.task)
    sample = pd.Series(range(len(train))).sample(min(SAMPLE, len(train)), random_state=seed).to_numpy()
    associations = with_target(
        {name: train_part.at(sample) for name, (train_part, _) in parts.items()}, target.at(sample)
    )
    compared = [n for n, value in associations.items() if n in features and value is not None][:COMPARED]
    pairs = matrix({name: parts[name][0].at(sample[:SAMPLE_OF_PAIRS]) for name in compared})
    period = period_of(moments(train[data.time])) if data.time else None
    return Study(
        rows=len(train),
        validation_rows=len(validation),
        task=data.task,
        features=features,
        target=profile(target, target.at(slice(0, 0))),
        profiles={name: profile(*both) for name, both in parts.items()},
        associations=associations,
        compared=compared,
        matrix=pairs,
        alike=alike(compared, pairs),
        gaps=gaps(train, list(parts), target, data.task),
        complete=complete_rows(train, features),
        rare=rare_levels({name: parts[name] for name in features}),
        copies=copies(train, contract, data, features),
        suspects=suspects(train, contract, data, list(associations), seed),
        shifts=distances(train, validation, contract, seed),
        groups={name: groups(*parts[name], target, data.task) for name in columns_to_show(slices, parts)},
        entities=entities(train[data.group]) if data.group else None,
        periods=over_time(moments(train[data.time]), train[data.target], data.task, period)
        if data.time and period
        else None,
        period=period,
    )


def target_values(column: pd.Series, task: Task) -> Values:
    """Return the target as numbers: classes are levels, an event is 1."""
    if task == "multiclass":
        return as_values(column, "categorical")
    return as_values(column, "boolean" if task == "binary" else "numeric")
