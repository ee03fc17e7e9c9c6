"""Read a file or a folder of files, and infer markers of missing values, thousands separators and totals.

What the pipeline needs to read the same table is returned: options for data.load, markers for the contract.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from cairn.data.delimited import Records, check_records, open_bytes, written
from cairn.data.delimited import dialect_of as dialect_options
from cairn.data.folder import KINDS, WRITTEN, files_in, kind_of, read_folder
from cairn.data.load import READ_CSV, READ_FOLDER, in_plain_types
from cairn.data.tables import FAULTS, parse_text, read_raw, read_text
from cairn.data.written import MARKERS
from cairn.errors import UserError, did_you_mean
from cairn.intake.read.amounts import two_readings
from cairn.intake.read.dialect import LOOK_LINES, dialect_of, not_text
from cairn.intake.read.marks import MARKS, Odd, counts_of, odd_texts
from cairn.intake.read.totals import is_total, line_of, refuse_totals_inside, texts_of
from cairn.settings.contract import Column

MOST_SHOWN = 8
STRAYS_SHOWN = 3


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
    # By column, what the contract says of missing values, see Column.missing and Column.labels, and why.
    missing: dict[str, list[str]] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    remarks: dict[str, str] = field(default_factory=dict)

    def of_contract(self, name: str, column: Column) -> Column:
        """Return a column of the contract with what it says of missing values."""
        missing = [*column.missing, *self.missing.get(name, [])]
        return column.model_copy(update={"missing": missing, "labels": name in self.labels})


def open_source(
    path: Path,
    *,
    separator: str | None,
    encoding: str | None,
    file_column: str | None = None,
    target: str = "",
    missing: Sequence[str] = (),
    labels: Sequence[str] = (),
) -> Source:
    """Read the table that the user names.

    Args:
        path: a file or a folder.
        separator: of a text file; None infers it.
        encoding: of a text file; None for UTF-8.
        file_column: for a folder, the name of a column to add.
        target: in this column of text None, NA and the like are labels,
        missing: but for these.
        labels: more such columns.

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
    if is_total(table, options.get("decimal", ".")):
        table, footer = _without_footer(path, table, options)
        notes += footer
    refuse_totals_inside(path, table)
    check_records(path, options)
    notes += _blank_rows(table)
    table, refined, remarks = _refined(lambda: _read(path, options), table, options, path)
    notes += refined
    seen = _look_through(path, table, options)
    if seen.grouped:
        name, first = next(iter(seen.grouped.items()))
        raise UserError(f"{path}: {two_readings(name, first)}")
    if seen.exact:
        options["dtype"] = {**options.get("dtype", {}), **dict.fromkeys(seen.exact, "str")}
        notes += [f"{name}: {why}; read as text" for name, why in seen.exact.items()]
        table = _read(path, options)
    if unknown := [name for name in labels if name not in table]:
        raise UserError(f"--labels: no column '{unknown[0]}'{did_you_mean(unknown[0], list(table))}")
    said, marked = _labels(path, table, target, missing, options)
    notes += [said] if said else []
    remarks |= {target: marked} if marked else {}
    notes += _taken_for_missing(seen.marks, [*labels, target])
    values_of = tuple(dict.fromkeys([*([target] if said else []), *labels]))
    if values_of or marked:
        table = read_text(path, **options, labels=values_of)
    marks = options.pop("na_values", {})
    plain = {"sep": "\t"} if kind == ".tsv" else {}
    load = {"_target_": READ_CSV, **options} if kind in (".txt", ".data") or options != plain else None
    return Source(path, table, load, tuple(notes), (path,), {}, marks, values_of, remarks)


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
    remarks: dict[str, str] = {}
    if kind in WRITTEN:
        options, notes = dialect_of(files[0], separator, encoding)
    table = read_folder(path, **fixed, **options)
    if kind in WRITTEN:
        table, refined, remarks = _refined(
            lambda: read_folder(path, **fixed, **options), table, options, path
        )
        notes += refined
    first, last = (file.relative_to(path).as_posix() for file in (files[0], files[-1]))
    notes.insert(0, f"{len(files):,} {kind} file{'s'[: len(files) - 1]}, from {first} to {last}")
    marks = options.pop("na_values", {})
    load = {"_target_": READ_FOLDER, **fixed, **options}
    return Source(path, table, load, tuple(notes), tuple(files), {}, marks, (), remarks)


def _refined(
    read: Callable[[], pd.DataFrame], table: pd.DataFrame, options: dict[str, Any], where: Path
) -> tuple[pd.DataFrame, list[str], dict[str, str]]:
    """Add options for numbers and dates that are read as text, and read the table again if there are any.

    Returns:
        The table, notes, and by column which texts were taken for missing, how often and where.
    """
    notes = []
    odd = {name: found for name in texts_of(table) if (found := odd_texts(table[name]))}
    strays = {name: found for name, found in odd.items() if len(found.strays)}
    _refuse_units(table, strays, where)
    said = {name: _said(found, table, where) for name, found in strays.items()}
    remarks = {
        name: "; ".join(filter(None, [_marked(found.marked, table, where), said.get(name)]))
        for name, found in odd.items()
        if found.texts
    }
    notes += [_mixed(name, found, table, where) for name, found in odd.items() if found.others is not None]
    if odd:
        if marks := {name: found.texts for name, found in odd.items() if found.texts}:
            options["na_values"] = marks
        known = {name: {*found.texts} - {*found.strays} for name, found in odd.items()}
        shown = sorted(set().union(*known.values()))
        columns = listed([name for name, texts in known.items() if texts])
        notes += [f"{', '.join(map(repr, shown))} means missing in {columns}"] if shown else []
        notes += [
            f"{name}: {text!r} stays a value there ({rows:,} row{'s'[: rows - 1]})"
            for text in shown
            for name in texts_of(table)
            if name not in known and (rows := int((table[name] == text).sum()))
        ]
        notes += [f"{name}: {text}" for name, text in said.items()]
        table = read()
    sign = "." if options.get("decimal") == "," else ","
    thousands, others = _thousands(table, sign)
    if thousands:
        options["thousands"] = sign
        options |= {"dtype": dict.fromkeys(others, "str")} if others else {}
        notes.append(
            f"thousands separator: {'a point' if sign == '.' else 'a comma'}, so that"
            f" {thousands} is {thousands.replace(sign, '')}"
        )
        table = read()
    return table, notes, remarks


def _refuse_units(table: pd.DataFrame, strays: dict[str, Odd], where: Path) -> None:
    """Refuse a line of units or names below the header: it has text in columns of numbers."""
    first = {name: found.strays.iloc[0] for name, found in strays.items() if [*found.strays.index] == [0]}
    if len(first) > 1 or any(re.fullmatch(r"[(\[].*[)\]]", text.strip()) for text in first.values()):
        raise UserError(
            f"{where}: line 2 holds units or names, not data ({listed([*first.values()])}): delete it"
        )


def _said(found: Odd, table: pd.DataFrame, where: Path) -> str:
    """Name the first strays with their lines; in a folder with their rows."""
    count = f"{len(found.strays):,} value{'s'[: len(found.strays) - 1]}"
    return (
        f"{count} taken for missing among {found.kind}: {_first(found.strays, table, where)};"
        f" without `missing` in the contract the column is text"
    )


def _mixed(name: str, found: Odd, table: pd.DataFrame, where: Path) -> str:
    """Say which values make text of a column in which most are numbers."""
    assert found.others is not None
    share = f"{len(found.others):,} of {table[name].notna().sum():,} values"
    return (
        f"{name}: text, because {share} are not numbers: {_first(found.others, table, where)}; if they mean"
        " missing, list them as `missing` in the contract, with kind: numeric"
    )


def _first(values: pd.Series, table: pd.DataFrame, where: Path) -> str:
    """Return the first few values with their places."""
    few = values.iloc[:STRAYS_SHOWN]
    shown = listed([f"{text!r} in {_place(row, table, where)}" for row, text in few.items()])
    return shown + (", …" if len(values) > len(few) else "")


def _marked(marked: Mapping[str, tuple[int, int]], table: pd.DataFrame, where: Path) -> str:
    """Say how often each mark of a missing value stands in a column, and where first; empty if none."""
    return "; ".join(
        f"{text!r} means missing ({rows:,} row{'s'[: rows - 1]}, such as {_place(first, table, where)})"
        for text, (rows, first) in marked.items()
    )


def _place(row: int, table: pd.DataFrame, where: Path) -> str:
    return f"row {row + 1:,}" if where.is_dir() else f"line {line_of(table, row):,}"


def listed(words: Sequence[str]) -> str:
    """Return the first few of some words."""
    return ", ".join(words[:MOST_SHOWN]) + (", …" if len(words) > MOST_SHOWN else "")


LEADING_ZERO = r"^[-+]?0[0-9]"
DECIMALS_ONLY = r"[0-9][.,]|[.,][0-9]"
DECIMALS = r"[0-9][.,eE]|[.,][0-9]"
POWER = r"^[0-9]+[eE][0-9]+$"
"""Written by a person, such as 3E2; programs write 3.0e+02."""
LONG = r"^[-+]?[0-9]{16,}$"
HUGE = 1e15
FEWEST_GROUPED = 20
GROUPED = re.compile(r"\s*([-+]?\d{1,3}([.,]\d{3})?|\D*)\s*")
"""A number that may have a sign between thousands, or a mark of a missing value."""


@dataclass(frozen=True)
class _Seen:
    """What the texts of a file show that its table does not.

    Attributes:
        exact: columns of numbers that are codes, and why.
        marks: by column of text, how often each text such as NA was taken for missing.
        grouped: columns of numbers that are all written as 1.063 or as 982, and one such number.
    """

    exact: dict[str, str] = field(default_factory=dict)
    marks: dict[str, Counter[str]] = field(default_factory=dict)
    grouped: dict[str, str] = field(default_factory=dict)


def _look_through(path: Path, table: pd.DataFrame, options: dict[str, Any]) -> _Seen:
    """Compare the texts of a file with its table, where the table may have lost something.

    007 and 7 are one number; so are whole numbers beyond 2**53 beside a missing value, or beyond 64 bits.
    """
    seen = _Seen()
    dialect = dialect_options({"sep": ",", **options})
    if dialect is None:
        return seen
    numbers = [name for name in table if _is_number(table[name])]
    grouped = [name for name in numbers if _may_be_grouped(table[name])]
    numbers = [name for name in numbers if name in grouped or _may_be_codes(table[name])]
    gapped = [name for name in texts_of(table) if table[name].isna().any()]
    if not numbers and not gapped:
        return seen
    with open_bytes(path) as (handle, _):
        records = Records(str(path), handle, dialect)
        numbers = [name for name in numbers if name in records.columns]
        gapped = [name for name in gapped if name in records.columns]
        forms = {name: (0, 0, "") for name in grouped if name in numbers}
        for _, block in records.blocks([], [*numbers, *gapped]):
            for name in numbers:
                if _any(block[name], LEADING_ZERO) and not _any(block[name], DECIMALS):
                    seen.exact.setdefault(name, "numbers with leading zeros are codes")
                elif _any(block[name], POWER) and not _any(block[name], DECIMALS_ONLY):
                    seen.exact.setdefault(name, "values such as 3E2 are codes")
                elif _any(block[name], LONG) and not types.is_integer_dtype(table[name]):
                    seen.exact.setdefault(name, "its whole numbers are too long for a number")
            for name in [*forms]:
                if not all(map(GROUPED.fullmatch, block[name].slice(0, FEWEST_GROUPED).to_pylist())):
                    del forms[name]
                    continue
                texts = _there(block[name], dialect.markers(name))
                signed = texts[
                    texts.str.fullmatch(rf"\s*[-+]?[1-9]\d{{0,2}}{re.escape(dialect.decimal)}\d{{3}}\s*")
                ]
                plain = int(texts.str.fullmatch(r"\s*[-+]?\d{1,3}\s*").sum())
                if len(signed) + plain < len(texts):
                    del forms[name]
                else:
                    many, others, first = forms[name]
                    forms[name] = many + len(signed), others + plain, first or next(iter(signed), "")
            for name in gapped:
                found = block[name].to_pandas()
                lost = found[found.isin(MARKERS) & (found != "")]
                seen.marks.setdefault(name, Counter()).update(lost.tolist())
    seen.grouped.update({name: v[2] for name, v in forms.items() if v[0] >= FEWEST_GROUPED and v[1]})
    return seen


def _may_be_codes(values: pd.Series) -> bool:
    """Whether numbers may have lost digits: whole ones leading zeros, and huge ones their last digits."""
    if not types.is_float_dtype(values):
        return True
    there = values.dropna().to_numpy()
    there = there[np.isfinite(there)]
    return bool((there % 1 == 0).all() or np.abs(there).max(initial=0) >= HUGE)


def _may_be_grouped(values: pd.Series) -> bool:
    """Whether numbers may be thousands: below 1,000, with three decimals at most, and some with decimals."""
    there = values.dropna()
    if not types.is_float_dtype(there) or there.empty or there.abs().max() >= 1000:
        return False
    thousandths = there * 1000
    return bool((thousandths - thousandths.round()).abs().max() < 1e-6 and (there % 1 != 0).any())


def _there(values: Any, markers: Iterable[str]) -> pd.Series:
    texts = values.to_pandas()
    return texts[~texts.isin([*markers])]


def _is_number(values: pd.Series) -> bool:
    # Beyond 64 bits pandas keeps Python's own whole numbers.
    return types.is_numeric_dtype(values) or (
        types.is_object_dtype(values) and types.infer_dtype(values, skipna=True) == "integer"
    )


def _blank_rows(table: pd.DataFrame) -> list[str]:
    """Say which records have separators only."""
    rows = table.isna().all(axis=1).to_numpy().nonzero()[0]
    if not len(rows):
        return []
    count = f"{len(rows):,} row{'s'[: len(rows) - 1]} without any value"
    return [f"{count}, such as line {line_of(table, rows[0]):,}: not used, as every row without a target"]


def _labels(
    path: Path, table: pd.DataFrame, target: str, missing: Sequence[str], options: dict[str, Any]
) -> tuple[str, str]:
    """Say which labels of the target look like missing values, and which are missing as asked.

    The latter are added to the options. Both are empty if there are none.
    """
    if target not in table or target not in texts_of(table):
        return "", ""
    values = table[target]
    if values.isna().any():
        values = written(path, [target], options).get(target, pd.Series(dtype="str"))
    asked = values.isin(missing)
    given = options.get("na_values", {})
    marks = given.get(target, [])
    if asked.any():
        options["na_values"] = {**given, target: [*marks, *missing]}
    lost = table[target].isna().to_numpy() & (values.str.strip() != "")
    looks = [text for text in values.dropna().unique() if str(text).strip().lower() in MARKS - {""}]
    doubtful = values[lost | values.isin(looks)]
    counts = doubtful[~doubtful.isin([*marks, *missing])].value_counts()
    said = ""
    if not counts.empty:
        first = counts.index[0]
        said = (
            f"{target}: {first!r} is a label ({counts.iloc[0]:,} rows), not a missing value;"
            f" --missing {first} changes that"
        )
    return said, _marked(counts_of(values[asked], missing), table, path)


def _taken_for_missing(marks: Mapping[str, Counter[str]], values_of: Sequence[str]) -> list[str]:
    """Say which texts that may be values were taken for missing, and in which columns."""
    columns: dict[str, list[str]] = {}
    for name, counts in marks.items():
        for text in counts if name not in values_of else ():
            columns.setdefault(text, []).append(f"{name} ({counts[text]:,} rows)")
    return [
        f"{text!r} means missing in {listed(found)}; --labels COLUMN makes it a value"
        for text, found in columns.items()
    ]


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


def _refuse_empty(path: Path) -> None:
    if path.stat().st_size == 0:
        raise UserError(f"{path}: the file is empty")


def _read(path: Path, options: dict[str, Any]) -> pd.DataFrame:
    try:
        return parse_text(path, options)
    except UnicodeDecodeError as error:
        raise UserError(not_text(path, options.get("encoding"))) from error
    except FAULTS as error:
        check_records(path, options)  # it names the line
        raise UserError(f"{path}: cannot be read: {' '.join(str(error).split())}") from error


def _thousands(table: pd.DataFrame, sign: str) -> tuple[str, list[str]]:
    """Return a number in which a sign separates thousands, and the columns that only look so, as 01.02.2021.

    The number is empty if there is none.
    """
    plain = r"\d+(\.\d+)?" if sign == "," else r"\d+(,\d+)?"
    grouped = plain.replace(r"\d+", rf"\d{{1,3}}({re.escape(sign)}\d{{3}})+", 1)
    found, others = "", []
    for name in texts_of(table):
        there = table[name].dropna().astype("str").iloc[:LOOK_LINES]
        written = there.str.contains(sign, regex=False)
        if written.any() and there.str.replace(sign, "").str.fullmatch(rf"[-+]?{plain}").all():
            if there.str.fullmatch(rf"[-+]?({plain}|{grouped})").all():
                found = there[written].iloc[0]
            else:
                others.append(name)
    return found, others


def unhashable(values: pd.Series) -> bool:
    """Whether a column holds lists or records."""
    kinds = list | dict | set | np.ndarray  # a list of Parquet comes as an array
    return values.dtype == object and any(isinstance(value, kinds) for value in values.dropna().iloc[:50])
