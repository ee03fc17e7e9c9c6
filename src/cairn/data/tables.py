"""Read and write tables; the bytes written depend on the content alone."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pandas.api import types
from pyarrow import feather

from cairn.data.delimited import DAMAGED, check_records, open_bytes, written
from cairn.data.written import MARKERS
from cairn.errors import UserError
from cairn.files import replacing

FAULTS = (*DAMAGED, ValueError, TypeError, LookupError, ArithmeticError, NotImplementedError, MemoryError)
"""What readers raise for content that they cannot read."""
EXACT = 2**53
"""Up to here float64 holds every whole number."""
WHOLE = r"\s*[-+]?[0-9]+\s*"
ONE_BY_ONE = {"split_blocks": True, "self_destruct": True}
"""How Arrow gives a table to pandas: column by column, freeing its own; otherwise both hold all of it."""
CELLS = 2**24
"""Of the columns of a table that are decoded at a time, 128 MB of numbers."""
TEXT = {".csv": ",", ".tsv": "\t"}
PARQUET: dict[str, Any] = {"compression": "zstd", "write_page_checksum": True}
"""How Cairn writes Parquet: without a checksum per page a flipped byte may be read as another value."""
CHECKED: dict[str, Any] = {"page_checksum_verification": True}
"""How Cairn reads Parquet; a file without checksums is read as it is."""

# Arrow's own allocator keeps what a table no longer needs; with this one it is free for what comes next.
pa.set_memory_pool(pa.system_memory_pool())


def read_raw(source: Path, **text: Any) -> pd.DataFrame:
    """Read one table by its extension: .parquet, .feather, .csv (.csv.gz, .csv.zip, .csv.xz), .tsv, .jsonl.

    Args:
        source: the file.
        text: options of read_text, for a file of text.

    Raises:
        UserError: no such file, an unknown extension, or content that does not match the extension.
    """
    readers = {
        ".parquet": _read_parquet,
        ".feather": _read_feather,
        **{kind: lambda path, sep=sep: read_text(path, sep=sep, **text) for kind, sep in TEXT.items()},
        ".jsonl": _read_json,
    }
    if not source.exists():
        raise UserError(f"data.source: {source} does not exist; `dvc pull` or `dvc repro` gets tracked data")
    extension = next((suffix for suffix in map(str.lower, source.suffixes) if suffix in readers), None)
    if extension is None:
        raise UserError(f"data.source: {source}: set data.load, or use one of {', '.join(readers)}")
    try:
        table = readers[extension](source)
        for at, kind in enumerate(table.dtypes):
            if isinstance(kind, pd.StringDtype):
                pa.array(table.iloc[:, at].array).validate(full=True)  # Arrow trusts that text is UTF-8
    except FAULTS as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"data.source: {source} cannot be read: {said}") from error
    # A contract can name neither an index nor a column whose name is not text.
    table = table if isinstance(table.index, pd.RangeIndex) else table.reset_index()
    return table.rename(columns=str)


def _read_parquet(path: Path) -> pd.DataFrame:
    if path.is_dir():
        return _exactly(pd.read_parquet(path, to_pandas_kwargs=ONE_BY_ONE, **CHECKED), pq.read_table, path)
    columns = pq.read_schema(path).names
    if twice := [name for name in columns if columns.count(name) > 1]:
        raise ValueError(f"two columns are called {twice[0]}")
    return _exactly(read_table(path), pq.read_table, path)


def _read_feather(path: Path) -> pd.DataFrame:
    # Arrow trusts the offsets and texts of such a file.
    feather.read_table(path, memory_map=True).validate(full=True)
    return _exactly(pd.read_feather(path), feather.read_table, path)


def _exactly(table: pd.DataFrame, read: Callable[..., pa.Table], path: Path) -> pd.DataFrame:
    """Return the table with the whole numbers as text that pandas made equal, see exact."""
    floats = [name for name in table if table[name].dtype == "float64"]
    doubtful = [name for name in floats if _largest(table[name]) >= EXACT]
    if not doubtful:
        return table
    found = read(path, columns=doubtful)
    columns = {name: exact(found[name]) for name in doubtful}
    return table.assign(**{name: values.to_pandas() for name, values in columns.items()})


def _largest(values: pd.Series) -> float:
    """Return the largest absolute value, without a copy of all of them; 0 where there is none."""
    ends = np.fmin.reduce(values, initial=0.0), np.fmax.reduce(values, initial=0.0)
    return max(map(abs, ends))


def exact(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return whole numbers beside missing ones as text where float64 cannot hold them; others as they are."""
    if not (pa.types.is_integer(values.type) and values.null_count):
        return values
    there = values.drop_null().to_numpy()
    return (
        values.cast(pa.string())
        if len(there) and max(-int(there.min()), int(there.max())) > EXACT
        else values
    )


def _read_json(source: Path) -> pd.DataFrame:
    """Read JSON Lines; a text such as 007 stays text, as it is declared, and whole numbers their digits."""
    read: Any = pd.read_json
    table = read(source, lines=True, precise_float=True, dtype=False, encoding="utf-8-sig")
    floats = [name for name in table if table[name].dtype == "float64"]
    doubtful = [name for name in floats if _largest(table[name]) >= EXACT]
    if doubtful:
        with open_bytes(source) as (handle, _):
            rows = [json.loads(line.decode("utf-8-sig")) for line in handle if not line.isspace()]
        for name in doubtful:
            values = [row.get(name) for row in rows]
            if all(value is None or type(value) is int for value in values):
                table[name] = pd.Series([None if v is None else str(v) for v in values], dtype="str")
    return table


def read_text(source: Path, *, labels: Sequence[str] = (), **options: Any) -> pd.DataFrame:
    """Read separated text with options of pandas.read_csv, and refuse what pandas would misread.

    Args:
        source: the file.
        labels: columns in which None, NA and the like are values; only a blank one is missing.
        options: for pandas.read_csv.

    Raises:
        UserError: see check_records.
    """
    check_records(source, options)
    table = parse_text(source, options)
    for name, values in written(source, [name for name in labels if name in table], options).items():
        marks = options.get("na_values", {}).get(name, [])
        table[name] = values.where(~values.isin(marks) & (values.str.strip() != ""))
    return table


def parse_text(source: Path, options: Mapping[str, Any]) -> pd.DataFrame:
    """Read separated text with pandas.read_csv; a column has one type for all its rows."""
    read: Any = pd.read_csv
    # The parsers of pandas that are not written in C do so by default.
    table = read(source, **({} if "engine" in options else {"low_memory": False}) | dict(options))
    for name in table.columns if options.get("keep_default_na", True) else ():
        if types.is_string_dtype(table[name]) and whole_numbers(table[name], MARKERS):
            # Where one is beyond int64, pandas keeps "" and NA too.
            table[name] = table[name].where(~table[name].isin(MARKERS))
    return table


def whole_numbers(values: pd.Series, ignored: Collection[str] = ()) -> bool:
    """Return whether text is whole numbers alone, besides what is missing or ignored."""
    for some in (values.head(100), values):
        there = some[some.notna() & ~some.isin(ignored)]
        if not there.astype("str").str.fullmatch(WHOLE).all():
            return False
    return True


def read_table(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a Parquet file, such as write_table writes; a flipped byte of one of those is an error.

    It is read a few columns at a time, as otherwise what is decoded is in memory beside the table. A file
    with an index or with columns of lists or records is read at once.
    """
    with pq.ParquetFile(path, **CHECKED) as file:
        schema = file.schema_arrow
        names = schema.names if columns is None else columns
        described = schema.pandas_metadata or {}
        has_index = any(isinstance(index, str) for index in described.get("index_columns", []))
        nested = any(pa.types.is_nested(kind) for kind in schema.types)
        several = len(described.get("column_indexes", [])) > 1
        if has_index or nested or several or not names or not set(names) <= set(schema.names):
            return pd.read_parquet(path, columns=columns, to_pandas_kwargs=ONE_BY_ONE, **CHECKED)
        step = max(1, CELLS // max(file.metadata.num_rows, 1))
        groups = [names[start : start + step] for start in range(0, len(names), step)]
        parts = [file.read(group).to_pandas(**ONE_BY_ONE) for group in groups]
    return pd.concat(parts, axis=1)


def blocks_of(files: Iterable[Path], columns: list[str], rows: int) -> Iterator[pd.DataFrame]:
    """Read files of write_table one after the other, at most so many rows at a time."""
    for path in files:
        with pq.ParquetFile(path, **CHECKED) as file:
            for batch in file.iter_batches(rows, columns=columns):
                yield batch.to_pandas()


def rows_in(files: Iterable[Path]) -> int:
    """Return how many rows files of write_table have."""
    return sum(pq.read_metadata(path).num_rows for path in files)


def joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return tables of the same columns as one; they are emptied, so that no row is there twice."""
    names = list(tables[0])
    columns = [pd.concat([table.pop(name) for table in tables], ignore_index=True) for name in names]
    return pd.concat(columns, axis=1)


def empty(table: pd.DataFrame) -> None:
    """Take out every column, also for others who hold the table: its memory is free then."""
    for name in list(table):
        del table[name]


def row_hashes(table: pd.DataFrame) -> pd.Series:
    """Return a uint64 hash per row, from its values alone."""
    hashed: Any = pd.util.hash_pandas_object
    return hashed(table, index=False) if len(table.columns) else pd.Series(0, table.index, dtype="uint64")


def duplicated(table: pd.DataFrame, keep: Literal["first", False] = "first") -> pd.Series:
    """Return which rows repeat others, as pandas' method does, in a fraction of its memory and time.

    Only rows with equal hashes are compared. For these, values that are equal are made the same: -0.0 and
    0.0, the bits of NaN, and 1 and True among objects.
    """
    hashes = pd.Series(np.zeros(len(table), dtype=np.uint64), table.index)
    for name in table:
        hashes = hashes * 1_000_003 + row_hashes(_alike(table[name]).to_frame())
    near = hashes.duplicated(keep=False)
    found = pd.Series(False, table.index)
    found[near] = table[near].duplicated(keep=keep)
    return found


def _alike(values: pd.Series) -> pd.Series:
    """Return values that have equal bits where they are equal."""
    if types.is_float_dtype(values):
        return (values + 0.0).where(values.notna())
    return pd.Series(pd.factorize(values)[0], values.index) if types.is_object_dtype(values) else values


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a Parquet file, replacing an old one in one step."""
    with replacing(path) as unfinished:
        table.to_parquet(unfinished, index=False, **PARQUET)
