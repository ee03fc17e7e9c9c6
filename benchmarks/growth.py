"""How time and memory of every stage grow with the rows of a table.

    python benchmarks/growth.py [--rows 100000,1000000,10000000] [--set KEY=VALUE ...]

The table is made from a seed: 14 numbers, 5 categories, a binary target, as Parquet. A fresh clone of the
last commit gets it by `cairn new-data`; then the stages run by hand, one after the other. Printed are the
CPU seconds, seconds and peak memory of each, and the exponent b of rows^b that fits best (least squares of
the logarithms): 1 is growth in proportion. The last lines hold the largest of them, the seconds of all stages
after new-data, what the model scores on test, and the largest peak against the table in memory, for the
longest table.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[1]
STAGES = ("prepare", "split", "explore", "baseline", "train", "calibrate", "evaluate", "explain", "report")
NAMES = ("new-data", *STAGES)
CHUNK = 1_000_000
LEVELS = (2, 5, 20, 100, 1_000)
DEFAULT = "100000,300000,1000000,3000000"


@dataclass(frozen=True)
class Cost:
    """CPU seconds, seconds, and the peak memory of the process in GB."""

    cpu: float
    wall: float
    peak: float


@dataclass(frozen=True)
class Measured:
    """The costs of NAMES for a table, its GB in memory, and what the model scores on test."""

    costs: list[Cost]
    size: float
    log_loss: float
    roc_auc: float


def make(file: Path, rows: int) -> float:
    """Write a table whose target depends on some of its columns; return its GB in memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer, size = None, 0
    for number, start in enumerate(range(0, rows, CHUNK)):
        rng, n = np.random.default_rng([2013, number]), min(CHUNK, rows - start)
        frame = pd.DataFrame({f"x{i}": rng.normal(size=n).round(4) for i in range(14)})
        codes = [rng.integers(0, levels, n) for levels in LEVELS]
        for levels, code in zip(LEVELS, codes, strict=True):
            frame[f"c{levels}"] = pd.Categorical.from_codes(code, [f"v{i}" for i in range(levels)]).astype(
                str
            )
        score = frame["x0"] + frame["x1"] * frame["x2"] + np.sin(3 * frame["x3"]) + (codes[2] % 3) - 2
        frame["event"] = np.where(rng.random(n) < 1 / (1 + np.exp(-score)), "yes", "no")
        size += int(frame.memory_usage(deep=True).sum())
        table = pa.Table.from_pandas(frame, preserve_index=False)
        writer = writer or pq.ParquetWriter(file, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()
    return size / 1e9


def run(clone: Path, *words: str) -> Cost:
    """Run a command of the clone and measure it.

    Raises:
        SystemExit: it failed; with what it said.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "CAIRN_", "OMP_"))}
    begun = time.monotonic()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [sys.executable, "src/cairn", *words], cwd=clone, env=environment, stdout=said, stderr=said
        )
        _, status, used = os.wait4(process.pid, 0)
        if os.waitstatus_to_exitcode(status):
            said.seek(0)
            raise SystemExit(f"cairn {' '.join(words)}: {said.read()[-2000:]}")
    return Cost(used.ru_utime + used.ru_stime, time.monotonic() - begun, used.ru_maxrss / 1e6)


def measure(rows: int, settings: list[str]) -> Measured:
    """Run all stages for a table of so many rows under settings."""
    with tempfile.TemporaryDirectory() as folder:
        clone, file = Path(folder) / "clone", Path(folder) / "made.parquet"
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        size = make(file, rows)
        costs = [run(clone, "new-data", str(file), "--target", "event", "--positive", "yes")]
        file.unlink()
        run(clone, "code")
        run(clone, "compose", "data=made", *settings)
        for stage in STAGES:
            costs.append(run(clone, stage))
            if stage == "train":
                run(clone, "cross_validate")
        scores = json.loads((clone / "metrics/evaluation.json").read_text(encoding="utf-8"))["scores"][
            "model"
        ]
        shutil.rmtree(clone)
    return Measured(costs, size, *(scores[name]["value"] for name in ("log_loss", "roc_auc")))


def exponent(rows: list[int], values: list[float]) -> float:
    """Return b of the fit a * rows^b; NaN for one number of rows."""
    if len(rows) < 2:
        return float("nan")
    return float(np.polyfit(np.log(rows), np.log(values), 1)[0])


def main() -> None:
    """Print a line for each stage."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", default=DEFAULT, help="numbers of rows, the smallest first")
    parser.add_argument("--set", nargs="*", default=[], help="settings, such as model.params.max_iter=30")
    args = parser.parse_args()
    rows = [int(word) for word in args.rows.split(",")]
    measured = [measure(n, args.set) for n in rows]
    found = [one.costs for one in measured]
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}; CPU seconds / seconds / peak GB")
    print("| stage |" + "".join(f" {n:,} rows |" for n in rows) + " growth of CPU, of memory |")
    print("|---|" + "---|" * (len(rows) + 1))
    most = [-np.inf, -np.inf]
    for at, name in enumerate(NAMES):
        costs = [one[at] for one in found]
        cells = "".join(f" {c.cpu:.1f} / {c.wall:.1f} / {c.peak:.2f} |" for c in costs)
        growth = [exponent(rows, [getattr(c, what) for c in costs]) for what in ("cpu", "peak")]
        most = [max(pair) for pair in zip(most, growth, strict=True)]
        print(f"| {name} |{cells} {growth[0]:.2f}, {growth[1]:.2f} |")
    totals = [sum(cost.wall for cost in costs[1:]) for costs in found]
    print("seconds of all stages: " + ", ".join(f"{total:.0f}" for total in totals))
    print("log loss and ROC AUC on test: " + ", ".join(f"{m.log_loss:.4f} {m.roc_auc:.4f}" for m in measured))
    peak, size = max(cost.peak for cost in found[-1]), measured[-1].size
    print(f"largest growth of CPU {most[0]:.2f}, of memory {most[1]:.2f}")
    print(f"largest peak {peak:.2f} GB, {peak / size:.1f} times the table in memory ({size:.2f} GB)")


if __name__ == "__main__":
    main()
