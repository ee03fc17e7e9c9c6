"""What is missing: in which columns, together with which others, and whether its absence tells the target."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.report.explore.association import association
from cairn.report.explore.target import Mean, gap_means
from cairn.report.explore.values import Values
from cairn.settings.data import Task


@dataclass(frozen=True)
class Gap:
    """Columns that are missing in exactly the same rows of train.

    Attributes:
        columns: their names, in the order of the contract.
        share: of the rows.
        where_missing: the target in these rows; None for classes.
        elsewhere: the target in the other rows; None for classes, or where there are none.
        tells: association of being missing with the target; None where there is none to say.
    """

    columns: tuple[str, ...]
    share: float
    where_missing: Mean | None
    elsewhere: Mean | None
    tells: float | None


def gaps(train: pd.DataFrame, names: list[str], target: Values, task: Task) -> list[Gap]:
    """Return the gaps of the columns, the largest first; columns without one are in none."""
    together: dict[bytes, list[str]] = {}
    for name in names:
        missing = train[name].isna().to_numpy()
        if missing.any():
            together.setdefault(np.packbits(missing).tobytes(), []).append(name)
    found = [
        _gap(columns, train[columns[0]].isna().to_numpy(), target, task) for columns in together.values()
    ]
    return sorted(found, key=lambda gap: (-gap.share, gap.columns))


def complete_rows(train: pd.DataFrame, names: list[str]) -> float:
    """Return the share of the rows that have a value in every one of the columns."""
    return float(train[names].notna().all(axis=1).mean())


def _gap(columns: list[str], missing: NDArray[np.bool_], target: Values, task: Task) -> Gap:
    means = None if task == "multiclass" else gap_means(missing, target.numbers, task)
    tells = association(Values("boolean", missing.astype(np.float64)), target)
    return Gap(tuple(columns), float(missing.mean()), *(means or (None, None)), tells)
