"""Rows of totals, which are not examples: below a table, and inside it."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api import types

from cairn.errors import UserError

TOTAL = re.compile(
    r"\W*((grand|over|sub|zwischen|gesamt|sous)[ _-]?)?"
    r"(totals?|sum|summen?|gesamt|insgesamt|somme|suma|totale|totaal|итого|合计)( (général|general))?\W*",
    re.IGNORECASE,
)
HINT = "tot|sum|gesamt|somme|итого|合计"
CLOSE = 1e-6
"""How far a total may be from the sum, as a share of it: reports round."""


def texts_of(table: pd.DataFrame) -> list[str]:
    """Return the names of the columns of text or objects."""
    return [name for name in table if types.is_string_dtype(table[name]) or table[name].dtype == object]


def line_of(table: pd.DataFrame, row: int) -> int:
    """Return the line in which a row of separated text begins, if no line is blank."""
    above = table.iloc[:row]
    breaks = sum(int(above[name].astype("str").str.count("\n").sum()) for name in texts_of(above))
    return row + 2 + breaks


def is_total(table: pd.DataFrame, decimal: str) -> bool:
    """Whether the last row is a total of the others.

    One cell says so, in a word that no other row of its column has; and another cell is empty where all
    other rows have a value, or is the sum of its column.
    """
    if len(table) < 3:
        return False
    last, above = table.iloc[-1], table.iloc[:-1]
    called = [name for name, value in last.items() if isinstance(value, str) and TOTAL.fullmatch(value)]
    if len(called) != 1 or (above[called[0]] == last[called[0]]).any():
        return False
    others = [name for name in table if name != called[0]]
    gaps = [name for name in others if pd.isna(last[name]) and above[name].notna().all()]
    return bool(gaps) or any(_adds_up(above[name], last[name], decimal) for name in others)


def refuse_totals_inside(path: Path, table: pd.DataFrame) -> None:
    """Refuse rows inside the table that are called totals, and have gaps where no other row has any."""
    for name in texts_of(table):
        distinct = pd.Series(table[name].dropna().unique())
        perhaps = distinct.astype("str").str.contains(HINT, case=False)  # fast, unlike the whole pattern
        words = [word for word in distinct[perhaps] if isinstance(word, str) and TOTAL.fullmatch(word)]
        if not words or len(distinct) == len(words):
            continue
        totals = table[name].isin(words)
        if totals.sum() == totals.iloc[-1]:  # is_total judges a last row by itself
            continue
        others = [other for other in table if other != name]
        if any(
            table.loc[totals, other].isna().all() and table.loc[~totals, other].notna().all()
            for other in others
        ):
            at = int(totals.to_numpy().argmax())
            said = f"line {line_of(table, at):,} is a total ({name}: {table[name].iloc[at]})"
            raise UserError(f"{path}: {said}: delete such rows ({int(totals.sum()):,})")


def _adds_up(values: pd.Series, total: object, decimal: str) -> bool:
    numbers = _as_numbers(pd.concat([values, pd.Series([total])]).dropna(), decimal)
    if pd.isna(total) or numbers.isna().any() or len(numbers) < 3:
        return False
    *parts, whole = numbers
    return bool(whole and np.isclose(sum(parts), whole, rtol=CLOSE, atol=0))


def _as_numbers(values: pd.Series, decimal: str) -> pd.Series:
    if types.is_numeric_dtype(values):
        return values
    thousands = "." if decimal == "," else ","
    plain = (
        values.astype("str").str.replace(thousands, "", regex=False).str.replace(decimal, ".", regex=False)
    )
    return pd.to_numeric(plain, errors="coerce")
