"""What a study shows: sentences, tables and figures, on the terminal, as Markdown or as one HTML page."""

import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cairn.page.frame import render
from cairn.page.words import ABSENT, MINUS

WIDTH = 100


@dataclass(frozen=True)
class Table:
    """Cells under a header; all but the first column are numbers, and the last one words."""

    header: list[str]
    rows: list[list[str]]


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
    lines = [sheet.title, "", *_columns(sheet.table), ""]
    for said in [*sheet.notes, "", *(text for text, _ in sheet.verdicts)]:
        lines += textwrap.wrap(said, WIDTH, subsequent_indent="  ", break_on_hyphens=False) or [""]
    return "\n".join(line.rstrip().replace(MINUS, "-").replace(ABSENT, "-") for line in lines)


def to_markdown(sheet: Sheet) -> str:
    """Write a sheet as GitHub's Markdown, the verdicts first."""
    table = sheet.table
    rule = ["---", *["---:"] * (len(table.header) - 2), "---"]
    lines = [f"**{_escaped(sheet.title)}**", "", *(f"- {_escaped(text)}" for text, _ in sheet.verdicts), ""]
    lines += [f"| {' | '.join(map(_escaped, row))} |" for row in [table.header]]
    lines += [f"| {' | '.join(rule)} |"]
    lines += [f"| {' | '.join(map(_escaped, row))} |" for row in table.rows]
    return "\n".join([*lines, "", *map(_escaped, sheet.notes)])


def to_html(sheet: Sheet) -> str:
    """Fill the template; every text is escaped but the figures, which are this repository's own SVG."""
    return render(Path(__file__).with_name("sheet.html.j2"), sheet=sheet)


def _columns(table: Table) -> list[str]:
    """Line the cells up: the first and last column to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(table.header, *table.rows, strict=True)]
    last = len(widths) - 1
    return [
        "  ".join(
            cell.ljust(width) if i in (0, last) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in [table.header, *table.rows]
    ]


def _escaped(text: str) -> str:
    """Keep names with a meaning in Markdown as they are: carrier_hour, a|b, <0.001."""
    for sign in "\\`*_|<>":
        text = text.replace(sign, f"\\{sign}")
    return text
