"""The board for a terminal, as CSV and as JSON."""

import csv
import io
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cairn.experiments.board import measures, value_of
from cairn.experiments.history import TABLE
from cairn.experiments.runs import Run, differences
from cairn.metrics.evaluation import MODEL, Score
from cairn.metrics.kpi import PER_ROWS
from cairn.report.card.goal import GOAL_MEANS, reached
from cairn.report.card.words import metric_name
from cairn.report.numbers import ABSENT, estimate, listed, number, places, short, to_ascii
from cairn.report.table import Table, aligned
from cairn.settings.search import SAVING
from cairn.terminal import folded, terminal_width, wrapped

WIDE = 110
"""Columns of a terminal in which money has its interval."""
LONGEST_NAME, FEWEST, MOST_NAMED = 24, 8, 8
INDENT = "    "
CUT = re.compile(r"(^| )\+\d+$")
GIVES_WAY = ("model", "data", "settings", "version", "saving", "age")
AGES = ((31_536_000, "y"), (2_592_000, "mo"), (604_800, "w"), (86_400, "d"), (3_600, "h"), (60, "min"))


def board_text(
    runs: Sequence[Run],
    reference: Run,
    now: float,
    *,
    columns: Sequence[str] = (),
    hidden: int = 0,
    waiting: str = "",
    pair: tuple[Run, Run] | None = None,
) -> str:
    """Return the board: one line per run, what all of them share above, and how to go on below.

    Args:
        runs: in the order to list.
        reference: whose settings the others are compared with.
        now: seconds since 1970, for the age.
        columns: metrics, facts or settings to show besides.
        hidden: runs that were left out.
        waiting: settings of params.yaml that have not run, see `not_run`.
        pair: two runs that `cairn compare` accepts.
    """
    rows = _rows(runs, reference, now, columns)
    shared = {
        name: rows[0][name]
        for name in ("metric", "model", "data", "version")
        if rows and len({row[name] for row in rows}) == 1
    }
    lines = wrapped(_head(len(runs) + hidden, shared, runs))
    if rows:
        hidden_columns = [name for name in shared if name not in columns]
        table = _fitted(rows, hidden_columns, columns)
        said = [row[-1] for row in table.rows] if "settings" in table.header else []
        where = "settings"
        if any(row["settings"] for row in rows) and (not said or any(map(CUT.search, said))):
            table = _fitted(rows, [*hidden_columns, "settings"], columns)
            said = [_below(row["settings"].splitlines()) for row in rows]
            where = "below each run"
        body = aligned(table)
        if where != "settings" and len(body) == len(rows) + 1:
            found = (
                line
                for pair in zip(body[1:], said, strict=True)
                for line in (pair[0], *wrapped(pair[1], INDENT))
            )
            body = [body[0], *found]
        lines += ["", *body, ""]
        if any(said):
            more = "; +N: N more, which --csv lists" if any(map(CUT.search, said)) else ""
            lines += wrapped(f"{where}: what differs from {reference.name}, marked * (--against REV){more}")
        if "goal" in table.header:
            lines += wrapped(f"goal: {GOAL_MEANS}")
    if hidden:
        lines += wrapped(f"{hidden} more runs: `cairn board --all` lists them")
    if rows and "version" not in shared:
        command = f"cairn board --where 'data~{reference.version}'"
        lines += wrapped(
            f"Scores on other data cannot be compared; `{command}` lists the runs on the data of"
            f" {reference.name}."
        )
    lines += wrapped(waiting) if waiting else []
    if pair:
        lines += wrapped(f"next: cairn compare {pair[0].name} {pair[1].name}")
    return "\n".join(to_ascii(line) for line in lines)


def comparable(runs: Sequence[Run]) -> tuple[Run, Run] | None:
    """Return the first two runs on the same rows with other results, the older first, if there are any."""

    def rows_of(run: Run) -> list[Any]:
        split = sorted(item for item in run.settings.items() if item[0].startswith(("split.", "data.target")))
        return [run.data, run.record.rows, split]

    def result_of(run: Run) -> list[Any]:
        return [run.record.scores[MODEL], run.record.kpi and run.record.kpi.policies[MODEL]]

    for one in runs:
        for other in runs:
            if result_of(one) != result_of(other) and rows_of(one) == rows_of(other):
                return (one, other) if one.at <= other.at else (other, one)
    return None


def _head(count: int, shared: Mapping[str, str], runs: Sequence[Run]) -> str:
    data = " ".join(filter(None, [shared.get("data"), shared.get("version")]))
    currency = next((run.record.kpi.currency for run in runs if run.record.kpi), None)
    facts = [f"{count} run{'s' if count != 1 else ''}", shared.get("model"), shared.get("metric")]
    facts += [data and f"data {data}", currency and f"saving in {currency} per {PER_ROWS:,} rows"]
    return "; ".join(fact for fact in facts if fact)


def _fitted(rows: Sequence[Mapping[str, str]], hidden: Collection[str], kept: Collection[str]) -> Table:
    """Return the table without columns that are empty or hidden; settings get the room that is left.

    Where there is little, columns give way, first those that the settings say too, but none that is kept.
    """
    header = [name for name in rows[0] if name not in hidden and any(row[name] for row in rows)]
    width = {name: max(len(name), *(len(row[name]) for row in rows)) for name in header}
    if "goal" in width and terminal_width() < WIDE:
        header.remove("goal")
    room = terminal_width() - sum(width[name] + 2 for name in header if name != "settings")
    for name in GIVES_WAY:
        if name in header and name not in kept and room < (FEWEST if "settings" in header else -2):
            header.remove(name)
            room += 0 if name == "settings" else width[name] + 2
    if "settings" not in header:
        return Table(header, [[row[name] for name in header] for row in rows], words=True)
    shown = [_whole(row["settings"].splitlines(), room) for row in rows]
    bare = [text.startswith("+") for text in shown if text]
    if "settings" not in kept and 2 * sum(bare) > len(bare):  # most would only say how many
        return _fitted(rows, [*hidden, "settings"], kept)
    cells = [
        [text if name == "settings" else row[name] for name in header]
        for row, text in zip(rows, shown, strict=True)
    ]
    return Table(header, cells, words=True)


def _rows(runs: Sequence[Run], reference: Run, now: float, columns: Sequence[str]) -> list[dict[str, str]]:
    wide = terminal_width() >= WIDE
    scores: dict[str, list[Score]] = {}
    for run in runs:
        scores.setdefault(run.record.primary, []).append(run.record.score)
    digits = {metric: places(found) for metric, found in scores.items()}
    savings = [run.record.kpi.policies[MODEL].saving if run.record.kpi else None for run in runs]
    money = places(saving for saving in savings if saving)
    return [
        {
            "run": _cut(f"{run.name}{'*' if run is reference else ''}", LONGEST_NAME),
            "age": age(now - run.at),
            "metric": metric_name(run.record.primary),
            "score": estimate(run.record.score, digits[run.record.primary]),
            "saving": _money(saving, money, wide),
            "goal": goal.verdict if (goal := reached(run.purpose.goal, run.record)) else "",
            "model": run.record.model,
            "data": str(run.settings.get("data.name", "")),
            "version": run.version,
            **_more(run, columns, now),
            "settings": "\n".join(written(differences(run, reference))),
        }
        for run, saving in zip(runs, savings, strict=True)
    ]


def _money(saving: Score | None, digits: int, wide: bool) -> str:
    if saving is None:
        return ""
    return estimate(saving, digits) if wide else number(saving.value, digits)


def _more(run: Run, columns: Sequence[str], now: float) -> dict[str, str]:
    found = {key: value_of(run, key, now) for key in columns}
    return {
        key: short(value) if isinstance(value, float) else ABSENT if value is None else str(value)
        for key, value in found.items()
    }


def changes(run: Run, reference: Run) -> str:
    """Write the settings of a run that differ from those of another as overrides."""
    return " ".join(written(differences(run, reference)))


def written(settings: Mapping[str, Any]) -> list[str]:
    """Write each setting as an override."""
    chosen = {key.removesuffix(".name"): value for key, value in settings.items()}
    return [f"{key}={'null' if value is None else value}" for key, value in chosen.items()]


def not_run(waiting: Mapping[str, Any], name: str) -> str:
    """Say that params.yaml has other settings than the run in the workspace, if it has."""
    if not waiting:
        return ""
    return f"params.yaml was changed after {name} ran: {' '.join(written(waiting))}; `dvc repro` runs it."


def left_out(names: Sequence[str]) -> str:
    """Say which runs are not listed because a version of Cairn wrote them whose records are others."""
    said = f"not listed, because an older version wrote their records: {listed(names, MOST_NAMED)}"
    return folded(f"{said}; `git show {names[0]}:metrics/test.json` prints the scores of {names[0]}")


def _whole(overrides: Sequence[str], most: int) -> str:
    """Join as many overrides as fit, and say how many more there are."""
    shown = [
        " ".join([*overrides[:count], *([f"+{left}"] if (left := len(overrides) - count) else [])])
        for count in range(len(overrides) + 1)
    ]
    return next((text for text in reversed(shown) if len(text) <= most), shown[0])


def _below(overrides: Sequence[str]) -> str:
    """Return the settings for two lines below a run, indented; nothing for none."""
    text = _whole(overrides, 2 * (terminal_width() - len(INDENT)) - max(map(len, overrides), default=0))
    return INDENT + text if text else ""


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def age(seconds: float) -> str:
    """Return a span of time with one unit: `5min`, `3h`, `2d`, `6w`, `14mo`, `2y`."""
    for unit, name in AGES:
        if seconds >= unit * (1 if name not in ("y", "mo") else 2):
            return f"{int(seconds / unit)}{name}"
    return "now"


def board_record(runs: Sequence[Run], reference: Run) -> list[dict[str, Any]]:
    """Return everything of each run as plain JSON types."""
    return [
        {
            "run": run.name,
            "names": list(run.names),
            "kind": run.kind,
            "commit": run.commit,
            "time": datetime.fromtimestamp(run.at, UTC).isoformat(),
            "subject": run.subject,
            "model": run.record.model,
            "data": run.settings.get("data.name"),
            "table": run.outputs.get(TABLE),
            "rows": run.record.rows,
            "primary": run.record.primary,
            "goal": goal.verdict if (goal := reached(run.purpose.goal, run.record)) else None,
            "scores": {name: _interval(score) for name, score in run.record.scores[MODEL].items()},
            "gain": _interval(run.record.gain) | {"over": run.record.best_baseline},
            SAVING: (_interval(kpi.policies[MODEL].saving) | {"currency": kpi.currency, "per_rows": PER_ROWS})
            if (kpi := run.record.kpi)
            else None,
            "differs": differences(run, reference),
            "settings": dict(run.settings),
        }
        for run in runs
    ]


def _interval(score: Score) -> dict[str, float | None]:
    return {"value": score.value, "low": score.low, "high": score.high}


def board_csv(runs: Sequence[Run], reference: Run) -> str:
    """Return a line per run: its facts, every metric and the saving with interval, settings that vary."""
    facts = ("run", "kind", "commit", "time", "subject", "model", "data", "table", "rows", "primary", "goal")
    names = [*measures(runs), "gain", SAVING]
    keys = dict.fromkeys(key for run in runs for one in runs[:1] for key in _differing(run, one))
    ends = ("value", "low", "high")
    out = io.StringIO()
    sheet = csv.writer(out, lineterminator="\n")
    sheet.writerow(
        [*facts, *(f"{name}{'' if end == 'value' else f'_{end}'}" for name in names for end in ends), *keys]
    )
    for row in board_record(runs, reference):
        quantities: Mapping[str, Any] = row["scores"] | {"gain": row["gain"], SAVING: row[SAVING]}
        numbers = [(quantities.get(name) or {}).get(end) for name in names for end in ends]
        sheet.writerow(
            [*(row[name] for name in facts), *numbers, *(row["settings"].get(key) for key in keys)]
        )
    return out.getvalue().rstrip("\n")


def _differing(run: Run, other: Run) -> list[str]:
    keys = dict.fromkeys([*other.settings, *run.settings])
    return [key for key in keys if run.settings.get(key) != other.settings.get(key)]
