"""Row-level predictions as a table: one row per example, one column per predictor (and class)."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.errors import UserError
from cairn.settings.data import Task

Floats = NDArray[np.float64]
SEPARATOR = "|"


def as_columns(name: str, prediction: Floats, classes: list[str]) -> dict[str, Floats]:
    """Return the columns that hold one predictor's output.

    Args:
        name: of the predictor, say "carrier_hour".
        prediction: shape (n,) for a probability or a value, (n, k) for class probabilities.
        classes: the k class names; ignored for shape (n,).
    """
    if prediction.ndim == 1:
        return {name: prediction}
    return {f"{name}{SEPARATOR}{label}": column for label, column in zip(classes, prediction.T, strict=True)}


def from_columns(table: pd.DataFrame, name: str, task: Task, classes: list[str]) -> Floats:
    """Return a predictor's output again: (n, k) for multiclass, (n,) otherwise."""
    if task != "multiclass":
        return table[name].to_numpy(dtype=np.float64)
    return table[[f"{name}{SEPARATOR}{label}" for label in classes]].to_numpy(dtype=np.float64)


def predictors(table: pd.DataFrame) -> list[str]:
    """Return the names of the predictors in a table of predictions, in order."""
    columns = [name for name in table.columns if name not in ("row_id", "part", "target")]
    return list(dict.fromkeys(name.split(SEPARATOR)[0] for name in columns))


def predictions_of_part(
    table: pd.DataFrame, part: str, rows: pd.DataFrame, task: Task, classes: list[str]
) -> dict[str, Floats]:
    """Return what every predictor of a table says of the rows of a part, in their order; see from_columns.

    Raises:
        UserError: the table is about other rows.
    """
    found = table[table["part"] == part]
    if found["row_id"].tolist() != rows["row_id"].tolist():
        raise UserError(f"predictions/baseline.parquet is about other rows of {part}; run `dvc repro`")
    return {name: from_columns(found, name, task, classes) for name in predictors(found)}


def predictions_table(
    parts: Mapping[str, pd.DataFrame],
    predictions: Mapping[str, Floats],
    *,
    name: str,
    target: str,
    classes: list[str],
) -> pd.DataFrame:
    """Return one predictor's predictions of every part, one row per example, with the target beside them."""
    return pd.concat(
        [
            pd.DataFrame(
                {"row_id": rows["row_id"], "part": part, "target": rows[target]}
                | as_columns(name, predictions[part], classes)
            )
            for part, rows in parts.items()
        ],
        ignore_index=True,
    )
