"""The log of predictions: Parquet files that appear only when they are whole.

A request puts its rows on a queue and goes on. A thread writes them; a file ends after a number of rows or
seconds. What the queue has no room for, or what cannot be written, is counted and lost: no request waits or
fails for it. A kill loses the rows of the open file: at most `SECONDS` of them.
"""

import logging
import os
import secrets
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from prometheus_client import Counter

from cairn.data.tables import PARQUET
from cairn.serve.fields import Field, Violation
from cairn.serve.outcomes import output_columns
from cairn.serve.served_model import ServedModel

ROWS, SECONDS, WAITING = 50_000, 60.0, 100_000
"""Rows and seconds after which a file ends, and rows that may wait to be written."""
PATIENCE = 20
"""Seconds that the last file may take to be written."""
VIOLATION = pa.struct([("column", pa.string()), ("reason", pa.string()), ("value", pa.string())])
TYPES = {"numeric": pa.float64(), "boolean": pa.bool_(), "categorical": pa.string(), "datetime": pa.string()}
LONGEST = 1000
"""Characters of a text that are kept."""
log = logging.getLogger("cairn.serve")


@dataclass(frozen=True)
class Entry:
    """The rows of one request and what was answered.

    Args:
        model: that answered.
        time: when, in seconds since 1970.
        request_id: of the request.
        rows: as they were sent.
        columns: of the predictions, see outcomes.
        violations: of the rows.
    """

    model: ServedModel
    time: float
    request_id: str
    rows: Sequence[Mapping[str, Any]]
    columns: Mapping[str, Sequence[Any]]
    violations: Sequence[Violation]


class PredictionLog:
    """Writes entries into a folder, in a thread of its own."""

    def __init__(self, folder: Path, counter: Counter, rows: int = ROWS, seconds: float = SECONDS) -> None:
        """Start the thread; `counter` counts rows by the label result: written or dropped."""
        self.folder, self._counter, self._rows, self._seconds = folder, counter, rows, seconds
        self._entries = deque[Entry]()
        self._waiting = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="prediction log", daemon=True)
        self._thread.start()

    def add(self, entry: Entry) -> None:
        """Put an entry on the queue, or drop it if the queue is full."""
        with self._changed:
            room = self._waiting + len(entry.rows) <= WAITING and not self._closed
            if room:
                self._entries.append(entry)
                self._waiting += len(entry.rows)
                if self._waiting >= self._rows or len(self._entries) == 1:
                    self._changed.notify()
        if not room:
            self._counter.labels("dropped").inc(len(entry.rows))

    def close(self) -> None:
        """Write what waits and end the thread; a disk that hangs is given up after a while."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        while taken := self._take():
            for entries in _by_model(taken):
                count = sum(len(entry.rows) for entry in entries)
                try:
                    write_segment(as_table(entries), self.folder)
                    self._counter.labels("written").inc(count)
                except Exception:
                    self._counter.labels("dropped").inc(count)
                    log.exception("predictions not logged", extra={"fields": {"rows": count}})

    def _take(self) -> list[Entry]:
        """Wait for enough rows or time; return the entries, none when the log is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._entries or self._closed)
            self._changed.wait_for(lambda: self._waiting >= self._rows or self._closed, self._seconds)
            taken = list(self._entries)
            self._entries.clear()
            self._waiting = 0
        return taken


def _by_model(entries: list[Entry]) -> list[list[Entry]]:
    """Split entries where the model changes: a file has the columns of one."""
    parts: list[list[Entry]] = []
    for entry in entries:
        if not parts or parts[-1][-1].model is not entry.model:
            parts.append([])
        parts[-1].append(entry)
    return parts


def schema_of(model: ServedModel) -> pa.Schema:
    """Return the columns of a file; inputs and outputs are structs, violations a list."""
    inputs = pa.struct([(name, TYPES[field.column.kind]) for name, field in model.fields.items()])
    return pa.schema(
        [
            ("time", pa.timestamp("us", tz="UTC")),
            ("request_id", pa.string()),
            ("model", pa.string()),
            ("model_version", pa.string()),
            ("row", pa.int32()),
            ("inputs", inputs),
            ("outputs", pa.struct(list(output_columns(model.package).items()))),
            ("violations", pa.list_(VIOLATION)),
        ]
    )


def as_table(entries: Sequence[Entry]) -> pa.Table:
    """Return the rows of entries of one model as a table, see schema_of.

    An input that is not of its column's type is missing; what was sent is in its violation.
    """
    model = entries[0].model
    lines = [line for entry in entries for line in _lines(entry, model.fields)]
    return pa.Table.from_pylist(lines, schema=schema_of(model))


def _lines(entry: Entry, fields: Mapping[str, Field]) -> list[dict[str, Any]]:
    said: list[list[dict[str, str | None]]] = [[] for _ in entry.rows]
    for violation in entry.violations:
        said[violation.row].append(
            {"column": violation.column, "reason": violation.reason, "value": _text(violation.value)}
        )
    same = {
        "time": datetime.fromtimestamp(entry.time, UTC),
        "request_id": entry.request_id,
        "model": entry.model.name,
        "model_version": entry.model.version,
    }
    return [
        same
        | {
            "row": at,
            "inputs": {name: _typed(row.get(name), field.column.kind) for name, field in fields.items()},
            "outputs": {name: values[at] for name, values in entry.columns.items()},
            "violations": said[at],
        }
        for at, row in enumerate(entry.rows)
    ]


def _typed(value: Any, kind: str) -> Any:
    if value is None or isinstance(value, list | dict):
        return None
    if kind in ("categorical", "datetime"):
        return _text(value)
    if kind == "boolean":
        return bool(value) if isinstance(value, int | float) and value in (0, 1) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)[:LONGEST]


def write_segment(table: pa.Table, folder: Path) -> Path:
    """Write a table as a new file of the folder, whole or not at all, even if the power fails."""
    folder.mkdir(parents=True, exist_ok=True)
    at = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
    path = folder / f"{at}-{os.getpid()}-{secrets.token_hex(3)}.parquet"
    beside = folder / f".{path.name}.new"
    try:
        with beside.open("wb") as file:
            pq.write_table(table, file, **PARQUET)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync(folder)
    return path


def _sync(folder: Path) -> None:
    """Make the names in a folder survive a loss of power, where the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
