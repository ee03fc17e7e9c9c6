"""Where rows to predict come from, in blocks: files, standard input, a loader of a data set, a query."""

import io
import json
import re
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cairn.data.delimited import Dialect, Records, dialect_of, open_bytes
from cairn.data.load import READ_CSV, text_options
from cairn.data.tables import CHECKED, EXACT
from cairn.errors import UserError, did_you_mean
from cairn.models.package import Package
from cairn.serve.predictor import Rows
from cairn.settings.contract import Contract

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import URL

Format = Literal["csv", "tsv", "jsonl", "parquet", "feather"]
OUR_LOADERS = ("cairn.datasets.", "cairn.data.folder.", "cairn.data.tables.", "pandas.read_")
ROWS = 16_384
"""Rows of a block, where the source lets us choose."""
PARQUET_BYTES = 1 << 18
"""Bytes of a column that are read at a time, however large its row groups are."""
Dicts = list[dict[str, Any]]


class Block(NamedTuple):
    """Some rows: the columns that the model needs, as a table or as values of JSON, and those to keep."""

    rows: Rows
    kept: pa.Table


@dataclass(frozen=True)
class Source:
    """Rows in a stable order.

    Attributes:
        name: for messages.
        columns: names of its columns; None where every row has its own.
        text: whether numbers and missing values are written as text.
        blocks: yields the rows, given the columns that the model needs and the columns to keep.
        rows: how many, if that is known.
        share: of the source that is read, from 0 to 1; None if not known.
    """

    name: str
    columns: list[str] | None
    text: bool
    blocks: Callable[[Sequence[str], Sequence[str]], Iterator[Block]]
    rows: int | None = None
    share: Callable[[], float | None] = lambda: None


def format_of(path: Path) -> Format | None:
    """Return the format of a file by its name, such as csv for A.CSV.gz; None for another name."""
    known: dict[str, Format] = {f".{name}": name for name in ("csv", "tsv", "jsonl", "parquet", "feather")}
    return next((known[suffix] for suffix in map(str.lower, path.suffixes) if suffix in known), None)


@contextmanager
def open_file(path: Path | None, kind: Format | None, package: Package) -> Generator[Source]:
    """Open a file, or standard input where path is None.

    Args:
        path: the file.
        kind: its format; None goes by its name, or for a text file by the data the model was
            trained on.
        package: the model; the options of its data.load for text files are followed.

    Raises:
        UserError: no such file, an unknown format, or content that does not match it.
    """
    name = "standard input" if path is None else str(path)
    load = package.config.get("data", {}).get("load") or {}
    kind = kind or (format_of(path) if path else None)
    with ExitStack() as stack:
        if path is not None and not path.is_file():
            raise UserError(f"{name}: no such file{did_you_mean(path.name, _beside(path))}")
        if kind is None:
            if path is not None and path.suffix.lower() == ".json":
                raise UserError(f"{name}: a JSON array is not supported; write one object per line (.jsonl)")
            raise UserError(f"{name}: unknown format; set --format to csv, tsv, jsonl, parquet or feather")
        if kind in ("parquet", "feather"):
            if path is None:
                raise UserError(f"--format {kind} needs a file: its table of contents is at its end")
            yield stack.enter_context(_columnar(path, kind))
            return
        handle, share = stack.enter_context(_bytes(path))
        if kind == "jsonl":
            yield Source(name, None, False, lambda _, kept: _json(name, handle, kept), share=share)
            return
        dialect, numbers = _dialect(kind, load, package.source_contract), _numbers(package)
        records = Records(name, handle, dialect)

        def blocks(inputs: Sequence[str], kept: Sequence[str]) -> Iterator[Block]:
            for rows, rest in records.blocks(inputs, kept):
                yield Block(_with_points(rows, dialect, numbers), rest)

        yield Source(name, records.columns, True, blocks, share=share)


def needs_loader(path: Path, kind: Format | None, package: Package) -> bool:
    """Return whether only the function that data.load names can read a folder or a file.

    That is so for a folder, and for a file like the one the model was trained on that a function of the
    user's own reads, or pandas with options for which all of the file has to be there.
    """
    if path.is_dir():
        return True
    data = package.config.get("data", {})
    load, source = data.get("load"), Path(data.get("source", ""))
    if not load or kind or path.suffix.lower() != source.suffix.lower():
        return False
    return load["_target_"] != READ_CSV or dialect_of({"sep": ",", **load}) is None


@contextmanager
def open_loader(path: Path, package: Package, trust: Sequence[str]) -> Generator[Source]:
    """Read a folder, or a file of another kind, by the function that data.load of the model names.

    The whole table is in memory: its features may need rows before and after.

    Raises:
        UserError: data.load names no function, one that is not trusted, or one that cannot read it.
    """
    from cairn.data.load import load
    from cairn.settings.data import DataConfig

    data = DataConfig.model_validate(package.config["data"])
    if data.load is None:
        raise UserError(f"{path}: the model was trained on a file ({data.source}); name a file")
    stop_on_untrusted(data.load, trust)
    yield whole_table(load(data.model_copy(update={"source": str(path)}), package.source_contract), str(path))


def stop_on_untrusted(load: Mapping[str, Any], trust: Sequence[str]) -> None:
    """Raise UserError if data.load of a model names a function that is neither Cairn's nor trusted."""
    function = str(load["_target_"])
    if not f"{function}.".startswith((*OUR_LOADERS, *(f"{prefix}." for prefix in trust))):
        raise UserError(
            f"data.load of the model is {function}, which is not a part of Cairn: add --trust"
            f" {function.partition('.')[0]} if you know where the model comes from"
        )


def whole_table(table: "pd.DataFrame", name: str) -> Source:
    """Return a table in memory as a source, such as a loader of a data set returns."""

    def blocks(inputs: Sequence[str], kept: Sequence[str]) -> Iterator[Block]:
        for start in range(0, max(1, len(table)), ROWS):
            part = table.iloc[start : start + ROWS]
            yield Block(_plain(_arrow(part[list(inputs)])), _arrow(part[list(kept)]))

    return Source(name, [str(column) for column in table.columns], False, blocks, rows=len(table))


@contextmanager
def open_query(url: "URL", sql: str) -> Generator[Source]:
    """Open a query, or a table by its name; the rows have the order in which the database sends them.

    Raises:
        UserError: what the database says is wrong.
    """
    from cairn.data.database import reading
    from cairn.data.query import array_of, columns_of, quote

    query = sql.strip().rstrip(";").rstrip()
    if len(query.split()) == 1:
        query = f"SELECT * FROM {'.'.join(map(quote, query.split('.')))}"
    with reading(url) as connection:
        columns = {column.name: column for column in columns_of(connection, query)}

        def blocks(inputs: Sequence[str], kept: Sequence[str]) -> Iterator[Block]:
            wanted = list(dict.fromkeys([*inputs, *kept])) or list(columns)[:1]
            schema = pa.schema([(name, columns[name].type) for name in wanted])
            selected = ", ".join(f"{columns[name].value} AS {quote(name)}" for name in wanted)
            streamed = connection.execution_options(yield_per=ROWS)
            result = streamed.exec_driver_sql(f"SELECT {selected} FROM ({query}\n) AS asked")
            for part in result.partitions(ROWS):
                values = zip(*part, strict=True)
                arrays = [array_of(each, field) for each, field in zip(values, schema, strict=True)]
                table = pa.Table.from_arrays(arrays, schema=schema)
                yield Block(_plain(table.select(list(inputs))), table.select(list(kept)))

        yield Source("the query", list(columns), False, blocks)


@contextmanager
def _columnar(path: Path, kind: Format) -> Generator[Source]:
    from pyarrow import ipc

    try:
        if kind == "parquet":
            # pyarrow's own default keeps all bytes of the file that it has read.
            options = {"pre_buffer": False, "buffer_size": PARQUET_BYTES, **CHECKED}
            with pq.ParquetFile(path, **options) as file:
                blocks = _of_tables(str(path), file.iter_batches, file.schema_arrow)
                names = list(file.schema_arrow.names)
                yield Source(str(path), names, False, blocks, rows=file.metadata.num_rows)
        else:
            with pa.memory_map(str(path)) as mapped, ipc.open_file(mapped) as file:

                def batches(batch_size: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
                    for at in range(file.num_record_batches):
                        batch = file.get_batch(at).select(columns)
                        for start in range(0, batch.num_rows, batch_size):
                            yield batch.slice(start, batch_size)

                yield Source(
                    str(path), list(file.schema.names), False, _of_tables(str(path), batches, file.schema)
                )
    except BrokenPipeError:  # of the output
        raise
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path}: cannot be read as {kind}: {' '.join(str(error).split())}") from error


def _of_tables(
    name: str, batches: Callable[..., Iterator[pa.RecordBatch]], schema: pa.Schema
) -> Callable[[Sequence[str], Sequence[str]], Iterator[Block]]:
    def blocks(inputs: Sequence[str], kept: Sequence[str]) -> Iterator[Block]:
        wanted = list(dict.fromkeys([*inputs, *kept])) or schema.names[:1]
        twice = [column for column in wanted if schema.names.count(column) > 1]
        if twice:
            raise UserError(f"{name}: two columns are called {twice[0]}")
        tables = (pa.Table.from_batches([batch]) for batch in batches(batch_size=ROWS, columns=wanted))
        # A file without rows has no batch.
        for table in chain(tables, [schema.empty_table().select(wanted)]):
            # Reading a value that is not in its buffer would end the process.
            table.validate(full=True)
            yield Block(_plain(table.select(list(inputs))), table.select(list(kept)))

    return blocks


def _numbers(package: Package) -> frozenset[str]:
    """Return the columns whose texts are numbers."""
    columns = package.source_contract.columns
    return frozenset(
        name
        for name, column in columns.items()
        if column.decimal is None  # such a text is read as the contract says
        and (column.kind == "numeric" or package.types.get(name) in ("number", "whole number"))
    )


def _dialect(kind: Format, load: Mapping[str, Any], contract: Contract) -> Dialect:
    options = load if load.get("_target_") == READ_CSV else {}
    found = dialect_of({"sep": "\t" if kind == "tsv" else ","} | text_options(options, contract))
    if found is None:
        raise UserError(f"data.load: a file cannot be read in blocks with {', '.join(map(str, options))}")
    return found


def _with_points(table: pa.Table, dialect: Dialect, numbers: frozenset[str]) -> pa.Table:
    """Return the table with numbers as Python writes them: 1.234,5 becomes 1234.5."""
    if dialect.decimal == "." and not dialect.thousands:
        return table
    for at, name in enumerate(table.column_names):
        if name in numbers:
            values = table[name]
            if dialect.thousands:
                values = _without_thousands(values, dialect)
            else:
                # A point is not a part of such a number: 1.5 must not be read as one.
                values = _replaced(_replaced(values, ".", "·"), dialect.decimal, ".")
            table = table.set_column(at, name, values)
    return table


def _without_thousands(values: pa.ChunkedArray, dialect: Dialect) -> pa.ChunkedArray:
    """Return texts of numbers as Python writes them, after pandas has read them.

    With a sign between thousands, pandas does not round the last bit correctly (3.1.1); the model was trained
    on what it read.
    """
    import pandas as pd

    whole, decimal = (re.escape(sign) for sign in (str(dialect.thousands), dialect.decimal))
    pattern = rf"\s*[-+]?\d[\d{whole}]*({decimal}\d*)?([eE][-+]?\d+)?\s*"
    texts = values.to_pylist()
    written = {at: text for at, text in enumerate(texts) if text is not None and re.fullmatch(pattern, text)}
    lines = io.StringIO("\n".join(["x", *(f'"{text}"' for text in written.values())]))
    read = pd.read_csv(lines, thousands=dialect.thousands, decimal=dialect.decimal, sep="\0")["x"]
    for at, number in zip(written, read, strict=True):
        texts[at] = repr(float(number))
    return pa.chunked_array([pa.array(texts, pa.string())])


def _replaced(values: pa.ChunkedArray, old: str, new: str) -> pa.ChunkedArray:
    return pc.call_function("replace_substring", [values], pc.ReplaceSubstringOptions(old, new))


def _json(name: str, handle: BinaryIO, kept: Sequence[str]) -> Iterator[Block]:
    """Yield the objects of JSON Lines.

    Raises:
        UserError: a line that is not an object of JSON, or not UTF-8; it is named.
    """
    rows: Dicts = []
    for number, line in enumerate(handle, start=1):
        if line.isspace():
            continue
        try:
            row = json.loads(line.decode("utf-8-sig"))
            if b"\\u" in line:  # \ud800 alone is not text, and no output can hold it
                json.dumps(row, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            said = error
            if isinstance(error, json.JSONDecodeError):  # it counts lines of its own
                said = f"{error.msg} (character {error.colno})"
            raise UserError(f"{name}: line {number} is not JSON in UTF-8: {said}") from error
        if not isinstance(row, dict):
            raise UserError(f"{name}: line {number} is not an object {{...}} of JSON")
        rows.append(row)
        if len(rows) == ROWS:
            yield _of_json(rows, kept)
            rows = []
    yield _of_json(rows, kept)


def _of_json(rows: Dicts, kept: Sequence[str]) -> Block:
    columns = {name: pa.array([as_text(row.get(name)) for row in rows], pa.string()) for name in kept}
    return Block(rows, pa.table(columns) if columns else _no_columns(len(rows)))


def as_text(value: Any) -> str | None:
    """Return a text as it is, any other value as JSON writes it, and nothing for None."""
    return (
        value
        if value is None or isinstance(value, str)
        else json.dumps(value, ensure_ascii=False, default=str)
    )


def _no_columns(rows: int) -> pa.Table:
    return pa.table({"": pa.nulls(rows)}).select([])


@contextmanager
def _bytes(path: Path | None) -> Generator[tuple[BinaryIO, Callable[[], float | None]]]:
    """Open a file decompressed; also return how much of it is read."""
    if path is None:
        yield sys.stdin.buffer, lambda: None
        return
    size = path.stat().st_size
    with open_bytes(path) as (handle, raw):
        yield handle, lambda: raw.tell() / size if size else None


def _beside(path: Path) -> list[str]:
    return [other.name for other in path.parent.glob("*")] if path.parent.is_dir() else []


def _plain(table: pa.Table) -> pa.Table:
    """Return the table with exact decimals as float64, by their text: only that is correctly rounded.

    Whole numbers that it cannot hold are text, as in train.
    """
    for at, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type):
            text = table[at].cast(pa.string())
            numbers = text.cast(pa.float64())
            largest = pc.call_function("max", [pc.call_function("abs", [numbers])]).as_py() or 0.0
            beyond = field.type.scale <= 0 and largest > EXACT
            table = table.set_column(at, field.name, text if beyond else numbers)
    return table


def _arrow(table: "pd.DataFrame") -> pa.Table:
    """Return a table of pandas; a column that holds values of several types becomes text."""
    columns = {}
    for name, values in table.items():
        try:
            columns[str(name)] = pa.Array.from_pandas(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            columns[str(name)] = pa.array(
                [
                    None if missing else str(value)
                    for value, missing in zip(values, values.isna(), strict=True)
                ]
            )
    return pa.table(columns) if columns else _no_columns(len(table))
