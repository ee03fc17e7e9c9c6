"""Read a file or a folder of files, and infer markers of missing values, thousands separators and totals.

Options that the pipeline needs to read the same table are returned as data.load.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from cairn.data.delimited import Records, check_records, open_bytes, written
from cairn.data.delimited import dialect_of as dialect_options
from cairn.data.folder import KINDS, WRITTEN, files_in, kind_of, read_folder
from cairn.data.load import READ_FOLDER, READ_TEXT, in_plain_types
from cairn.data.tables import FAULTS, TEXT, read_raw, read_text
from cairn.errors import UserError, did_you_mean

LOOK_BYTES = 1_000_000
LOOK_LINES = 500
SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
WITH_COMMA = re.compile(r"[-+]?(\d+|\d{1,3}(\.\d{3})+),\d+")
THOUSAND = 3
NUMBER = re.compile(r"[-+]?\d+([.,]\d+)?")
RENAME = "rename it"
EXPORT = "save the table as CSV or Parquet"
SIGNS = {
    b"PK\x03\x04": ("a .zip archive or an .xlsx workbook", RENAME),
    b"\xd0\xcf\x11\xe0": (
        "an .xls workbook, or one with a password",
        "rename it, or save it without a password",
    ),
    b"\x1f\x8b": ("compressed (.gz)", RENAME),
    b"BZh": ("compressed (.bz2)", RENAME),
    b"\xfd7zXZ": ("compressed (.xz)", RENAME),
    b"\x28\xb5\x2f\xfd": ("compressed (.zst)", RENAME),
    b"7z\xbc\xaf": ("an archive of 7-Zip", "unpack it"),
    b"Rar!": ("an archive of RAR", "unpack it"),
    b"PAR1": ("a .parquet file", RENAME),
    b"ARROW1": ("a .feather file", RENAME),
    b"SQLite format 3": ("a database", "read it with --sql and --connection"),
    b"\x89HDF": ("HDF5", EXPORT),
    b"%PDF": ("a PDF", EXPORT),
    b"\x80\x04\x95": ("a pickle, which may run any code", EXPORT),
}
"""By the first bytes of a file, what it is and what can be done."""
JSON = re.compile(rb"\s*(\{\s*\"|\[\s*[\[{])")
WEB_PAGE = re.compile(rb"\s*<(!doctype|html|\?xml)", re.IGNORECASE)


def dialect_of(path: Path, separator: str | None, encoding: str | None) -> tuple[dict[str, Any], list[str]]:
    """Return options of pandas.read_csv beyond its defaults, and a note for each inferred one.

    Raises:
        UserError: empty, not text in this encoding, or without column names in its first line.
    """
    options: dict[str, Any] = {}
    notes = []
    text, found = _start(path, encoding)
    if found != "utf-8":
        options["encoding"] = found
        notes.append(f"encoding: {found}")
    lines = list(io.StringIO(text, newline=None))[:LOOK_LINES]  # other signs may stand in a value
    if not any(line.strip() for line in lines):
        raise UserError(f"{path}: the file is empty")
    separator = separator or _separator(lines)
    if separator != ",":
        options["sep"] = separator
        notes.append(f"separator: {SEPARATORS.get(separator, repr(separator))}")
    rows = _rows(lines, separator)
    header, body = rows[0], rows[1:]
    named = [name for name in header if name.strip()]
    if len(named) > 1 and all(NUMBER.fullmatch(name.strip()) for name in named):
        raise UserError(f"{path}: the first line has numbers; it must have the column names")
    twice = [name for name, count in Counter(header).items() if count > 1 and name.strip()]
    notes += [f"duplicate column {name}: the second is read as {name}.1" for name in twice]
    longer = [row for row in body if len(row) == len(header) + 1]
    if body and len(longer) == len(body) and not any(row[-1].strip() for row in longer):
        options["index_col"] = False
        notes.append("every line ends with a separator")
    elif body and len(longer) == len(body):
        options |= {"header": 0, "names": ["row", *header]}
        notes.append("the first column has no name; it is read as row")
    if body and all(field.startswith(" ") for row in body for field in row[1:] if field):
        options["skipinitialspace"] = True
        notes.append("a space follows every separator")
    fields = [field.strip() for row in body for field in row]
    commas = [field for field in fields if WITH_COMMA.fullmatch(field)]
    # In a file of commas 1,234 in quotes is one thousand and more, and 9,84 is a decimal.
    if separator == "," and all(len(field.rpartition(",")[2]) == THOUSAND for field in commas):
        commas = []
    if len(commas) > sum(bool(re.fullmatch(r"[-+]?\d+\.\d+", field)) for field in fields):
        options["decimal"] = ","
        notes.append("decimal comma")
    return options, notes


def _start(path: Path, encoding: str | None) -> tuple[str, str]:
    """Return the first megabyte as text, up to the end of its last whole line, and its encoding."""
    with open_bytes(path) as (handle, _):
        content = handle.read(LOOK_BYTES)
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
        content = content[: len(content) // 2 * 2]
    elif sign := next((sign for sign in SIGNS if content.startswith(sign)), None):
        what, cure = SIGNS[sign]
        raise UserError(f"{path}: not a text file, but {what}: {cure}")
    elif b"\0" in content:
        raise UserError(f"{path}: not a text file")
    elif WEB_PAGE.match(content):
        raise UserError(f"{path}: a web page, not a table: save the table itself as CSV")
    elif JSON.match(content):
        raise UserError(f"{path}: JSON, not separated text: rename it to .json")
    elif len(content) == LOOK_BYTES:
        content = content[: content.rfind(b"\n") + 1] or content
    try:
        return content.decode("utf-8-sig" if encoding is None else encoding), encoding or "utf-8"
    except (UnicodeDecodeError, LookupError) as error:
        raise UserError(not_text(path, encoding)) from error


def not_text(path: Path, encoding: str | None) -> str:
    """Return the message for a file that is not text in an encoding; None for UTF-8."""
    if encoding is not None:
        return f"{path}: not {encoding} text"
    return f"{path}: not UTF-8 text; name the encoding, such as --encoding cp1252 (Western Europe)"


def _rows(lines: list[str], separator: str) -> list[list[str]]:
    if len(separator) > 1:
        return [re.split(separator, line.strip()) for line in lines if line.strip()]
    try:
        return [row for row in csv.reader(lines, delimiter=separator) if row]
    except csv.Error as error:
        raise UserError(f"the first {LOOK_LINES} lines cannot be read as a table: {error}") from error


def _separator(lines: list[str]) -> str:
    """Return the separator that splits most lines into as many columns as the first line, else a comma."""

    def fits(separator: str) -> tuple[float, int]:
        widths = Counter(len(row) for row in _rows(lines, separator))
        header = len(_rows(lines[:1], separator)[0]) if lines[0].strip() else 0
        share = (widths[header] + widths[header + 1]) / max(1, sum(widths.values()))
        return (share if header > 1 else 0, header)

    good = [separator for separator in SEPARATORS if fits(separator)[0] >= 0.9]
    return max(good, key=lambda separator: fits(separator)[1], default=",")


READ_CSV = "pandas.read_csv"
MOST_SHOWN = 8
MARKS = frozenset(
    {"", "?", "-", "--", ".", "*", "#", "unknown", "missing", "none", "na", "n.a.", "nil", "no data"}
    | {"#div/0!", "#value!", "#ref!", "#num!", "#name?", "#null!", "#n/a", "\\n", "n/a", "n/d", "nd", "k.a."}
)
TOTAL = re.compile(r"\W*((grand|over|sub)[ _-]?)?(totals?|sum)\W*", re.IGNORECASE)
CLOSE = 1e-6
"""How far a total may be from the sum, as a share of it: reports round."""


@dataclass(frozen=True)
class Source:
    """A table and how to read it again."""

    path: Path
    table: pd.DataFrame
    load: dict[str, Any] | None  # data.load; None if the extension is enough
    notes: tuple[str, ...]
    files: tuple[Path, ...] = ()
    # By column the order that the file gives its categories.
    ordered: dict[str, list[Any]] = field(default_factory=dict)

    def loaded(self, texts: Sequence[str]) -> dict[str, Any] | None:
        """Return data.load that reads these columns as text, whatever their values look like."""
        kind = next((suffix for suffix in map(str.lower, self.path.suffixes) if suffix in TEXT), None)
        plain = {"_target_": READ_CSV, "sep": TEXT[kind], **_whole({})} if kind else {}
        load: dict[str, Any] = {**(self.load or plain)}
        if not texts or load.get("_target_") not in (READ_CSV, READ_TEXT):
            return self.load
        return load | {"dtype": {**load.get("dtype", {}), **dict.fromkeys(texts, "str")}}


def open_source(
    path: Path,
    *,
    separator: str | None,
    encoding: str | None,
    file_column: str | None = None,
    target: str = "",
    missing: Sequence[str] = (),
) -> Source:
    """Read the table that the user names.

    Args:
        path: a file or a folder.
        separator: of a text file; None infers it.
        encoding: of a text file; None for UTF-8.
        file_column: for a folder, the name of a column to add.
        target: in this column of text None, NA and the like are labels,
        missing: but for these.

    Raises:
        UserError: no such file, or one that cannot be read.
    """
    if path.is_dir():
        return _open_folder(path, separator, encoding, file_column)
    if file_column is not None:
        raise UserError(f"--file-column needs a folder; {path.name} is a file")
    if not path.is_file():
        beside = sorted(other.name for other in path.parent.glob("*"))
        raise UserError(f"{path}: no such file{did_you_mean(path.name, beside)}")
    _refuse_empty(path)
    kind = kind_of(path)
    if kind not in WRITTEN:
        raw = read_raw(path)
        return Source(path, in_plain_types(raw), None, (), (path,), _ordered(raw))
    options, notes = dialect_of(path, separator, encoding)
    table = _read(path, options)
    if _is_total(table, options.get("decimal", ".")):
        table, footer = _without_footer(path, table, options)
        notes += footer
    check_records(path, options)
    table, refined = _refined(lambda: _read(path, options), table, options)
    notes += refined
    if exact := _inexact(path, table, options):
        options["dtype"] = {**options.get("dtype", {}), **dict.fromkeys(exact, "str")}
        notes += [f"{name}: {why}; read as text" for name, why in exact.items()]
        table = _read(path, options)
    if said := _labels(path, table, target, missing, options):
        options["labels"] = [target]
        notes.append(said)
        table = read_text(path, **options)
    plain = {"sep": "\t"} if kind == ".tsv" else {}
    needed = kind in (".txt", ".data") or options != plain
    reader = READ_TEXT if "labels" in options else READ_CSV
    load = {"_target_": reader, **options, **_whole(options)} if needed else None
    return Source(path, table, load, tuple(notes), (path,))


def _ordered(table: pd.DataFrame) -> dict[str, list[Any]]:
    dtypes = {str(name): column.dtype for name, column in table.items()}
    return {
        name: dtype.categories.tolist()
        for name, dtype in dtypes.items()
        if isinstance(dtype, pd.CategoricalDtype) and dtype.ordered
    }


def _open_folder(path: Path, separator: str | None, encoding: str | None, file_column: str | None) -> Source:
    found = {kind: files for kind in KINDS if (files := files_in(path, kind))}
    if not found:
        raise UserError(f"{path}: no table in this folder ({', '.join(KINDS)})")
    # Text files beside tables are notes.
    kinds = [kind for kind in found if kind not in (".txt", ".data")] or list(found)
    if len(kinds) > 1:
        raise UserError(f"{path}: the folder has {' and '.join(kinds)} files; keep files of one kind")
    (kind,) = kinds
    files = found[kind]
    for file in files:
        _refuse_empty(file)
    fixed: dict[str, Any] = {"kind": kind} | ({"file_column": file_column} if file_column else {})
    options: dict[str, Any] = {}
    notes: list[str] = []
    if kind in WRITTEN:
        options, notes = dialect_of(files[0], separator, encoding)
    table = read_folder(path, **fixed, **options)
    if kind in WRITTEN:
        table, refined = _refined(lambda: read_folder(path, **fixed, **options), table, options)
        notes += refined
    first, last = (file.relative_to(path).as_posix() for file in (files[0], files[-1]))
    notes.insert(0, f"{len(files):,} {kind} file{'s'[: len(files) - 1]}, from {first} to {last}")
    return Source(path, table, {"_target_": READ_FOLDER, **fixed, **options}, tuple(notes), tuple(files))


def _refined(
    read: Callable[[], pd.DataFrame], table: pd.DataFrame, options: dict[str, Any]
) -> tuple[pd.DataFrame, list[str]]:
    """Add options for numbers that are read as text, and read the table again if there are any."""
    notes = []
    if marks := _marks_of_missing(table):
        options["na_values"] = marks
        shown = dict.fromkeys(mark for found in marks.values() for mark in found)
        columns = ", ".join(list(marks)[:MOST_SHOWN]) + (", …" if len(marks) > MOST_SHOWN else "")
        notes.append(f"{', '.join(map(repr, shown))} means missing in {columns}")
        table = read()
    sign = "." if options.get("decimal") == "," else ","
    thousands, others = _thousands(table, sign)
    if thousands:
        options["thousands"] = sign
        options |= {"dtype": dict.fromkeys(others, "str")} if others else {}
        notes.append(f"thousands separator: {'a point' if sign == '.' else 'a comma'}")
        table = read()
    return table, notes


LEADING_ZERO = r"^[-+]?0[0-9]"
LONG = r"^[-+]?[0-9]{16,}$"
INT64 = 2**63


def _inexact(path: Path, table: pd.DataFrame, options: dict[str, Any]) -> dict[str, str]:
    """Return the columns of numbers that are codes: read as numbers, different values become the same.

    007 and 7 are one number; so are whole numbers beyond 2**53 beside a missing value, or beyond 64 bits.
    """
    dialect = dialect_options({"sep": ",", **options})
    if dialect is None:
        return {}
    numbers = [name for name in table if _is_number(table[name])]
    found: dict[str, str] = {}
    with open_bytes(path) as (handle, _):
        records = Records(str(path), handle, dialect)
        numbers = [name for name in numbers if name in records.columns]
        for _, block in records.blocks([], numbers):
            for name in numbers:
                if _any(block[name], LEADING_ZERO) and not _any(block[name], r"[.,eE]"):
                    found.setdefault(name, "numbers with leading zeros are codes")
                elif _any(block[name], LONG) and not types.is_integer_dtype(table[name]):
                    found.setdefault(name, "its whole numbers are too long for a number")
    return found


def _is_number(values: pd.Series) -> bool:
    # Beyond 64 bits pandas keeps Python's own whole numbers.
    return types.is_numeric_dtype(values) or (
        types.is_object_dtype(values) and types.infer_dtype(values, skipna=True) == "integer"
    )


def _labels(
    path: Path, table: pd.DataFrame, target: str, missing: Sequence[str], options: dict[str, Any]
) -> str:
    """Say which labels of the target pandas would take for missing values; empty if none."""
    if target not in table or target not in _texts(table) or table[target].notna().all():
        return ""
    values = written(path, [target], options).get(target, pd.Series(dtype="str"))
    lost = values[table[target].isna().to_numpy() & (values.str.strip() != "")]
    marks = options.get("na_values", {}).get(target, [])
    counts = lost[~lost.isin([*marks, *missing])].value_counts()
    if counts.empty:
        return ""
    if missing:
        options["na_values"] = {**options.get("na_values", {}), target: [*marks, *missing]}
    first = counts.index[0]
    return (
        f"{target}: {first!r} is a label ({counts.iloc[0]:,} rows), not a missing value;"
        f" --missing {first} changes that"
    )


def _any(values: Any, pattern: str) -> bool:
    import pyarrow.compute as pc

    matches = pc.call_function("match_substring_regex", [values], pc.MatchSubstringOptions(pattern))
    return bool(pc.call_function("any", [matches]).as_py())


def _without_footer(
    path: Path, table: pd.DataFrame, options: dict[str, Any]
) -> tuple[pd.DataFrame, list[str]]:
    """Read the table without its last line, which is a total, and add to the options what leaves it out."""
    last = ", ".join("" if pd.isna(value) else str(value) for value in table.iloc[-1])
    for lines in range(1, 4):  # blank lines after the total are lines too
        options |= {"skipfooter": lines, "engine": "python"}
        shorter = _read(path, options)
        if len(shorter) == len(table) - 1:
            return shorter, [f"the last line is a total and is skipped: {last}"]
    raise UserError(f"{path}: the last line looks like a total ({last}); remove it and the lines below")


def _whole(options: dict[str, Any]) -> dict[str, bool]:
    """Ask for one type for all rows of a column, which the python engine of pandas does by default."""
    return {} if "engine" in options else {"low_memory": False}


def _refuse_empty(path: Path) -> None:
    if path.stat().st_size == 0:
        raise UserError(f"{path}: the file is empty")


def _read(path: Path, options: dict[str, Any]) -> pd.DataFrame:
    try:
        return pd.read_csv(path, **options, **_whole(options))
    except UnicodeDecodeError as error:
        raise UserError(not_text(path, options.get("encoding"))) from error
    except FAULTS as error:
        check_records(path, options)  # it names the line
        raise UserError(f"{path}: cannot be read: {' '.join(str(error).split())}") from error


def _texts(table: pd.DataFrame) -> list[str]:
    return [name for name in table if types.is_string_dtype(table[name]) or table[name].dtype == object]


def _marks_of_missing(table: pd.DataFrame) -> dict[str, list[str]]:
    """Return the markers of missing values, such as ?, in columns that are numbers otherwise."""
    found: dict[str, list[str]] = {}
    for name in _texts(table):
        written = table[name].dropna().astype("str")
        there = written.str.strip()
        odd = pd.to_numeric(there, errors="coerce").isna()
        marks = set(there[odd].str.lower().unique()[:20])
        if 0 < odd.sum() < len(there) / 2 and marks <= MARKS:
            found[name] = sorted(written[odd].unique())
        elif len(unread := written[there.isin(["", "?"])]):
            found[name] = sorted(unread.unique())
    return found


def _thousands(table: pd.DataFrame, sign: str) -> tuple[bool, list[str]]:
    """Return whether a sign separates thousands, and the columns that only look so, such as 01.02.2021."""
    plain = r"\d+(\.\d+)?" if sign == "," else r"\d+(,\d+)?"
    grouped = plain.replace(r"\d+", rf"\d{{1,3}}({re.escape(sign)}\d{{3}})+", 1)
    found, others = False, []
    for name in _texts(table):
        there = table[name].dropna().astype("str").iloc[:LOOK_LINES]
        written = there.str.contains(sign, regex=False)
        if written.any() and there.str.replace(sign, "").str.fullmatch(rf"[-+]?{plain}").all():
            if there.str.fullmatch(rf"[-+]?({plain}|{grouped})").all():
                found = True
            else:
                others.append(name)
    return found, others


def unhashable(values: pd.Series) -> bool:
    """Whether a column holds lists or records."""
    kinds = list | dict | set | np.ndarray  # a list of Parquet comes as an array
    return values.dtype == object and any(isinstance(value, kinds) for value in values.dropna().iloc[:50])


def _is_total(table: pd.DataFrame, decimal: str) -> bool:
    """Whether the last row is a total of the others.

    One cell says so, in a word that no other row of its column has; and another cell is empty where all
    other rows have a value, or is the sum of its column.
    """
    if len(table) < 3:
        return False
    last, above = table.iloc[-1], table.iloc[:-1]
    called = [name for name, value in last.items() if isinstance(value, str) and TOTAL.fullmatch(value)]
    if len(called) != 1 or (above[called[0]] == last[called[0]]).any():
        return False
    others = [name for name in table if name != called[0]]
    gaps = [name for name in others if pd.isna(last[name]) and above[name].notna().all()]
    return bool(gaps) or any(_adds_up(above[name], last[name], decimal) for name in others)


def _adds_up(values: pd.Series, total: object, decimal: str) -> bool:
    numbers = _as_numbers(pd.concat([values, pd.Series([total])]).dropna(), decimal)
    if pd.isna(total) or numbers.isna().any() or len(numbers) < 3:
        return False
    *parts, whole = numbers
    return bool(whole and np.isclose(sum(parts), whole, rtol=CLOSE, atol=0))


def _as_numbers(values: pd.Series, decimal: str) -> pd.Series:
    if types.is_numeric_dtype(values):
        return values
    thousands = "." if decimal == "," else ","
    plain = (
        values.astype("str").str.replace(thousands, "", regex=False).str.replace(decimal, ".", regex=False)
    )
    return pd.to_numeric(plain, errors="coerce")
