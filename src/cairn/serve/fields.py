"""Read one value of a raw row as the contract describes its column, and say what is wrong with it.

A value that cannot be read counts as missing. One outside the contract, or a category that train did not
have, is passed on as it is. What becomes of the row is decided by the caller.
"""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from cairn.data.load import as_trained
from cairn.data.written import missing_numbers, missing_texts, number_reader
from cairn.settings.contract import Column

LARGEST = sys.float_info.max
WORDS = {"true": True, "false": False}

Read = tuple[Any, str]
"""A value (None if missing) and what is wrong with it (empty if nothing)."""


class Violation(NamedTuple):
    """What is wrong with one value: its row (from 0), its column, the reason, and the value as given."""

    row: int
    column: str
    reason: str
    value: Any


@dataclass(frozen=True)
class Field:
    """A column of the source and how its values are read.

    Args:
        name: of the column.
        column: its contract.
        type: what train held, see cairn.data.load.type_of; decides whether a category is a number.
        known: categories of train as words; None if every value is known.
        train: dtype of the column in train; None if the model does not say.
    """

    name: str
    column: Column
    type: str = "text"
    known: frozenset[str] | None = None
    train: Any = None

    @property
    def dtype(self) -> Any:
        """The dtype that pandas needs for the values, so that they are read as in train."""
        kind, given = self.column.kind, self.train
        if given is None:
            default = {"numeric": "float64", "boolean": "bool", "datetime": "datetime64[us]"}
            return pd.api.types.pandas_dtype(default.get(kind, "str" if self.type == "text" else "object"))
        if (kind == "numeric" and given.kind not in "iuf") or isinstance(given, pd.CategoricalDtype):
            return np.dtype("float64" if kind == "numeric" else "object")
        return given

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest number that needs no closer look; in a column of another kind none."""
        if self.column.kind != "numeric":
            return math.inf, -math.inf
        low = -LARGEST if self.column.min is None else self.column.min
        high = LARGEST if self.column.max is None else self.column.max
        return low, high

    @property
    def sentinels(self) -> list[float]:
        """The numbers that mean missing."""
        return missing_numbers(self.column)

    def reader(self, *, text: bool = False) -> Callable[[Any], Read]:
        """Return the function that reads a value.

        Args:
            text: whether numbers, booleans and missing values are written as text, as in a CSV file; if not,
                a text where a number is needed is wrong.
        """
        made = {"numeric": _number, "boolean": _boolean, "datetime": _date, "categorical": _category}
        read = made[self.column.kind](self)
        nullable, numbers = self.column.nullable, self.sentinels
        texts = frozenset(self.column.missing)
        texts = missing_texts(texts, labels=self.column.labels) if text else texts

        def checked(value: Any) -> Read:
            missing = value in texts if isinstance(value, str) else value is None or _is_nan(value)
            if missing or (numbers and isinstance(value, int | float) and value in numbers):
                return None, "" if nullable else "missing"
            return read(value)

        def from_text(value: Any) -> Read:
            return checked(_parsed(value) if isinstance(value, str) and value not in texts else value)

        as_text = (
            self.column.kind == "datetime"
            or (self.column.kind == "categorical" and self.type == "text")
            or self.column.decimal is not None
        )
        return from_text if text and not as_text else checked


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _parsed(text: str) -> Any:
    """Return the number or boolean that a text of a file stands for, or the text."""
    stripped = text.strip()
    if stripped.lower() in WORDS:
        return WORDS[stripped.lower()]
    if "_" in stripped:  # Python reads 1_000 as a number, a CSV file does not hold such
        return text
    try:
        return int(stripped)
    except ValueError:
        pass
    try:
        return float(stripped)
    except ValueError:
        return text


def _number(field: Field) -> Callable[[Any], Read]:
    low, high = field.bounds
    written = number_reader(field.column) if field.column.decimal is not None else None

    def read(value: Any) -> Read:
        if written and isinstance(value, str) and not math.isnan(number := written(value)):
            value = number
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None, "is not a number"
        try:
            number = float(value)
        except OverflowError:
            return None, "is not finite"
        if low <= number <= high:
            return number, ""
        if not math.isfinite(number):
            return None, "is not finite"
        return number, f"is below {low:g}" if number < low else f"is above {high:g}"

    return read


def _boolean(field: Field) -> Callable[[Any], Read]:
    def read(value: Any) -> Read:
        if isinstance(value, int | float) and value in (0, 1):
            return bool(value), ""
        return None, "is not true or false"

    return read


def _category(field: Field) -> Callable[[Any], Read]:
    from cairn.features.encode import word

    allowed = None if field.column.allowed is None else {word(value) for value in field.column.allowed}

    def read(value: Any) -> Read:
        if not isinstance(value, str | int | float):
            return None, "is not a text or a number"
        name = word(value)
        if allowed is not None and name not in allowed:
            return value, "is not an allowed value"
        if field.known is not None and name not in field.known:
            return value, "was not seen in training"
        return value, ""

    return read


def _date(field: Field) -> Callable[[Any], Read]:
    written, dtype = field.column.format, field.dtype
    wrong = f"is not a date ({written or 'ISO 8601'})"

    def read(value: Any) -> Read:
        if isinstance(value, bool) or not isinstance(value, str | int | float | date):
            return None, wrong
        try:
            return as_trained(pd.Series([value]), written, dtype).iloc[0], ""
        except (ValueError, OverflowError):
            return None, wrong

    return read
