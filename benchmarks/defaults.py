"""Are the values of hist_gbdt_general good defaults? Chosen on one half of the tables, reported on the other.

    python benchmarks/defaults.py one --packages PACKAGES        one value changed, on the first half
    python benchmarks/defaults.py several --packages PACKAGES    those that were better alone, together
    python benchmarks/defaults.py report --packages PACKAGES     CHOSEN on the tables of table_list.SEEN_LATER
    python benchmarks/defaults.py large --packages PACKAGES --rows 300000 --tables NAME ...
                                                                 larger learning rates, on long tables

`one` and `several` fit on train, stop early on validation and score the test rows of the first half, from
which CHOSEN was picked; a value of conf/model changes only if the interval confirms it. Predictions are
kept in --folder, so a run that was interrupted goes on.
"""

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path

from peers import SEEDS, collected, fit_cairn, machine, on_one_thread, report
from table_list import FOR_PEERS, PACKAGED, SEEN_LATER
from table_rows import described

BASE = "as shipped"
PARAMS = {
    "learning_rate": (0.03, 0.05, 0.15),
    "max_leaf_nodes": (8, 15, 63),
    "min_samples_leaf": (5, 10, 50),
    "l2_regularization": (0.1, 10.0, 50.0),
    "max_features": (0.25, 0.75, 1.0),
    "n_iter_no_change": (10, 50),
}
GENERAL = "model=hist_gbdt_general"
ONE = {f"{key}={value}": {key: value} for key, values in PARAMS.items() for value in values}
"""One value changed."""
SEVERAL = (
    {"max_leaf_nodes": 8, "l2_regularization": 10.0},
    {"max_leaf_nodes": 8, "l2_regularization": 50.0},
    {"max_leaf_nodes": 15, "l2_regularization": 10.0},
    {"max_leaf_nodes": 15, "l2_regularization": 50.0},
    {"max_leaf_nodes": 8, "l2_regularization": 10.0, "learning_rate": 0.05},
    {"max_leaf_nodes": 15, "l2_regularization": 10.0, "learning_rate": 0.05},
    {"max_leaf_nodes": 15, "l2_regularization": 10.0, "n_iter_no_change": 10},
    {"max_leaf_nodes": 8, "l2_regularization": 10.0, "n_iter_no_change": 10},
    {"max_leaf_nodes": 8, "l2_regularization": 10.0, "max_features": 0.25},
    {"l2_regularization": 10.0, "learning_rate": 0.05, "n_iter_no_change": 10},
)
"""Those that were better alone, together."""
LARGE = ({"learning_rate": 0.15}, {"learning_rate": 0.2}, {"learning_rate": 0.3})
"""Candidates for conf/model/hist_gbdt_large.yaml."""
CHOSEN = ({"max_leaf_nodes": 8, "l2_regularization": 10.0},)
"""What `report` compares with the shipped values."""


ENSEMBLE = "model=ensemble_general"
MORE = {name: f"+model@model.members.{name}={name}" for name in ("catboost", "lightgbm", "xgboost")}
"""Members that need an extra, as overrides."""
ENSEMBLES = {BASE: [ENSEMBLE]} | {
    f"with {' and '.join(names)}": [ENSEMBLE, *(MORE[name] for name in names)]
    for names in (["lightgbm"], ["xgboost"], ["catboost"], ["catboost", "lightgbm"], [*MORE])
}
"""Ensembles with further members at the values of their files."""


def presets(changes: Iterable[Mapping[str, float]]) -> dict[str, list[str]]:
    """Return the shipped values and changes of them, as overrides by name."""
    named = {", ".join(f"{key}={value}" for key, value in change.items()): change for change in changes}
    return {BASE: [GENERAL]} | {
        name: [GENERAL, *(f"model.params.{key}={value}" for key, value in change.items())]
        for name, change in named.items()
    }


def main() -> None:
    """Fit what is missing and print a line for each candidate."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["one", "several", "ensembles", "report", "large"])
    parser.add_argument("--packages", type=Path, default=Path(), help="folder that pip installed tables to")
    parser.add_argument("--folder", type=Path, default=Path(".dvc/tmp/defaults"), help="for predictions")
    parser.add_argument("--seeds", default=SEEDS)
    parser.add_argument("--rows", type=int, default=2_000, help="of train at most")
    parser.add_argument("--tables", nargs="*", help="some of the tables")
    args = parser.parse_args()
    on_one_thread()
    changes = {"one": ONE.values(), "several": SEVERAL, "report": CHOSEN, "large": LARGE}
    candidates = presets(changes[args.what]) if args.what in changes else ENSEMBLES
    first = [name for name in PACKAGED if name not in SEEN_LATER | FOR_PEERS]
    tables = list(SEEN_LATER) if args.what == "report" else first
    seeds = [int(seed) for seed in args.seeds.split(",")]
    tables = [name for name in tables if args.tables is None or name in args.tables]
    folder = args.folder / str(args.rows)
    for name in tables:
        fit_cairn(folder, described(name, args.packages), seeds, candidates, args.rows)
    print(machine())
    report(collected(folder, list(candidates), tables, seeds), [BASE])


if __name__ == "__main__":
    main()
