"""Text read as the contract of its column says: missing values, and numbers such as 1.063,50 €."""

import math
import re
from collections.abc import Callable, Iterable

import pandas as pd
from pandas.api import types

from cairn.settings.contract import Column

BLANK = " \u00a0\u202f\u2009\u2007\u200b\u2060\ufeff"
"""The blank, and those that do not break a line, are narrow or have no width."""
MINUS = "\u2212-"
"""The minus sign and the hyphen."""
UNREAD = float("nan")
MARKERS = frozenset(
    {"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A"}
    | {"NA", "NULL", "NaN", "None", "n/a", "nan", "null"}
)
"""Texts that mean missing in a file of text, the ones pandas.read_csv takes by default."""


def missing_texts(missing: Iterable[str] = (), *, labels: bool = False) -> frozenset[str]:
    """Return the texts that mean missing in a column of a file of text; see Column for the arguments."""
    return frozenset({""} if labels else MARKERS).union(missing)


def missing_numbers(column: Column) -> list[float]:
    """Return the numbers that mean missing in a column of numbers, such as -999."""
    if not column.missing or column.kind != "numeric":
        return []
    return [number for number in map(number_reader(column), column.missing) if not math.isnan(number)]


def without_missing(values: pd.Series, column: Column) -> pd.Series:
    """Return the values of a column without those that its contract takes for missing.

    A blank text and NA of a file with types are values.
    """
    if types.is_numeric_dtype(values):
        return values.mask(values.isin(marks)) if (marks := missing_numbers(column)) else values
    if types.is_object_dtype(values):  # it may hold lists, which cannot be compared
        marked = values.map(lambda value: isinstance(value, str) and value in column.missing)
        return values.mask(marked.astype(bool))
    return values.mask(values.isin(column.missing)) if types.is_string_dtype(values) else values


def number_reader(column: Column) -> Callable[[str], float]:
    """Return the function that reads a text as a number; NaN if it is not one.

    The sign is before the number, or behind it in accounting. The unit may be on either side.
    """
    decimal = re.escape(column.decimal or ".")
    between = f"[{BLANK}]" if column.thousands == " " else re.escape(column.thousands or "")
    digits = rf"[1-9]\d{{0,2}}(?:{between}\d{{3}})+|\d+" if column.thousands else r"\d+"
    if column.thousands == ",":  # 12,34,567 as in India
        digits = rf"[1-9]\d?(?:,\d\d)+,\d{{3}}|{digits}"
    power = r"(?:[eE][-+]?\d+)"
    number = rf"(?:{digits})(?:{decimal}\d*)?|\d+(?:{decimal}\d*)?{power}|{decimal}\d+"
    sign, unit = rf"[+{MINUS}]?[{BLANK}]*", rf"(?:{re.escape(column.unit)}[{BLANK}]*)?"
    plain = rf"(?P<sign>{sign}{unit}{sign})(?P<number>{number})[{BLANK}]*{unit}"
    behind = rf"(?P<minus>[{MINUS}][{BLANK}]*)?" if column.accounting else "(?P<minus>(?!))?"
    pattern = re.compile(rf"[{BLANK}]*{plain}{behind}")

    def read(text: str) -> float:
        text = text.strip()
        bare = text.removeprefix(column.unit).strip()  # $(5) beside ($5)
        bare = bare if bare.startswith("(") else text
        negative = column.accounting and bare.startswith("(") and bare.endswith(")")
        match = pattern.fullmatch(bare[1:-1] if negative else text)
        if match is None:
            return UNREAD
        found = match["number"]
        if column.thousands:
            found = re.sub(between, "", found)
        value = float(found.replace(column.decimal or ".", "."))
        signs = sum(match["sign"].count(each) for each in MINUS) + bool(match["minus"]) + negative
        return UNREAD if signs > 1 else -value if signs else value

    return read


def numbers_of(values: pd.Series, column: Column) -> pd.Series:
    """Return a column of text as float64; NaN where a text is missing or not a number.

    Values that are numbers already stay what they are.
    """
    read = number_reader(column)

    def number(value: object) -> float:
        return read(value) if isinstance(value, str) else _as_number(value)

    try:
        codes, distinct = pd.factorize(values)
    except TypeError:  # lists and records cannot be compared
        return values.map(number).astype("float64")
    found = pd.Series([*map(number, distinct), UNREAD], dtype="float64").array.take(codes)
    return pd.Series(found, index=values.index, name=values.name)


def _as_number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else UNREAD


def as_numbers(values: pd.Series, column: Column) -> pd.Series | None:
    """Return a column of text as float64; None where it is numbers already or one text is not a number."""
    if types.is_numeric_dtype(values):
        return None
    found = numbers_of(values, column)
    return None if (found.isna() & values.notna()).any() else found
