"""Differences between models in words: the verdict, the size with its interval, cells of a table."""

import math
from collections.abc import Mapping, Sequence

from cairn.metrics.bootstrap import Estimate
from cairn.metrics.kpi import PER_ROWS
from cairn.metrics.paired import Difference, MeanScore
from cairn.report.card.words import metric_name
from cairn.report.numbers import estimate, number, p_value, places, signed, span
from cairn.settings.search import SAVING


def verdict(outcome: str, one: str, other: str) -> str:
    """Say what a comparison of one with other shows."""
    return {
        "better": f"{one} is better than {other}",
        "worse": f"{one} is worse than {other}",
        "unclear": f"no evidence of a difference between {one} and {other}",
        "same": f"{one} predicts the same as {other}, row by row",
    }[outcome]


def interval_of(difference: Difference) -> Estimate:
    """Return the difference with its interval, whichever direction is better."""
    return Estimate(difference.difference, difference.low, difference.high)


def size(difference: Difference, quantity: str, currency: str | None) -> str:
    """Write `ROC AUC +0.013 [0.005, 0.021]`, or the saving with its currency."""
    interval = interval_of(difference)
    digits = places([interval])
    change = signed(difference.difference, digits)
    if quantity == SAVING:
        return f"saving {change} {currency} per {PER_ROWS:,} rows {span(interval, digits)}"
    return f"{metric_name(quantity)} {change} {span(interval, digits)}"


def sizes(differences: Mapping[str, Difference], decides: str, currency: str | None) -> str:
    """Write the difference that decides and, with prices, the difference in saving."""
    shown = dict.fromkeys([decides, *([SAVING] if SAVING in differences else [])])
    return ", ".join(size(differences[name], name, currency) for name in shown)


def cells(difference: Difference) -> list[str]:
    """Return reference, value, difference, interval and p as cells of a table."""
    interval = interval_of(difference)
    digits = places([interval])
    return [
        number(difference.reference, digits),
        number(difference.value, digits),
        signed(difference.difference, digits),
        span(interval, digits),
        p_value(difference.corrected),
    ]


def column(values: Sequence[MeanScore | Estimate | None]) -> list[str]:
    """Write values with their intervals for one column, all with the same decimals; empty for None."""
    digits = places(one for one in values if one is not None)
    return ["" if one is None else estimate(one, digits) for one in values]


def magnitude(value: float, difference: Difference) -> str:
    """Write a value with as many decimals as a difference has."""
    return number(value, places([interval_of(difference)]))


def quantity_title(quantity: str, currency: str | None) -> str:
    """Name a metric, or the saving with its unit, at the head of a column."""
    return f"saving, {currency}/{PER_ROWS:,} rows" if quantity == SAVING else metric_name(quantity)


def draws(confidence: float, resamples: int, units: int, rows: int, block: str | None) -> str:
    """Say how intervals were made."""
    dealt = f"{units:,} blocks of rows dealt at random" if units < rows else "rows one by one"
    drawn = f"{units} blocks of {block}" if block else dealt
    return f"{100 * confidence:g}% intervals: {resamples:,} paired bootstrap draws of {drawn}, Student's t"


def picture(
    intervals: Mapping[str, Estimate], label: str, caption: str, tones: Mapping[str, str]
) -> list[tuple[str, str]]:
    """Draw intervals against 0, coloured by verdict: caption and SVG; nothing if no interval is defined."""
    from cairn.report.plots.canvas import to_svg
    from cairn.report.plots.figures import interval_figure

    known = {name: one for name, one in intervals.items() if not math.isnan(one.low)}
    figure = interval_figure(known, label=label, tones=tones)
    return [(caption, to_svg(figure))] if known else []
