"""What breaks the contract in rows that were predicted, as text."""

from collections import Counter

from cairn.report.numbers import listed
from cairn.report.table import Table, aligned

MOST_SHOWN, MOST_NAMED = 20, 8


def violations_text(counts: Counter[tuple[str, str]]) -> str:
    """Return a table of the counts by column and reason, the most frequent first.

    Columns that have the same reason in as many rows, such as those that the file lacks, share a line.
    """
    columns: dict[tuple[str, int], list[str]] = {}
    for (column, reason), count in counts.most_common():
        columns.setdefault((reason, count), []).append(column)
    rows = [(listed(names, MOST_NAMED), f"{count:,}", reason) for (reason, count), names in columns.items()]
    lines = aligned(Table(("column", "rows", "reason"), rows[:MOST_SHOWN]))
    more = len(rows) - MOST_SHOWN
    return "\n".join([*lines, f"and {more:,} more"] if more > 0 else lines)
