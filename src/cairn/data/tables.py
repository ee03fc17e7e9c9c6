"""Read and write tables and records; the bytes written depend on the content alone."""

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

from cairn.errors import UserError

DIGITS = 6


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
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    table.to_parquet(unfinished, index=False, compression="zstd")
    unfinished.replace(path)


def read_json(path: Path) -> Any:
    """Read a record that write_json wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(record: Any, path: Path, digits: int = DIGITS) -> None:
    """Write a record with floats rounded to significant digits, NaN as null, and a line end for git."""
    text = json.dumps(rounded(record, digits), indent=1, ensure_ascii=False, allow_nan=False)
    write_text(f"{text}\n", path)


def write_text(text: str, path: Path) -> None:
    """Write a file of text, the same bytes on every system, replacing an old one in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(text, encoding="utf-8", newline="\n")
    unfinished.replace(path)


def rounded(value: Any, digits: int = DIGITS) -> Any:
    """Round every float in nested dicts and lists to significant digits; NaN and infinity become None."""
    if isinstance(value, dict):
        return {str(key): rounded(item, digits) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item, digits) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    return value
