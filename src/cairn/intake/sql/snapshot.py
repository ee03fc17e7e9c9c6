"""Stream a table or a query into a Parquet file: the same rows give the same bytes, in bounded memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from cairn.data.database import reading
from cairn.data.query import SqlColumn, array_of, columns_of, quote
from cairn.data.tables import PARQUET
from cairn.errors import UserError, did_you_mean
from cairn.intake.diff import NAME_OF_KEY
from cairn.intake.sql.database import SqlSource, url_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

CELLS = 500_000
"""Values in memory at once; a row group is as many rows as that makes, at most MOST_ROWS."""
MOST_ROWS = 50_000


@dataclass(frozen=True)
class Snapshot:
    """What was written."""

    rows: int
    schema: pa.Schema
    key: tuple[str, ...]  # empty where rows are sorted by every column


def take_snapshot(source: SqlSource, target: Path) -> Snapshot:
    """Write the rows of a source to a Parquet file, in place of an old one.

    Raises:
        UserError: the database cannot be reached or read, a value does not fit its column, or the file
            cannot be written; the old file is then unchanged.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}.unfinished")
    try:
        with reading(url_of(source)) as connection:
            query = source.query or f"SELECT * FROM {'.'.join(map(quote, str(source.table).split('.')))}"
            columns = columns_of(connection, query)
            key = _key(source, connection, columns)
            schema = pa.schema([(column.name, column.type) for column in columns])
            if key:
                schema = schema.with_metadata({NAME_OF_KEY: "\n".join(key)})
            size = min(MOST_ROWS, max(1, CELLS // len(columns)))
            streamed = connection.execution_options(yield_per=size)
            result = streamed.exec_driver_sql(_statement(query, columns, key))
            rows = _write(result.partitions(size), schema, unfinished)
        unfinished.replace(target)
    except OSError as error:
        raise UserError(f"{target.as_posix()} cannot be written: {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return Snapshot(rows, schema, key)


def _key(source: SqlSource, connection: "Connection", columns: list[SqlColumn]) -> tuple[str, ...]:
    from sqlalchemy import inspect

    names = [column.name for column in columns]
    for name in source.order_by:
        if name not in names:
            raise UserError(f"order_by: no column {name}{did_you_mean(name, names)}")
    if source.order_by or source.table is None:
        return tuple(source.order_by)
    schema, _, table = source.table.rpartition(".")
    return tuple(inspect(connection).get_pk_constraint(table, schema or None)["constrained_columns"])


def _statement(query: str, columns: list[SqlColumn], key: tuple[str, ...]) -> str:
    """Return a SELECT with one possible order: by the key, then the rest: only equal rows may swap."""
    selected = ", ".join(f"{column.value} AS {quote(column.name)}" for column in columns)
    ranks = {column.name: column.rank for column in columns}
    ranks = {name: ranks[name] for name in dict.fromkeys([*key, *ranks])}
    return f"SELECT {selected} FROM ({query}\n) AS asked ORDER BY {', '.join(ranks.values())}"


def _write(batches: Iterator[Sequence[Any]], schema: pa.Schema, path: Path) -> int:
    from tqdm import tqdm

    rows = 0
    with (
        pq.ParquetWriter(path, schema, **PARQUET) as writer,
        tqdm(desc="snapshot", unit=" rows", unit_scale=True, disable=None, leave=False) as bar,
    ):
        for batch in batches:
            values = zip(*batch, strict=True)
            arrays = [array_of(each, field) for each, field in zip(values, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=len(batch))
            rows += len(batch)
            bar.update(len(batch))
    return rows
