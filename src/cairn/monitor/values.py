"""Values of a column as numbers or as text, whatever the source gave."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.data.contract import IS_KIND
from cairn.data.predictions import Floats
from cairn.settings.contract import Column


def as_numbers(values: pd.Series) -> Floats:
    """Return numbers or booleans as float64; anything else is NaN."""
    if not pd.api.types.is_numeric_dtype(values):
        values = pd.to_numeric(values, errors="coerce")
    return values.to_numpy(dtype=np.float64, na_value=np.nan)


def as_text(values: pd.Series) -> pd.Series:
    """Return categories as text, so that 1 and 1.0 and "1" are the same one; missing stays missing."""
    text = values.astype("object")
    if pd.api.types.is_float_dtype(values):
        text = text.map(lambda value: int(value) if float(value).is_integer() else value, na_action="ignore")
    return text.map(str, na_action="ignore")


def breaks(values: pd.Series, column: Column) -> NDArray[np.bool_]:
    """Return which values break the contract of their column: kind, missing, bounds, not allowed; (n,)."""
    missing = values.isna().to_numpy()
    wrong = missing & (not column.nullable)
    if not missing.all() and not IS_KIND[column.kind](values):
        wrong |= ~missing & _of_another_kind(values, column)
    if column.min is not None:
        wrong |= as_numbers(values) < column.min
    if column.max is not None:
        wrong |= as_numbers(values) > column.max
    if column.allowed is not None:
        wrong |= ~values.isin(column.allowed).to_numpy() & ~missing
    return wrong


def _of_another_kind(values: pd.Series, column: Column) -> NDArray[np.bool_]:
    """Return which values are not of the column's kind, one by one: a single text makes a column text."""
    if column.kind == "boolean":
        return ~values.isin([0, 1]).to_numpy()
    if pd.api.types.is_bool_dtype(values) or column.kind == "categorical":
        return np.ones(len(values), dtype=bool)
    if column.kind == "numeric":
        return np.isnan(as_numbers(values))
    return (
        pd.to_datetime(values, format=column.format or "ISO8601", errors="coerce", utc=True).isna().to_numpy()
    )
