"""Say what changed between two snapshots: as text for a terminal, as Markdown for a pull request."""

from collections.abc import Sequence

from cairn.intake.diff import Changes, ColumnChange
from cairn.report.table import Table, aligned, piped

HEAD = ("column", "kind", "missing", "median, latest or most frequent", "distance", "what")


def to_text(changes: Changes, what: str, *, every_column: bool = False) -> str:
    """Return lines with a table of the columns worth a word, or of every column."""
    table = _table(changes, every_column)
    return "\n".join([what, *_facts(changes), *(aligned(table) if table.rows else [])])


def to_markdown(changes: Changes, what: str, *, every_column: bool = False) -> str:
    """Return the same as a list and a table in Markdown."""
    table = _table(changes, every_column)
    facts = [f"- {fact}" for fact in _facts(changes)]
    return "\n".join([f"**{what}**", "", *facts, *(["", *piped(table)] if table.rows else [])])


def _table(changes: Changes, every_column: bool) -> Table:
    shown = [column for column in changes.columns if every_column or column.worth_a_word]
    return Table(HEAD, [_cells(column) for column in shown], words=True)


def _facts(changes: Changes) -> list[str]:
    rows = changes.rows
    if not (rows.added or rows.removed or rows.changed):
        count = f"{rows.new:,} rows, the same as before"
    else:
        altered = f", {rows.changed:,} changed" if rows.changed is not None else ""
        by = f"by {' + '.join(rows.key)}" if rows.key else "whole rows: one that changed is removed and added"
        count = (
            f"{rows.old:,} rows before, {rows.new:,} now:"
            f" {rows.added:,} added, {rows.removed:,} removed{altered} ({by})"
        )
    facts = [count]
    facts += [f"column added: {name} ({kind})" for name, kind in changes.added.items()]
    facts += [f"column removed: {name} ({kind})" for name, kind in changes.removed.items()]
    facts += [f"type changed: {name}: {before} -> {now}" for name, before, now in changes.retyped]
    return [*facts, _spread(changes)]


def _spread(changes: Changes) -> str:
    moved = [column.name for column in changes.columns if column.worth_a_word]
    measured = [column for column in changes.columns if column.distance is not None]
    if moved:
        return f"{len(moved):,} of {len(changes.columns):,} columns to look at: {_listed(moved)}"
    if not measured:
        return "no column in both whose values could be compared"
    most = f"{measured[0].distance:.2f}"
    return "no column has moved" + (f"; the most is {measured[0].name}, by {most}" if most != "0.00" else "")


def _listed(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def _cells(change: ColumnChange) -> tuple[str, ...]:
    before, now = change.missing
    said = ["moved"] if change.moved else []
    said += ["more missing" if now > before else "fewer missing"] if change.more_missing else []
    return (
        change.name,
        change.kind,
        _both(f"{before:.1%}", f"{now:.1%}"),
        _both(*map(_short, change.typical)),
        "" if change.distance is None else f"{change.distance:.2f}",
        "; ".join([*said, *change.notes]),
    )


def _both(before: str, now: str) -> str:
    return before if before == now else f"{before} -> {now}"


def _short(text: str, most: int = 24) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
