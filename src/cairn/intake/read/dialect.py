"""Infer how a file of text is written: encoding, separator, names of the columns and decimal sign."""

import csv
import io
import re
from collections import Counter
from pathlib import Path
from typing import Any

from cairn.data.delimited import open_bytes
from cairn.errors import UserError

LOOK_BYTES = 1_000_000
LOOK_LINES = 500
SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
WITH_COMMA = re.compile(r"[-+]?(\d+|\d{1,3}(\.\d{3})+),\d+([eE][-+]?\d+)?")
THOUSAND = 3
NUMBER = re.compile(r"[-+]?\d+([.,]\d+)?")
SINGLE_BYTE = ("cp1252", "latin-1", "latin1", "iso-8859-1", "iso-8859-15", "windows-1252")
TWICE = re.compile("[ÂÃ][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]")
"""Two bytes of UTF-8 read as two signs."""
ZEROS_LOOKED_AT = 1000
MOSTLY_ZEROS = 0.7
SHOWN_SIGNS = 40
MOST_SHOWN = 4
AROUND = " \t\u00a0\ufeff"
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
    b"version https://git-lfs": ("a pointer of Git LFS", "get the file with `git lfs pull`"),
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
    if said := re.fullmatch(r"sep=(.)\s*", lines[0]):
        raise UserError(f"{path}: the first line, sep={said[1]}, is for Excel only: delete it")
    separator = separator or _separator(lines)
    if separator != ",":
        options["sep"] = separator
        notes.append(f"separator: {SEPARATORS.get(separator, repr(separator))}")
    rows = _rows(lines, separator)
    header, body = rows[0], rows[1:]
    _refuse_title(path, rows)
    named = [name for name in header if name.strip()]
    if len(named) > 1 and all(NUMBER.fullmatch(name.strip()) for name in named):
        raise UserError(f"{path}: the first line has numbers; it must have the column names")
    twice = [name for name, count in Counter(header).items() if count > 1 and name.strip()]
    notes += [f"duplicate column {name}: the second is read as {name}.1" for name in twice]
    if padded := [repr(name) for name in header if name.strip() and name != name.strip(AROUND)]:
        notes.append(f"names with blanks around them: {', '.join(padded[:MOST_SHOWN])}")
    if len(named) > 1:
        unnamed = [at for at, name in enumerate(header) if not name.strip()]
        notes += [f"column {at + 1} has no name; it is read as Unnamed: {at}" for at in unnamed[:MOST_SHOWN]]
    longer = [row for row in body if len(row) == len(header) + 1]
    if body and len(longer) == len(body) and not any(row[-1].strip() for row in longer):
        options["index_col"] = False
        notes.append("every line ends with a separator")
    elif body and len(longer) == len(body) and _are_row_names([row[0] for row in body]):
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


def _refuse_title(path: Path, rows: list[list[str]]) -> None:
    """Refuse lines above the names of the columns: the first has one field, and most others have more."""
    usual, count = Counter(len(row) for row in rows[1:]).most_common(1)[0] if len(rows) > 1 else (1, 0)
    if len(rows[0]) == 1 < usual and count > len(rows) / 2:
        at = next(at for at, row in enumerate(rows) if len(row) == usual)
        title, names = (", ".join(row)[:SHOWN_SIGNS] for row in (rows[0], rows[at]))
        raise UserError(
            f"{path}: no names of columns in the first line ({title}); delete what is above {names}"
        )


def _are_row_names(first: list[str]) -> bool:
    """Whether a first column without a name holds names of rows, as R writes: 1, 2, 3 or different texts.

    Otherwise a value with a separator in it has shifted all others.
    """
    counted = [str(at) for at in range(1, len(first) + 1)]
    texts = not any(NUMBER.fullmatch(text.strip()) for text in first)
    return first == counted or (texts and len(set(first)) == len(first))


def _start(path: Path, encoding: str | None) -> tuple[str, str]:
    """Return the first megabyte as text, up to the end of its last whole line, and its encoding."""
    with open_bytes(path) as (handle, _):
        content = handle.read(LOOK_BYTES)
    if wide := _wide_encoding(content):
        encoding = wide if encoding is None else encoding
        size = 4 if "32" in wide else 2
        content = content[: len(content) // size * size]
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
        text = content.decode("utf-8-sig" if encoding is None else encoding)
    except (UnicodeDecodeError, LookupError) as error:
        at = error.start if isinstance(error, UnicodeDecodeError) else 0
        mixed = encoding is None and not content[:at].isascii()
        raise UserError(not_text(path, encoding, content.count(b"\n", 0, at) + 1, mixed=mixed)) from error
    if encoding in SINGLE_BYTE and (found := TWICE.search(text)):
        line = text.count("\n", 0, found.start()) + 1
        cure = "leave out --encoding, or write the whole file in one encoding"
        raise UserError(f"{path}: line {line:,} has {found[0]!r}, which is UTF-8 read as {encoding}: {cure}")
    return text, encoding or "utf-8"


def _wide_encoding(content: bytes) -> str | None:
    """Return UTF-16 or UTF-32, by the mark of the byte order or by where the zeros are; None for others."""
    if content[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):
        return "utf-32"
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    head = content[:ZEROS_LOOKED_AT]
    even, odd = head[::2].count(0), head[1::2].count(0)
    most = len(head) / 2 * MOSTLY_ZEROS
    if odd > most and not even:
        return "utf-16-le"
    return "utf-16-be" if even > most and not odd else None


def not_text(path: Path, encoding: str | None, line: int = 0, *, mixed: bool = False) -> str:
    """Return the message for a file that is not text in an encoding, None for UTF-8; mixed: the start is."""
    if encoding is not None:
        return f"{path}: not {encoding} text"
    where = f"; the first such line is {line:,}" if line else ""
    if mixed:
        return (
            f"{path}: not UTF-8 text{where}, and lines above are UTF-8: write the whole file in one encoding"
        )
    return f"{path}: not UTF-8 text; name the encoding, such as --encoding cp1252 (Western Europe){where}"


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
