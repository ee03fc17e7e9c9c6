"""Folds of a table: which rows fit, stop and score; groups stay whole, and time in order."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.errors import UserError
from cairn.settings.cross_validation import CrossValidationConfig
from cairn.settings.data import DataConfig

Rows = NDArray[np.int64]


def fold_rows(
    table: pd.DataFrame, settings: CrossValidationConfig, data: DataConfig, seed: int
) -> list[tuple[Rows, Rows, Rows]]:
    """Return, per fold, the positions of the rows to fit on, to stop early on and to score.

    rolling: time is cut into folds + 2 periods of about equal rows, equal times staying together; fold i fits
    on the first i, stops on the next and scores the one after. kfold: folds keep groups whole (data.group) or
    the shares of classes; fold i is scored, the next one is stopped on, the others are fitted on.

    Raises:
        UserError: rolling without data.time, or fewer groups or rows of a class than folds.
    """
    folds = settings.folds
    if settings.kind == "rolling":
        if data.time is None:
            raise UserError("cross_validation.kind: rolling needs data.time, the column to order by")
        period = _periods(table[data.time], folds + 2)
        return [
            (np.flatnonzero(period < i), np.flatnonzero(period == i), np.flatnonzero(period == i + 1))
            for i in range(1, folds + 1)
        ]
    number = _numbered(table, folds, data, seed)
    return [
        (
            np.flatnonzero((number != i) & (number != (i + 1) % folds)),
            np.flatnonzero(number == (i + 1) % folds),
            np.flatnonzero(number == i),
        )
        for i in range(folds)
    ]


def left_out_rows(table: pd.DataFrame, folds: int, data: DataConfig, seed: int) -> list[tuple[Rows, Rows]]:
    """Return, per fold, the positions of the rows to fit on and of those left out, which are each row once.

    Groups stay whole. Without groups, where data.time is set, a fold is one of as many periods of about equal
    rows: neighbours in time, which are alike, are not on both sides.

    Raises:
        UserError: fewer groups or rows of a class than folds.
    """
    by_time = data.time is not None and data.group is None
    number = _periods(table[data.time], folds) if by_time else _numbered(table, folds, data, seed)
    return [(np.flatnonzero(number != i), np.flatnonzero(number == i)) for i in range(folds)]


def _periods(time: pd.Series, count: int) -> Rows:
    """Number as many periods of about equal rows in order; equal times stay together."""
    return np.minimum((time.rank(method="min", pct=True) * count).astype(int).to_numpy(), count - 1)


def _numbered(table: pd.DataFrame, folds: int, data: DataConfig, seed: int) -> Rows:
    from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

    groups = table[data.group] if data.group else None
    if groups is not None:
        splitter = GroupKFold(folds, shuffle=True, random_state=seed)
    else:
        kind = KFold if data.task == "regression" else StratifiedKFold
        splitter = kind(folds, shuffle=True, random_state=seed)
    number = np.empty(len(table), dtype=np.int64)
    try:
        for i, (_, held_out) in enumerate(splitter.split(table, table[data.target], groups)):
            number[held_out] = i
    except ValueError as error:
        raise UserError(f"cross_validation.folds: {error}") from error
    return number
