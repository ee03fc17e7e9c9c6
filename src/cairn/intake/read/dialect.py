"""The dialect of a text file: separator, encoding, decimal sign, and the names in its first line."""

import csv
import re
from collections import Counter
from pathlib import Path
from typing import Any

from cairn.errors import UserError

LOOK_BYTES = 1_000_000
LOOK_LINES = 500
SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
WITH_COMMA = re.compile(r"[-+]?(\d+|\d{1,3}(\.\d{3})+),\d+")
NUMBER = re.compile(r"[-+]?\d+([.,]\d+)?")
WEB_PAGE = re.compile(rb"\s*<(!doctype|html|\?xml)", re.IGNORECASE)


def dialect_of(path: Path, separator: str | None, encoding: str | None) -> tuple[dict[str, Any], list[str]]:
    """Return options of pandas.read_csv beyond its defaults, and a note for each inferred one.

    Args:
        path: of a text file, compressed or not.
        separator: sign between columns; None to infer.
        encoding: None for UTF-8.

    Raises:
        UserError: empty, not text in this encoding, or without column names in its first line.
    """
    options: dict[str, Any] = {}
    notes = []
    text, found = _start(path, encoding)
    if found != "utf-8":
        options["encoding"] = found
        notes.append(f"encoding: {found}")
    lines = text.splitlines()[:LOOK_LINES]
    if not any(line.strip() for line in lines):
        raise UserError(f"{path}: the file is empty")
    separator = separator or _separator(lines)
    if separator != ",":
        options["sep"] = separator
        notes.append(f"separator: {SEPARATORS.get(separator, repr(separator))}")
    rows = _rows(lines, separator)
    header, body = rows[0], rows[1:]
    _refuse_bad_header(path, header)
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
    commas = sum(bool(WITH_COMMA.fullmatch(field)) for field in fields)
    if separator != "," and commas > sum(bool(re.fullmatch(r"[-+]?\d+\.\d+", field)) for field in fields):
        options["decimal"] = ","
        notes.append("decimal comma")
    return options, notes


def _start(path: Path, encoding: str | None) -> tuple[str, str]:
    """Return the first megabyte as text, up to the end of its last whole line, and its encoding.

    Raises:
        UserError: not text in the given encoding, or in UTF-8.
    """
    from pandas.io.common import get_handle

    try:
        with get_handle(path, "rb", compression="infer", is_text=False) as opened:
            content: Any = opened.handle.read(LOOK_BYTES)
    except (ValueError, OSError, EOFError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from error
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
        content = content[: len(content) // 2 * 2]
    elif b"\0" in content:
        raise UserError(f"{path}: not a text file")
    elif WEB_PAGE.match(content):
        raise UserError(f"{path}: a web page, not a table")
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


def _refuse_bad_header(path: Path, header: list[str]) -> None:
    names = [name.strip() for name in header if name.strip()]
    if names and all(NUMBER.fullmatch(name) for name in names) and len(names) > 1:
        raise UserError(f"{path}: the first line has numbers; it must have the column names")
