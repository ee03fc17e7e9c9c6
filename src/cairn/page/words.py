"""Numbers as people read them."""

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
