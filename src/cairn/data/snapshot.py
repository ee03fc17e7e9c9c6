"""Stream a table or a query into a Parquet file: the same rows give the same bytes, in bounded memory.

Rows come through a cursor that the server keeps, sorted by the database, and leave in row groups of a fixed
size. A type that PostgreSQL declares is kept: whole numbers with missing values stay whole, decimals exact,
moments on UTC. The old file stays until the new one is complete.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from cairn.config.base import ConfigError
from cairn.config.compose import nearest
from cairn.data.database import SqlSource, reading, url_of
from cairn.data.sql_columns import SqlColumn, columns_of, quote

if TYPE_CHECKING:
    from sqlalchemy import Connection

CELLS = 500_000
"""Values in memory at once; a row group is as many rows as that makes, at most MOST_ROWS."""
MOST_ROWS = 50_000


@dataclass(frozen=True)
class Snapshot:
    """What was written.

    Attributes:
        rows: how many.
        schema: of the file.
        order: names of the columns that rows were sorted by first.
    """

    rows: int
    schema: pa.Schema
    order: tuple[str, ...]


def take_snapshot(source: SqlSource, target: Path) -> Snapshot:
    """Write the rows of a source to a Parquet file, in place of an old one.

    Raises:
        ConfigError: the database cannot be reached or read, or a value does not fit its column; the old file
            is then as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}.unfinished")
    try:
        with reading(url_of(source)) as connection:
            query = _query(source)
            columns = columns_of(connection, query)
            order = _order(source, connection, columns)
            rows = _write(
                _batches(connection, _statement(query, columns, order), columns), columns, unfinished
            )
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return Snapshot(rows, _schema(columns), tuple(column.name for column in order.first))


@dataclass(frozen=True)
class _Order:
    """Columns to sort by, and those that decide between rows that are equal in them."""

    first: Sequence[SqlColumn]
    then: Sequence[SqlColumn]


def _query(source: SqlSource) -> str:
    if source.query is not None:
        return source.query
    return f"SELECT * FROM {'.'.join(map(quote, str(source.table).split('.')))}"


def _order(source: SqlSource, connection: "Connection", columns: list[SqlColumn]) -> _Order:
    """Return an order in which equal rows only may stand either way, which cannot be told apart anyhow."""
    by_name = {column.name: column for column in columns}
    for name in source.order_by:
        if name not in by_name:
            raise ConfigError(f"order_by: no column {name}{nearest(name, list(by_name))}")
    key = source.order_by or _primary_key(source, connection)
    if not key:
        return _Order(columns, [])
    unique = not source.order_by
    return _Order(
        [by_name[name] for name in key],
        [] if unique else [column for column in columns if column.name not in key],
    )


def _primary_key(source: SqlSource, connection: "Connection") -> list[str]:
    from sqlalchemy import inspect

    if source.table is None:
        return []
    schema, _, table = source.table.rpartition(".")
    return inspect(connection).get_pk_constraint(table, schema or None)["constrained_columns"]


def _statement(query: str, columns: list[SqlColumn], order: _Order) -> str:
    selected = ", ".join(f"{column.value} AS {quote(column.name)}" for column in columns)
    ranks = ", ".join(column.rank for column in [*order.first, *order.then])
    return f"SELECT {selected} FROM ({query}\n) AS asked ORDER BY {ranks}"


def _batches(connection: "Connection", statement: str, columns: list[SqlColumn]) -> Iterator[Sequence[Any]]:
    rows = min(MOST_ROWS, max(1, CELLS // len(columns)))
    result = connection.execution_options(yield_per=rows).exec_driver_sql(statement)
    yield from result.partitions(rows)


def _write(batches: Iterator[Sequence[Any]], columns: list[SqlColumn], path: Path) -> int:
    from tqdm import tqdm

    schema, rows = _schema(columns), 0
    with (
        pq.ParquetWriter(path, schema, compression="zstd") as writer,
        tqdm(desc="snapshot", unit=" rows", unit_scale=True, disable=None, leave=False) as bar,
    ):
        for batch in batches:
            values = zip(*batch, strict=True)
            arrays = [_array(each, column) for each, column in zip(values, columns, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=len(batch))
            rows += len(batch)
            bar.update(len(batch))
    return rows


def _array(values: Sequence[Any], column: SqlColumn) -> pa.Array:
    try:
        return pa.array(values, column.type)
    except (pa.ArrowException, OverflowError, ValueError) as error:
        raise ConfigError(f"{column.name}: a value does not fit {column.type}: {error}") from error


def _schema(columns: list[SqlColumn]) -> pa.Schema:
    return pa.schema([(column.name, column.type) for column in columns])
