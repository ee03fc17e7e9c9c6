"""Whether a table ends in a line of totals, as sheets and reports do."""

import re

import numpy as np
import pandas as pd
from pandas.api import types

TOTAL = re.compile(
    r"\W*((grand|over|sub)[ _-]?)?(totals?|sum|summe|gesamt|gesamtsumme|insgesamt|totale|total general|totaal"
    r"|suma|summa|razem|итого|всего|合计|总计)\W*",
    re.IGNORECASE,
)
CLOSE = 1e-6
"""How far a total may be from the sum, as a share of it: reports round."""


def is_footer(table: pd.DataFrame, decimal: str) -> bool:
    """Whether the last row is a total of the others.

    It says so in one column, in a word that no other row has there; and the rest is gaps that the other rows
    have not, or the sum of a column.

    Args:
        table: as read from a text file; a total may have turned columns of numbers into text.
        decimal: sign before decimals.
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


def _adds_up(values: pd.Series, total: object, decimal: str) -> bool:
    numbers = _numbers(pd.concat([values, pd.Series([total])]).dropna(), decimal)
    if pd.isna(total) or numbers.isna().any() or len(numbers) < 3:
        return False
    *parts, whole = numbers
    return bool(whole and np.isclose(sum(parts), whole, rtol=CLOSE, atol=0))


def _numbers(values: pd.Series, decimal: str) -> pd.Series:
    if types.is_numeric_dtype(values):
        return values
    thousands = "." if decimal == "," else ","
    plain = (
        values.astype("str").str.replace(thousands, "", regex=False).str.replace(decimal, ".", regex=False)
    )
    return pd.to_numeric(plain, errors="coerce")
