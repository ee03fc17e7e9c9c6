"""A comparison as tables of text, for the terminal and as Markdown, and as a record for programs."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from cairn.metrics.paired import SAVING, Difference, greater_is_better
from cairn.report.card.rows import p_text
from cairn.report.card.words import metric_name, places, span
from cairn.report.comparison.words import (
    as_interval,
    background,
    changes,
    known,
    sensitivity,
    signed,
    slice_outcome,
    verdict,
)
from cairn.report.numbers import ABSENT, MINUS, number
from cairn.report.table import Table, aligned, escaped, piped
from cairn.studies.compare.comparison import Candidate, Comparison, Slice, judged

LEAST_FAVOURABLE = 5
WIDTH = 100
MARKS = {"better": "better", "worse": "worse", "unclear": ""}


def letters(comparison: Comparison) -> list[str]:
    """Return what the candidates are called in tables: B, C, …; the reference is A."""
    return [chr(ord("B") + i) for i in range(len(comparison.candidates))]


def legend(comparison: Comparison) -> Table:
    """Say which revision each letter stands for."""
    named = [("A", comparison.reference, comparison.commit, comparison.model)]
    named += [
        (letter, one.name, one.commit, one.model)
        for letter, one in zip(letters(comparison), comparison.candidates, strict=True)
    ]
    return Table(["", "revision", "commit", "model"], [list(row) for row in named], words=True)


def metric_table(comparison: Comparison, candidate: Candidate, letter: str) -> Table:
    """One row per quantity, the deciding one first."""
    rows = []
    for quantity, difference in candidate.differences.items():
        name = metric_name(quantity)
        if quantity == SAVING:
            name = f"saving, {comparison.currency}/1,000 rows"
        arrow = "↑" if greater_is_better(quantity) else "↓"
        cells = _cells(difference)
        rows.append(
            [
                f"{name} {arrow}",
                *cells,
                p_text(known(difference.corrected)),
                MARKS[judged(difference, quantity, comparison.level)],
            ]
        )
    return Table(["", "A", letter, f"{letter} - A", _interval_title(comparison), "p", ""], rows)


def slice_table(comparison: Comparison, slices: Sequence[Slice], letter: str) -> Table:
    """One row per slice, as they come."""
    rows = [
        [
            f"{one.column} {one.level}",
            f"{one.rows:,}",
            *_cells(one.difference),
            p_text(known(one.difference.corrected)),
            MARKS[slice_outcome(one, comparison)],
        ]
        for one in slices
    ]
    title = f"{metric_name(comparison.decides)} within"
    return Table([title, "rows", "A", letter, f"{letter} - A", _interval_title(comparison), "p", ""], rows)


def least_favourable(comparison: Comparison, candidate: Candidate) -> list[Slice]:
    """Return the few slices where the candidate does worst against the reference, the worst first."""
    sign = 1 if greater_is_better(comparison.decides) else -1
    defined = [one for one in candidate.slices if not math.isnan(one.difference.difference)]
    return sorted(defined, key=lambda one: sign * one.difference.difference)[:LEAST_FAVOURABLE]


def _interval_title(comparison: Comparison) -> str:
    return f"{100 * comparison.confidence:g}% interval"


def _cells(difference: Difference) -> list[str]:
    interval = as_interval(difference)
    digits = places([interval])
    values = [number(known(value), digits) for value in (difference.reference, difference.value)]
    return [*values, signed(difference.difference, digits), span(interval, digits)]


def to_text(comparison: Comparison) -> str:
    """Write the comparison for a terminal, in ASCII but for the arrows."""
    lines = [*aligned(legend(comparison)), "", *_wrapped(" ".join(background(comparison)))]
    for letter, candidate in zip(letters(comparison), comparison.candidates, strict=True):
        lines += ["", *_wrapped(f"{letter}: {verdict(comparison, candidate)}")]
        if candidate.outcome == "unclear":
            lines += _wrapped(sensitivity(comparison, candidate))
        if candidate.outcome != "same":
            lines += ["", *aligned(metric_table(comparison, candidate, letter))]
        worst = least_favourable(comparison, candidate)
        if worst:
            lines += ["", f"The {len(worst)} of {len(candidate.slices)} slices where {letter} does worst:"]
            lines += aligned(slice_table(comparison, worst, letter))
        lines += ["", f"What differs between A and {letter}:"]
        lines += [line for one in changes(candidate) for line in _wrapped(f"  {one}", "    ")]
    return "\n".join(lines).replace(MINUS, "-").replace(ABSENT, "-")


def _wrapped(text: str, indent: str = "   ") -> list[str]:
    return textwrap.wrap(
        text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def to_markdown(comparison: Comparison) -> str:
    """Write the comparison as GitHub's Markdown, the verdicts first."""
    lines = []
    pairs = list(zip(letters(comparison), comparison.candidates, strict=True))
    lines += [f"**{escaped(verdict(comparison, candidate))}**\n" for _, candidate in pairs]
    for letter, candidate in pairs:
        if candidate.outcome == "unclear":
            lines.append(f"{sensitivity(comparison, candidate)}\n")
        if candidate.outcome != "same":
            lines += [*piped(metric_table(comparison, candidate, letter)), ""]
        if candidate.slices:
            title = f"{len(candidate.slices)} slices"
            lines += _folded(title, piped(slice_table(comparison, candidate.slices, letter)))
        lines += _folded("What differs", [f"- {escaped(one)}" for one in changes(candidate)])
    lines += [*piped(legend(comparison)), "", *(f"{escaped(one)}" for one in background(comparison))]
    return "\n".join(lines)


def _folded(title: str, lines: list[str]) -> list[str]:
    return [f"<details><summary>{title}</summary>", "", *lines, "", "</details>", ""]


def to_record(comparison: Comparison) -> dict[str, Any]:
    """Return everything for programs, with the verdict of each candidate in words."""
    record = asdict(comparison)
    for plain, candidate in zip(record["candidates"], comparison.candidates, strict=True):
        plain["verdict"] = verdict(comparison, candidate)
        plain["settings"] = [
            {"key": key, "reference": ours, "candidate": theirs} for key, ours, theirs in candidate.settings
        ]
    return record
