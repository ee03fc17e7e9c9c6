"""The sheet of a learning curve: would more data help?"""

import math
from dataclasses import asdict

import numpy as np

from cairn.data.records import rounded
from cairn.metrics.paired import gain, judged
from cairn.report.card.words import metric_name
from cairn.report.studies.ablation import protocol_notes
from cairn.report.studies.difference import column, quantity_title, sizes
from cairn.report.studies.sheet import Section, Sheet, named
from cairn.report.table import Table
from cairn.settings.search import SAVING
from cairn.studies.learning_curve import LearningCurve

KINDS = {"recent": "a longer history", "random": "more of the same"}
HARM = {"recent": "Older rows do harm", "random": "More of the same does harm"}


def sheet_of(curve: LearningCurve) -> Sheet:
    """Return the learning curve ready to be shown."""
    text, tone = verdict(curve)
    return Sheet(
        kind="Learning curve",
        title=f"{curve.protocol.data}: would {KINDS[curve.by]} help {curve.protocol.model}?",
        verdicts=[(text, tone)],
        sections=[Section("", _table(curve), figures=lambda: _figures(curve))],
        notes=_notes(curve),
        record=rounded(named(asdict(curve)) | {"verdict": text}),
    )


def verdict(curve: LearningCurve) -> tuple[str, str]:
    """Say in one line whether more rows would help, with its tone."""
    protocol, last = curve.protocol, curve.last_doubling
    deciding = last[protocol.decides]
    outcome = judged(deciding, protocol.decides, protocol.level)
    if math.isnan(deciding.high):
        return f"Inconclusive: {metric_name(protocol.decides)} is undefined in the draws.", outcome
    half, full = (f"{point.rows:,}" for point in curve.points[-2:])
    changed = f"from {half} to {full} rows, {sizes(last, protocol.decides, protocol.currency)}"
    if outcome == "better":
        return f"{KINDS[curve.by].capitalize()} helps: {changed}.", outcome
    if outcome == "worse":
        return f"{HARM[curve.by]}: {changed}; use fewer rows, or find out why.", outcome
    return f"No evidence that {KINDS[curve.by]} helps: {changed}.", outcome


def _table(curve: LearningCurve) -> Table:
    decides, currency, points = curve.protocol.decides, curve.protocol.currency, curve.points
    columns = {}
    if curve.by == "recent":
        columns["since"] = [point.since or "" for point in points]
    columns[quantity_title(decides, currency)] = column([point.score for point in points])
    named = {decides: "gain with all rows"}
    if decides != SAVING and SAVING in curve.last_doubling:
        named[SAVING] = f"and {quantity_title(SAVING, currency)}"
    for quantity, title in named.items():
        gaps = [point.to_full.get(quantity) for point in points]
        columns[title] = column([None if gap is None else gain(gap, quantity) for gap in gaps])
    total = points[-1].rows
    rows = [
        [f"{point.rows:,}", f"{100 * point.rows / total:.3g}%", *(cells[i] for cells in columns.values()), ""]
        for i, point in enumerate(points)
    ]
    return Table(["training rows", "share", *columns, ""], rows)


def _notes(curve: LearningCurve) -> list[str]:
    drawn = {
        "recent": f"The latest training rows, by whole {curve.unit}: more rows are older ones.",
        "random": f"Training rows at random, by whole {curve.unit}; under one seed each set contains the"
        " smaller ones.",
    }
    return [drawn[curve.by], *protocol_notes(curve.protocol, curve.noise)]


def _figures(curve: LearningCurve) -> list[tuple[str, str]]:
    from cairn.report.plots.canvas import MODEL, draw, keep_readable, to_svg

    decides = curve.protocol.decides
    rows = np.array([point.rows for point in curve.points])
    values = np.array([point.score.value for point in curve.points])
    gaps = [point.to_full.get(decides) for point in curve.points]
    reach = np.array([0.0 if gap is None else (gap.high - gap.low) / 2 for gap in gaps])
    figure, (axes,) = draw(6.4, 3.8)
    reach = np.nan_to_num(reach)
    axes.errorbar(rows, values, yerr=reach, fmt="o-", color=MODEL, capsize=3)
    keep_readable(axes, [*values - reach, *values + reach], shown=values)
    axes.set_xscale("log", base=2)
    axes.set_xticks(rows, [f"{count:,}" for count in rows], fontsize=8)
    axes.set(xlabel="training rows", ylabel=quantity_title(decides, curve.protocol.currency))
    return [("Each bar is the interval of the difference to all rows.", to_svg(figure))]
