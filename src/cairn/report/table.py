"""A table as text for a terminal or as GitHub's Markdown; the macro `table` in macros.html.j2 writes HTML."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 100
"""Columns of a terminal."""


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


def aligned(table: Table) -> list[str]:
    """Return one line per row, with aligned columns."""
    lines = [table.header, *table.rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if column in table.left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


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
        text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
