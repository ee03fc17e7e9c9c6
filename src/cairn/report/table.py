"""A table as text for a terminal or as GitHub's Markdown; the macro `table` in macros.html.j2 writes HTML."""

from collections.abc import Sequence
from dataclasses import dataclass

from cairn.terminal import broken, painted, terminal_width, unbroken, wrapped


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
    """Return the lines of a table with aligned columns; where they are too wide, cells are wrapped at spaces.

    A table that is still too wide for the terminal has a line per cell: no number is ever cut.
    """
    lines = [table.header, *table.rows]
    whole = [max(map(len, column)) for column in zip(*lines, strict=True)]
    narrowest = [
        max(len(word) for cell in column for word in [*unbroken(cell).split(" "), ""])
        for column in zip(*lines, strict=True)
    ]
    gaps = ("  ",) if table.words else ("  ", " ")
    for least in (whole, narrowest):
        for gap in gaps:
            room = terminal_width() - len(gap) * (len(whole) - 1)
            if sum(least) <= room:
                widths = _fitted(whole, least, room)
                return [line for cells in lines for line in _wrapped_row(table, cells, widths, gap)]
    return _stacked(table)


def _fitted(whole: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Shrink the widest columns, none below its least width, until all have room."""
    widths = list(whole)
    while sum(widths) > room:
        at = max(range(len(widths)), key=lambda i: (widths[i] > least[i], widths[i]))
        widths[at] -= 1
    return widths


def _wrapped_row(table: Table, cells: Sequence[str], widths: Sequence[int], gap: str) -> list[str]:
    parts = [broken(cell, max(width, 1)) or [""] for cell, width in zip(cells, widths, strict=True)]
    tall = max(map(len, parts))
    return [
        _line(table, [part[at] if at < len(part) else "" for part in parts], widths, gap)
        for at in range(tall)
    ]


def _line(table: Table, cells: Sequence[str], widths: Sequence[int], gap: str) -> str:
    padded = [
        cell.ljust(width) if column in table.left else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return gap.join(
        painted(cell, cell.strip()) if cell.strip() in ("better", "worse") else cell for cell in padded
    ).rstrip()


def _stacked(table: Table) -> list[str]:
    names = [*table.header[1:]]
    longest = max(map(len, names), default=0)
    lines = []
    for first, *rest in table.rows:
        lines.append(f"{table.header[0]} {first}".strip())
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
