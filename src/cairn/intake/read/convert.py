"""Unpack an archive, and convert a format that the pipeline does not read, before a table is profiled.

What comes out is the file that DVC tracks and `prepare` reads: separated text as it is in an archive, CSV
from a workbook, JSON Lines from JSON, Parquet from the rest.
"""

import csv
import json
import shutil
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cairn.data.delimited import open_bytes
from cairn.data.folder import KINDS, kind_of
from cairn.data.tables import PARQUET
from cairn.errors import UserError, did_you_mean

TARS = (".tar", ".tgz", ".tbz2", ".txz")
WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
STATISTICS = (".dta", ".sas7bdat", ".xpt", ".sav", ".zsav", ".por")
OTHERS = (".json", ".ndjson", ".arrow", ".ipc")
REFUSED = {
    ".7z": "an archive of 7-Zip",
    ".rar": "an archive of RAR",
    ".pkl": "a pickle, which may run any code",
    ".pickle": "a pickle, which may run any code",
    ".rds": "data of R",
    ".rdata": "data of R",
    ".html": "a web page",
    ".htm": "a web page",
    ".pdf": "a PDF",
    ".xml": "XML",
    ".h5": "HDF5",
    ".hdf5": "HDF5",
    ".mdb": "a database of Access",
    ".accdb": "a database of Access",
    ".numbers": "a workbook of Numbers",
    ".orc": "ORC",
    ".avro": "Avro",
}
COPIED = 1 << 20
LOOK_ROWS = 50
MOST_SHOWN = 5
UNPACKED = "unpacked"
ZIPPED = b"PK\x03\x04"
OLD_WORKBOOK = b"\xd0\xcf\x11\xe0"
Cell = tuple[int, int]
"""Row and column, from 0."""


@dataclass(frozen=True)
class Converted:
    """A file that the pipeline reads, made from another one, and how."""

    path: Path
    notes: tuple[str, ...] = ()


def is_converted(path: Path) -> bool:
    """Whether a file has to be unpacked or converted."""
    if not path.is_file():
        return False
    if path.suffix.lower() == ".zip" and kind_of(path):
        return not _is_read_packed(path)
    return is_other_kind(path)


def is_other_kind(name: Path) -> bool:
    """Whether a name says that the file is an archive, or in a format that the pipeline does not read."""
    packed = name.suffix.lower() in (".zst", ".zip", *TARS) or ".tar" in map(str.lower, name.suffixes)
    return packed or _extension(name) in (*WORKBOOKS, *STATISTICS, *OTHERS, *REFUSED)


def convert(path: Path, folder: Path, stem: str, sheet: str | None = None) -> Converted:
    """Write what the pipeline reads of a file into a folder, under a name with this stem.

    Args:
        path: the file.
        folder: an empty one.
        stem: of the new file.
        sheet: of a workbook; None for the one with the most cells.

    Raises:
        UserError: a file that is damaged, protected or empty, or holds no or several tables.
    """
    notes: list[str] = []
    given = path
    while True:
        packed = _unpacked(path, folder)
        if packed is None:
            break
        notes.append(f"{packed.name} of {path.name}")
        path = packed
    kind = _extension(path)
    if kind in REFUSED:
        raise UserError(f"{given}: {REFUSED[kind]} cannot be read; save the table as CSV or Parquet")
    if sheet is not None and kind not in WORKBOOKS:
        raise UserError(f"--sheet {sheet}: {given.name} is not a workbook")
    if kind in KINDS:
        new = folder / f"{stem}{''.join(path.suffixes[-2:] if _is_packed_text(path) else path.suffixes[-1:])}"
        new = new.with_name(new.name.lower())
        if path != new:
            shutil.move(path, new) if path.parent == folder / UNPACKED else shutil.copyfile(path, new)
        return Converted(new, tuple(notes))
    if kind in WORKBOOKS:
        write, extension = _from_workbook, ".csv"
    elif kind in (".json", ".ndjson"):
        write, extension = _from_json, ".jsonl"
    elif kind in (".arrow", ".ipc"):
        write, extension = _from_arrow, ".parquet"
    elif kind in STATISTICS:
        write, extension = _from_statistics, ".parquet"
    else:
        raise UserError(
            f"{given}: not a table that can be read ({', '.join(KINDS)}, .xlsx, .json and others)"
        )
    new = folder / f"{stem}{extension}"
    with _faults_of(given):
        notes.append(write(path, new, sheet))
    return Converted(new, tuple(notes))


def _extension(path: Path) -> str:
    """Return the extension that says what a file holds, without any of compression."""
    known = (*KINDS, *WORKBOOKS, *STATISTICS, *OTHERS, *REFUSED)
    return next((s for s in map(str.lower, reversed(path.suffixes)) if s in known), path.suffix.lower())


def _is_packed_text(path: Path) -> bool:
    return path.suffix.lower() in (".gz", ".bz2", ".xz") and kind_of(path) is not None


@contextmanager
def _faults_of(path: Path) -> Generator[None]:
    """Name the file and what is wrong with it in one line."""
    try:
        yield
    except UserError:
        raise
    except ImportError as error:
        extra = "excel" if "calamine" in str(error) else "stats"
        raise UserError(f"{path}: needs a package: pip install 'cairn[{extra}]'") from error
    except BaseException as error:  # readers in C, C++ and Rust raise classes of their own
        if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
            raise
        said = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path}: cannot be read: {said}") from error


def _unpacked(path: Path, folder: Path) -> Path | None:
    """Unpack the one table of an archive, or a .zst; None where the pipeline can read the file as it is."""
    last = path.suffix.lower()
    place = folder / UNPACKED
    if last == ".zst":
        inner = place / path.name[: -len(".zst")]
        with _faults_of(path), pa.input_stream(str(path), compression="zstd") as packed:
            return _copied(cast("IO[bytes]", packed), inner)
    if last == ".zip":
        with _faults_of(path), zipfile.ZipFile(path) as archive:
            names = [one.filename for one in archive.infolist() if not one.is_dir()]
            chosen = _the_table(path, names)
            if archive.getinfo(chosen).flag_bits & 1:
                raise UserError(f"{path}: protected by a password; unpack it first")
            with archive.open(chosen) as packed:
                return _copied(packed, place / PurePosixPath(chosen).name)
    if last in TARS or any(s.lower() == ".tar" for s in path.suffixes):
        with _faults_of(path), tarfile.open(path) as archive:
            members = {one.name: one for one in archive.getmembers() if one.isfile()}
            chosen = _the_table(path, list(members))
            packed = archive.extractfile(members[chosen])
            if packed is None:
                raise UserError(f"{path}: {chosen} is not a file")
            return _copied(packed, place / PurePosixPath(chosen).name)
    return None


def _is_read_packed(path: Path) -> bool:
    """Whether the pipeline reads a .zip as it is: of one file; a damaged one is refused there too."""
    try:
        with zipfile.ZipFile(path) as archive:
            return len(archive.namelist()) == 1
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return True


def _copied(source: IO[bytes], new: Path) -> Path:
    new.parent.mkdir(exist_ok=True)
    with new.open("wb") as target:
        shutil.copyfileobj(source, target, COPIED)
    return new


def _the_table(path: Path, names: list[str]) -> str:
    """Return the one table among the members of an archive.

    Raises:
        UserError: none, or several.
    """
    plain = [n for n in names if not any(part[0] in "._" for part in PurePosixPath(n).parts if part)]
    known = [n for n in plain if _extension(Path(n)) in (*KINDS, *WORKBOOKS, *STATISTICS, *OTHERS)]
    # Text files beside tables are notes.
    tables = [n for n in known if _extension(Path(n)) not in (".txt", ".data")] or known
    if len(tables) == 1:
        return tables[0]
    shown = ", ".join((tables or names)[:MOST_SHOWN]) + (", …" if len(tables or names) > MOST_SHOWN else "")
    if tables:
        raise UserError(
            f"{path}: holds {len(tables):,} tables ({shown}); unpack it, and pass one or the folder"
        )
    raise UserError(f"{path}: holds no table ({shown or 'it is empty'})")


def _from_workbook(path: Path, new: Path, sheet: str | None) -> str:
    """Write the largest sheet as CSV; titles above its header are left out, empty rows and columns too.

    Every row of a cell that is merged over several rows gets its value.
    """
    from python_calamine import CalamineWorkbook

    with path.open("rb") as file:
        first = file.read(4)
    if first == OLD_WORKBOOK and path.suffix.lower() in (".xlsx", ".xlsm", ".xlsb"):
        raise UserError(
            f"{path}: protected by a password, or an .xls workbook: save it without, or rename it"
        )
    if first not in (OLD_WORKBOOK, ZIPPED):
        raise UserError(f"{path}: not a workbook: rename it to what it is (.csv), or save the table as .xlsx")
    book = CalamineWorkbook.from_path(str(path))
    if sheet is not None and sheet not in book.sheet_names:
        near = did_you_mean(sheet, book.sheet_names)
        raise UserError(f"--sheet {sheet}: {path.name} has {', '.join(book.sheet_names)}{near}")
    wanted = book.sheet_names if sheet is None else [sheet]
    rows_of = {name: book.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in wanted}
    chosen = max(rows_of, key=lambda name: sum(cell != "" for row in rows_of[name] for cell in row))
    rows = rows_of[chosen]
    tall, wide = _merged(book.get_sheet_by_name(chosen).merged_cell_ranges or [])
    for (top, left), bottom in tall.items():
        for row in rows[top + 1 : bottom + 1]:
            row[left] = rows[top][left]
    header = _header_of(rows, {*wide})
    if header is None:
        raise UserError(f"{path}: sheet {chosen} has no table")
    if inside := [row for row in wide if row > header]:
        raise UserError(
            f"{path}: sheet {chosen}: row {inside[0] + 1:,} has a cell that is merged over several columns,"
            f" below the column names in row {header + 1:,}: remove headings and notes inside the table"
        )
    body = [row for row in rows[header:] if any(cell != "" for cell in row)]
    used = [at for at in range(len(body[0])) if any(row[at] != "" for row in body)]
    with new.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([_as_text(row[at]) for at in used] for row in body)
    others = f" of {len(book.sheet_names)}" if len(book.sheet_names) > 1 else ""
    filled = sum(bottom > header for bottom in tall.values())
    merged = f"; {filled:,} merged cells: each of their rows has the value" if filled else ""
    return f"sheet {chosen!r}{others} of {path.name}, column names in row {header + 1:,}{merged}"


def _merged(ranges: Sequence[tuple[Cell, Cell]]) -> tuple[dict[Cell, int], list[int]]:
    """Return the cells merged down one column, each with its last row, and the rows of the others."""
    tall = {first: last[0] for first, last in ranges if first[1] == last[1]}
    wide = {row for first, last in ranges if first not in tall for row in range(first[0], last[0] + 1)}
    return tall, sorted(wide)


def _header_of(rows: list[list[Any]], wide: Collection[int]) -> int | None:
    """Return the position of the first row that names nearly all columns of the rows below it.

    A row with a cell over several columns names groups of columns.
    """
    widths = [0 if at in wide else sum(cell != "" for cell in row) for at, row in enumerate(rows[:LOOK_ROWS])]
    widest = max(widths, default=0)
    return next((at for at, width in enumerate(widths) if width >= max(2, 0.8 * widest)), None)


def _as_text(cell: Any) -> str:
    if isinstance(cell, bool):
        return str(cell)
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat(sep=" ")
    if isinstance(cell, timedelta):
        return str(cell.total_seconds())
    return str(cell)


def _from_json(path: Path, new: Path, sheet: str | None) -> str:
    """Write an array of records, or one inside an object, as JSON Lines; JSON Lines stay as they are."""
    with open_bytes(path) as (handle, _raw):
        text = handle.read().decode("utf-8-sig")
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        records = [json.loads(line) for line in text.split("\n") if line.strip()]
        where = ""
    else:
        records, where = _records_of(found, path)
    if not records or not all(isinstance(record, dict) for record in records):
        raise UserError(f'{path}: holds no list of records, such as [{{"a": 1}}, {{"a": 2}}]')
    with new.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    return f"{len(records):,} records of {path.name}{where}"


def _records_of(found: Any, path: Path) -> tuple[list[Any], str]:
    if isinstance(found, list):
        return found, ""
    lists = (
        {key: value for key, value in found.items() if isinstance(value, list)}
        if isinstance(found, dict)
        else {}
    )
    tables = dict(_tables_in(found))
    if len(tables) == 1:
        ((key, value),) = tables.items()
        return value, f", under {key!r}"
    if lists and len(lists) == len(found) and len({len(value) for value in lists.values()}) == 1:
        return [
            dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)
        ], ", by column"
    if isinstance(found, dict) and len(found) and all(isinstance(value, dict) for value in found.values()):
        return pd.DataFrame(found).to_dict("records"), ", by column"
    raise UserError(f'{path}: holds no list of records, such as [{{"a": 1}}, {{"a": 2}}]')


def _tables_in(found: Any, path: str = "") -> Generator[tuple[str, list[Any]]]:
    """Yield every list of records inside objects of JSON, with the keys that lead to it."""
    for key, value in found.items() if isinstance(found, dict) else ():
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            yield f"{path}{key}", value
        elif isinstance(value, dict):
            yield from _tables_in(value, f"{path}{key}.")


def _from_arrow(path: Path, new: Path, sheet: str | None) -> str:
    with pa.memory_map(str(path)) as source:
        try:
            table = pa.ipc.open_file(source).read_all()
        except pa.ArrowInvalid:
            source.seek(0)
            table = pa.ipc.open_stream(source).read_all()
        pq.write_table(table, new, **PARQUET)
    return f"Arrow's table of {path.name}"


def _from_statistics(path: Path, new: Path, sheet: str | None) -> str:
    """Write a file of Stata, SAS or SPSS as Parquet, with the labels of its values."""
    kind = path.suffix.lower()
    readers: dict[str, tuple[str, Callable[..., Any], dict[str, Any]]] = {
        # Stata does not say whether labels have an order.
        ".dta": ("Stata", pd.read_stata, {"order_categoricals": False}),
        ".sas7bdat": ("SAS", pd.read_sas, {"format": "sas7bdat", "encoding": "infer"}),
        ".xpt": ("SAS", pd.read_sas, {"format": "xport", "encoding": "utf-8"}),
    }
    name, read, options = readers.get(kind, ("SPSS", pd.read_spss, {}))
    with warnings.catch_warnings(action="ignore"):  # of encodings, which the user cannot change
        table = cast("pd.DataFrame", read(str(path), **options))
    if table.empty:
        raise UserError(f"{path}: has no rows")
    table.attrs.clear()
    table, mixed = _of_one_kind(table)
    table.to_parquet(new, index=False, **PARQUET)
    return "; ".join([f"{name}'s table of {path.name}", *mixed])


def _of_one_kind(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Make numbers or text of the columns in which only some values have a label, and say so.

    Where most rows have numbers, labels such as "refused" say why there is none; else a number is a label.
    """
    found, notes = {}, []
    for name, column in table.items():
        if not isinstance(column.dtype, pd.CategoricalDtype):
            continue
        labels = [value for value in column.cat.categories if isinstance(value, str)]
        if len(labels) in (0, len(column.cat.categories)):
            continue
        labelled = column.isin(labels)
        shown = ", ".join(map(repr, labels[:MOST_SHOWN])) + (", …" if len(labels) > MOST_SHOWN else "")
        if labelled.sum() < column.notna().sum() / 2:
            found[name] = pd.to_numeric(column.astype("object").mask(labelled))
            notes.append(f"{name}: numbers; the labels {shown} are missing values ({labelled.sum():,} rows)")
        else:
            found[name] = column.astype("object").map(str, na_action="ignore")
            notes.append(f"{name}: text; some values have no label")
    return table.assign(**found), notes
