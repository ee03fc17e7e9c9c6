"""Text that is a number with something around it: a currency, a unit, spaces, a minus behind."""

import math
import re
from collections.abc import Iterable

import pandas as pd
from pandas.api import types

from cairn.data.written import BLANK, MINUS, number_reader
from cairn.errors import UserError
from cairn.settings.contract import Column

LOOK = 500
MOST_UNITS = 4
SIGN = "[$€£¥₹₽₩₺₪₴฿₫₱₦]"
PREFIX = rf"(?:US|CA|C|AU|A|NZ|HK|SG|S|MX|R)\$|{SIGN}|Rs\.?|kr\.?"
SUFFIX = rf"%|‰|{SIGN}|zł|Kč|[A-Za-zµ°][A-Za-z0-9²³/°]{{0,7}}"
AMOUNT = re.compile(
    rf"\(?[-+{MINUS}]?[{BLANK}]*((?P<sign>{PREFIX})|(?P<code>[A-Z]{{3}})[{BLANK}])?[{BLANK}]*[(+{MINUS}]?"
    rf"(?P<number>\d[\d.,'’{BLANK}]*?(?:\d[eE][-+]?\d+)?)"
    rf"[{BLANK}]*(?P<unit>{SUFFIX})?[{MINUS}]?\)?"
)
SIGNS = {".": (None, ",", "'", "’", " "), ",": (None, ".", "'", "’", " ")}
"""By decimal sign, the signs between thousands that go with it."""


def amount_of(values: pd.Series) -> Column | None:
    """Return how a column of text writes numbers; None if it holds something else, or different units.

    Returns:
        A column with `decimal`, `thousands`, `accounting` and `unit`, by which every value can be read.

    Raises:
        UserError: 1.360 may be 1360 or 1.36, and no value tells.
    """
    there = values.dropna()
    if there.empty or not (types.is_object_dtype(there) or types.is_string_dtype(there)):
        return None
    for part in (there.iloc[:LOOK], there):
        distinct = part.unique()
        if not all(isinstance(value, str) for value in distinct):
            return None
        found = [AMOUNT.fullmatch(value.strip()) for value in distinct]
        if not all(found):
            return None
    matches = [match for match in found if match is not None]
    units = {_unit(match) for match in matches}
    if len(units) > 1:
        return None
    accounting = any(match[0].endswith((*MINUS, ")")) for match in matches)
    plain = Column(kind="numeric", unit=units.pop())
    ways = [_way(plain, decimal, distinct, accounting=accounting) for decimal in SIGNS]
    fits = [way for way in ways if way is not None]
    if not fits:
        return None
    shown = next((match["number"] for match in matches if re.search("[.,]", match["number"])), None)
    if len(fits) > 1 and shown is not None:
        raise UserError(two_readings(str(values.name), shown))
    # pandas reads neither the minus sign nor digits of other scripts.
    foreign = any(not match[0].isascii() for match in matches)
    return fits[0] if shown or fits[0].unit or fits[0].thousands or accounting or foreign else None


def two_readings(name: str, shown: str) -> str:
    """Return the question whether 1.063 in a column is 1063 or 1.063."""
    whole = re.sub("[.,]", "", shown)
    cure = "Write the numbers with a decimal point and no sign between thousands"
    return f"{name}: is {shown} {whole} or {float(whole) / 1000:g}? {cure}"


def is_plain_amount(text: str) -> bool:
    """Whether a text may be a number without a unit, such as 1,063.5 or (5)."""
    match = AMOUNT.fullmatch(text)
    return match is not None and not _unit(match)


def mixed_units(values: pd.Series) -> list[str]:
    """Return the units of a column of text in which all are numbers with one of a few units; [] otherwise."""
    distinct = values.dropna().iloc[:LOOK].unique()
    matches = [AMOUNT.fullmatch(value.strip()) if isinstance(value, str) else None for value in distinct]
    if len(matches) <= MOST_UNITS or not all(matches):
        return []
    units = {_unit(match) for match in matches if match is not None}
    return sorted(units) if 1 < len(units) <= MOST_UNITS else []


def _unit(match: re.Match[str]) -> str:
    return match["sign"] or match["code"] or match["unit"] or ""


def _way(plain: Column, decimal: str, texts: Iterable[str], *, accounting: bool) -> Column | None:
    """Return the column with a decimal sign by which all texts are numbers, with the sign of thousands."""
    for thousands in SIGNS[decimal]:
        way = plain.model_copy(update={"decimal": decimal, "thousands": thousands, "accounting": accounting})
        read = number_reader(way)
        if not any(math.isnan(read(text)) for text in texts):
            return way
    return None
