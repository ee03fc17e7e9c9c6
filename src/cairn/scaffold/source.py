"""Open what the user points at: which separator, encoding and marks of missing values a file uses.

What the repository's reader would not guess is returned as data.load, so that the pipeline reads the same.
"""

import csv
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from cairn.config.base import ConfigError
from cairn.data.files import read_raw
from cairn.data.load import in_plain_types

READ_CSV = "pandas.read_csv"
LOOK_BYTES = 1_000_000
LOOK_LINES = 500
SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
MARKS = frozenset(
    {"?", "-", "--", ".", "*", "#", "unknown", "missing", "none", "na", "n.a.", "nil", "no data"}
)
WITH_COMMA = re.compile(r"[-+]?(\d+|\d{1,3}(\.\d{3})+),\d+")
NUMBER = re.compile(r"[-+]?\d+([.,]\d+)?")


@dataclass(frozen=True)
class Source:
    """A table and how to read it again.

    Attributes:
        path: the file.
        table: its rows.
        load: what data.load has to say; None where the extension says all.
        notes: what was found out about the file, a line each.
    """

    path: Path
    table: pd.DataFrame
    load: dict[str, Any] | None
    notes: tuple[str, ...]


def open_source(given: str, *, separator: str | None, encoding: str | None) -> Source:
    """Read the table that the user points at.

    Raises:
        ConfigError: not there, of an unknown kind, empty, or not what its extension says.
    """
    if "://" in given:
        raise ConfigError(
            f"{given}: bring it here first (`dvc import-url {given} data/raw/`), then give the file"
        )
    path = Path(given)
    if path.is_dir():
        raise ConfigError(f"{given}: a folder needs a function that makes one table of it, see data.load")
    if not path.is_file():
        raise ConfigError(f"{given}: no such file{_like(path)}")
    if path.stat().st_size == 0:
        raise ConfigError(f"{given}: the file is empty")
    if not {".csv", ".tsv", ".txt", ".data"} & set(path.suffixes):
        return Source(path, in_plain_types(read_raw(path)), None, ())
    options, notes = _options(path, separator, encoding)
    table = _read(path, options)
    if marks := _marks_of_missing(table):
        options["na_values"] = marks
        notes.append(f"{', '.join(map(repr, marks))} stands for a missing value")
    sign = "." if options.get("decimal") == "," else ","
    thousands, others = _thousands(table, sign)
    if thousands:
        options["thousands"] = sign
        notes.append(f"a {'point' if sign == '.' else 'comma'} stands between thousands")
    if thousands and others:
        options["dtype"] = dict.fromkeys(others, "str")
    if {"na_values", "thousands"} & options.keys():
        table = _read(path, options)
    plain = {"sep": "\t"} if ".tsv" in path.suffixes else {}
    needed = ".txt" in path.suffixes or ".data" in path.suffixes or options != plain
    load = {"_target_": READ_CSV, **options, "low_memory": False} if needed else None
    return Source(path, table, load, tuple(notes))


def _like(path: Path) -> str:
    from cairn.config.compose import nearest

    folder = path.parent
    return nearest(path.name, sorted(p.name for p in folder.iterdir())) if folder.is_dir() else ""


def _options(path: Path, separator: str | None, encoding: str | None) -> tuple[dict[str, Any], list[str]]:
    """Return options of pandas.read_csv beyond its defaults, and a note for each that was found out."""
    options: dict[str, Any] = {}
    notes = []
    text, found = _start(path, encoding)
    if found != "utf-8":
        options["encoding"] = found
        notes.append(f"written in {found}")
    lines = text.splitlines()[:LOOK_LINES]
    if not any(line.strip() for line in lines):
        raise ConfigError(f"{path}: the file is empty")
    separator = separator or _separator(lines)
    if separator != ",":
        options["sep"] = separator
        notes.append(f"columns are separated by {SEPARATORS.get(separator, repr(separator))}")
    rows = _rows(lines, separator)
    header, body = rows[0], rows[1:]
    _refuse_bad_header(path, header)
    twice = [name for name, count in Counter(header).items() if count > 1 and name.strip()]
    notes += [f"two columns are called {name}: the later one is read as {name}.1" for name in twice]
    longer = [row for row in body if len(row) == len(header) + 1]
    if body and len(longer) == len(body) and not any(row[-1].strip() for row in longer):
        options["index_col"] = False
        notes.append("every line ends in a separator")
    elif body and len(longer) == len(body):
        options |= {"header": 0, "names": ["row", *header]}
        notes.append("the first column, which has no name, is called row")
    if body and all(field.startswith(" ") for row in body for field in row[1:] if field):
        options["skipinitialspace"] = True
        notes.append("a blank follows every separator")
    fields = [field.strip() for row in body for field in row]
    commas = sum(bool(WITH_COMMA.fullmatch(field)) for field in fields)
    if separator != "," and commas > sum(bool(re.fullmatch(r"[-+]?\d+\.\d+", field)) for field in fields):
        options["decimal"] = ","
        notes.append("a comma stands before decimals")
    return options, notes


def _start(path: Path, encoding: str | None) -> tuple[str, str]:
    """Return the first megabyte as text, up to the end of its last whole line, and its encoding.

    Raises:
        ConfigError: not text in the given encoding, or in UTF-8.
    """
    from pandas.io.common import get_handle

    try:
        with get_handle(path, "rb", compression="infer", is_text=False) as opened:
            content: Any = opened.handle.read(LOOK_BYTES)
    except (ValueError, OSError, EOFError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
        content = content[: len(content) // 2 * 2]
    elif b"\0" in content:
        raise ConfigError(f"{path}: this is no text, whatever its name says")
    elif len(content) == LOOK_BYTES:
        content = content[: content.rfind(b"\n") + 1] or content
    try:
        return content.decode("utf-8-sig" if encoding is None else encoding), encoding or "utf-8"
    except (UnicodeDecodeError, LookupError) as error:
        raise ConfigError(_not_text(path, encoding)) from error


def _not_text(path: Path, encoding: str | None) -> str:
    if encoding is not None:
        return f"{path}: not text in {encoding}"
    return f"{path}: not text in UTF-8; say which it is, such as --encoding cp1252 (Western Europe)"


def _rows(lines: list[str], separator: str) -> list[list[str]]:
    if len(separator) > 1:
        return [re.split(separator, line.strip()) for line in lines if line.strip()]
    try:
        return [row for row in csv.reader(lines, delimiter=separator) if row]
    except csv.Error as error:
        raise ConfigError(f"the first {LOOK_LINES} lines are no table: {error}") from error


def _separator(lines: list[str]) -> str:
    """Return the separator that cuts most lines into as many columns as the first, else a comma."""

    def fits(separator: str) -> tuple[float, int]:
        widths = Counter(len(row) for row in _rows(lines, separator))
        header = len(_rows(lines[:1], separator)[0]) if lines[0].strip() else 0
        share = (widths[header] + widths[header + 1]) / max(1, sum(widths.values()))
        return (share if header > 1 else 0, header)

    good = [separator for separator in SEPARATORS if fits(separator)[0] >= 0.9]
    return max(good, key=lambda separator: fits(separator)[1], default=",")


def _refuse_bad_header(path: Path, header: list[str]) -> None:
    names = [name.strip() for name in header if name.strip()]
    if names and all(NUMBER.fullmatch(name) for name in names) and len(names) > 1:
        raise ConfigError(f"{path}: the first line holds numbers; it must hold the names of the columns")


def _read(path: Path, options: dict[str, Any]) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, low_memory=False, **options)
    except UnicodeDecodeError as error:
        raise ConfigError(_not_text(path, options.get("encoding"))) from error
    except (ValueError, OSError, EOFError) as error:
        raise ConfigError(f"{path}: cannot be read: {' '.join(str(error).split())}") from error
    return table


def _texts(table: pd.DataFrame) -> list[str]:
    return [name for name in table if types.is_string_dtype(table[name]) or table[name].dtype == object]


def _marks_of_missing(table: pd.DataFrame) -> list[str]:
    """Return the few words, such as ?, that alone keep a column of numbers from being one."""
    found: dict[str, None] = {}
    for name in _texts(table):
        there = table[name].dropna().astype("str").str.strip()
        odd = there[pd.to_numeric(there, errors="coerce").isna()]
        if 0 < len(odd) < len(there) / 2 and set(odd.str.lower().unique()[:20]) <= MARKS:
            found |= dict.fromkeys(sorted(odd.unique()))
        elif len(odd) and (there == "?").any():
            found["?"] = None
    return list(found)


def _thousands(table: pd.DataFrame, sign: str) -> tuple[bool, list[str]]:
    """Tell whether a sign stands between thousands, and which columns only look so, such as 01.02.2021."""
    plain = r"\d+(\.\d+)?" if sign == "," else r"\d+(,\d+)?"
    grouped = plain.replace(r"\d+", rf"\d{{1,3}}({re.escape(sign)}\d{{3}})+", 1)
    found, others = False, []
    for name in _texts(table):
        there = table[name].dropna().astype("str").iloc[:LOOK_LINES]
        if len(there) and there.str.replace(sign, "").str.fullmatch(rf"[-+]?{plain}").all():
            if there.str.fullmatch(rf"[-+]?({plain}|{grouped})").all():
                found = True
            else:
                others.append(name)
    return found, others


def unhashable(values: pd.Series) -> bool:
    """Whether a column holds lists or records, which are no values of a table."""
    kinds = list | dict | set | np.ndarray  # a list of Parquet comes as an array
    return values.dtype == object and any(isinstance(value, kinds) for value in values.dropna().iloc[:50])
