"""Memory of `cairn predict` does not grow with the rows."""

import os
import random
from pathlib import Path

import pandas as pd
import pytest
from http_service import GOOD, package
from synthetic import rows

from cairn.serve import delimited, sinks, sources
from cairn.serve.batch import predict_source, write_all
from cairn.serve.predictor import Predictor

ROWS, WIDE = 60_000, 1000
PAGE = os.sysconf("SC_PAGE_SIZE")


def megabytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 1e6


@pytest.fixture(scope="module")
def table():
    """Rows of a kilobyte each: 60 MB that a run must not hold."""
    draw = random.Random(0)
    made = pd.concat([rows(ROWS // 10, seed=5)[[*GOOD]]] * 10, ignore_index=True)
    return made.assign(note=[draw.randbytes(WIDE // 2).hex() for _ in range(ROWS)])


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_memory_does_not_grow_with_the_rows(table, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(sources, "ROWS", 500)
    monkeypatch.setattr(sinks, "GROUP_ROWS", 500)
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 500 * WIDE)
    path, output = tmp_path / f"in.{kind}", tmp_path / f"out.{kind}"
    write = {
        "csv": lambda: table.to_csv(path, index=False),
        "jsonl": lambda: table.to_json(path, orient="records", lines=True),
        "parquet": lambda: table.to_parquet(path, row_group_size=500),
    }
    write[kind]()
    predictor, held = Predictor(package(max_iter=15)), []
    with sources.open_file(path, None, predictor.package) as source:

        def measured():
            for done in predict_source(predictor, source, ["note"]):
                yield done
                held.append(megabytes())

        summary = write_all(
            measured(), source, lambda schema: sinks.file_sink(output, schema, kind), tmp_path / "wrong.csv"
        )
    assert summary.rows == ROWS and output.stat().st_size > ROWS * WIDE / 2
    half = len(held) // 2
    assert half > 50
    assert max(held[half:]) - max(held[:half]) < 15  # of the 30 MB that the second half has
