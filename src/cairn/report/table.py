"""A table of text, lined up for a terminal or as GitHub's Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Cells under a header; all but the first and last column are numbers, unless `words` says otherwise."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: bool = False

    @property
    def left(self) -> list[bool]:
        """Whether each column is lined up to the left, as words are."""
        last = len(self.header) - 1
        return [self.words or place in (0, last) for place in range(last + 1)]


def aligned(table: Table) -> list[str]:
    """Return a line per row, the cells below each other."""
    listed = [table.header, *table.rows]
    widths = [max(map(len, column)) for column in zip(*listed, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if left else cell.rjust(width)
            for cell, width, left in zip(row, widths, table.left, strict=True)
        ).rstrip()
        for row in listed
    ]


def piped(table: Table) -> list[str]:
    """Return the lines of a table in Markdown."""
    rule = ["---" if left else "---:" for left in table.left]
    header, *rows = [f"| {' | '.join(map(escaped, row))} |" for row in (table.header, *table.rows)]
    return [header, f"| {' | '.join(rule)} |", *rows]


def escaped(text: str) -> str:
    """Keep signs with a meaning in Markdown as they are: carrier_hour, a|b, <0.001."""
    for sign in "\\`*_|<>":
        text = text.replace(sign, f"\\{sign}")
    return text
