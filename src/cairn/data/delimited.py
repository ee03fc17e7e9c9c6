"""Read separated text in blocks: every value stays text, so that no block guesses types.

pyarrow parses. Every block gets one more line at the end: where that line is not the last record, the block
ends inside a quoted value. pyarrow never reads from a Python file here: its thread reads ahead, and aborts a
process that ends meanwhile.
"""

import bz2
import csv
import gzip
import io
import lzma
import re
import zipfile
import zlib
from codecs import getincrementaldecoder
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO, cast

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from cairn.data.written import missing_texts
from cairn.errors import UserError, did_you_mean

BLOCK_BYTES = 1 << 20
"""Bytes parsed at a time; a record has to be shorter."""
END = "\0end\0"
DAMAGED = (OSError, EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile)
"""What Python's readers raise for a file that is cut or damaged."""
UNREAD = {"_target_", "low_memory", "dtype", "float_precision"}
"""Options of pandas.read_csv that change nothing where all values are text."""


@dataclass(frozen=True)
class Dialect:
    """How a file is written, in the words of pandas.read_csv.

    Attributes:
        sep: the separator, one character.
        encoding: of the text.
        decimal: the sign before the decimals of a number.
        thousands: the sign between thousands; None for none.
        na_values: texts that mean missing beside the usual ones, for all columns or by column.
        names: names of the columns; None takes them from the first line.
        header: 0 where the first line is skipped although there are names.
        index_col: False where every line ends with a separator.
        labels: columns in which only blank texts are missing; pandas has no such option.
    """

    sep: str = ","
    encoding: str = "utf-8"
    decimal: str = "."
    thousands: str | None = None
    na_values: Sequence[str] | Mapping[str, Sequence[str]] = ()
    names: Sequence[str] | None = None
    header: int | None = None
    index_col: bool | None = None
    labels: Sequence[str] = ()

    def markers(self, column: str) -> frozenset[str]:
        """Return the texts that mean missing in a column."""
        given = self.na_values
        more = given.get(column, ()) if isinstance(given, Mapping) else given
        return missing_texts(map(str, more), labels=column in self.labels)


def dialect_of(options: Mapping[str, Any]) -> Dialect | None:
    """Return options of pandas.read_csv as a dialect; None where blocks cannot be read with them."""
    given = {name: value for name, value in options.items() if name not in UNREAD}
    known = {one.name for one in fields(Dialect)}
    plain = given.get("header") in (None, 0) and given.get("index_col") in (None, False)
    return Dialect(**given) if plain and set(given) <= known and len(given.get("sep", ",")) == 1 else None


@contextmanager
def open_bytes(path: Path) -> Generator[tuple[BinaryIO, BinaryIO]]:
    """Open a file; yield its bytes, decompressed by its extension (.gz, .bz2, .xz, .zip), and as they are.

    Raises:
        UserError: it cannot be read, or is damaged; also while its bytes are used.
    """
    try:
        with path.open("rb") as raw:
            yield _decompressed(raw, path), raw
    except BrokenPipeError:  # of the output
        raise
    except DAMAGED as error:
        raise UserError(f"{path}: cannot be read: {error}") from error


def _decompressed(raw: BinaryIO, path: Path) -> BinaryIO:
    compression = path.suffix.lower()
    if compression == ".zip":
        try:
            files = zipfile.ZipFile(raw)
            if len(files.namelist()) != 1:
                raise UserError(f"{path}: holds {len(files.namelist())} files; it must hold one")
            return cast("BinaryIO", files.open(files.namelist()[0]))
        except (NotImplementedError, RuntimeError, UnicodeDecodeError) as error:  # encrypted, for example
            raise UserError(f"{path}: cannot be read: {error}") from error
    opened = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}.get(compression)
    return raw if opened is None else cast("BinaryIO", opened(raw, "rb"))


def check_records(path: Path, options: Mapping[str, Any]) -> None:
    """Read a file to its end as pandas.read_csv would with these options, and refuse what it would misread.

    pandas shifts columns or adds missing values where a record has more or fewer fields than the header.
    A file is not checked with options that a dialect does not have, see dialect_of.

    Raises:
        UserError: a record with another number of fields, text after a closing quote, a quote that is not
            closed, bytes that are not text, or the header once more; the line is named.
    """
    dialect = dialect_of({"sep": ",", **options})
    if dialect is None:
        return
    if _repeats_names(path, dialect, 1) is not None:  # then the other columns have to be compared too
        row = _repeats_names(path, dialect, None)
        if row is not None:
            raise UserError(f"{path}: row {row + 1:,} repeats the names of the columns; delete it")


def _repeats_names(path: Path, dialect: Dialect, most: int | None) -> int | None:
    """Read all records; return the first row whose first columns, or all, hold the names of the columns."""
    with open_bytes(path) as (handle, _):
        records, row = Records(str(path), handle, dialect), 0
        names = records.columns[:most]
        for _, table in records.blocks([], names):
            repeated = [_is_called(table[name], name) for name in names]
            all_equal = repeated[0]
            for each in repeated[1:]:
                all_equal = pc.call_function("and", [all_equal, each])
            found = all_equal.to_numpy().nonzero()[0]
            if len(found):
                return row + int(found[0])
            row += table.num_rows
    return None


def _is_called(values: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Return which values are a name, in upper or lower case, with or without blanks around it."""
    plain = pc.call_function("utf8_lower", [pc.call_function("utf8_trim_whitespace", [values])])
    return pc.call_function("equal", [plain, pa.scalar(name.strip().lower())])


def written(path: Path, columns: Sequence[str], options: Mapping[str, Any]) -> dict[str, pd.Series]:
    """Return columns as text, as they are written.

    Raises:
        UserError: no such column, or see check_records.
    """
    dialect = dialect_of({"sep": ",", **options})
    if dialect is None:
        read: Any = pd.read_csv
        table = read(path, **{**options, "dtype": "str", "na_values": [], "keep_default_na": False})
        return {name: table[name] for name in columns}
    with open_bytes(path) as (handle, _):
        records = Records(str(path), handle, dialect)
        if unknown := [name for name in columns if name not in records.columns]:
            raise UserError(f"{path}: has no column {unknown[0]}{did_you_mean(unknown[0], records.columns)}")
        table = pa.concat_tables([kept for _, kept in records.blocks([], columns)])
    return {name: table[name].to_pandas() for name in columns}


class Records:
    """The records of separated text, from its first byte to its last.

    Attributes:
        name: of the file, for messages.
        columns: their names, as pandas.read_csv gives them.
    """

    def __init__(self, name: str, handle: BinaryIO, dialect: Dialect) -> None:
        """Read the names of the columns.

        Args:
            name: of the file, for messages.
            handle: its bytes, decompressed.
            dialect: how it is written.

        Raises:
            UserError: no columns, or bytes that are not text in its encoding.
        """
        self.name, self._dialect = name, dialect
        self._text = _Text(name, handle, dialect.encoding)
        self._line = 1
        self.columns = self._names()
        if not self.columns:
            raise UserError(f"{name}: the file is empty")
        self._width = len(self.columns) + (dialect.index_col is False)
        sep = re.escape(dialect.sep.encode())
        self._quoted = re.compile(rb"(?:(?<=[\r\n" + sep + rb'])|\A)"[^"]*(?:""[^"]*)*"')
        self._end = f"{END}{dialect.sep * (self._width - 1)}\n".encode()

    def blocks(self, inputs: Sequence[str], kept: Sequence[str]) -> Iterator[tuple[pa.Table, pa.Table]]:
        """Yield tables of text: the inputs, null where missing, and the columns to keep, as written.

        Raises:
            UserError: a record with another number of fields, a quote that is not closed, a record longer
                than BLOCK_BYTES, or bytes that are not text; the line is named.
        """
        at = {name: str(position) for position, name in enumerate(self.columns)}
        needed = list(dict.fromkeys(["0", *(at[name] for name in [*inputs, *kept])]))
        for table in self._tables(needed):
            read = {name: self._missing_as_null(name, table[at[name]]) for name in inputs}
            yield pa.table(read), pa.table({name: table[at[name]] for name in kept})

    def _tables(self, needed: list[str]) -> Iterator[pa.Table]:
        """Yield the records, about BLOCK_BYTES of them at a time."""
        rest, first = b"", self._line
        while more := self._text.read(BLOCK_BYTES):
            rest += more
            for cut in _cuts(rest):
                table = self._parse(rest[:cut], needed)
                if table is not None:
                    self._refuse_text_after_a_quote(rest[:cut])
                    if table.num_rows:
                        yield table
                    self._line += rest.count(b"\n", 0, cut)
                    rest = rest[cut:]
                    break
            else:
                if len(rest) > 2 * BLOCK_BYTES:
                    break
        else:
            table = self._parse(rest + b"\n", needed)
            if table is not None:
                self._refuse_text_after_a_quote(rest + b"\n")
                if table.num_rows or self._line == first:
                    yield table
                return
        raise UserError(f"{self.name}: {self._fault(rest.decode())}")

    def _parse(self, text: bytes, needed: list[str]) -> pa.Table | None:
        """Return the records; None where the last is not complete, or one has another number of fields."""
        positions = [str(position) for position in range(self._width)]
        block = pa.BufferOutputStream()  # memory of Arrow: its thread can drop it without Python
        block.write(text)
        block.write(self._end)
        try:
            table = pa_csv.read_csv(
                block.getvalue(),
                read_options=pa_csv.ReadOptions(
                    column_names=positions, block_size=len(text) + len(self._end), use_threads=False
                ),
                parse_options=pa_csv.ParseOptions(delimiter=self._dialect.sep, newlines_in_values=True),
                convert_options=pa_csv.ConvertOptions(
                    column_types=dict.fromkeys(positions, pa.string()),
                    include_columns=needed,
                    strings_can_be_null=False,
                    check_utf8=False,
                ),
            )
        except pa.ArrowInvalid:
            return None
        complete = table.num_rows > 0 and table["0"][-1].as_py() == END
        return table.slice(0, table.num_rows - 1) if complete else None

    def _names(self) -> list[str]:
        if self._dialect.names is not None and self._dialect.header is None:
            return list(self._dialect.names)
        try:
            record = self._first_record()
            if not record or self._dialect.names is not None:
                return list(self._dialect.names or [])
            named = pd.read_csv(io.StringIO(record), sep=self._dialect.sep, nrows=0, index_col=False)
        except (csv.Error, ValueError) as error:
            open_quote = "EOF inside string" in str(error)
            fault = "a quote is never closed" if open_quote else f"unreadable column names: {error}"
            raise UserError(f"{self.name}: line 1: {fault}") from error
        return [str(name) for name in named.columns]

    def _first_record(self) -> str:
        """Take the first record and its end from the text."""
        head, end, first = "", 0, []
        while (text := self._text.more()) and len(head) < BLOCK_BYTES:
            head += text
            lines = io.StringIO(head, newline="")
            reader = csv.reader(iter(lines.readline, ""), delimiter=self._dialect.sep)
            first = next((row for row in reader if row), [])
            end = lines.tell()
            if end < len(head):
                break
        self._text.put_back(head[end:])
        self._line += head.count("\n", 0, end)
        return head[:end] if first else ""

    def _missing_as_null(self, name: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
        markers = pc.SetLookupOptions(pa.array(sorted(self._dialect.markers(name))))
        missing = pc.call_function("is_in", [values], markers)
        if name in self._dialect.labels:
            length = pc.call_function("utf8_length", [pc.call_function("utf8_trim_whitespace", [values])])
            missing = pc.call_function("or", [missing, pc.call_function("equal", [length, pa.scalar(0)])])
        return pc.call_function("if_else", [missing, pa.scalar(None, pa.string()), values])

    def _refuse_text_after_a_quote(self, text: bytes) -> None:
        """Refuse what a parser would join: a cell that begins with a quote, up to the next such cell."""
        if b'"' in text:
            ends = b"\r\n" + self._dialect.sep.encode()
            for quoted in self._quoted.finditer(text):
                if text[quoted.end()] not in ends:
                    line = self._line + text.count(b"\n", 0, quoted.start())
                    raise UserError(
                        f"{self.name}: line {line}: a value begins with a quote, and text follows the quote"
                        " that ends it; double the quotes inside a value, or quote none"
                    )

    def _fault(self, text: str) -> str:
        """Return what is wrong with the first faulty record of a text, and its line."""
        lines = io.StringIO(text, newline="")
        reader = csv.reader(iter(lines.readline, ""), delimiter=self._dialect.sep)
        last, line = self._line, self._line
        too_long = f"is part of a record longer than {BLOCK_BYTES:,} bytes"
        limit = csv.field_size_limit(BLOCK_BYTES)
        try:
            for row in reader:
                end = self._line + reader.line_num
                if sum(len(value.encode()) for value in row) > BLOCK_BYTES:
                    return f"line {line} {too_long}"
                if len(row) not in (0, self._width, len(self.columns)):
                    more = f"; a quote opened there ends in line {end - 1}"
                    return (
                        f"line {line} has {len(row)} fields, and there are {self._width} columns"
                        f"{more if end - 1 > line else ''}"
                    )
                last, line = line, end
        except csv.Error:
            if self._line + reader.line_num <= line + 1:
                return f"line {line} {too_long}"
            last = line
        finally:
            csv.field_size_limit(limit)
        return f"line {last}: a quote is never closed"


class _Text:
    """The text of a file; counts the lines it reads."""

    def __init__(self, name: str, handle: BinaryIO, encoding: str) -> None:
        self._name, self._encoding = name, encoding
        self._read: Callable[[int], bytes] = getattr(handle, "read1", handle.read)
        # A mark of the byte order is not a part of the first name.
        plain = encoding.lower().replace("_", "-") in ("utf-8", "utf8")
        self._decoder = getincrementaldecoder("utf-8-sig" if plain else encoding)()
        self._lines = 1
        self._ready = b""

    def put_back(self, text: str) -> None:
        """Read this text next."""
        self._ready = text.encode() + self._ready

    def read(self, size: int) -> bytes:
        """Return the next bytes of UTF-8, at least so many unless the text ends; none at the end."""
        while len(self._ready) < size and (text := self.more()):
            self._ready += text.encode()
        found, self._ready = self._ready, b""
        return found

    def more(self) -> str:
        """Return some text, none at the end.

        Raises:
            UserError: bytes that are not text in the encoding.
        """
        text = ""
        while not text:
            chunk = self._read(BLOCK_BYTES)
            try:
                text = self._decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                before = error.object[: error.start].decode(self._encoding, errors="ignore")
                raise UserError(
                    f"{self._name}: line {self._lines + before.count(chr(10))} is not {self._encoding} text"
                ) from error
            if not chunk:
                break
        self._lines += text.count("\n")
        return text


def _cuts(text: bytes) -> Iterator[int]:
    """Yield the two likeliest ends of a record: the last line ends after an even and an odd number of quotes.

    With an even number no quote is open, unless one stands inside a value that is not quoted.
    """
    newline = b"\n" if b"\n" in text else b"\r"
    end, quotes, odd = len(text), text.count(b'"'), None
    while (at := text.rfind(newline, 0, end)) >= 0:
        quotes -= text.count(b'"', at, end)
        if quotes % 2 == 0:
            yield at + 1
            break
        odd = odd or at + 1
        end = at
    if odd is not None:
        yield odd
