"""Hundreds of broken files: predictions, or one line that names the file and nothing written; no crash."""

import bz2
import gzip
import io
import json
import lzma
import random
import subprocess
import sys
import zipfile
from collections import Counter
from dataclasses import dataclass, replace

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from http_service import GOOD, package
from repository import ROOT
from synthetic import rows

from cairn.models.package import save

ROWS = 60
COLUMNS = ["id", *GOOD]
TEXT = ["csv", "tsv", "jsonl"]
COMPRESSED = {"csv.gz": gzip.compress, "csv.bz2": bz2.compress, "csv.xz": lzma.compress}
KINDS = [*TEXT, "parquet", "feather", *COMPRESSED, "csv.zip"]
ODD = [
    "NaN", "nan", "Infinity", "-Infinity", "inf", "1e999", "-1e999", "1e-999", "-0", "0x10", "1_000", "1,5",
    "１", "9" * 5000, "0." + "3" * 5000, "1e5" * 3, "", " ", "None", "null", "true", "FALSE", "\0", "a\0b",
    "\ufeff", "\u202e", "\u2028", "x" * 200_000, "Ω" * 70_000, "[" * 50_000, "=cmd()", "x" * 5_000_000,
    '{"a":' * 5000 + "1" + "}" * 5000,
]  # fmt: skip
LITERALS = [
    *ODD,
    '"\\ud800"',
    '"\\u0000"',
    "[]",
    "{}",
    "[1]",
    "[" * 500 + "]" * 500,
    str(2**70),
    "1.0",
    '"1"',
]
ONE_BY_ONE = """
import contextlib, io, json, sys, time, traceback
from cairn.__main__ import main
for line in sys.stdin:
    said, start = io.StringIO(), time.monotonic()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = main(json.loads(line))
        except SystemExit as stopped:
            code = stopped.code
        except BaseException:
            code = traceback.format_exc()
    print(json.dumps([code, said.getvalue(), time.monotonic() - start]), flush=True)
"""


def table():
    made = rows(ROWS, seed=5)[[*GOOD]]
    return made.assign(id=[f"r{n:02}" for n in range(ROWS)])[COLUMNS]


def written(made, kind):
    """Return the bytes of a file."""
    file = io.BytesIO()
    if kind in COMPRESSED:
        return COMPRESSED[kind](written(made, "csv"))
    if kind == "csv.zip":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("in.csv", written(made, "csv"))
    elif kind in ("csv", "tsv"):
        made.to_csv(file, index=False, sep="," if kind == "csv" else "\t")
    elif kind == "jsonl":
        made.to_json(file, orient="records", lines=True, force_ascii=False)
    elif kind == "parquet":
        made.to_parquet(file)
    else:
        made.to_feather(file, compression="uncompressed")
    return file.getvalue()


def break_bytes(draw, content):
    """Break a file of any kind."""
    at, to = sorted(draw.randrange(len(content) + 1) for _ in range(2))
    noise = draw.randbytes(draw.choice([1, 8, 300]))
    some = bytearray(content)
    for _ in range(draw.choice([1, 1, 3, 40])):
        some[draw.randrange(len(some))] = draw.randrange(256)
    return draw.choice(
        [
            bytes(some), bytes(some), bytes(some), content[:at], content[at:], content[:at] + content[to:],
            content[:to] + content[at:], content[:at] + noise + content[at:],
            content[:at] + b"\0" + content[at:], b"", b"\n", b" ", b"\0" * 500, noise, content + noise,
            content + content, written(table(), draw.choice(KINDS)),
        ]
    )  # fmt: skip


def break_text(draw, content, kind):
    """Break lines, cells, names or the encoding of a text file."""
    text = content.decode()
    header, *lines = text.splitlines()
    at, other = draw.sample(range(len(lines)), 2)
    separator = {"csv": ",", "tsv": "\t", "jsonl": ","}[kind]
    cells = lines[at].split(separator)
    cell = draw.randrange(len(cells))
    quote = draw.choice(['"', '""', '"x', 'x"', "'", '"\n"', '","'])
    changed = {
        "double": lines[:at] + [lines[at]] * 3 + lines[at:],
        "cut": [*lines[:at], lines[at][: draw.randrange(len(lines[at]))], *lines[at + 1 :]],
        "drop": lines[:at] + lines[at + 1 :],
        "swap": [lines[other] if n == at else lines[at] if n == other else x for n, x in enumerate(lines)],
        "blank": lines[:at] + draw.choice([[""], ["  "], ["", ""], ["\t"], [separator * 5]]) + lines[at:],
        "header again": [*lines[:at], header, *lines[at:]],
        "ragged": [*lines[:at], separator.join([*cells, "1"][draw.randrange(2) * 2 :]), *lines[at:]],
        "quote": [*lines[:at], lines[at].replace(cells[cell], quote, 1), *lines[at + 1 :]],
        "no rows": [],
    }
    literal = draw.choice(LITERALS if kind == "jsonl" else ODD)
    name, _, _ = cells[cell].partition(":")
    odd = f"{name}:{literal}{'}' if cell == len(cells) - 1 else ''}" if kind == "jsonl" else literal
    changed["value"] = [
        *lines[:at],
        separator.join([*cells[:cell], odd, *cells[cell + 1 :]]),
        *lines[at + 1 :],
    ]
    names = header.split(separator)
    names[draw.randrange(len(names))] = draw.choice(
        ["load", "LOAD", "", " noise", "x" * 9000, '"', "\0", "1"]
    )
    heads = [separator.join(names), separator.join(names), "", header.upper(), header + separator, header * 2]
    way = draw.randrange(10)
    if way < 6:
        return "\n".join([header, *draw.choice([*changed.values(), changed["value"]])]).encode() + b"\n"
    if way < 8:
        return "\n".join([*draw.choice([[head] for head in heads] + [[]]), *lines]).encode() + b"\n"
    if way < 9:
        return text.replace(separator, draw.choice([";", "|", "\t", " ", ", ", ",,"])).encode()
    ends = [
        text.replace("\n", "\r\n"),
        text.replace("\n", "\r"),
        "\ufeff" + text,
        text.rstrip("\n"),
        "\n" + text,
    ]
    encoded = [
        text.encode(name, errors="replace") for name in ("utf-16", "utf-32", "latin-1", "utf-7", "cp500")
    ]
    return draw.choice([*(end.encode() for end in ends), *encoded])


def break_columns(draw, kind):
    """Change the columns of a table: names, types, values."""
    made, name = table(), draw.choice(COLUMNS)
    number = draw.choice([float("nan"), float("inf"), -float("inf"), 1e308, -0.0])
    odd = draw.choice(
        [[1], {"a": 1}, b"\xff", pd.Timestamp("1700-01-01"), pd.Timedelta(1), "x" * 90_000, None]
    )
    changed = [
        made.drop(columns=name),
        made.rename(columns={name: draw.choice(["x", "", name.upper(), "\0"])}),
        made.assign(load=number),
        made.assign(load=made["load"].mask(made.index == 7, number)),
        made.assign(**{name: [odd] * ROWS}),
        made.assign(**{name: None}),
        made.astype({name: "str"}),
        made.astype({name: "category"}),
        made.astype({"noise": "float16"}) if kind == "parquet" else made.astype({"noise": "float32"}),
        made.assign(noise=made["noise"].round().astype("int8")),
        made.assign(night=made["night"].astype("int64")),
        made.head(0),
        made[[]],
        made.head(1),
        pd.concat([made, made]).reset_index(drop=True),
    ]
    return written(draw.choice(changed), kind)


@dataclass(frozen=True)
class Case:
    """A broken file, named in.KIND, and what is asked for."""

    kind: str
    content: bytes
    output: str
    policy: str
    keep: bool

    def args(self, folder):
        where = ["--model", str(folder / "model"), "-o", str(folder / self.output), "--policy", self.policy]
        keep = ["--keep", ",".join(COLUMNS)] if self.keep else []
        return ["predict", str(folder / f"in.{self.kind}"), *where, *keep]


def broken(draw):
    kind = draw.choice([*KINDS[:5] * 2, *KINDS[5:]])
    content = written(table(), kind)
    if kind in TEXT:
        content = break_text(draw, content, kind) if draw.random() < 0.7 else break_bytes(draw, content)
    else:
        columnar = kind in ("parquet", "feather") and draw.random() < 0.4
        content = break_columns(draw, kind) if columnar else break_bytes(draw, content)
    output = draw.choice(["out.parquet"] * 4 + ["out.csv", "out.jsonl"])
    policy = draw.choice(["flag", "flag", "refuse", "ignore"])
    return Case(kind, content, output, policy, keep=draw.random() < 0.8)


class Program:
    """A process that runs one command line after another."""

    def __init__(self, folder):
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", ONE_BY_ONE],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, case):
        """Return exit code, what was said, seconds, and the files that are left beside the input."""
        (self.folder / f"in.{case.kind}").write_bytes(case.content)
        self.process.stdin.write(json.dumps(case.args(self.folder)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"killed by signal {-self.process.wait()}"
        left = {path.name for path in self.folder.iterdir()} - {"model", f"in.{case.kind}"}
        return *json.loads(answer), left


def by_row(path):
    """Return predictions by the columns that were kept."""
    found = pq.read_table(path).drop_columns(["row_id"]).to_pylist()
    return [(repr([row.pop(name) for name in COLUMNS]), repr(row)) for row in found]


@pytest.fixture(scope="module", params=["compiled", "through pandas"])
def program(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    made = package(max_iter=15)
    save(made if request.param == "compiled" else replace(made, reference=None), folder / "model")
    program = Program(folder)
    yield program
    program.process.stdin.close()
    program.process.wait()


@pytest.fixture(scope="module")
def expected(program):
    """The predictions of the rows before anything is broken, by kind."""
    found = {}
    for kind in KINDS:
        program.run(Case(kind, written(table(), kind), "out.parquet", "flag", keep=True))
        found[kind] = dict(by_row(program.folder / "out.parquet"))
        assert len(found[kind]) == ROWS
        clean(program.folder)
    return found


def clean(folder):
    for path in folder.glob("*.*"):
        path.unlink()


def whole_lines(case):
    """Return how many lines of the text are rows as they were; 0 where a quote may hide some."""
    text = case.content.decode(errors="replace")
    if case.kind not in TEXT or (case.kind != "jsonl" and ('"' in text or "\r" in text)):
        return 0
    rows = set(written(table(), case.kind).decode().splitlines()[case.kind != "jsonl" :])
    return sum(line in rows for line in text.split("\n"))


def check(case, expected, result, folder):
    code, said, seconds, left = result
    shown = f"{case.kind} {case.args(folder)[3:]} {case.content[:300]!r} -> {code} {said[:2000]}"
    assert seconds < 20, shown
    lines = said.splitlines()
    if code == 1:
        assert len(lines) == 1 and lines[0].startswith("cairn predict: ") and len(said) < 1000, shown
        assert f"in.{case.kind}" in said or f"{case.output}: cannot be written" in said, shown
        assert not left, shown
        return
    assert code == 0 or (code == 3 and case.policy == "refuse"), shown
    assert not lines, shown
    assert case.output in left and left <= {case.output, f"{case.output}.violations.csv"}, shown
    if case.output == "out.parquet" and case.keep:
        found = [(row, scores) for row, scores in by_row(folder / case.output) if row in expected]
        assert all(expected[row] == scores for row, scores in found), shown
        if code == 0 and case.content.startswith(written(table(), case.kind)[:20]):
            assert len(found) >= whole_lines(case), shown


def predict_broken(program, expected, count, seed):
    draw, codes = random.Random(seed), Counter()
    for _ in range(count):
        case = broken(draw)
        result = program.run(case)
        check(case, expected[case.kind], result, program.folder)
        codes[result[0]] += 1
        clean(program.folder)
    return codes


@pytest.mark.slow
def test_broken_files_are_predicted_or_named(program, expected):
    assert {0, 1} <= set(predict_broken(program, expected, 15, seed=1))


@pytest.mark.slow
def test_hundreds_of_broken_files_are_predicted_or_named(program, expected):
    assert {0, 1, 3} == set(predict_broken(program, expected, 300, seed=2))


def parquet(**columns):
    """Return a file of Parquet in which these columns hold one value many times, given with its type."""
    made = pa.Table.from_pandas(table(), preserve_index=False)
    for name, (value, kind) in columns.items():
        made = made.set_column(COLUMNS.index(name), name, pa.array([value] * ROWS, kind))
    return of_arrow(made)


def of_arrow(made):
    file = io.BytesIO()
    pq.write_table(made, file)
    return file.getvalue()


def flipped(content, place):
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


def locked(content):
    """Set the bit of a zip file that says it is encrypted, in both places."""
    place = content.rindex(b"PK\x01\x02") + 8
    return content[:6] + b"\x01" + content[7:place] + b"\x01" + content[place + 1 :]


TWICE = pa.table([pa.array(["1"])] * 6, names=["load", "noise", "night", "línea", "stop", "load"])
HEAD = ",".join(COLUMNS)
FOUND = {
    "no rows": ("parquet", written(table().head(0), "parquet"), "out.csv", 0, ""),
    "no rows of JSON": ("jsonl", b"\n", "out.csv", 0, ""),
    "half a character": ("jsonl", b'{"stop": "\\ud800"}\n', "out.csv", 1, "line 1 is not JSON in UTF-8"),
    "half a character as bytes": ("jsonl", b'{"stop": "\xed\xa0\x80"}\n', "out.csv", 1, "line 1 is not JSON"),
    "two columns of a name": ("parquet", of_arrow(TWICE), "out.csv", 1, "two columns are called load"),
    "a list in place of a text": ("parquet", parquet(stop=([1], pa.list_(pa.int8()))), "out.csv", 0, ""),
    "a year that Python lacks": ("parquet", parquet(stop=(10**7, pa.date32())), "out.csv", 0, ""),
    "to be kept as JSON": ("parquet", parquet(id=(10**7, pa.date32())), "out.jsonl", 1, "cannot be written"),
    "bytes to CSV": ("parquet", parquet(id=(b"\xff", pa.binary())), "out.csv", 1, "cannot be written as csv"),
    "a record of 9 MB": ("csv", f"{HEAD}\nr,{'y' * 9_000_000}\n".encode(), "out.csv", 1, "line 2 is part of"),
    "wrong gzip": ("csv.gz", flipped(written(table(), "csv.gz"), 40), "out.csv", 1, "cannot be read"),
    "an encrypted zip": ("csv.zip", locked(written(table(), "csv.zip")), "out.csv", 1, "encrypted"),
}


@pytest.mark.slow
@pytest.mark.parametrize("found", FOUND.values(), ids=FOUND)
def test_a_file_that_once_failed(program, found):
    kind, content, output, code, words = found
    case = Case(kind, content, output, "flag", keep="written" in words)
    result = program.run(case)
    check(case, {}, result, program.folder)
    assert result[0] == code and words in result[1]
    clean(program.folder)
