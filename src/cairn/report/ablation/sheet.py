"""What a study shows: sentences, tables and figures, on the terminal, as Markdown or as one HTML page."""

import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cairn.report.numbers import ABSENT, MINUS
from cairn.report.page import render
from cairn.report.table import Table, aligned, escaped, piped

WIDTH = 100


@dataclass(frozen=True)
class Sheet:
    """A study, ready to be shown.

    Attributes:
        kind: what it is, `Ablation`.
        title: what it is about.
        verdicts: one line each to act on, with its tone: better, worse or unclear.
        table: the numbers.
        notes: how they came about.
        record: everything for programs, as plain JSON types.
        figures: caption and SVG.
    """

    kind: str
    title: str
    verdicts: list[tuple[str, str]]
    table: Table
    notes: list[str]
    record: dict[str, Any]
    figures: list[tuple[str, str]] = field(default_factory=list)


def to_text(sheet: Sheet) -> str:
    """Write a sheet for a terminal, in plain ASCII signs, the verdicts last, where the eye is."""
    lines = [sheet.title, "", *aligned(sheet.table), ""]
    for said in [*sheet.notes, "", *(text for text, _ in sheet.verdicts)]:
        lines += textwrap.wrap(said, WIDTH, subsequent_indent="  ", break_on_hyphens=False) or [""]
    return "\n".join(line.rstrip().replace(MINUS, "-").replace(ABSENT, "-") for line in lines)


def to_markdown(sheet: Sheet) -> str:
    """Write a sheet as GitHub's Markdown, the verdicts first."""
    verdicts = [f"- {escaped(text)}" for text, _ in sheet.verdicts]
    lines = [f"**{escaped(sheet.title)}**", "", *verdicts, "", *piped(sheet.table)]
    return "\n".join([*lines, "", *map(escaped, sheet.notes)])


def to_html(sheet: Sheet) -> str:
    """Fill the template; every text is escaped but the figures, which are this repository's own SVG."""
    return render(Path(__file__).with_name("sheet.html.j2"), sheet=sheet)
