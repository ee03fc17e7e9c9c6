"""Why a model predicts what it does for one row: a contribution of every feature group and every column.

The contribution of a group is its Shapley value in this game: a coalition of groups has the values of the
row, the other groups have those of background rows, and the coalition is worth the mean prediction over the
background. The contributions of all groups add up to the prediction minus the mean prediction of the
background, those of a group's columns to the group's. The estimator only has to predict.

A group's columns are the players of the same game while the other groups take part as wholes (the Owen
value), if that takes at most FEW coalitions. In a larger group, each column alone is taken from the row, then
each alone from the background, and the mean of both changes is its contribution. This is the same number as
long as no prediction depends on three columns at once; what is left is shared in proportion to the changes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import comb

import numpy as np
from numpy.typing import NDArray

from cairn.data.predictions import Floats
from cairn.errors import UserError
from cairn.models.compiled import Compiled

BACKGROUND_ROWS = 50
MOST_GROUPS = 10
"""Up to here every coalition of groups is predicted; beyond, ORDERS random orders of the groups."""
ORDERS = 16
"""Each of them also backwards; the seed is fixed."""
FEW = 256
"""Coalitions up to which the columns of a group are players."""
CELLS = 4_000_000
"""Numbers in the rows that are predicted in one call, 32 MB."""

Scores = Callable[[Floats], Floats]
"""Rows (n, width) to one number each, (n,)."""
Groups = Mapping[str, Mapping[str, Sequence[int]]]
"""By group and column of the table, its columns of the matrix; nothing is in two groups."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Contributions:
    """What each row's prediction is made of; all arrays have shape (n,).

    Attributes:
        prediction: of the row; multiclass: the probability of the most probable class.
        base: the mean of the same number over the background.
        groups: by group; they add up to prediction - base.
        columns: by group and column; they add up to the group's contribution.
    """

    prediction: Floats
    base: Floats
    groups: dict[str, Floats]
    columns: dict[str, dict[str, Floats]]


def contributions(
    scores: Scores,
    rows: Floats,
    background: Floats,
    groups: Groups,
    *,
    outputs: Sequence[int] | None = None,
    within: bool = True,
) -> Contributions:
    """Attribute the scores of rows (n, width) to groups and columns, see the module.

    Matrix columns that are in no group keep the values of the background. The same rows, background and
    groups give the same numbers.

    Args:
        scores: of the model; called with rows that mix a row with the background.
        rows: to be explained.
        background: the rows to compare with, shape (b, width).
        groups: at least one, each with at least one column.
        outputs: where a score has several numbers, the one that is explained, by row.
        within: whether the columns of the groups are attributed too; without them it is much faster.
    """
    found = []
    for at, row in enumerate(rows):
        output = slice(None) if outputs is None else outputs[at]
        found.append(_Row(lambda mixed, k=output: scores(mixed)[..., k], row, background, groups))
    inside = [each.columns() for each in found] if within else []
    return Contributions(
        np.array([each.prediction for each in found], dtype=np.float64),
        np.array([each.base for each in found], dtype=np.float64),
        {name: np.array([each.groups[at] for each in found]) for at, name in enumerate(groups)},
        {
            name: {column: np.array([each[at][j] for each in inside]) for j, column in enumerate(columns)}
            for at, (name, columns) in enumerate(groups.items())
            if within
        },
    )


class _Row:
    """One row against the background.

    Attributes:
        groups: contributions, shape (groups,).
    """

    def __init__(self, scores: Scores, row: Floats, background: Floats, groups: Groups) -> None:
        self._scores, self._row, self._background = scores, row, background
        self._parts = [[_mask(at, len(row)) for at in columns.values()] for columns in groups.values()]
        self._wholes = [np.any(columns, axis=0) for columns in self._parts]
        self._all = np.any(self._wholes, axis=0)
        self.base, self.prediction = map(float, self._worth(np.stack([np.zeros_like(self._all), self._all])))
        self.groups = self._of_groups()

    def columns(self) -> list[Floats]:
        """Return the contributions of every group's columns, shape (columns of the group,) each."""
        return [self._of_columns(at, columns) for at, columns in enumerate(self._parts)]

    def _worth(self, masks: Mask) -> Floats:
        """Return the mean score over the background with the masked columns of the row, shape (masks,)."""
        step = max(1, CELLS // self._background.size)
        found = np.empty(len(masks))
        for start in range(0, len(masks), step):
            chunk = masks[start : start + step]
            mixed = np.where(chunk[:, None, :], self._row, self._background).reshape(-1, len(self._row))
            found[start : start + step] = self._scores(mixed).reshape(len(chunk), -1).mean(axis=1)
        return found

    def _of_groups(self) -> Floats:
        count = len(self._wholes)
        if count <= MOST_GROUPS:
            return _weights(count) @ self._worth(_coalitions(self._wholes))
        rng = np.random.default_rng(0)
        total = np.zeros(count)
        for _ in range(ORDERS):
            order = rng.permutation(count)
            for each in (order, order[::-1]):
                joined = np.logical_or.accumulate(np.stack([self._wholes[at] for at in each]), axis=0)
                total[each] += np.diff(self._worth(joined), prepend=self.base)
        return total / (2 * ORDERS)

    def _of_columns(self, at: int, columns: list[Mask]) -> Floats:
        others = self._wholes[:at] + self._wholes[at + 1 :]
        if len(columns) == 1:
            return self.groups[[at]]
        if 2 ** (len(others) + len(columns)) <= FEW:
            return self._of_players(columns, others)
        return self._one_at_a_time(np.stack(columns), self.groups[at])

    def _of_players(self, columns: list[Mask], others: list[Mask]) -> Floats:
        """Return the Shapley values of the columns, averaged over the coalitions of the other groups."""
        worths = self._worth(_coalitions([*columns, *others])).reshape(2 ** len(others), 2 ** len(columns))
        sizes = _members(len(others)).sum(axis=1)
        share = np.array([1 / ((len(others) + 1) * comb(len(others), int(size))) for size in sizes])
        return _weights(len(columns)) @ (share @ worths)

    def _one_at_a_time(self, columns: Mask, total: float) -> Floats:
        joins = self._worth(columns) - self.base
        leaves = self.prediction - self._worth(self._all & ~columns)
        changes = (joins + leaves) / 2
        sizes = np.abs(changes)
        share = sizes / sizes.sum() if sizes.any() else np.full(len(columns), 1 / len(columns))
        return changes + (total - changes.sum()) * share


def _mask(places: Sequence[int], width: int) -> Mask:
    found = np.zeros(width, dtype=bool)
    found[list(places)] = True
    return found


def _coalitions(players: list[Mask]) -> Mask:
    """Return the columns of every coalition, shape (2^players, width); bit i of its number is player i."""
    return (_members(len(players)).astype(np.int64) @ np.stack(players).astype(np.int64)) > 0


@cache
def _members(players: int) -> Mask:
    return (np.arange(2**players)[:, None] >> np.arange(players)) % 2 == 1


@cache
def _weights(players: int) -> Floats:
    """Return the matrix (players, 2^players) that makes Shapley values of the worths of all coalitions."""
    members = _members(players)
    before = members.sum(axis=1)[:, None] - members
    share = 1 / (
        players * np.array([comb(players - 1, int(size)) for size in before.ravel()], dtype=np.float64)
    )
    return (np.where(members, 1, -1) * share.reshape(before.shape)).T


def background_of(compiled: Compiled, rows: int = BACKGROUND_ROWS) -> Floats:
    """Return reference rows of the model as its matrix, evenly spaced, shape (rows or fewer, width).

    Raises:
        UserError: the model has no reference rows.
    """
    reference = compiled.package.reference
    if reference is None or reference.empty:
        raise UserError("the model has no reference rows to compare with: run `dvc repro`")
    spaced = np.unique(np.linspace(0, len(reference) - 1, min(rows, len(reference))).astype(int))
    return compiled.matrix(compiled.package.with_derived(reference.iloc[spaced]))


def groups_of(compiled: Compiled) -> dict[str, dict[str, list[int]]]:
    """Return the columns of the matrix by feature group of the contract and by feature."""
    found: dict[str, dict[str, list[int]]] = {}
    for name, column in compiled.package.contract.columns.items():
        found.setdefault(column.group or name, {})[name] = compiled.encoder.positions[name]
    return found


def explain_rows(
    compiled: Compiled, rows: Floats, background: Floats, *, within: bool = True
) -> Contributions:
    """Attribute the predictions of rows of the model's matrix (n, width), see contributions.

    Explained is the probability of the event, the value, or the probability of a row's most probable class.
    """
    classes = compiled.scores(rows).argmax(axis=1) if compiled.package.task == "multiclass" else None
    groups = groups_of(compiled)
    return contributions(compiled.scores, rows, background, groups, outputs=classes, within=within)
