"""Numbers as text: decimals, percentages, intervals, p-values, dates and lists."""

import math
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from cairn.metrics.bootstrap import Estimate
from cairn.metrics.evaluation import Score

MINUS, ABSENT = "−", "–"
MOST_PLACES = 9


Interval = Score | Estimate
"""A value with the ends of its interval; None or NaN where undefined."""


def number(value: float | None, digits: int) -> str:
    """Format a number with a fixed number of decimals, a thousands separator and a true minus sign.

    None and NaN become a dash, and a value that rounds to 0 has no sign.
    """
    value = _or_nan(value)
    if math.isnan(value):
        return ABSENT
    text = f"{value:,.{digits}f}"
    return text.lstrip("-") if float(text.replace(",", "")) == 0 else text.replace("-", MINUS)


def signed(value: float | None, digits: int) -> str:
    """Format a difference with its sign; a difference that rounds to 0 has none."""
    text = number(value, digits)
    return f"+{text}" if _or_nan(value) > 0 and text.strip("0.") else text


def percent(value: float | None, digits: int = 1) -> str:
    """Format a share as a percentage."""
    return ABSENT if math.isnan(_or_nan(value)) else f"{number(100 * _or_nan(value), digits)}%"


def p_value(value: float | None) -> str:
    """Format a p-value with three decimals, the smallest as `<0.001`."""
    return "<0.001" if _or_nan(value) < 0.001 else number(value, 3)


def short(value: float | None) -> str:
    """Format any number with about four significant digits: `0.01234`, `12.34`, `12,345`, `1.2e+12`."""
    value = _or_nan(value)
    if math.isnan(value):
        return ABSENT
    if value and not 1e-4 <= abs(value) < 1e9:
        text = f"{value:.3g}"
    elif abs(value) >= 1000:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.4g}"
    return text.replace("-", MINUS, 1) if text.startswith("-") else text


def moment(seconds: float) -> str:
    """Format seconds since 1970 as a date, with the time of day unless it is midnight."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=round(seconds))
    return f"{at:%Y-%m-%d}" if not (at.hour or at.minute or at.second) else f"{at:%Y-%m-%d %H:%M}"


def places(intervals: Iterable[Interval]) -> int:
    """Return the number of decimals for all intervals to share: two significant digits of the narrowest.

    Intervals narrower than a hundredth of the widest are ignored. If no interval has a width, the largest
    value gets four significant digits.
    """
    known = [interval for interval in intervals if not math.isnan(_or_nan(interval.value))]
    widths = [_or_nan(interval.high) - _or_nan(interval.low) for interval in known]
    widest = max((width for width in widths if width > 0), default=0.0)
    if widest:
        digits = 1 - math.floor(math.log10(min(width for width in widths if width > widest / 100)))
    else:
        largest = max((abs(_or_nan(interval.value)) for interval in known), default=0.0) or 1.0
        size = math.floor(math.log10(largest))
        digits = 3 - (max(size, 0) if largest >= 0.1 else size)
    return min(max(digits, 0), MOST_PLACES)


def span(interval: Interval, digits: int) -> str:
    """Format the ends of an interval: `[0.72, 0.75]`, or `[1,200 to 1,300]` if one contains a comma."""
    low, high = number(interval.low, digits), number(interval.high, digits)
    return f"[{low}{' to ' if ',' in low + high else ', '}{high}]"


def estimate(interval: Interval, digits: int | None = None) -> str:
    """Format a value with its interval: `0.741 [0.728, 0.755]`."""
    digits = places([interval]) if digits is None else digits
    return f"{number(interval.value, digits)} {span(interval, digits)}"


def share(interval: Interval) -> str:
    """Format a share with its interval as percentages: `17.93% [17.60, 18.30]`."""
    hundredfold = in_percent(interval)
    digits = places([hundredfold])
    return f"{percent(interval.value, digits)} {span(hundredfold, digits)}"


def in_percent(interval: Interval) -> Score:
    """Return a share and the ends of its interval times 100."""
    value, low, high = (100 * _or_nan(end) for end in (interval.value, interval.low, interval.high))
    return Score(value=value, low=low, high=high)


def listed(names: Iterable[str], most: int = 4) -> str:
    """Join names, only the first ones of many: `a, b and c`, or `a, b, c, d and 8 more`."""
    names = list(names)
    if len(names) > most:
        names = [*names[:most], f"{len(names) - most:,} more"]
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def in_order(names: Sequence[str]) -> list[int]:
    """Return the positions of names in the order of the numbers in them; as given if one has no number.

    `before 09` comes before `09 to 12`, `after 21` after `18 to 21`, and `(missing)` is last.
    """
    values = []
    for name in names:
        found = _NUMBER.search(name)
        if found is None and not name.startswith("("):
            return list(range(len(names)))
        values.append(math.inf if found is None else float(found[0]))
    below = [bool(_FROM_BELOW.match(name)) for name in names]
    return sorted(range(len(names)), key=lambda at: (values[at], not below[at]))


_NUMBER = re.compile(r"(?<![\w.])-?\d+(\.\d+)?")
_FROM_BELOW = re.compile(r"before|below|under|up to|less|<|≤", re.IGNORECASE)


def to_ascii(text: str) -> str:
    """Replace the minus signs and dashes of formatted numbers by hyphens, for a terminal."""
    return text.replace(MINUS, "-").replace(ABSENT, "-")


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
