"""A table as text for a terminal or as GitHub's Markdown; the macro `table` in macros.html.j2 writes HTML."""

import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from cairn.report.colour import painted

WIDTH = 100
"""Columns where the output is no terminal, and COLUMNS is not set."""
NARROWEST = 40


@dataclass(frozen=True)
class Table:
    """Cells under a header. All columns but the first and the last hold numbers, unless `words` is true."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: bool = False

    @property
    def left(self) -> Sequence[int]:
        """The positions of the columns that are aligned to the left, as text is."""
        last = len(self.header) - 1
        return range(last + 1) if self.words else (0, last)


def terminal_width() -> int:
    """Return the columns of the terminal, or WIDTH."""
    return max(shutil.get_terminal_size((WIDTH, 24)).columns, NARROWEST)


def aligned(table: Table) -> list[str]:
    """Return the lines of a table with aligned columns; where they are too wide, cells are wrapped at spaces.

    A table that is still too wide for the terminal has a line per cell: no number is ever cut.
    """
    lines = [table.header, *table.rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    width = terminal_width()
    if sum(widths) + 2 * (len(widths) - 1) <= width:
        return [_line(table, line, widths) for line in lines]
    narrowest = [
        max(len(word) for cell in column for word in [*cell.split(), ""])
        for column in zip(*lines, strict=True)
    ]
    room = width - 2 * (len(widths) - 1)
    if sum(narrowest) > room:
        return _stacked(table)
    while sum(widths) > room:
        at = max(range(len(widths)), key=lambda i: (widths[i] > narrowest[i], widths[i]))
        widths[at] -= 1
    return [line for cells in lines for line in _wrapped_row(table, cells, widths)]


def _wrapped_row(table: Table, cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    parts = [
        textwrap.wrap(cell, max(width, 1), break_long_words=False, break_on_hyphens=False) or [""]
        for cell, width in zip(cells, widths, strict=True)
    ]
    tall = max(map(len, parts))
    return [
        _line(table, [part[at] if at < len(part) else "" for part in parts], widths) for at in range(tall)
    ]


def _line(table: Table, cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        cell.ljust(width) if column in table.left else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(
        painted(cell, cell.strip()) if cell.strip() in ("better", "worse") else cell for cell in padded
    ).rstrip()


def _stacked(table: Table) -> list[str]:
    names = [*table.header[1:]]
    longest = max(map(len, names), default=0)
    lines = []
    for first, *rest in table.rows:
        lines.append(first)
        for name, cell in zip(names, rest, strict=True):
            lines += wrapped(f"  {name:<{longest}}  {cell}", " " * (longest + 4)) if cell else []
    return lines


def piped(table: Table) -> list[str]:
    """Return the lines of a Markdown table."""
    rule = ["---" if column in table.left else "---:" for column in range(len(table.header))]
    header, *rows = [f"| {' | '.join(map(escaped, row))} |" for row in (table.header, *table.rows)]
    return [header, f"| {' | '.join(rule)} |", *rows]


def escaped(text: str) -> str:
    """Escape the characters that Markdown would interpret: carrier_hour, a|b, <0.001."""
    for character in "\\`*_|<>":
        text = text.replace(character, f"\\{character}")
    return text


def wrapped(text: str, indent: str = "  ") -> list[str]:
    """Break a paragraph into lines for a terminal; lines after the first are indented."""
    return textwrap.wrap(
        text, terminal_width(), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
