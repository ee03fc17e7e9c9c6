"""Rows as frames with the dtypes of the training table, so that no row changes how another one is read.

pandas chooses the dtype of a column from all its values: one missing value makes integers floats. An
expression of data.derive could then compute something else from the same row.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from cairn.serve.fields import Field

WIDE = {"numeric": "float64", "boolean": "boolean", "categorical": "object"}
"""By kind, the dtype of values that the dtype of train cannot hold."""


def framed(
    columns: Mapping[str, NDArray[Any]], fields: Mapping[str, Field]
) -> list[tuple[NDArray[np.intp], pd.DataFrame]]:
    """Return the rows as frames, each with the positions of its rows.

    There is one frame if every value fits the dtype of train. If not, rows share a frame if the same columns
    of theirs do not fit, and have a wider dtype there.

    Args:
        columns: by name the values that the fields read, shape (n,): float64, or objects with None.
        fields: the same names.
    """
    fits = np.column_stack([_held(values, fields[name].dtype) for name, values in columns.items()])
    if fits.all():
        return [(np.arange(len(fits)), _frame(columns, fields, np.ones(len(columns), dtype=bool)))]
    patterns, which = np.unique(fits, axis=0, return_inverse=True)
    found = []
    for at, pattern in enumerate(patterns):
        rows = np.flatnonzero(which.ravel() == at)
        part = {name: values[rows] for name, values in columns.items()}
        found.append((rows, _frame(part, fields, pattern)))
    return found


def _frame(
    columns: Mapping[str, NDArray[Any]], fields: Mapping[str, Field], fits: NDArray[np.bool_]
) -> pd.DataFrame:
    dtypes = [
        fields[name].dtype if fit else WIDE[fields[name].column.kind]
        for name, fit in zip(columns, fits, strict=True)
    ]
    return pd.DataFrame(
        {name: pd.Series(columns[name], dtype=dtype) for name, dtype in zip(columns, dtypes, strict=True)}
    )


def _held(values: NDArray[Any], dtype: Any) -> NDArray[np.bool_]:
    """Return which values the dtype holds, shape (n,)."""
    takes_missing = types.is_extension_array_dtype(dtype) or dtype.kind not in "biu"
    holds = _holds(dtype)
    present = np.array([holds(value) for value in values.tolist()], dtype=bool)
    return np.where(pd.isna(values), takes_missing, present)


def _holds(dtype: Any) -> Callable[[Any], bool]:
    if isinstance(dtype, pd.StringDtype):
        return lambda value: isinstance(value, str)
    if dtype.kind in "iu":
        bounds = np.iinfo(getattr(dtype, "numpy_dtype", dtype))
        return lambda value: (
            isinstance(value, int | float) and bounds.min <= value <= bounds.max and value % 1 == 0
        )
    if dtype.kind == "f":
        return lambda value: isinstance(value, int | float)
    if dtype.kind == "b":
        return lambda value: isinstance(value, bool)
    return lambda value: True
