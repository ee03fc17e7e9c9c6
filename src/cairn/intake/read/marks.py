"""Texts in a column of numbers or dates that are neither: marks of missing values, and a few strays."""

import re
from contextlib import suppress
from dataclasses import dataclass

import pandas as pd

from cairn.data.load import as_dates
from cairn.errors import UserError
from cairn.intake.read.amounts import AMOUNT, amount_of, is_plain_amount
from cairn.intake.read.dates import ISO, LIKE_A_DATE, PLACEHOLDERS, text_formats

MARKS = frozenset(
    {"", "?", "-", "--", ".", "*", "#", "unknown", "missing", "none", "na", "n.a.", "nil", "no data"}
    | {"#div/0!", "#value!", "#ref!", "#num!", "#name?", "#null!", "#n/a", "\\n", "n/a", "n/d", "nd", "k.a."}
)
BLANKS = frozenset({"", "?"})
"""Never a value, also in a column of text."""
SAMPLE = 200
FEW = 3
FEW_SHARE = 0.01
MOST_SHARE = 0.05
CODES = 12
"""A column of numbers with so few different ones may be labels."""
CODE = r"[A-Za-z]\d|\d[A-Za-z]"
"""Beside whole numbers, such as 12a beside 12."""


@dataclass(frozen=True)
class Odd:
    """What means missing in a column: texts as they are written, and of these the strays by row."""

    texts: list[str]
    strays: pd.Series
    kind: str = ""


def odd_texts(values: pd.Series) -> Odd | None:
    """Return the texts that are neither numbers nor dates in a column that is one of these otherwise.

    Known marks such as n/a may stand in up to half of the rows, strays such as >1000 in a few.
    """
    text = values.dropna().astype("str")
    if text.empty:
        return None
    plain = text.str.strip()
    low = plain.str.lower()
    known = low.isin(MARKS)
    rest = plain[~known]
    if len(rest) == 0:  # a column of nothing but "none" has a value
        return _blanks(text, low)
    numbers = pd.to_numeric(rest, errors="coerce")
    if numbers.notna().mean() > 1 - MOST_SHARE:
        strays = rest[numbers.isna()]
        strays = strays[~strays.map(is_plain_amount)]  # 1,063 and (5) are numbers, written otherwise
        codes = bool((numbers.dropna() % 1 == 0).all()) and strays.str.contains(CODE).any()
        return _judged(text, known, strays, numbers.nunique() > CODES and not codes, "numbers")
    sample = rest.iloc[:: max(1, len(rest) // SAMPLE)]
    if _share(sample, ISO, LIKE_A_DATE, PLACEHOLDERS) > 1 - MOST_SHARE:
        known |= low.str.fullmatch(PLACEHOLDERS.pattern)
        return _judged(text, known, _no_dates(plain[~known]), True, "dates")
    if _share(sample, AMOUNT) > 1 - MOST_SHARE:
        fits = rest.str.fullmatch(AMOUNT.pattern)
        if (known.any() or not fits.all()) and _are_amounts(rest[fits]):
            return _judged(text, known, rest[~fits], rest.nunique() > CODES, "numbers")
    return _blanks(text, low)


def _blanks(text: pd.Series, low: pd.Series) -> Odd | None:
    found = text[low.isin(BLANKS)]
    return Odd(_unique(found), text[:0]) if len(found) else None


def _judged(text: pd.Series, known: pd.Series, strays: pd.Series, many: bool, kind: str) -> Odd | None:
    """Return the known marks and the strays of a column, if these are few; many: it has many values."""
    few = len(strays) <= min(max(FEW, FEW_SHARE * len(text)), MOST_SHARE * len(text))
    if len(strays) and not (few and many):
        return _blanks(text, text.str.strip())
    if (kind == "numbers" and known.sum() >= len(text) / 2) or not (known.any() or len(strays)):
        return None
    return Odd(_unique(text[known | text.index.isin(strays.index)]), text[strays.index], kind)


def _are_amounts(texts: pd.Series) -> bool:
    with suppress(UserError):  # thousands that may be decimals are asked about later
        return amount_of(texts) is not None
    return True


def _no_dates(texts: pd.Series) -> pd.Series:
    """Return the texts that are no dates in the format that most have; all if they have none in common."""
    like = texts.str.fullmatch(ISO.pattern) | texts.str.fullmatch(LIKE_A_DATE.pattern)
    found = next(iter(text_formats(texts[like])), None) if like.any() else None
    if found is None:
        return texts
    if as_dates(texts[like], None if found == "ISO8601" else found) is not None:
        return texts[~like]
    coerced = pd.to_datetime(texts, format=found, errors="coerce", utc=True)
    return texts[coerced.isna()]


def _share(texts: pd.Series, *patterns: re.Pattern[str]) -> float:
    return float(texts.map(lambda text: any(pattern.fullmatch(text) for pattern in patterns)).mean())


def _unique(texts: pd.Series) -> list[str]:
    return sorted(texts.unique())
