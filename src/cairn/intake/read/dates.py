"""Find dates stored as text or numbers, and their format."""

import re
from collections.abc import Iterator

import pandas as pd
from pandas.api import types

from cairn.data.load import as_dates
from cairn.intake.draft.names import is_time

LOOK = 500
ISO = re.compile(r"\d{4}-\d\d(-\d\d)?([ T]\d\d:?\d\d.*)?|\d{8}T\d{6}.*")
LIKE_A_DATE = re.compile(
    r"\d{1,4}[-/. ](\d{1,2}|[A-Za-z]{3,9})[-/., ]{1,2}\d{2,4}([ T].*)?|[A-Za-z]{3,9}[. ]+\d{1,2},? +\d{4}.*"
)
DAYS = (
    *("%d.%m.%Y", "%Y/%m/%d", "%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y", "%m/%d/%y", "%d/%m/%y"),
    *("%d.%m.%y", "%Y.%m.%d", "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%B %d, %Y"),
)
CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S")
YEARS = (1900, 2100)


def readings(values: pd.Series) -> list[str]:
    """Return the date formats that fit a column, as in the contract's `format`, the likeliest first.

    There are two where month and day can change places in every row, as in 01/02/2021. Then the one with
    fewer days of the month comes first: what is counted by month has one.

    Args:
        values: a column of text or numbers.

    Returns:
        "ISO8601", a strptime format, unix, unix_ms, unix_us or unix_ns: each fits every value that is not
        missing.
    """
    there = values.dropna()
    if there.empty or types.is_bool_dtype(there):
        return []
    looks = _number_formats(there) if types.is_numeric_dtype(there) else _text_formats(there)
    found: dict[str, pd.Series] = {}
    for written in looks:
        dates = as_dates(there, None if written == "ISO8601" else written)
        fits = dates is not None and dates.notna().all() and dates.dt.year.between(*YEARS).all()
        if fits and not any(dates.equals(other) for other in found.values()):
            found[written] = dates
    return sorted(found, key=lambda written: found[written].dt.day.nunique())


def _text_formats(there: pd.Series) -> Iterator[str]:
    few = there.iloc[:: max(1, len(there) // LOOK)]
    if not all(isinstance(value, str) for value in few):
        return
    if few.map(lambda text: bool(ISO.fullmatch(text))).all():
        yield "ISO8601"
    elif few.map(lambda text: bool(LIKE_A_DATE.fullmatch(text))).all():
        for day in DAYS:
            for clock in CLOCKS:
                if as_dates(few, day + clock) is not None:
                    yield day + clock


def _number_formats(there: pd.Series) -> Iterator[str]:
    if not is_time(str(there.name)) or not (there % 1 == 0).all():
        return
    low, high = there.min(), there.max()
    if low >= YEARS[0] * 10_000 and high < YEARS[1] * 10_000:
        yield "%Y%m%d"
    else:
        for power, unit in enumerate(("unix", "unix_ms", "unix_us", "unix_ns")):
            if low > 3e8 * 1000**power and high < 4e9 * 1000**power:
                yield unit
