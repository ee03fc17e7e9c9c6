"""Texts in a column of numbers or dates that are neither: marks of missing values, and a few strays."""

import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

import pandas as pd

from cairn.data.load import as_dates
from cairn.errors import UserError
from cairn.intake.read.amounts import AMOUNT, amount_of, is_plain_amount
from cairn.intake.read.dates import ISO, LIKE_A_DATE, PLACEHOLDERS, text_formats

MARKS = frozenset(
    {"", "?", "-", "--", ".", "*", "#", "unknown", "missing", "none", "na", "n.a.", "nil", "no data"}
    | {
        "–",
        "—",
        "−",
        "..",
        "...",
        "…",
        "tbd",
        "n. a.",
        "n.d.",
        "n. d.",
        "n.v.",
        "s.o.",
        "k. a.",
        "not available",
    }
    | {"#div/0!", "#value!", "#ref!", "#num!", "#name?", "#null!", "#n/a", "\\n", "n/a", "n/d", "nd", "k.a."}
)
BLANKS = frozenset({"", "?"})
"""Never a value, also in a column of text."""
SAMPLE = 200
FEW = 3
FEW_SHARE = 0.01
MOST_SHARE = 0.05
MOSTLY = 0.5
CODES = 12
"""A column of numbers with so few different ones may be labels."""
YEARS = (1800, 2200)
CODE = r"[A-Za-z]\d|\d[A-Za-z]"
"""Beside whole numbers, such as 12a beside 12."""


@dataclass(frozen=True)
class Odd:
    """What means missing in a column, and what else is odd in it, by row.

    Attributes:
        texts: what means missing, as it is written.
        strays: such texts that are not known marks.
        marked: of the known marks among them, how many rows have it, and the first.
        kind: of the other values.
        others: too many texts to be strays, so that the column is text although most values are numbers.
    """

    texts: list[str]
    strays: pd.Series
    marked: dict[str, tuple[int, int]]
    kind: str = ""
    others: pd.Series | None = None


def odd_texts(values: pd.Series) -> Odd | None:
    """Return the texts that are neither numbers nor dates in a column that is one of these otherwise.

    Known marks such as n/a may stand in up to half of the rows, strays such as >1000 in a few.
    """
    text = values.dropna().astype("str")
    if text.empty or _all_dates(text):
        return None
    rows = text.value_counts(sort=False)
    plain = pd.Series(rows.index.str.strip(), index=rows.index)
    low = plain.str.lower()
    known = low.isin(MARKS)
    blank = rows.index[low.isin(BLANKS)]
    rest = plain[~known]
    if len(rest) == 0:  # a column of nothing but "none" has a value
        return _blanks(text, blank)
    numbers = pd.to_numeric(rest, errors="coerce")
    if _share(numbers.notna(), rows) > 1 - MOST_SHARE:
        strays = rest[numbers.isna()]
        strays = strays[~strays.map(is_plain_amount)]  # 1,063 and (5) are numbers, written otherwise
        codes = bool((numbers.dropna() % 1 == 0).all()) and strays.str.contains(CODE).any()
        many = numbers.nunique() > CODES and not codes
        found = _judged(text, rows.index[known], strays.index, many, "numbers")
        return found or _mixed(text, blank, strays)
    return _dates_or_amounts(text, rows, plain, blank)


def _dates_or_amounts(text: pd.Series, rows: pd.Series, plain: pd.Series, blank: pd.Index) -> Odd | None:
    """Return the odd texts of a column that does not hold plain numbers; see odd_texts."""
    low = plain.str.lower()
    known = low.isin(MARKS)
    rest = plain[~known]
    numbers = pd.to_numeric(rest, errors="coerce")
    sample = rest.iloc[:: max(1, len(rest) // SAMPLE)]
    if _share(_match(sample, ISO, LIKE_A_DATE, PLACEHOLDERS), rows) > 1 - MOST_SHARE:
        known |= low.str.fullmatch(PLACEHOLDERS.pattern)
        strays = _no_dates(plain[~known])
        return _judged(text, rows.index[known], strays.index, True, "dates") or _blanks(text, blank)
    if _share(_match(sample, AMOUNT), rows) > 1 - MOST_SHARE:
        fits = _match(rest, AMOUNT)
        if (known.any() or not fits.all()) and _are_amounts(rest[fits]):
            many, strays = len(rest) > CODES, rest[~fits]
            found = _judged(text, rows.index[known], strays.index, many, "numbers")
            return found or _mixed(text, blank, strays)
        return _blanks(text, blank)
    odd = rest[numbers.isna()]
    return _mixed(text, blank, odd[~odd.map(is_plain_amount).astype(bool)])


def _all_dates(text: pd.Series) -> bool:
    """Whether all texts are dates in one format, none of them as early or late as a placeholder."""
    sample = text.iloc[:: max(1, len(text) // SAMPLE)]
    if not _match(sample, ISO, LIKE_A_DATE).all():
        return False
    found = next(iter(text_formats(text)), None)
    dates = None if found is None else as_dates(text, None if found == "ISO8601" else found)
    return dates is not None and bool(dates.dt.year.between(*YEARS).all())


def _blanks(text: pd.Series, blank: pd.Index) -> Odd | None:
    return Odd(sorted(blank), text[:0], counts_of(text, blank)) if len(blank) else None


def _mixed(text: pd.Series, blank: pd.Index, others: pd.Series) -> Odd | None:
    """Return what keeps a column text in which most values are different numbers."""
    odd = text[text.isin(others.index)]
    numbers = text[~text.isin(others.index)]
    if len(odd) and len(odd) < MOSTLY * len(text) and numbers.nunique() > CODES:
        return Odd(sorted(blank), text[:0], counts_of(text, blank), others=odd)
    return _blanks(text, blank)


def _judged(text: pd.Series, known: pd.Index, strays: pd.Index, many: bool, kind: str) -> Odd | None:
    """Return the known marks and the strays of a column, if these are few; many: it has many values."""
    marked, odd = int(text.isin(known).sum()), text[text.isin(strays)]
    few = len(odd) <= min(max(FEW, FEW_SHARE * len(text)), MOST_SHARE * len(text))
    if len(odd) and not (few and many):
        return None
    if (kind == "numbers" and marked >= len(text) / 2) or not (marked or len(odd)):
        return None
    return Odd(sorted({*known, *strays}), odd, counts_of(text, known), kind)


def counts_of(text: pd.Series, which: Collection[str]) -> dict[str, tuple[int, int]]:
    """Return how often each of some texts stands in a column, and its first row."""
    found = {each: text.index[text == each] for each in which}
    return {each: (len(rows), int(rows[0])) for each, rows in found.items() if len(rows)}


def _are_amounts(texts: pd.Series) -> bool:
    with suppress(UserError):  # thousands that may be decimals are asked about later
        return amount_of(texts) is not None
    return True


def _no_dates(texts: pd.Series) -> pd.Series:
    """Return the texts that are not dates in the most frequent format; all if no format is frequent."""
    like = texts.str.fullmatch(ISO.pattern) | texts.str.fullmatch(LIKE_A_DATE.pattern)
    found = next(iter(text_formats(texts[like])), None) if like.any() else None
    if found is None:
        return texts
    if as_dates(texts[like], None if found == "ISO8601" else found) is not None:
        return texts[~like]
    coerced = pd.to_datetime(texts, format=found, errors="coerce", utc=True)
    return texts[coerced.isna()]


def _match(texts: pd.Series, *patterns: re.Pattern[str]) -> pd.Series:
    return texts.map(lambda text: any(pattern.fullmatch(text) for pattern in patterns)).astype(bool)


def _share(true: pd.Series, rows: pd.Series) -> float:
    """Return the share of rows with a text for which it is true."""
    return float(rows[true.index[true]].sum() / rows[true.index].sum())
