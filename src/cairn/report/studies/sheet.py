"""A study on one sheet: verdicts, tables, notes and figures, for the terminal, as Markdown or as HTML."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cairn.report.numbers import to_ascii
from cairn.report.page import embedded, render
from cairn.report.table import Table, aligned, escaped, piped
from cairn.terminal import painted, wrapped

MOST_LINES = 12
"""Lines of a list that the terminal and Markdown show; the page shows all."""


@dataclass(frozen=True)
class Section:
    """A part of a sheet.

    Attributes:
        brief: a shorter table for the terminal; None for the same.
        lines: items of a list.
        figures: draws caption and SVG of each; called for a page only.
        folded: whether Markdown folds it.
    """

    title: str
    table: Table | None = None
    brief: Table | None = None
    lines: Sequence[str] = ()
    figures: Callable[[], list[tuple[str, str]]] = list
    folded: bool = False


@dataclass(frozen=True)
class Sheet:
    """A study, ready to be shown.

    Attributes:
        verdicts: one line each to act on, with its tone: better, worse or unclear.
        notes: how the numbers were made, and how to read them.
        record: everything for programs, as plain JSON types.
    """

    kind: str
    title: str
    verdicts: list[tuple[str, str]]
    sections: list[Section]
    notes: list[str]
    record: dict[str, Any] = field(default_factory=dict)


def named(value: Any) -> Any:
    """Return nested values with every named tuple as a dict, which JSON would write as a list."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {key: named(item) for key, item in value.items()}
    return [named(item) for item in value] if isinstance(value, list | tuple) else value


def to_text(sheet: Sheet) -> str:
    """Write a sheet for a terminal, the verdicts last."""
    lines = [sheet.title]
    for section in sheet.sections:
        table = section.brief or section.table
        lines += ["", *([f"{section.title}:"] if section.title else []), *(aligned(table) if table else [])]
        if section.brief and section.table and len(section.brief.rows) < len(section.table.rows):
            shown, found = len(section.brief.rows), len(section.table.rows)
            lines += wrapped(
                f"  {shown} of {found} rows; --md, --json and --html FILE have all of them", "    "
            )
        lines += [line for item in _first(section.lines) for line in wrapped(f"  {item}", "    ")]
    lines += ["", *(line for note in sheet.notes for line in wrapped(note)), ""]
    lines += [painted(line, tone) for text, tone in sheet.verdicts for line in wrapped(text)]
    return "\n".join(line.rstrip() for line in map(to_ascii, lines))


def to_markdown(sheet: Sheet) -> str:
    """Write a sheet as GitHub's Markdown, the verdicts first."""
    lines = [f"**{escaped(sheet.title)}**", "", *(f"- {escaped(text)}" for text, _ in sheet.verdicts), ""]
    for section in sheet.sections:
        content = [*(piped(section.table) if section.table else [])]
        content += [f"- {escaped(item)}" for item in _first(section.lines)]
        title = escaped(section.title)
        if section.folded:
            lines += [f"<details><summary>{title}</summary>", "", *content, "", "</details>", ""]
        else:
            lines += [*([f"{title}:", ""] if title else []), *content, ""]
    return "\n".join([*lines, *map(escaped, sheet.notes)])


def to_html(sheet: Sheet) -> str:
    """Write a sheet as a page; all text is escaped, the figures are Cairn's own SVG."""
    figures = [
        [(caption, embedded(svg, f"figure{i}-{k}")) for k, (caption, svg) in enumerate(section.figures())]
        for i, section in enumerate(sheet.sections)
    ]
    return render(Path(__file__).with_name("sheet.html.j2"), sheet=sheet, figures=figures)


def _first(items: Sequence[str]) -> list[str]:
    more = len(items) - MOST_LINES
    return [*items[:MOST_LINES], *([f"and {more} more, which --html FILE lists"] if more > 0 else [])]
