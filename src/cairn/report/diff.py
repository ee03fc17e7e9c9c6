"""What changed between two snapshots, as text for a terminal or as Markdown for a pull request."""

from cairn.intake.diff import Changes, ColumnChange
from cairn.report.numbers import listed, percent
from cairn.report.table import Table, aligned, piped

HEAD = ("column", "kind", "missing", "median, latest or mode", "distance", "what")


def to_text(changes: Changes, what: str, *, every_column: bool = False) -> str:
    """Return the changes as lines of text, with a table of the columns to look at or of every column."""
    table = _table(changes, every_column)
    return "\n".join([what, *_facts(changes), *(aligned(table) if table.rows else [])])


def to_markdown(changes: Changes, what: str, *, every_column: bool = False) -> str:
    """Return the changes as a list and a table in Markdown."""
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
        by = (
            f"by {' + '.join(rows.key)}"
            if rows.key
            else "whole rows: a changed row counts as removed and added"
        )
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
        return f"{len(moved):,} of {len(changes.columns):,} columns to look at: {listed(moved, most=8)}"
    if not measured:
        return "no column in both whose values could be compared"
    largest = f"{measured[0].distance:.2f}"
    where = f"; the largest distance is {largest}, of {measured[0].name}" if largest != "0.00" else ""
    return f"no column has moved{where}"


def _cells(change: ColumnChange) -> tuple[str, ...]:
    before, now = change.missing
    notes = ["moved"] if change.moved else []
    notes += ["more missing" if now > before else "fewer missing"] if change.more_missing else []
    return (
        change.name,
        change.kind,
        _both(percent(before), percent(now)),
        _both(*map(_short, change.typical)),
        "" if change.distance is None else f"{change.distance:.2f}",
        "; ".join([*notes, *change.notes]),
    )


def _both(before: str, now: str) -> str:
    return before if before == now else f"{before} -> {now}"


def _short(text: str, most: int = 24) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
