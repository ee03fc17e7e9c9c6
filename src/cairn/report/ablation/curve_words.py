"""A learning curve in sentences, a table and a figure: would more data help?"""

import math
from dataclasses import asdict

import numpy as np

from cairn.data.tables import rounded
from cairn.report.ablation.background import (
    as_interval,
    column,
    gain_in_words,
    notes,
    quantity_name,
    quantity_title,
)
from cairn.report.ablation.sheet import Sheet
from cairn.report.card.words import metric_name, tone
from cairn.report.table import Table
from cairn.studies.ablation.curve import LearningCurve
from cairn.studies.ablation.measure import SAVING, sign_of
from cairn.studies.ablation.power_law import FEWEST

KINDS = {"recent": "a longer history", "random": "more of the same"}


def sheet_of(curve: LearningCurve, *, figures: bool) -> Sheet:
    """Return the learning curve ready to be shown, with a figure if asked."""
    ground = curve.background
    said = verdict(curve)
    return Sheet(
        kind="Learning curve",
        title=f"{ground.data}: would {KINDS[curve.by]} help {ground.model}?",
        verdicts=[said],
        table=_table(curve),
        notes=_notes(curve),
        record=rounded(asdict(curve) | {"verdict": said[0]}),
        figures=_figures(curve) if figures else [],
    )


def verdict(curve: LearningCurve) -> tuple[str, str]:
    """Say in one line whether more rows would help, with its tone."""
    decides, currency = curve.background.decides, curve.background.currency
    gain = curve.last_doubling[decides]
    proved = tone(as_interval(gain))
    half, full = (f"{point.rows:,}" for point in curve.points[-2:])
    brought = gain_in_words(gain, decides, currency)
    saving = curve.last_doubling.get(SAVING)
    if saving is not None and decides != SAVING:
        brought += f" and {gain_in_words(saving, SAVING, currency)}"
    brought = f"the last doubling, from {half} to {full} rows, brought {brought}"
    if proved == "better":
        return f"{KINDS[curve.by].capitalize()} helps: {brought}; {_forecast(curve)}.", proved
    if proved == "worse":
        what = "older rows do harm" if curve.by == "recent" else "more of the same does harm"
        return f"{what.capitalize()}: {brought}; choose fewer, or find out why.", proved
    if math.isnan(gain.high):
        return f"Cannot tell: {metric_name(decides)} is undefined in the draws.", proved
    return f"Cannot tell whether {KINDS[curve.by]} would help: {brought}; {_forecast(curve)}.", proved


def _forecast(curve: LearningCurve) -> str:
    decides, currency = curve.background.decides, curve.background.currency
    law = curve.forecast
    if math.isnan(law.gain.value):
        return f"no forecast from {len(curve.points)} points, it takes {FEWEST}"
    if not law.honest:
        missed = gain_in_words(law.miss, decides, currency)
        return f"no forecast, as a power law through the smaller sets misses all rows' score by {missed}"
    next_one = gain_in_words(law.gain, decides, currency)
    return f"if the curve goes on as a power law, the next doubling brings {next_one}"


def _table(curve: LearningCurve) -> Table:
    decides, currency = curve.background.decides, curve.background.currency
    points = curve.points
    columns = {}
    if curve.by == "recent":
        columns["since"] = [point.since or "" for point in points]
    columns[quantity_title(decides, currency)] = column([point.score for point in points])
    columns["all rows bring more"] = column([point.to_full.get(decides) for point in points])
    if SAVING in curve.last_doubling and decides != SAVING:
        title = f"and {quantity_title(SAVING, currency)}"
        columns[title] = column([point.to_full.get(SAVING) for point in points])
    header = ["training rows", "share", *columns, ""]
    total = points[-1].rows
    rows = [
        [f"{point.rows:,}", f"{100 * point.rows / total:.3g}%", *(cells[i] for cells in columns.values()), ""]
        for i, point in enumerate(points)
    ]
    return Table(header, rows)


def _notes(curve: LearningCurve) -> list[str]:
    taken = {
        "recent": f"The latest rows of train, by whole {curve.unit}: more rows are older ones.",
        "random": f"Rows of train at random, by whole {curve.unit}; under one seed each set holds the smaller"
        " ones.",
    }
    return [taken[curve.by], *notes(curve.background, curve.noise)]


def _figures(curve: LearningCurve) -> list[tuple[str, str]]:
    """Draw the scores over the rows, each with the interval of its distance to all rows, as SVG."""
    from cairn.report.plots.canvas import MODEL, TEXT, draw, to_svg

    decides, currency = curve.background.decides, curve.background.currency
    sign, rows = sign_of(decides), np.array([point.rows for point in curve.points])
    values = np.array([point.score.value for point in curve.points])
    gaps = [point.to_full.get(decides) for point in curve.points]
    reach = np.array([0.0 if gap is None else (gap.high - gap.low) / 2 for gap in gaps])
    figure, (axes,) = draw(6.4, 3.8)
    axes.errorbar(rows, values, yerr=np.nan_to_num(reach), fmt="o-", color=MODEL, capsize=3)
    caption = "Each bar is the interval of the difference to all rows."
    if curve.forecast.honest:
        ends = values[-1] + sign * np.array(curve.forecast.gain)
        axes.plot([2 * rows[-1]] * 2, ends[1:], color=TEXT)
        axes.plot(2 * rows[-1], ends[0], "o", color=TEXT, markerfacecolor="none")
        caption += " Grey: twice the rows, by the power law through the points."
    axes.set_xscale("log", base=2)
    ticks = [*rows, *([2 * rows[-1]] if curve.forecast.honest else [])]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks], fontsize=8)
    axes.set(xlabel="training rows", ylabel=quantity_name(decides, currency))
    return [(caption, to_svg(figure))]
