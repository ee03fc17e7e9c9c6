"""1,000 bootstrap resamples against the naive way: rows drawn with replacement, the metric computed again.

    python benchmarks/resampling.py

Both draw the same rows from the same seed, so they must agree to the last digits; the largest difference is
printed. CPU seconds of one thread.
"""

import argparse
import time

import numpy as np
from peers import machine, on_one_thread
from sklearn.metrics import log_loss, mean_absolute_error, mean_squared_error, roc_auc_score

from cairn.metrics.bootstrap import Resampling, bootstrap

SEED = 2013
NAIVE = {
    "roc_auc": ("binary", roc_auc_score),
    "log_loss": ("binary", log_loss),
    "rmse": ("regression", lambda y, p: mean_squared_error(y, p) ** 0.5),
    "mae": ("regression", mean_absolute_error),
}


def main() -> None:
    """Print a line for each metric and number of rows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="*", default=[2_000, 20_000])
    parser.add_argument("--resamples", type=int, default=1_000)
    args = parser.parse_args()
    on_one_thread()
    print(machine())
    print("| metric | rows | naive, CPU s | here, CPU s | times faster | largest difference |")
    print("|---|---|---|---|---|---|")
    for rows in args.rows:
        rng = np.random.default_rng(0)
        event, number = rng.integers(0, 2, rows), rng.normal(size=rows)
        chance = 1 / (1 + np.exp(-(event - 0.5 + rng.normal(size=rows))))
        for name, (task, function) in NAIVE.items():
            y, p = (event, chance) if task == "binary" else (number, number + rng.normal(size=rows))
            drawn, began = np.random.default_rng(SEED), time.process_time()
            values = []
            for _ in range(args.resamples):
                some = drawn.integers(0, rows, size=rows)
                values.append(function(y[some], p[some]))
            naive, began = time.process_time() - began, time.process_time()
            resampling = Resampling(args.resamples, SEED)
            found = bootstrap(task, y, {"model": p}, resampling, metrics=[name])["model"][name]
            ours = time.process_time() - began
            apart = float(np.abs(found - values).max())
            print(
                f"| {name} | {rows:,} | {naive:.2f} | {ours:.2f} | {naive / ours:.0f} | {apart:.0e} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
