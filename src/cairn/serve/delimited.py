"""Read separated text in blocks: every value stays text, so that no block guesses types.

pyarrow parses. It gets one more line at the end: where that line is not the last record, a quote was opened
and never closed.
"""

import csv
import io
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from cairn.errors import UserError
from cairn.serve.fields import MARKERS

BLOCK_BYTES = 1 << 20
"""Bytes parsed at a time; a record has to be shorter. pyarrow reads 32 blocks ahead."""
CHUNK_BYTES = 1 << 20
END = "\0end\0"
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
    """

    sep: str = ","
    encoding: str = "utf-8"
    decimal: str = "."
    thousands: str | None = None
    na_values: Sequence[str] | Mapping[str, Sequence[str]] = ()
    names: Sequence[str] | None = None
    header: int | None = None
    index_col: bool | None = None

    def markers(self, column: str) -> list[str]:
        """Return the texts that mean missing in a column."""
        given = self.na_values
        more = given.get(column, ()) if isinstance(given, Mapping) else given
        return [*MARKERS, *map(str, more)]


def dialect_of(options: Mapping[str, Any]) -> Dialect | None:
    """Return options of pandas.read_csv as a dialect; None where blocks cannot be read with them."""
    given = {name: value for name, value in options.items() if name not in UNREAD}
    known = {one.name for one in fields(Dialect)}
    plain = given.get("header") in (None, 0) and given.get("index_col") in (None, False)
    return Dialect(**given) if plain and set(given) <= known and len(given.get("sep", ",")) == 1 else None


class Records:
    """The records of separated text, from its first byte to its last.

    Attributes:
        name: of the file, for messages.
        columns: their names, as pandas.read_csv gives them.
    """

    def __init__(
        self,
        name: str,
        handle: BinaryIO,
        dialect: Dialect,
        again: Callable[[], BinaryIO] | None = None,
        share: Callable[[], float | None] = lambda: None,
    ) -> None:
        """Read the names of the columns.

        Args:
            name: of the file, for messages.
            handle: its bytes, decompressed.
            dialect: how it is written.
            again: opens it a second time, to find the line of a bad record; None where that is not possible.
            share: of the handle that is read, from 0 to 1; None if not known.

        Raises:
            UserError: no columns, or bytes that are not text in its encoding.
        """
        self.name, self._dialect, self._again = name, dialect, again
        self._text = _Text(name, handle, dialect.encoding, share)
        self._parsed = 0
        self.columns = self._names()
        if not self.columns:
            raise UserError(f"{name}: the file is empty")
        self._width = len(self.columns) + (dialect.index_col is False)
        self._text.end = f"\n{END}{dialect.sep * (self._width - 1)}\n"

    def share(self) -> float | None:
        """Return how much of the file the blocks so far were, from 0 to 1; None if not known."""
        return self._text.shares[min(self._parsed, len(self._text.shares)) - 1] if self._parsed else None

    def blocks(self, inputs: Sequence[str], kept: Sequence[str]) -> Iterator[tuple[pa.Table, pa.Table]]:
        """Yield tables of text: the inputs, null where missing, and the columns to keep, as written.

        Raises:
            UserError: a record with another number of fields, a quote that is not closed, a record longer
                than BLOCK_BYTES, or bytes that are not text; the line is named.
        """
        at = {name: str(position) for position, name in enumerate(self.columns)}
        needed = list(dict.fromkeys(["0", *(at[name] for name in [*inputs, *kept])]))
        try:
            for table in _without_end(self._batches(needed)):
                read = {name: self._missing_as_null(name, table[at[name]]) for name in inputs}
                yield pa.table(read), pa.table({name: table[at[name]] for name in kept})
        except (pa.ArrowInvalid, EOFError) as error:
            raise UserError(f"{self.name}: {self._where(error)}") from error

    def _batches(self, needed: list[str]) -> Iterator[pa.RecordBatch]:
        positions = [str(position) for position in range(self._width)]
        for batch in pa_csv.open_csv(
            self._text,
            read_options=pa_csv.ReadOptions(
                column_names=positions, block_size=BLOCK_BYTES, use_threads=False
            ),
            parse_options=pa_csv.ParseOptions(delimiter=self._dialect.sep, newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(positions, pa.string()),
                include_columns=needed,
                strings_can_be_null=False,
                check_utf8=False,
            ),
        ):
            self._parsed += 1
            yield batch

    def _names(self) -> list[str]:
        if self._dialect.names is not None and self._dialect.header is None:
            return list(self._dialect.names)
        try:
            record = self._first_record()
            if not record or self._dialect.names is not None:
                return list(self._dialect.names or [])
            named = pd.read_csv(io.StringIO(record), sep=self._dialect.sep, nrows=0, index_col=False)
        except (csv.Error, ValueError) as error:
            raise UserError(f"{self.name}: line 1 has no names of columns: {error}") from error
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
        return head[:end] if first else ""

    def _missing_as_null(self, name: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
        missing = pc.call_function(
            "is_in", [values], pc.SetLookupOptions(pa.array(self._dialect.markers(name)))
        )
        return pc.call_function("if_else", [missing, pa.scalar(None, pa.string()), values])

    def _where(self, error: Exception) -> str:
        """Return the line of the record that the error is about, and what is wrong with it."""
        if self._again is None:
            return " ".join(str(error).split()).removeprefix("CSV parse error: ")
        text = _Text(self.name, self._again(), self._dialect.encoding)
        reader = csv.reader(text.lines(), delimiter=self._dialect.sep)
        last, line, too_long = 1, 1, f"is part of a record longer than {BLOCK_BYTES:,} bytes"
        limit = csv.field_size_limit(BLOCK_BYTES)
        try:
            for row in reader:
                if sum(len(value.encode()) for value in row) > BLOCK_BYTES:
                    return f"line {line} {too_long}"
                if len(row) not in (0, self._width, len(self.columns)):
                    more = f"; a quote opened there ends in line {reader.line_num}"
                    return (
                        f"line {line} has {len(row)} fields, and there are {self._width} columns"
                        f"{more if reader.line_num > line else ''}"
                    )
                last, line = line, reader.line_num + 1
        except csv.Error:
            if reader.line_num <= line:
                return f"line {line} {too_long}"
            last = line
        finally:
            csv.field_size_limit(limit)
        return f"line {last}: a quote is opened and not closed"


class _Text:
    """The text of a file, as UTF-8 for pyarrow, with one more line at the end; counts the lines it reads."""

    closed = False

    def __init__(
        self,
        name: str,
        handle: BinaryIO,
        encoding: str,
        share: Callable[[], float | None] = lambda: None,
    ) -> None:
        self.end = ""
        self.shares: list[float | None] = []
        self._share = share
        self._name, self._encoding = name, encoding
        self._read: Callable[[int], bytes] = getattr(handle, "read1", handle.read)
        # A mark of the byte order is not a part of the first name.
        plain = encoding.lower().replace("_", "-") in ("utf-8", "utf8")
        self._decoder = getincrementaldecoder("utf-8-sig" if plain else encoding)()
        self._lines = 1
        self._ready = b""
        self._ended = False

    def put_back(self, text: str) -> None:
        """Read this text next."""
        self._ready = text.encode() + self._ready

    def read(self, size: int) -> bytes:
        """Return the next bytes of UTF-8, at most so many; none at the end."""
        while len(self._ready) < size and not self._ended:
            text = self.more()
            self._ended = not text
            self._ready += (text or self.end).encode()
        found, self._ready = self._ready[:size], self._ready[size:]
        self.shares.append(self._share())
        return found

    def lines(self) -> Iterator[str]:
        """Yield every line with its end."""
        rest = ""
        while text := self.more():
            *whole, rest = (rest + text).split("\n")
            yield from (f"{line}\n" for line in whole)
            if len(rest) > BLOCK_BYTES:  # too long for a record, so for memory
                yield rest
                rest = ""
        if rest:
            yield rest

    def more(self) -> str:
        """Return some text, none at the end.

        Raises:
            UserError: bytes that are not text in the encoding.
        """
        text = ""
        while not text:
            chunk = self._read(CHUNK_BYTES)
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


def _without_end(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield the records before the added one.

    Raises:
        EOFError: the added one is part of another record.
    """
    last: pa.Table | None = None
    for batch in batches:
        if batch.num_rows:
            if last is not None:
                yield last
            last = pa.Table.from_batches([batch])
    if last is None or last["0"][-1].as_py() != END:
        raise EOFError("a quote is opened and not closed")
    yield last.slice(0, last.num_rows - 1)
