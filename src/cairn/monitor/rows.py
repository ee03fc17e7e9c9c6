"""The rows to monitor, wherever they come from, and which of them break the contract."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.data.predictions import Floats
from cairn.errors import UserError
from cairn.monitor.statistics import SCORE
from cairn.monitor.values import as_text, breaks
from cairn.monitor.windows import Windows
from cairn.settings.contract import Column, Contract


@dataclass(frozen=True)
class Rows:
    """Rows in the order of their source.

    Attributes:
        frame: the columns that are known of them, features and others.
        time: when each was predicted or belongs; None if they have no time.
        scores: what the model predicts, (n,) or (n, k), NaN where it cannot; None if that is not known.
        y: the target as metrics take it, as floats with NaN where it is not known yet, shape (n,).
        broken: by column, which rows break the contract, shape (n,).
        known_at: when each target became known, NaT where it is not; None if that is not recorded.
    """

    frame: pd.DataFrame
    time: pd.Series | None
    scores: Floats | None
    y: Floats
    broken: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    known_at: pd.Series | None = None

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self.frame)

    def of(self, positions: NDArray[np.int64]) -> "Rows":
        """Return some of the rows."""
        return replace(
            self,
            frame=self.frame.iloc[positions].reset_index(drop=True),
            time=None if self.time is None else self.time.iloc[positions].reset_index(drop=True),
            scores=None if self.scores is None else self.scores[positions],
            y=self.y[positions],
            broken={name: rows[positions] for name, rows in self.broken.items()},
            known_at=None if self.known_at is None else self.known_at.iloc[positions].reset_index(drop=True),
        )

    def with_scores(self, classes: Sequence[str]) -> pd.DataFrame:
        """Return the frame with the scores as columns, one for each class if there are several."""
        if self.scores is None:
            return self.frame
        columns = {SCORE: self.scores} if self.scores.ndim == 1 else {}
        if self.scores.ndim == 2:
            columns = {f"{SCORE} {name}": self.scores[:, at] for at, name in enumerate(classes)}
        return pd.concat([self.frame, pd.DataFrame(columns, index=self.frame.index)], axis=1)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Where both the target and the prediction are known, shape (n,)."""
        if self.scores is None:
            return np.zeros(len(self), dtype=bool)
        predicted = ~np.isnan(self.scores if self.scores.ndim == 1 else self.scores[:, 0])
        return predicted & ~np.isnan(self.y)


@dataclass(frozen=True)
class Windowed:
    """Rows with their windows."""

    rows: Rows
    windows: Windows

    def part(self, first: int, last: int) -> "Windowed":
        """Return the rows of the windows from first to last, both included; windows keep their places."""
        at = self.windows.within(first, last)
        hours = None if self.windows.hours is None else self.windows.hours[at]
        return Windowed(self.rows.of(at), replace(self.windows, of_row=self.windows.of_row[at], hours=hours))


@dataclass(frozen=True)
class Targets:
    """Targets that arrived after the predictions.

    Attributes:
        ids: the key of each, shape (t,).
        y: as metrics take it, NaN where it is missing.
        known_at: when each became known; None if that is not recorded.
        name: of the table, for messages.
    """

    ids: pd.Series
    y: Floats
    known_at: pd.Series | None
    name: str


def score_columns(classes: Sequence[str], several: bool) -> dict[str, Column]:
    """Return the contract of the scores, which are compared as features are."""
    names = [f"{SCORE} {name}" for name in classes] if several else [SCORE]
    return {name: Column(kind="numeric", group="score", nullable=True) for name in names}


def broken_rows(frame: pd.DataFrame, contract: Contract) -> dict[str, NDArray[np.bool_]]:
    """Return by column which rows break the contract: of another kind, missing, out of bounds, not allowed.

    Columns that the frame lacks, and those known only after the prediction, are not checked.
    """
    return {
        name: breaks(frame[name], column)
        for name, column in contract.columns.items()
        if name in frame.columns and column.known == "before"
    }


def join_labels(rows: Rows, key: str, targets: Targets) -> Rows:
    """Return the rows with the targets that arrived later, joined by a column of the rows.

    Targets that the rows have already are kept where none arrived.

    Raises:
        UserError: the rows lack the column, or two targets have the same key.
    """
    if key not in rows.frame.columns:
        raise UserError(f"--id: the rows to monitor have no column {key}; name one that both tables have")
    ids = as_text(targets.ids)
    if ids.duplicated().any():
        repeated = int(ids.duplicated().sum())
        raise UserError(f"{targets.name}: {repeated:,} targets have the same {key} as another one")
    at = pd.Index(ids).get_indexer(pd.Index(as_text(rows.frame[key])))
    joined = np.where(at >= 0, targets.y[at], np.nan) if len(ids) else np.full(len(rows), np.nan)
    known_at = None
    if targets.known_at is not None:
        known_at = targets.known_at.reset_index(drop=True).reindex(at).reset_index(drop=True)
    return replace(rows, y=np.where(np.isnan(joined), rows.y, joined), known_at=known_at)
