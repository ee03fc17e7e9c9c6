"""The formats in which a column of text writes dates."""

import re
from collections.abc import Iterator

import pandas as pd

from cairn.data.load import PERIODS, as_dates

DATES_READ = 500
ISO = re.compile(r"\d{4}-\d\d(-\d\d)?([ T]\d\d:?\d\d.*)?|\d{8}T\d{6}.*")
LIKE_A_DATE = re.compile(
    r"\d{1,4}[-/. ](\d{1,2}|[A-Za-z]{3,9})[-/., ]{1,2}\d{2,4}([ T,:].*)?|[A-Za-z]{3,9}[. ]+\d{1,2},? +\d{4}.*"
    r"|[A-Za-z]{3,9}[- ]\d{2,4}|[A-Za-z]{3}, \d{1,2} [A-Za-z]{3} \d{4} \d\d:\d\d.*"
    r"|[A-Za-z]{3} [A-Za-z]{3} +\d{1,2} \d\d:\d\d:\d\d \d{4}"
)
DAYS = (
    *("%d.%m.%Y", "%Y/%m/%d", "%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y", "%m/%d/%y", "%d/%m/%y"),
    *("%d.%m.%y", "%Y.%m.%d", "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%B %d, %Y"),
    *("%b-%y", "%b-%Y", "%b %Y", "%B %Y", "%a, %d %b %Y", "%d/%b/%Y"),
)
CLOCKS = (
    *("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S", ", %H:%M"),
    *(", %H:%M:%S", " %H:%M:%S %Z", " %H:%M:%S %z", ":%H:%M:%S %z"),
)
WHOLE = ("%a %b %d %H:%M:%S %Y",)
NOT_ISO = tuple(f"%Y-%m-%d{clock}" for clock in (" %H:%M:%S %Z", " %H:%M:%S.%f %Z", " %H:%M:%S,%f"))
"""Begin like ISO 8601 and are not."""
LOOSE = re.compile(r"\D*(\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|(19|20)\d\d-(\d\d-\d\d|\d{3}|W\d\d(-\d)?))(\D.*)?")
"""Has a date in it."""
DIGITS = re.compile(r"\d{8}")
IN_ANOTHER_LANGUAGE = re.compile(r"\d{1,2}\.? [^\W\d]{3,10}\.? \d{4}")
PLACEHOLDERS = re.compile(
    r"(0000-00-00|9999-12-31|0001-01-01)([ T].*)?|(00[./]00[./]0000|(31[./]12|12/31)[./]9999).*"
)
"""No dates: unknown, or open."""


def is_like_dates(texts: pd.Series) -> bool:
    """Whether all of some texts have the form of a date, read or not."""
    patterns = (ISO, LIKE_A_DATE, LOOSE, IN_ANOTHER_LANGUAGE, *PERIODS.values())
    return bool(texts.map(lambda text: any(pattern.fullmatch(text) for pattern in patterns)).all())


def text_formats(there: pd.Series) -> Iterator[str]:
    """Yield the formats that may fit a column of text, as in the contract; ISO8601 for ISO 8601."""
    few = there.iloc[:: max(1, len(there) // DATES_READ)]
    if not all(isinstance(value, str) for value in few):
        return
    if few.map(lambda text: bool(ISO.fullmatch(text))).all():
        yield from ("ISO8601", *NOT_ISO)
    elif few.map(lambda text: bool(LIKE_A_DATE.fullmatch(text))).all():
        for written in (*(day + clock for day in DAYS for clock in CLOCKS), *WHOLE):
            if as_dates(few, written) is not None:
                yield written
    elif few.map(lambda text: bool(DIGITS.fullmatch(text))).all():
        yield from (form for form in ("%Y%m%d", "%d%m%Y", "%m%d%Y") if as_dates(few, form) is not None)
    else:
        yield from (name for name, form in PERIODS.items() if all(map(form.fullmatch, few)))
