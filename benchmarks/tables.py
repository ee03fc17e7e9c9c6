"""What does Cairn make of a table by config alone, and is it as good as plain scikit-learn?

    python benchmarks/tables.py FILE --target COLUMN        one table of yours
    python benchmarks/tables.py adult wage --packages DIR   real tables of packages, see table_list.py
    python benchmarks/tables.py tall wide                   3 million rows; 1,500 columns

Each gets a fresh clone of the last commit, `cairn new-data`, `dvc exp run -S data=NAME`. The rival is what a
careful person writes in ten lines: HistGradientBoosting with its default parameters (early stopping on a
random tenth above 10,000 rows, as it comes), categories told as such, on the same columns and rows: once on
Cairn's train, once on train and validation together, as it has no use for the latter.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from table_list import MADE, PACKAGED, content

from cairn.data.records import read_json
from cairn.data.tables import read_table
from cairn.metrics.scores import METRICS, score

ROOT = Path(__file__).parents[1]
MOST_LEVELS = 250
HEADER = (
    "table | kind | rows x columns | task, split, metric | cairn | plain HGB, train | HGB, train + validation"
    " | seconds: new-data, run | peak GB | suspected leaks"
)


@dataclass(frozen=True)
class Asked:
    """A table to run: its file, its target, words for new-data, and what is hard about it."""

    name: str
    kind: str
    file: Path
    target: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Done:
    """What a command said, how long it took, and the memory of the largest process below it, in GB."""

    said: str
    seconds: float
    stages: dict[str, float]
    peak: float
    code: int


def run(clone: Path, *words: str) -> Done:
    """Run a command of this environment in the clone, timing the stages that DVC says it runs."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "CAIRN_", "OMP_"))}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    begun = time.monotonic()
    process = subprocess.Popen(
        words, cwd=clone, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    lines, started = [], []
    for line in process.stdout or []:
        lines.append(line)
        if line.startswith("Running stage '"):
            started.append((line.split("'")[1], time.monotonic()))
    _, status, used = os.wait4(process.pid, 0)
    ended = [moment for _, moment in started[1:]] + [time.monotonic()]
    stages = {name: end - start for (name, start), end in zip(started, ended, strict=False)}
    seconds, code = time.monotonic() - begun, os.waitstatus_to_exitcode(status)
    return Done("".join(lines), seconds, stages, used.ru_maxrss / 1e6, code)


def make_clone(folder: Path) -> Path:
    """Clone the last commit, with a cache and a remote of its own."""
    clone = folder / "clone"
    git = ("git", "-C", str(clone))
    for command in (
        ("git", "clone", "--quiet", "--shared", str(ROOT), str(clone)),
        (*git, "config", "user.name", "benchmark"),
        (*git, "config", "user.email", "benchmark@example.org"),
    ):
        subprocess.run(command, check=True)
    return clone


def parts_of(clone: Path) -> dict[str, pd.DataFrame]:
    """Return the rows that Cairn dealt, with its columns."""
    return {
        name: read_table(clone / f"data/splits/{name}.parquet") for name in ("train", "validation", "test")
    }


def plain_score(
    clone: Path, parts: dict[str, pd.DataFrame], fit_on: list[str], record: dict[str, Any]
) -> float:
    """Return what plain HistGradientBoosting reaches on test with the columns that Cairn learns from."""
    columns = read_json(clone / "data/prepared/contract.json")["columns"]
    task, target = record["task"], record["target"]
    names = [name for name, column in columns.items() if column.get("group")]
    fit = pd.concat([parts[name] for name in fit_on], ignore_index=True)
    frames = {"fit": fit[names].copy(), "test": parts["test"][names].copy()}
    for name in names:
        if columns[name]["kind"] == "categorical":
            levels = fit[name].value_counts().index[:MOST_LEVELS]
            for frame in frames.values():
                known = frame[name].where(frame[name].isin(levels))
                frame[name] = pd.Categorical(known, categories=levels)
        else:
            for frame in frames.values():
                numbers = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
                frame[name] = np.where(np.isinf(numbers), np.nan, numbers)
    if task == "regression":
        model = HistGradientBoostingRegressor(categorical_features="from_dtype", random_state=0)
        predicted: NDArray[Any] = model.fit(frames["fit"], fit[target]).predict(frames["test"])
        y = parts["test"][target].to_numpy()
    else:
        classes = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=0)
        classes.fit(frames["fit"], fit[target])
        predicted = classes.predict_proba(frames["test"])
        predicted = predicted[:, 1] if task == "binary" else predicted
        y = np.searchsorted(classes.classes_, parts["test"][target])
    return score(task, y, predicted, metrics=[record["primary"]])[record["primary"]]


def measure(asked: Asked, folder: Path) -> str:
    """Run one table and return its line."""
    clone = make_clone(folder)
    wanted = ("--target", asked.target, "--name", asked.name, *asked.words)
    said = run(clone, "python", "src/cairn", "new-data", str(asked.file), *wanted)
    print(said.said, flush=True)
    if said.code:
        return f"{asked.name} | {asked.kind} | new-data exits {said.code} after {said.seconds:.0f} s"
    ran = run(clone, "dvc", "exp", "run", "-S", f"data={asked.name}")
    print(", ".join(f"{name} {seconds:.1f} s" for name, seconds in ran.stages.items()), flush=True)
    if ran.code:
        print(ran.said[-3000:], flush=True)
        return f"{asked.name} | {asked.kind} | dvc exp run exits {ran.code} after {ran.seconds:.0f} s"
    record, split = (read_json(clone / f"metrics/{name}.json") for name in ("evaluation", "split"))
    primary, parts = record["primary"], parts_of(clone)
    ours = record["scores"]["model"][primary]
    plain = [plain_score(clone, parts, fit_on, record) for fit_on in (["train"], ["train", "validation"])]
    better = (lambda a, b: a >= b) if METRICS[primary].greater_is_better else (lambda a, b: a <= b)
    mark = "" if better(ours["value"], plain[0]) else " *"
    shape = next(line for line in said.said.splitlines() if " rows, " in line).split(": ")[1].split(";")[0]
    leaks = [line.split(": ")[1] for line in said.said.splitlines() if line.startswith("possible leak: ")]
    page = (clone / "reports/explore.html").stat().st_size / 1e6
    print(f"explore.html {page:.1f} MB; params.yaml {(clone / 'params.yaml').stat().st_size / 1e3:.0f} kB")
    fields = (
        asked.name,
        asked.kind,
        shape.replace(" rows, ", " x ").removesuffix(" columns"),
        f"{record['task']}, {split['kind']}, {primary}",
        f"{ours['value']:.4g} [{ours['low'] or np.nan:.4g}, {ours['high'] or np.nan:.4g}]{mark}",
        f"{plain[0]:.4g}",
        f"{plain[1]:.4g}",
        f"{said.seconds:.0f}, {ran.seconds:.0f}",
        f"{max(said.peak, ran.peak):.1f}",
        ", ".join(leaks) or "none",
    )
    return " | ".join(fields)


def asked_tables(words: argparse.Namespace, folder: Path) -> list[Asked]:
    """Return the tables that were asked for; packaged and made ones are written into the folder first."""
    if words.target:
        file = Path(words.tables[0]).resolve()
        return [Asked(words.name or "mine", "yours", file, words.target)]
    found = []
    for name in words.tables:
        file = folder / f"{name}.{words.format}"
        if name in MADE:
            kind, make, target = MADE[name]
            table = make()
            table.to_csv(file, index=False) if words.format == "csv" else table.to_parquet(file)
            found.append(Asked(name, kind, file, target))
        elif name in PACKAGED:
            table = PACKAGED[name]
            file = folder / f"{name}.csv"
            file.write_bytes(content(table, Path(words.packages)))
            found.append(Asked(name, table.kind, file, table.target, table.words))
        else:
            raise SystemExit(f"tables: no table {name}; there are {', '.join([*PACKAGED, *MADE])}")
    return found


def main() -> None:
    """Run every table that was asked for and print a line for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "tables", nargs="+", help="a file, or names of table_list.py (all: all packaged ones)"
    )
    parser.add_argument("--target", help="column of the file to predict")
    parser.add_argument("--name", help="of the data set")
    parser.add_argument("--packages", default=".", help="folder that pip installed packages to")
    parser.add_argument("--format", default="csv", choices=["csv", "parquet"], help="of the made tables")
    parser.add_argument("--keep", action="store_true", help="leave the clones where they are, and say where")
    words = parser.parse_args()
    words.tables = list(PACKAGED) if words.tables == ["all"] else words.tables
    lines = []
    top = Path(tempfile.mkdtemp(prefix="tables-"))
    try:
        for asked in asked_tables(words, top):
            folder = top / f"run-{asked.name}"
            folder.mkdir()
            print(f"\n=== {asked.name}{f' in {folder}' if words.keep else ''}", flush=True)
            lines.append(measure(asked, folder))
            print(lines[-1], flush=True)
            if not words.keep:
                shutil.rmtree(folder)
    finally:
        if not words.keep:
            shutil.rmtree(top)
    print("\n".join(["", HEADER, *lines, "* a worse value than plain HGB on the same rows"]))


if __name__ == "__main__":
    main()
