"""Where predictions go, block by block; nothing that looks complete is there before the last block is."""

import json
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from cairn.data.tables import PARQUET
from cairn.errors import UserError

if TYPE_CHECKING:
    from sqlalchemy import URL

Write = Callable[[pa.Table], None]
Format = Literal["csv", "jsonl", "parquet"]
FORMATS: dict[str, Format] = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}
GROUP_ROWS = 65_536
"""Rows of a row group of Parquet, however many come at a time."""


@contextmanager
def replacing(target: Path) -> Generator[Path]:
    """Give the path of a file that replaces the target when the block ends without an error.

    Raises:
        UserError: another process is writing it, or it cannot be written.
    """
    from filelock import FileLock, Timeout

    if not target.parent.is_dir():
        raise UserError(f"{target}: the folder {target.parent} does not exist")
    unfinished, held = unfinished_files(target)
    lock = FileLock(held)
    try:
        with lock.acquire(blocking=False):
            try:
                yield unfinished
                unfinished.replace(target)
            finally:
                unfinished.unlink(missing_ok=True)
                held.unlink(missing_ok=True)
    except Timeout as error:
        raise UserError(f"{target}: another `cairn predict` is writing it") from error
    except OSError as error:
        raise UserError(f"{target}: cannot be written: {error.strerror or error}") from error


def unfinished_of(target: Path) -> Path:
    """Return where a file is written until it is complete; one that is there was left by a killed run."""
    return target.with_name(f".{target.name}.unfinished")


def unfinished_files(target: Path) -> tuple[Path, Path]:
    """Return the file of unfinished_of, and the lock that its writer holds."""
    unfinished = unfinished_of(target)
    return unfinished, unfinished.with_name(f"{unfinished.name}.lock")


def format_of(target: Path) -> Format:
    """Return the format of a file by its name.

    Raises:
        UserError: an unknown one.
    """
    kind = FORMATS.get(target.suffix.lower())
    if kind is None:
        raise UserError(f"{target.name}: the file name must end in one of {', '.join(FORMATS)}")
    return kind


@contextmanager
def file_sink(target: Path, schema: pa.Schema, kind: Format) -> Generator[Write]:
    """Write a file, in place of an old one.

    Raises:
        UserError: the file cannot be written.
    """
    with (
        replacing(target) as unfinished,
        unfinished.open("wb") as file,
        _writer(str(target), file, schema, kind) as write,
    ):
        yield write


@contextmanager
def stdout_sink(schema: pa.Schema, kind: Format) -> Generator[Write]:
    """Write to standard output."""
    with _writer("standard output", sys.stdout.buffer, schema, kind) as write:
        yield write
    sys.stdout.buffer.flush()


@contextmanager
def table_sink(url: "URL", name: str, schema: pa.Schema) -> Generator[Write]:
    """Write a new table of a database, in one transaction.

    Raises:
        UserError: the table exists, or what the database says is wrong.
    """
    from sqlalchemy import Column, MetaData, Table, inspect

    from cairn.data.database import writing

    with writing(url) as connection:
        namespace, _, plain = name.rpartition(".")
        if inspect(connection).has_table(plain, schema=namespace or None):
            raise UserError(f"table {name} exists: drop it, or name another one with --to-table")
        columns = [Column(field.name, _sql_type(field.type)) for field in schema]
        made = Table(plain, MetaData(), *columns, schema=namespace or None)
        made.create(connection)

        def write(table: pa.Table) -> None:
            if table.num_rows:
                connection.execute(made.insert(), _rows(table, f"table {name}"))

        yield write


@contextmanager
def _writer(name: str, file: BinaryIO, schema: pa.Schema, kind: Format) -> Generator[Write]:
    with ExitStack() as stack:
        if kind == "jsonl":
            yield lambda table: _write_json(name, file, table)
        elif kind == "csv":
            with _told(name, kind):
                csv = stack.enter_context(pa_csv.CSVWriter(file, schema))

            def write_csv(table: pa.Table) -> None:
                with _told(name, kind):
                    csv.write_table(table)

            yield write_csv
        else:
            waiting: list[pa.Table] = []
            writer = stack.enter_context(pq.ParquetWriter(file, schema, **PARQUET))

            def write(table: pa.Table) -> None:
                waiting.append(table)
                together = pa.concat_tables(waiting)
                whole = together.num_rows // GROUP_ROWS * GROUP_ROWS
                if whole:
                    with _told(name, kind):
                        writer.write_table(together.slice(0, whole), row_group_size=GROUP_ROWS)
                    waiting[:] = [together.slice(whole)]

            yield write
            with _told(name, kind):
                last = pa.concat_tables([schema.empty_table(), *waiting])
                writer.write_table(last, row_group_size=GROUP_ROWS)


@contextmanager
def _told(name: str, kind: Format) -> Generator[None]:
    """Say in one line that a column cannot be written, such as bytes to CSV."""
    try:
        yield
    except pa.ArrowException as error:
        raise UserError(f"{name}: cannot be written as {kind}: {' '.join(str(error).split())}") from error


def _write_json(name: str, file: BinaryIO, table: pa.Table) -> None:
    for row in _rows(table, name):
        file.write(json.dumps(row, ensure_ascii=False, default=str).encode() + b"\n")


def _rows(table: pa.Table, name: str) -> list[dict[str, Any]]:
    """Return rows as Python has them.

    Raises:
        UserError: a date that Python does not have.
    """
    try:
        return table.to_pylist()
    except (ValueError, OverflowError) as error:
        raise UserError(f"{name}: cannot be written: {error}; choose Parquet or CSV") from error


def _sql_type(kind: pa.DataType) -> Any:
    from sqlalchemy import types

    if pa.types.is_decimal(kind):
        return types.Numeric(kind.precision, kind.scale)
    if pa.types.is_timestamp(kind):
        return types.DateTime(timezone=kind.tz is not None)
    plain = [
        (pa.types.is_boolean, types.Boolean),
        (pa.types.is_integer, types.BigInteger),
        (pa.types.is_floating, types.Double),
        (pa.types.is_date, types.Date),
        (pa.types.is_binary, types.LargeBinary),
    ]
    return next((made() for fits, made in plain if fits(kind)), types.Text())
