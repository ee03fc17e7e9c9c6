"""An ablation in sentences and a table: for each part one line to act on."""

import math
from dataclasses import asdict

from cairn.data.tables import rounded
from cairn.metrics.bootstrap import Estimate
from cairn.report.ablation.background import (
    as_interval,
    column,
    gain_in_words,
    notes,
    plain,
    quantity_name,
    quantity_title,
)
from cairn.report.ablation.sheet import Sheet
from cairn.report.card.rows import p_text
from cairn.report.card.words import metric_name, places
from cairn.report.numbers import number
from cairn.report.table import Table
from cairn.studies.ablation.ablation import Ablation, Worth
from cairn.studies.ablation.measure import SAVING

MOST_NAMED = 8
TONES = {"keep": "better", "drop": "worse", "unclear": "unclear"}


def sheet_of(ablation: Ablation, *, figures: bool) -> Sheet:
    """Return the ablation ready to be shown, with a figure if asked."""
    ground = ablation.background
    sentences = verdicts(ablation)
    record = asdict(ablation) | {"verdicts": [text for text, _ in sentences]}
    return Sheet(
        kind="Ablation",
        title=f"{ground.data}: what each part of the features is worth to {ground.model}",
        verdicts=sentences,
        table=_table(ablation),
        notes=_notes(ablation),
        record=rounded(record),
        figures=_figures(ablation) if figures else [],
    )


def verdicts(ablation: Ablation) -> list[tuple[str, str]]:
    """Say of every part what it is worth; of many that nobody can tell of, only how many they are."""
    unclear = [part for part in ablation.parts if part.verdict == "unclear"]
    if len(unclear) <= MOST_NAMED:
        return [(verdict(ablation, part), TONES[part.verdict]) for part in ablation.parts]
    spoken = [part for part in ablation.parts if part.verdict != "unclear"]
    decides, currency = ablation.background.decides, ablation.background.currency
    largest = max(
        (part.gain[decides].high for part in unclear), key=lambda high: (not math.isnan(high), high)
    )
    rest = (
        f"Cannot tell of the other {len(unclear)}: leaving out one of them costs at most"
        f" {plain(largest)} {quantity_name(decides, currency)}, as long as the others stay."
    )
    return [*((verdict(ablation, part), TONES[part.verdict]) for part in spoken), (rest, "unclear")]


def verdict(ablation: Ablation, part: Worth) -> str:
    """Say in one line what a part is worth and what to do with it."""
    decides, currency = ablation.background.decides, ablation.background.currency
    gain, saving = part.gain[decides], part.gain.get(SAVING)
    worth = gain_in_words(gain, decides, currency)
    if saving is not None and decides != SAVING:
        worth += f" and {gain_in_words(saving, SAVING, currency)}"
    if part.verdict == "keep":
        return f"{part.part}: worth {worth}; keep."
    if part.verdict == "drop":
        return f"{part.part}: the model is better without it, worth {worth}; leave it out."
    if math.isnan(gain.high):
        return f"{part.part}: cannot tell, {metric_name(decides)} is undefined in the draws."
    most = number(gain.high, places([as_interval(gain)]))
    costs = f"leaving it out costs at most {most}" if gain.high > 0 else "it may well do harm"
    return f"{part.part}: cannot tell, worth {worth}; {costs}."


def _table(ablation: Ablation) -> Table:
    decides, currency = ablation.background.decides, ablation.background.currency
    parts = ablation.parts
    title = quantity_title(decides, currency)
    columns = {
        "without": column([part.without for part in parts]),
        "worth": column([part.gain[decides] for part in parts]),
        "p": [p_text(None if math.isnan(part.corrected) else part.corrected) for part in parts],
    }
    if any(part.alone for part in parts):
        columns["alone"] = column([part.alone if part.alone else None for part in parts])
    if ablation.nothing:
        columns["Shapley"] = column([part.share[decides] for part in parts])
    if SAVING in ablation.full and decides != SAVING:
        columns[f"worth, {quantity_title(SAVING, currency)}"] = column([part.gain[SAVING] for part in parts])
        if ablation.nothing:
            columns["Shapley of it"] = column([part.share[SAVING] for part in parts])
    header = [f"{title} of", "columns", *columns, "verdict"]
    rows = [
        [
            part.part,
            str(part.columns),
            *(cells[i] for cells in columns.values()),
            {"keep": "keep", "drop": "leave out", "unclear": "cannot tell"}[part.verdict],
        ]
        for i, part in enumerate(parts)
    ]
    return Table(header, rows)


def _notes(ablation: Ablation) -> list[str]:
    decides, currency = ablation.background.decides, ablation.background.currency
    full = column([ablation.full[decides]])[0]
    everything = f"With everything: {quantity_name(decides, currency)} {full}"
    if ablation.nothing:
        everything += f"; with nothing (the prior): {column([ablation.nothing])[0]}"
    lines = [
        f"{everything}. Worth is the score with everything less the score without the part, and positive"
        f" where the part helps; p is corrected for {len(ablation.parts)} parts (Holm).",
        "Two parts that say the same can each look worthless while the other is there: leave out one, then"
        " ask again.",
    ]
    if ablation.nothing:
        lines.append("Shapley: what a part adds on average over all orders of adding them; they sum to all.")
    return [*lines, *notes(ablation.background, ablation.noise)]


def _figures(ablation: Ablation) -> list[tuple[str, str]]:
    """Draw what each part is worth, and what it saves, as SVG."""
    from cairn.report.plots.canvas import to_svg
    from cairn.report.plots.figures import interval_figure

    ground = ablation.background
    drawn = []
    for quantity in ablation.full:
        name = quantity_name(quantity, ground.currency)
        known = {
            part.part: Estimate(part.gain[quantity].value, part.gain[quantity].low, part.gain[quantity].high)
            for part in ablation.parts
            if not math.isnan(part.gain[quantity].low)
        }
        if known:
            caption = f"{name} that is lost without the part, with its interval; grey where it holds 0."
            drawn.append((caption, to_svg(interval_figure(known, label=f"worth, {name}"))))
    return drawn
