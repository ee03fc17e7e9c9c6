"""The sheet of an ablation: for each part of the features one line to act on."""

import math
from dataclasses import asdict

from cairn.data.records import rounded
from cairn.metrics.paired import gain, judged
from cairn.report.card.words import metric_name
from cairn.report.numbers import p_value, short
from cairn.report.studies.difference import column, draws, magnitude, picture, quantity_title, sizes
from cairn.report.studies.sheet import Section, Sheet, named
from cairn.report.table import Table
from cairn.settings.search import SAVING
from cairn.studies.ablation import Ablation, Importance
from cairn.studies.protocol import Protocol

MOST_NAMED = 8
TONES = {"keep": "better", "drop": "worse", "unclear": "unclear"}
CELLS = {"keep": "keep", "drop": "leave out", "unclear": "inconclusive"}


def sheet_of(ablation: Ablation) -> Sheet:
    """Return the ablation ready to be shown."""
    protocol, lines = ablation.protocol, verdicts(ablation)
    record = named(asdict(ablation)) | {"verdicts": [text for text, _ in lines]}
    return Sheet(
        kind="Ablation",
        title=f"{protocol.data}: importance of each feature group for {protocol.model}",
        verdicts=lines,
        sections=[Section("", _table(ablation), figures=lambda: _figures(ablation))],
        notes=_notes(ablation),
        record=rounded(record),
    )


def verdicts(ablation: Ablation) -> list[tuple[str, str]]:
    """Return one line per part; many inconclusive parts are only counted."""
    unclear = [part for part in ablation.parts if part.verdict == "unclear"]
    many = len(unclear) > MOST_NAMED
    named = [part for part in ablation.parts if not many or part.verdict != "unclear"]
    lines = [(_verdict(ablation.protocol, part), TONES[part.verdict]) for part in named]
    if not many:
        return lines
    decides = ablation.protocol.decides
    title = quantity_title(decides, ablation.protocol.currency)
    highs = [gain(part.differences[decides], decides).high for part in unclear]
    most = max(highs, key=lambda high: (not math.isnan(high), high))
    rest = (
        f"No evidence of a difference for the other {len(unclear)}: leaving out one of them costs at most"
        f" {short(most)} of {title}, as long as the others stay."
    )
    return [*lines, (rest, "unclear")]


def _verdict(protocol: Protocol, part: Importance) -> str:
    deciding = part.differences[protocol.decides]
    changed = f"with it, {sizes(part.differences, protocol.decides, protocol.currency)}"
    if part.verdict != "unclear":
        return f"{part.part}: {CELLS[part.verdict]}; {changed}."
    most = gain(deciding, protocol.decides).high
    if math.isnan(most):
        return f"{part.part}: inconclusive, {metric_name(protocol.decides)} is undefined in the draws."
    costs = f"leaving it out costs at most {magnitude(most, deciding)}" if most > 0 else "it may do harm"
    return f"{part.part}: no evidence of a difference; {changed}; {costs}."


def _table(ablation: Ablation) -> Table:
    decides, currency, parts = ablation.protocol.decides, ablation.protocol.currency, ablation.parts
    title = quantity_title(decides, currency)
    columns = {
        "without": column([part.without for part in parts]),
        "importance": column([gain(part.differences[decides], decides) for part in parts]),
        "p": [p_value(part.differences[decides].corrected) for part in parts],
    }
    if any(part.alone for part in parts):
        columns["alone"] = column([part.alone for part in parts])
    if SAVING in ablation.full and decides != SAVING:
        savings = column([gain(part.differences[SAVING], SAVING) for part in parts])
        columns[quantity_title(SAVING, currency)] = savings
    rows = [
        [part.part, str(part.columns), *(cells[i] for cells in columns.values()), CELLS[part.verdict]]
        for i, part in enumerate(parts)
    ]
    return Table([f"{title} of", "columns", *columns, "verdict"], rows)


def _notes(ablation: Ablation) -> list[str]:
    protocol = ablation.protocol
    full = column([ablation.full[protocol.decides]])[0]
    return [
        f"With everything: {quantity_title(protocol.decides, protocol.currency)} {full}. Importance is the"
        " improvement from the model without the part to the model with everything, positive where the part"
        f" helps; p is corrected for {len(ablation.parts)} parts (Holm).",
        "Two redundant parts can each look unimportant while the other is there: leave out one, then run it"
        " again.",
        *protocol_notes(protocol, ablation.noise),
    ]


def protocol_notes(protocol: Protocol, noise: float | None) -> list[str]:
    """Say which rows the scores are on, and what the intervals include and leave out.

    `noise` is the standard deviation of the deciding quantity between seeds; None for one seed.
    """
    uses = ["stopped training"] if protocol.stops_early else []
    uses += ["calibrated the probabilities"] if protocol.calibrates else []
    used = " and ".join([*uses, "led to the settings"])
    lines = [
        f"Scored on {protocol.rows:,} validation rows, which also {used}: good for choosing, not for a claim."
        " Test is not read."
    ]
    made = draws(protocol.confidence, protocol.resamples, protocol.units, protocol.rows, protocol.block)
    if noise is None:
        return [*lines, f"One seed; {made}, without the spread between seeds: --seeds 3 includes it."]
    first, last = protocol.numbers[0], protocol.numbers[-1]
    return [
        *lines,
        f"Means over {protocol.seeds} seeds, {first} to {last}; {made}, and the spread between seeds"
        f" (standard deviation {short(noise)} of {quantity_title(protocol.decides, protocol.currency)})."
        " Other training rows would change the scores too; the intervals leave that out.",
    ]


def _figures(ablation: Ablation) -> list[tuple[str, str]]:
    drawn = []
    for quantity in ablation.full:
        name = quantity_title(quantity, ablation.protocol.currency)
        gains = {part.part: gain(part.differences[quantity], quantity) for part in ablation.parts}
        caption = (
            f"Importance by {name}, with its interval: blue where the part helps, red where it harms, grey"
            " where there is no evidence (corrected p)."
        )
        level = ablation.protocol.level
        tones = {part.part: judged(part.differences[quantity], quantity, level) for part in ablation.parts}
        drawn += picture(gains, f"importance, {name}", caption, tones)
    return drawn
