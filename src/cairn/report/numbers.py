"""Numbers as people read them."""

import math
from datetime import UTC, datetime, timedelta

MINUS, ABSENT = "−", "–"


def number(value: float | None, digits: int) -> str:
    """Write a number with so many decimals, thousands apart and a true minus sign; a dash for None."""
    if value is None:
        return ABSENT
    text = f"{value:,.{digits}f}"
    return text.lstrip("-") if float(text.replace(",", "")) == 0 else text.replace("-", MINUS)


def percent(value: float | None, digits: int = 1) -> str:
    """Write a share as percent."""
    return ABSENT if value is None else f"{number(100 * value, digits)}%"


def short(value: float | None) -> str:
    """Write any number in about four digits: `0.01234`, `12.34`, `12,345`, `1.2e+12`; a dash for None."""
    if value is None or math.isnan(value):
        return ABSENT
    if value and not 1e-4 <= abs(value) < 1e9:
        text = f"{value:.3g}"
    elif abs(value) >= 1000:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.4g}"
    return text.replace("-", MINUS, 1) if text.startswith("-") else text


def moment(seconds: float) -> str:
    """Write seconds since 1970 as a date, with the time of day where it is not midnight."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=round(seconds))
    return f"{at:%Y-%m-%d}" if not (at.hour or at.minute or at.second) else f"{at:%Y-%m-%d %H:%M}"
