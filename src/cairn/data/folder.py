"""Read a folder of files with the same columns as one table: a file per month or region, or partitioned.

Hive partitions such as year=2024/region=north/part.csv become columns, here year and region (https://spark.apache.org/docs/latest/sql-data-sources-parquet.html,
partition discovery).
"""

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pandas as pd
from pandas.api import types
from tqdm import tqdm

from cairn.data.load import in_plain_types, type_of, with_columns
from cairn.data.tables import read_raw, read_text
from cairn.errors import UserError

WRITTEN = (".csv", ".tsv", ".txt", ".data")
KINDS = (*WRITTEN, ".parquet", ".feather", ".jsonl")
NOTHING = "__HIVE_DEFAULT_PARTITION__"
"""Hive's folder name for rows without a value."""
ALIKE = {"whole number": "numbers", "number": "numbers", "moment": "dates"}


def kind_of(file: Path) -> str | None:
    """Return the extension by which a file is read, such as .csv for a.CSV.gz; None for any other file."""
    return next((suffix for suffix in map(str.lower, file.suffixes) if suffix in KINDS), None)


def files_in(folder: Path, kind: str) -> list[Path]:
    """Return the files of a kind in a folder and the folders below, in the order of their paths.

    Names that begin with . or _, such as Spark's _SUCCESS, are skipped.
    """
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    shown = {name: path for name, path in found.items() if not any(part[0] in "._" for part in name.parts)}
    ordered = sorted(shown, key=Path.as_posix)
    return [shown[name] for name in ordered if kind_of(name) == kind]


def read_folder(source: Path, kind: str, file_column: str | None = None, **options: Any) -> pd.DataFrame:
    """Return the rows of every file of a folder, file after file in the order of their paths.

    A column has the type it would have if all rows were in one file: if it is text in one file it is text in
    all of them, and 007 stays 007.

    Args:
        source: the folder.
        kind: extension of the files to read, such as .csv; others are ignored.
        file_column: name of a column to add: the path of the row's file without its extension.
        options: for pandas.read_csv, where the files are text.

    Raises:
        UserError: no such file, one that cannot be read, or one with other columns than the first.
    """
    paths = files_in(source, kind)
    if not paths:
        raise UserError(f"data.source: {source} has no file that ends in {kind}")
    given = {path: _given(path.relative_to(source), kind, file_column) for path in paths}
    tables = {path: _with(given[path], _read(path, kind, options), path) for path in _shown(paths)}
    _refuse_other_columns(tables, source)
    kinds = {str(name): {p: type_of(t[name]) for p, t in tables.items()} for name in tables[paths[0]]}
    words = [name for name, found in kinds.items() if len(_alike(found.values())) > 1]
    if words and kind not in WRITTEN:
        raise UserError(f"data.source: {source}: {words[0]}: {_both(kinds[words[0]], source)}")
    if words:
        options = {**options, "dtype": {**options.get("dtype", {}), **dict.fromkeys(words, "str")}}
        tables = {path: _with(given[path], _read(path, kind, options), path) for path in _shown(paths)}
    filled = [table for table in tables.values() if len(table)] or [tables[paths[0]]]
    whole = pd.concat(_of_one_type(filled), ignore_index=True)
    for name in {name for parts in given.values() for name in parts} - {file_column}:
        if types.is_string_dtype(whole[name]) and whole[name].dropna().str.fullmatch(r"-?\d+").all():
            whole[name] = pd.to_numeric(whole[name])
    return in_plain_types(whole)


def _shown(paths: list[Path]) -> tqdm:
    return tqdm(paths, desc="reading files", unit="file", delay=1, leave=False, disable=None)


def _given(name: Path, kind: str, file_column: str | None) -> dict[str, str | None]:
    """Return the values that the path of a file gives its rows, by column."""
    parts = [part.partition("=") for part in name.parent.parts if "=" in part]
    said = {unquote(key): None if value == NOTHING else unquote(value) for key, _, value in parts}
    text = name.as_posix()
    return said | ({file_column: text[: text.lower().rindex(kind)]} if file_column else {})


def _read(path: Path, kind: str, options: dict[str, Any]) -> pd.DataFrame:
    if kind not in WRITTEN:
        return read_raw(path)
    try:
        return read_text(path, **options)
    except (TypeError, ValueError, OSError, EOFError) as error:
        raise UserError(f"data.source: {path} cannot be read: {' '.join(str(error).split())}") from error


def _with(given: dict[str, str | None], table: pd.DataFrame, path: Path) -> pd.DataFrame:
    if twice := [name for name in given if name in table.columns]:
        raise UserError(f"data.source: {path}: column {twice[0]} is also given by its path or by file_column")
    parts = {name: pd.Series(value, index=table.index, dtype="str") for name, value in given.items()}
    return with_columns(table, parts)


def _refuse_other_columns(tables: dict[Path, pd.DataFrame], source: Path) -> None:
    first, *others = tables
    wanted = list(tables[first])
    wrong = [path for path in others if set(tables[path]) != set(wanted)]
    if wrong:
        found = list(tables[wrong[0]])
        without = [str(name) for name in wanted if name not in found]
        besides = [str(name) for name in found if name not in wanted]
        said = [f"without {', '.join(without)}"] if without else []
        said += [f"with {', '.join(besides)}"] if besides else []
        more = f" ({len(wrong):,} of {len(tables):,} files differ)" if len(wrong) > 1 else ""
        raise UserError(
            f"data.source: {source}: {wrong[0].relative_to(source).as_posix()} has other columns than"
            f" {first.relative_to(source).as_posix()}: {' and '.join(said)}{more}"
        )
    for path in others:
        tables[path] = tables[path][wanted]


def _alike(found: Any) -> set[str]:
    return {ALIKE.get(kind, kind) for kind in found} - {"nothing"}


def _both(found: dict[Path, str], source: Path) -> str:
    """Name two files that disagree on the type of a column."""
    there = {path.relative_to(source).as_posix(): kind for path, kind in found.items() if kind != "nothing"}
    first = next(iter(there))
    other = next(name for name, kind in there.items() if _alike([kind]) != _alike([there[first]]))
    held = {name: ALIKE.get(there[name], there[name]) for name in (other, first)}
    return f"{held[other]} in {other}, {held[first]} in {first}"


def _of_one_type(tables: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """Give a column that is all missing in one file the type it has in the others, as concat needs."""
    for name in tables[0]:
        empty = [i for i, table in enumerate(tables) if table[name].isna().all()]
        held = next((table[name] for i, table in enumerate(tables) if i not in empty), None)
        if held is None:
            continue
        dtype = held.dtype
        if types.is_bool_dtype(held):
            dtype = "object"  # as pandas reads true, false and missing from one file
        elif types.is_numeric_dtype(held):
            dtype = "float64"
        for i in empty:
            tables[i] = with_columns(tables[i], {str(name): tables[i][name].astype(dtype)})
    return tables
