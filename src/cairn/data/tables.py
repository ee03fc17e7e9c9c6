"""Read and write tables; the bytes written depend on the content alone."""

from pathlib import Path
from typing import Any

import pandas as pd

from cairn.errors import UserError
from cairn.files import replacing


def read_raw(source: Path) -> pd.DataFrame:
    """Read one table by its extension: .parquet, .feather, .csv (.csv.gz, .csv.zip, .csv.xz), .tsv, .jsonl.

    Raises:
        UserError: no such file, an unknown extension, or content that does not match the extension.
    """
    readers = {
        ".parquet": pd.read_parquet,
        ".feather": pd.read_feather,
        ".csv": lambda path: pd.read_csv(path, low_memory=False),
        ".tsv": lambda path: pd.read_csv(path, sep="\t", low_memory=False),
        ".jsonl": lambda path: pd.read_json(path, lines=True, precise_float=True),
    }
    if not source.exists():
        raise UserError(f"data.source: {source} does not exist; `dvc pull` or `dvc repro` gets tracked data")
    extension = next((suffix for suffix in map(str.lower, source.suffixes) if suffix in readers), None)
    if extension is None:
        raise UserError(f"data.source: {source}: set data.load, or use one of {', '.join(readers)}")
    try:
        table = readers[extension](source)
    except (ValueError, OSError) as error:
        raise UserError(f"data.source: {source} cannot be read: {error}") from error
    # A contract can name neither an index nor a column whose name is not text.
    table = table if isinstance(table.index, pd.RangeIndex) else table.reset_index()
    return table.rename(columns=str)


def read_table(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a table that write_table wrote."""
    return pd.read_parquet(path, columns=columns)


def row_hashes(table: pd.DataFrame) -> pd.Series:
    """Return a uint64 hash per row, from its values alone."""
    hashed: Any = pd.util.hash_pandas_object
    return hashed(table, index=False) if len(table.columns) else pd.Series(0, table.index, dtype="uint64")


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a Parquet file, replacing an old one in one step."""
    with replacing(path) as unfinished:
        table.to_parquet(unfinished, index=False, compression="zstd")
