"""How often does `cairn compare` find a difference that does not exist, and how often one that does?

    python benchmarks/null_pairs.py            after `dvc repro evaluate`; about two minutes

Pairs of models with a known true difference are made from real test rows and two real models: the model and
the linear baseline. Days are drawn with replacement, as a new season would bring other days. On each day
the candidate gets the predictions of one model and the reference those of the other. If a fair coin decides
which, both have the same distribution: their true metrics are equal, and they stay as correlated, and as
clustered by day, as real models are. A biased coin makes a difference whose true size is known exactly.
"""

import argparse
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import log_loss, roc_auc_score
from tqdm import tqdm

from cairn.data.tables import read_table
from cairn.metrics.bootstrap import bootstrap, interval
from cairn.metrics.evaluation import time_blocks
from cairn.metrics.paired import (
    SAVING,
    Difference,
    EvaluationSet,
    Predictor,
    differences,
    greater_is_better,
    holm,
    slice_differences,
)
from cairn.settings.kpi import CostKpi

PRICES = CostKpi(kind="cost", currency="USD", action=100.0, loss=1000.0, share_saved=0.4)
QUANTITIES = ("roc_auc", "log_loss", SAVING)
SLICES = ["origin", "hour_band"]
PERCENTILE, SLICES_HOLM, SLICES_RAW = (
    "log_loss, percentile interval",
    f"log_loss, any slice of {', '.join(SLICES)}",
    "the same without Holm's correction",
)
LEVEL = 0.05
FEW_DAYS = 14
BIASES = (0.5, 1.0)


@dataclass(frozen=True)
class World:
    """The days to draw from, as rows of each, and the predictions of two models for every row."""

    days: list[NDArray[np.int64]]
    y: NDArray[np.int64]
    models: tuple[NDArray[np.float64], NDArray[np.float64]]
    slices: pd.DataFrame

    def pair(
        self, rng: np.random.Generator, days: int, bias: float
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], Predictor, Predictor]:
        """Draw days and assign the models: return rows, their blocks, the reference, the candidate.

        On a day the candidate gets the second model with probability (1 + bias) / 2, the reference the other.
        """
        drawn = rng.integers(0, len(self.days), days)
        rows = np.concatenate([self.days[day] for day in drawn])
        blocks = np.repeat(np.arange(days), [len(self.days[day]) for day in drawn])
        second = (rng.random(days) < (1 + bias) / 2)[blocks]
        first, other = (model[rows] for model in self.models)
        mixed = np.where(second, first, other), np.where(second, other, first)
        ours, theirs = (Predictor(prediction, PRICES.threshold) for prediction in mixed)
        return rows, blocks, ours, theirs

    def truth(self, bias: float) -> dict[str, float]:
        """Return the true differences between the two mixtures the days are drawn from, by scikit-learn."""
        y, both = np.tile(self.y, 2), np.concatenate(self.models)
        values = []
        for share in ((1 + bias) / 2, (1 - bias) / 2):
            weights = np.repeat([share, 1 - share], len(self.y))
            saved = (both > PRICES.threshold) * (y * PRICES.loss * PRICES.share_saved - PRICES.action)
            values.append(
                {
                    "roc_auc": roc_auc_score(y, both, sample_weight=weights),
                    "log_loss": log_loss(y, both, sample_weight=weights),
                    SAVING: 1000 * np.average(saved, weights=weights),
                }
            )
        return {name: values[1][name] - values[0][name] for name in QUANTITIES}


def read_world(root: Path, every: int) -> World:
    """Read every nth test row, and the predictions of the model and the linear baseline for it."""
    paths = [root / f"predictions/{name}.parquet" for name in ("model", "baseline")]
    rows = root / "data/splits/test.parquet"
    missing = [str(path) for path in (*paths, rows) if not path.exists()]
    if missing:
        raise SystemExit(f"null_pairs: {', '.join(missing)} does not exist; run `dvc repro evaluate`")
    model, baseline = (read_table(path).query("part == 'test'").iloc[::every] for path in paths)
    test = read_table(rows, columns=["sched_dep_local", *SLICES]).iloc[::every].reset_index(drop=True)
    day = time_blocks(test["sched_dep_local"], "1D")
    return World(
        days=[np.flatnonzero(day == code) for code in range(day.max() + 1)],
        y=model["target"].to_numpy(dtype=np.int64),
        models=(model["model"].to_numpy(), baseline["linear"].to_numpy()),
        slices=test[SLICES],
    )


def questions(
    world: World, *, pairs: int, days: int, bias: float, resamples: int, seed: int
) -> Iterator[tuple[NDArray[np.int64], EvaluationSet, Predictor, Predictor]]:
    """Draw this many pairs of models, each on its own days."""
    rng = np.random.default_rng([seed, days, round(100 * bias)])
    for i in tqdm(range(pairs), desc=f"{days} days, bias {bias:g}", disable=None, leave=False):
        rows, blocks, ours, theirs = world.pair(rng, days, bias)
        yield (
            rows,
            EvaluationSet("binary", world.y[rows], blocks, PRICES, resamples, seed + i, 1 - LEVEL),
            ours,
            theirs,
        )


def rate(alarms: int, pairs: int) -> str:
    """Return percent and its exact 95 % interval (Clopper and Pearson 1934, Biometrika 26:404-413)."""
    low, high = binomtest(alarms, pairs).proportion_ci(0.95, method="exact")
    return f"{100 * alarms / pairs:5.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def calls(difference: Difference, quantity: str) -> int:
    """Return 1 if the candidate is called better, -1 if worse, 0 if there is no evidence of a difference."""
    if not difference.p < LEVEL:
        return 0
    return 1 if (difference.difference > 0) == greater_is_better(quantity) else -1


def percentile_interval(question: EvaluationSet, ours: Predictor, theirs: Predictor) -> tuple[float, float]:
    """Return the percentile interval of the difference in log loss, which Student's t replaces."""
    draws = bootstrap(
        "binary",
        question.y,
        {"A": ours.prediction, "B": theirs.prediction},
        question.resampling,
        metrics=["log_loss"],
    )
    return interval(draws["B"]["log_loss"] - draws["A"]["log_loss"], question.confidence)


def false_alarms(world: World, *, pairs: int, days: int, resamples: int, seed: int) -> None:
    """Print how often equal models are called different."""
    alarms = dict.fromkeys((*QUANTITIES, PERCENTILE, SLICES_HOLM, SLICES_RAW), 0)
    drawn = questions(world, pairs=pairs, days=days, bias=0, resamples=resamples, seed=seed)
    for rows, question, ours, theirs in drawn:
        (found,) = differences(question, ours, [theirs], QUANTITIES)
        for name in QUANTITIES:
            alarms[name] += calls(found[name], name) != 0
        low, high = percentile_interval(question, ours, theirs)
        alarms[PERCENTILE] += not low <= 0 <= high
        columns = world.slices.iloc[rows].reset_index(drop=True)
        (slices,) = slice_differences(question, ours, [theirs], columns, quantity="log_loss", min_rows=50)
        p = [one.difference.p for one in slices]
        alarms[SLICES_HOLM] += min(holm(p)) < LEVEL
        alarms[SLICES_RAW] += min(p) < LEVEL
    for name, count in alarms.items():
        print(f"{days:4}  {name:40}{rate(count, pairs)}")


def power(world: World, *, pairs: int, bias: float, resamples: int, seed: int) -> None:
    """Print how often a known difference is found, and how often with the wrong sign."""
    truth, days = world.truth(bias), len(world.days)
    verdicts: dict[str, list[int]] = {name: [] for name in QUANTITIES}
    for _, question, ours, theirs in questions(
        world, pairs=pairs, days=days, bias=bias, resamples=resamples, seed=seed
    ):
        (found,) = differences(question, ours, [theirs], QUANTITIES)
        for name in QUANTITIES:
            verdicts[name].append(calls(found[name], name))
    for name in QUANTITIES:
        right = 1 if (truth[name] > 0) == greater_is_better(name) else -1
        print(
            f"{days:4}  {name:10}{truth[name]:+12.4g}        {rate(verdicts[name].count(right), pairs):24}"
            f"{verdicts[name].count(-right)}"
        )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--pairs", type=int, default=200, help="pairs of models per line")
    parser.add_argument("--resamples", type=int, default=1000, help="bootstrap draws per pair")
    parser.add_argument("--every", type=int, default=8, help="use every Nth row")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    world = read_world(Path(__file__).resolve().parents[1], args.every)
    common = {"pairs": args.pairs, "resamples": args.resamples, "seed": args.seed}
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "pandas", "scikit-learn"))
    print(f"Python {platform.python_version()}, {libraries}, {platform.system()} {platform.machine()}")
    print(f"{args.pairs} pairs, {args.resamples} draws, every {args.every}th row, seed {args.seed}\n")
    print("Equal models: nominal 5 %\n")
    print(f"days  {'':40}called different")
    false_alarms(world, days=len(world.days), **common)
    false_alarms(world, days=FEW_DAYS, **common)
    print("\nA true difference found\n")
    print(f"days  {'':10}{'true difference':>16}    {'found':24}wrong sign")
    for bias in BIASES:
        power(world, bias=bias, **common)


if __name__ == "__main__":
    sys.exit(main())
