"""The sheet of a comparison: which revision is better, every number, every slice, what differs."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

import numpy as np

from cairn.data.records import rounded
from cairn.metrics.paired import Slice, detectable, gain, greater_is_better, judged
from cairn.report.card.words import metric_name
from cairn.report.numbers import in_order, listed
from cairn.report.studies.difference import (
    cells,
    draws,
    interval_of,
    magnitude,
    picture,
    quantity_title,
    size,
    verdict,
)
from cairn.report.studies.sheet import Section, Sheet
from cairn.report.table import Table
from cairn.settings.search import SAVING
from cairn.studies.compare.comparison import Candidate, Comparison

LEAST_FAVOURABLE = 5
MOST_SLICES, MOST_INPUTS = 3, 6
MARKS = {"better": "better", "worse": "worse", "unclear": ""}


def sheet_of(comparison: Comparison) -> Sheet:
    """Return the comparison ready to be shown; the candidates are called B, C, …, the reference A."""
    lettered = [(chr(ord("B") + i), one) for i, one in enumerate(comparison.candidates)]
    names = ", ".join(one.name for one in comparison.candidates)
    return Sheet(
        kind="Comparison",
        title=f"{comparison.target}: {names} against {comparison.reference}",
        verdicts=[
            (
                f"{letter}: {conclusion(comparison, one)}{_sensitivity(comparison, one)}",
                "unclear" if one.outcome == "same" else one.outcome,
            )
            for letter, one in lettered
        ],
        sections=[
            Section("", _legend(comparison, lettered)),
            *(part for letter, one in lettered for part in _sections_of(comparison, one, letter)),
        ],
        notes=_notes(comparison),
        record=_record(comparison),
    )


def conclusion(comparison: Comparison, candidate: Candidate) -> str:
    """Say whether the candidate is better than the reference, or worse, or neither."""
    text = verdict(candidate.outcome, candidate.name, comparison.reference)
    if candidate.outcome == "same":
        return f"{text}."
    decides, currency = comparison.decides, comparison.currency
    text += f": {size(candidate.differences[decides], decides, currency)}"
    if candidate.outcome == "unclear":
        text += f", p {cells(candidate.differences[decides])[-1]}"
    saving = candidate.differences.get(SAVING)
    if saving and decides != SAVING:
        agrees = judged(saving, SAVING, comparison.level) in (candidate.outcome, "unclear")
        text += f", {'' if agrees else 'but '}{size(saving, SAVING, currency)}"
    slices = _slices_in_words(comparison, candidate)
    return f"{text}; {slices}." if slices else f"{text}."


def _slices_in_words(comparison: Comparison, candidate: Candidate) -> str:
    if not candidate.slices:
        return ""
    worse = [one for one in candidate.slices if _slice_outcome(comparison, one) == "worse"]
    total = len(candidate.slices)
    if not worse:
        return f"worse in none of {total} slices"
    worst = sorted(worse, key=lambda one: one.difference.p)
    named = listed((f"{one.column} {one.level}" for one in worst), MOST_SLICES)
    return f"worse in {len(worse)} of {total} slices: {named}"


def _slice_outcome(comparison: Comparison, one: Slice) -> str:
    return judged(one.difference, comparison.decides, comparison.level)


def _sensitivity(comparison: Comparison, candidate: Candidate) -> str:
    deciding = candidate.differences[comparison.decides]
    found = detectable(deciding, level=comparison.level, units=comparison.units)
    if candidate.outcome != "unclear" or not found > 0:
        return ""
    what = f"{magnitude(found, deciding)} in {metric_name(comparison.decides)}"
    return f" A true difference of {what} is found in 4 of 5 such comparisons."


def _sections_of(comparison: Comparison, candidate: Candidate, letter: str) -> list[Section]:
    sections = []
    if candidate.outcome != "same":
        sections.append(Section(f"{letter}, {candidate.name}", metric_table(comparison, candidate, letter)))
    if candidate.slices:
        worst = _least_favourable(comparison, candidate)
        sections.append(
            Section(
                f"{letter} in {len(candidate.slices)} slices, the least favourable first",
                _slice_table(comparison, worst, letter),
                brief=_slice_table(comparison, worst[:LEAST_FAVOURABLE], letter),
                figures=lambda: _slice_figures(comparison, candidate, letter),
                folded=True,
            )
        )
    changes = _changes(candidate)
    return [*sections, Section(f"What differs between A and {letter}", lines=changes, folded=True)]


def _legend(comparison: Comparison, lettered: Sequence[tuple[str, Candidate]]) -> Table:
    named = [["A", comparison.reference, comparison.commit, comparison.model]]
    named += [[letter, one.name, one.commit, one.model] for letter, one in lettered]
    return Table(["", "revision", "commit", "model"], named, words=True)


def metric_table(comparison: Comparison, candidate: Candidate, letter: str) -> Table:
    """Return one row per quantity, the deciding one first."""
    rows = [
        [
            f"{quantity_title(name, comparison.currency)} {'↑' if greater_is_better(name) else '↓'}",
            *cells(difference),
            MARKS[judged(difference, name, comparison.level)],
        ]
        for name, difference in candidate.differences.items()
    ]
    return Table(["", *_header(comparison, letter)], rows)


def _slice_table(comparison: Comparison, slices: Sequence[Slice], letter: str) -> Table:
    rows = [
        [
            f"{one.column} {one.level}",
            f"{one.rows:,}",
            *cells(one.difference),
            MARKS[_slice_outcome(comparison, one)],
        ]
        for one in slices
    ]
    return Table([f"{metric_name(comparison.decides)} within", "rows", *_header(comparison, letter)], rows)


def _header(comparison: Comparison, letter: str) -> list[str]:
    return ["A", letter, f"{letter} - A", f"{100 * comparison.confidence:g}% interval", "p", ""]


def _least_favourable(comparison: Comparison, candidate: Candidate) -> list[Slice]:
    """Sort the slices, the one where the candidate does worst first, undefined ones last."""
    gains = [gain(one.difference, comparison.decides).value for one in candidate.slices]
    order = np.argsort(gains, kind="stable")
    return [candidate.slices[i] for i in order]


def _slice_figures(comparison: Comparison, candidate: Candidate, letter: str) -> list[tuple[str, str]]:
    drawn = {"all rows": interval_of(candidate.differences[comparison.decides])}
    tones: dict[str, str] = {"all rows": candidate.outcome}
    for column, group in groupby(candidate.slices, key=lambda one: one.column):
        slices = list(group)
        for at in in_order([one.level for one in slices]):
            name = f"{column} {slices[at].level}"
            drawn[name] = interval_of(slices[at].difference)
            tones[name] = _slice_outcome(comparison, slices[at])
    return picture(
        drawn,
        f"{metric_name(comparison.decides)}, {letter} - A",
        f"{letter} - A among the rows of each slice, with its interval: blue where {letter} is better, red"
        " where it is worse, grey where there is no evidence (corrected p).",
        tones,
    )


def _changes(candidate: Candidate) -> list[str]:
    return [
        f"code and data: {listed(candidate.inputs, MOST_INPUTS) or 'unchanged'}",
        *(
            f"{key}: {' → '.join(json.dumps(value, ensure_ascii=False) for value in both)}"
            for key, *both in candidate.settings
        ),
    ]


def _notes(comparison: Comparison) -> list[str]:
    made = draws(
        comparison.confidence, comparison.resamples, comparison.units, comparison.rows, comparison.block
    )
    lines = [
        f"{comparison.rows:,} {comparison.part} rows; {made}.",
        f"{metric_name(comparison.decides)} decides. p is corrected for the number of tests (Holm): over all"
        " candidates, over all other metrics, over all slices.",
    ]
    if comparison.other_prices:
        named = ", ".join(comparison.other_prices)
        lines.append(f"Savings use the kpi of A; {named} has other prices, and its decisions use those.")
    if comparison.part == "validation":
        lines.append("Models were chosen on these rows: good for choosing, not for a claim.")
    return lines


def _record(comparison: Comparison) -> dict[str, Any]:
    plain_comparison = asdict(comparison)
    for plain, candidate in zip(plain_comparison["candidates"], comparison.candidates, strict=True):
        plain["verdict"] = conclusion(comparison, candidate)
        plain["settings"] = [
            {"key": key, "reference": ours, "candidate": theirs} for key, ours, theirs in candidate.settings
        ]
    return rounded(plain_comparison)
