"""Are the values of hist_gbdt_general good defaults? Chosen on one half of the tables, reported on the other.

    python benchmarks/defaults.py choose --packages PACKAGES     the tables that the values were made for
    python benchmarks/defaults.py report --packages PACKAGES     those that came later (table_list.SEEN_LATER)

`choose` scores every candidate on the test rows of the first half. `report` scores CHOSEN, what was picked
there, on the second half; a value of conf/model changes only if the interval confirms it. Predictions are
kept in --folder, so a run that was interrupted goes on.
"""

import argparse
from pathlib import Path

from peers import ROWS, SEEDS, collected, fit_cairn, machine, on_one_thread, report
from table_list import PACKAGED, SEEN_LATER
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
ONE = {f"{key}={value}": [f"model.params.{key}={value}"] for key, values in PARAMS.items() for value in values}
CANDIDATES = {BASE: [GENERAL]} | {name: [GENERAL, *words] for name, words in ONE.items()}
"""By name, what `choose` fits on train, stopping early on validation."""
REFIT = "train.refit=validation"
ENSEMBLES: dict[str, list[str]] = {}
CHOSEN: dict[str, list[str]] = {}


def main() -> None:
    """Fit what is missing and print a line for each candidate."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["choose", "ensembles", "report"])
    parser.add_argument("--packages", type=Path, default=Path(), help="folder that pip installed tables to")
    parser.add_argument("--folder", type=Path, default=Path(".dvc/tmp/defaults"), help="for predictions")
    parser.add_argument("--seeds", default=SEEDS)
    parser.add_argument("--rows", type=int, default=ROWS, help="of train at most")
    args = parser.parse_args()
    on_one_thread()
    candidates = {"choose": CANDIDATES, "ensembles": ENSEMBLES, "report": CHOSEN}[args.what]
    first = [name for name in PACKAGED if name not in SEEN_LATER]
    tables = list(SEEN_LATER) if args.what == "report" else first
    seeds = [int(seed) for seed in args.seeds.split(",")]
    for name in tables:
        fit_cairn(args.folder, described(name, args.packages), seeds, candidates, args.rows)
    print(machine())
    report(collected(args.folder, list(candidates), tables, seeds), next(iter(candidates)))


if __name__ == "__main__":
    main()
