"""Memory of `cairn predict` does not grow with the rows."""

import multiprocessing
import os
import random
from pathlib import Path

import pandas as pd
import pytest
from http_service import GOOD, package
from synthetic import rows

from cairn.data import delimited
from cairn.serve import sinks, sources
from cairn.serve.batch import predict_source, write_all
from cairn.serve.predictor import Predictor

ROWS, WIDE = 60_000, 1000
PAGE = os.sysconf("SC_PAGE_SIZE")


def megabytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 1e6


def table():
    """Rows of a kilobyte each: 60 MB that a run must not hold."""
    draw = random.Random(0)
    made = pd.concat([rows(ROWS // 10, seed=5)[[*GOOD]]] * 10, ignore_index=True)
    return made.assign(note=[draw.randbytes(WIDE // 2).hex() for _ in range(ROWS)])


def held(folder: Path, kind: str) -> tuple[int, int, list[float]]:
    """Predict the table in small steps; return rows, bytes written, and MB held after each step."""
    sources.ROWS = sinks.GROUP_ROWS = 500
    delimited.BLOCK_BYTES = 500 * WIDE
    path, output, made = folder / f"in.{kind}", folder / f"out.{kind}", table()
    write = {
        "csv": lambda: made.to_csv(path, index=False),
        "jsonl": lambda: made.to_json(path, orient="records", lines=True),
        "parquet": lambda: made.to_parquet(path, row_group_size=500),
    }
    write[kind]()
    predictor, sizes = Predictor(package(max_iter=15)), []
    with sources.open_file(path, None, predictor.package) as source:

        def measured():
            for done in predict_source(predictor, source, ["note"]):
                yield done
                sizes.append(megabytes())

        summary = write_all(
            measured(), source, lambda schema: sinks.file_sink(output, schema, kind), folder / "wrong.csv"
        )
    return summary.rows, output.stat().st_size, sizes


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_memory_does_not_grow_with_the_rows(tmp_path, kind):
    # A process of its own: the garbage of other tests comes and goes in steps of this size.
    with multiprocessing.get_context("spawn").Pool(1) as process:
        predicted, written, sizes = process.apply(held, (tmp_path, kind))
    assert predicted == ROWS and written > ROWS * WIDE / 2
    half = len(sizes) // 2
    assert half > 50
    assert max(sizes[half:]) - max(sizes[:half]) < 15  # of the 30 MB that the second half has
