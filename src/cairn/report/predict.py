"""What breaks the contract in rows that were predicted, as text."""

from collections import Counter

from cairn.report.table import Table, aligned

MOST_SHOWN = 20


def violations_text(counts: Counter[tuple[str, str]]) -> str:
    """Return a table of the counts by column and reason, the most frequent first."""
    shown = counts.most_common(MOST_SHOWN)
    rows = [(column, f"{count:,}", reason) for (column, reason), count in shown]
    lines = aligned(Table(("column", "rows", "reason"), rows))
    more = len(counts) - len(shown)
    return "\n".join([*lines, f"and {more:,} more"] if more else lines)
