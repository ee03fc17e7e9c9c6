"""The columns of a query, and their values as Arrow has them.

PostgreSQL declares the types of columns. An SQLite column may hold any value, so SQLite inspects the values
in one pass.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from cairn.errors import UserError

if TYPE_CHECKING:
    from sqlalchemy import Connection

TEXT = (18, 19, 25, 1042, 1043)  # "char", name, text, char(n), varchar
PLAIN = {
    16: pa.bool_(),
    17: pa.binary(),
    20: pa.int64(),
    21: pa.int16(),
    23: pa.int32(),
    700: pa.float32(),
    701: pa.float64(),
    1082: pa.date32(),
    1114: pa.timestamp("us"),
    1184: pa.timestamp("us", "UTC"),
    **dict.fromkeys(TEXT, pa.string()),
}
"""PostgreSQL's types by their number in pg_type.dat; other types are selected as text."""
NUMERIC = 1700
INTEGER, REAL, WORDS, BYTES = 1, 2, 4, 8
STORED = {
    0: pa.null(),
    INTEGER: pa.int64(),
    REAL: pa.float64(),
    INTEGER | REAL: pa.float64(),
    WORDS: pa.string(),
    BYTES: pa.binary(),
}
"""SQLite's storage classes that a column holds (https://www.sqlite.org/datatype3.html, section 2)."""


@dataclass(frozen=True)
class SqlColumn:
    """A column of a query."""

    name: str
    type: pa.DataType
    value: str
    rank: str  # SQL expression to sort by, independent of the server's locale


def columns_of(connection: "Connection", query: str) -> list[SqlColumn]:
    """Return the columns of a query in its order.

    Raises:
        UserError: no column, two of one name, or an SQLite column with both text and numbers.
    """
    cursor: Any = connection.exec_driver_sql(f"SELECT * FROM ({query}\n) AS asked LIMIT 0").cursor
    described, sqlite = cursor.description, connection.dialect.name == "sqlite"
    names = [column[0] for column in described]
    if not names:
        raise UserError("the query has no columns")
    # SQLite calls the second column of a name `name:1`.
    called = [re.sub(r":\d+$", "", name) for name in names] if sqlite else names
    twice = sorted({name for name in names if called.count(name) > 1})
    if twice:
        raise UserError(f"two columns of the query are called {twice[0]}: rename one with AS")
    quoted = [quote(name) for name in names]
    if sqlite:
        return _of_sqlite(connection, query, names, quoted)
    return [_of_postgresql(column, name) for column, name in zip(described, quoted, strict=True)]


def quote(name: str) -> str:
    """Quote an identifier for SQL."""
    return '"{}"'.format(name.replace('"', '""'))


def _of_postgresql(column: Any, name: str) -> SqlColumn:
    if column.type_code == NUMERIC:
        return SqlColumn(column.name, _decimal(column.precision, column.scale), name, name)
    known = PLAIN.get(column.type_code)
    value = name if known else f"{name}::text"
    rank = value if known and column.type_code not in TEXT else f'{name}::text COLLATE "C"'
    return SqlColumn(column.name, known or pa.string(), value, rank)


def _decimal(precision: int | None, scale: int | None) -> pa.DataType:
    """Return numeric(p, s) as declared; without a declaration, 38 digits before the point and 38 after."""
    if precision is None or scale is None or not 0 <= scale <= precision <= 76:
        return pa.decimal256(76, 38)
    return pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)


def _of_sqlite(connection: "Connection", query: str, names: list[str], quoted: list[str]) -> list[SqlColumn]:
    classes = {"integer": INTEGER, "real": REAL, "text": WORDS, "blob": BYTES}
    held = ", ".join(
        " + ".join(f"{bit} * coalesce(max(typeof({name}) = '{word}'), 0)" for word, bit in classes.items())
        for name in quoted
    )
    found = connection.exec_driver_sql(f"SELECT {held} FROM ({query}\n) AS asked").one()
    mixed = [name for name, bits in zip(names, found, strict=True) if bits not in STORED]
    if mixed:
        raise UserError(
            f"{', '.join(mixed)}: holds text or bytes in some rows and something else in others:"
            f" write a query with CAST({mixed[0]} AS TEXT) or AS REAL"
        )
    return [
        SqlColumn(name, STORED[bits], text, f"{text} COLLATE BINARY")
        for name, bits, text in zip(names, found, quoted, strict=True)
    ]


def array_of(values: Sequence[Any], field: pa.Field) -> pa.Array:
    """Return the values of a column as its type.

    Raises:
        UserError: a value does not fit.
    """
    try:
        return pa.array(values, field.type)
    except (pa.ArrowException, OverflowError, ValueError) as error:
        raise UserError(f"{field.name}: a value does not fit {field.type}: {error}") from error
