"""A damaged file is read or refused in one line: no traceback, no hang, nothing left half written."""

import bz2
import gzip
import lzma
import random
import time

import pandas as pd
import pytest
from drafts import as_prepare_reads
from test_convert import CSV, TABLE, sheet_of, tarred, workbook, zipped, zst

from cairn.errors import UserError
from cairn.intake.read.convert import convert, is_converted
from cairn.intake.read.source import open_source

SLOWEST = 5.0


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """One small good file of each kind, by its name."""
    folder = tmp_path_factory.mktemp("good")
    files = {
        "a.csv": CSV,
        "quoted.csv": TABLE.to_csv(index=False, quoting=1, sep=";").encode("utf-16"),
        "a.csv.gz": gzip.compress(CSV),
        "a.csv.bz2": bz2.compress(CSV),
        "a.csv.xz": lzma.compress(CSV),
        "a.csv.zst": zst(),
        "a.csv.zip": zipped(a_csv=CSV),
        "b.zip": zipped(a_csv=CSV),
        "a.tar.gz": tarred(),
        "a.jsonl": TABLE.to_json(orient="records", lines=True).encode(),
        "a.jsonl.gz": gzip.compress(TABLE.to_json(orient="records", lines=True).encode()),
        "a.json": TABLE.to_json(orient="records").encode(),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    TABLE.to_parquet(folder / "a.parquet")
    TABLE.to_feather(folder / "a.feather")
    TABLE.to_stata(folder / "a.dta", write_index=False, version=118)
    workbook(folder / "a.xlsx", {"Data": sheet_of(TABLE)})
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def mutated(content, draw):
    """Cut, double, flip, drop or swap some bytes."""
    found = bytearray(content)
    for _ in range(draw.choice([1, 1, 1, 3, 10])):
        at, much = draw.randrange(len(found) + 1), draw.choice([1, 2, 8, 64, 400])
        match draw.choice(["cut", "double", "flip", "drop", "fill", "move"]):
            case "cut":
                del found[at:]
            case "double":
                found[at:at] = found[at : at + much]
            case "flip" if at < len(found):
                found[at] ^= 1 << draw.randrange(8)
            case "drop":
                del found[at : at + much]
            case "fill":
                found[at : at + much] = bytes([draw.choice([0, 255, 34, 10, 44])]) * much
            case "move":
                found += found[at : at + much]
    return bytes(found)


def check(name, content, folder):
    """Read a file as new-data and prepare do; both read the same, or one line names the file."""
    path = folder / name
    path.write_bytes(content)
    scratch = folder / "scratch"
    scratch.mkdir()
    started = time.monotonic()
    try:
        plain = convert(path, scratch, "made").path if is_converted(path) else path
        source = open_source(plain, separator=None, encoding=None)
        pd.testing.assert_frame_equal(as_prepare_reads(source), source.table)
        read = True
    except UserError as error:
        (line,) = str(error).splitlines()
        assert line.strip()
        read = False
    assert time.monotonic() - started < SLOWEST
    return read


def check_many(originals, count, tmp_path):
    draw, read = random.Random(11), 0
    for at in range(count):
        name = list(originals)[at % len(originals)]
        content = mutated(originals[name], draw)
        folder = tmp_path / str(at)
        folder.mkdir()
        try:
            read += check(name, content, folder)
        except BaseException as error:
            error.add_note(f"file {at}, {name}")
            raise
    assert 0 < read < count


def test_the_good_files_are_read(originals, tmp_path):
    for at, (name, content) in enumerate(originals.items()):
        folder = tmp_path / str(at)
        folder.mkdir()
        assert check(name, content, folder), name


def test_damaged_files_are_read_or_refused_in_one_line(originals, tmp_path):
    check_many(originals, 64, tmp_path)


@pytest.mark.slow
def test_many_damaged_files_are_read_or_refused_in_one_line(originals, tmp_path):
    check_many(originals, 1000, tmp_path)
