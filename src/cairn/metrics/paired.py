"""Is the difference between two models real? Paired, by blocks, over seeds, and corrected for many tests.

A way of fitting (one revision, these columns, these rows) is scored under S seeds, S = 1 for a revision; its
score is the mean over them. Two things make a difference of such means uncertain: other rows might have come
(every model is scored on the same bootstrap resamples of whole blocks, so draws of a difference are
differences of draws), and other seeds (their spread). The standard error and the interval are

    error² = sd(draws)² · b / (b - 1)  +  sum over both fits of sd(seeds)² / S        b blocks
    difference ± t(1 - alpha/2, f) · error

with f the degrees of freedom of Welch (1947, Biometrika 34:28-35) and Satterthwaite (1946, Biometrics
Bulletin 2:110-114), b - 1 without seeds. The percentile interval, which the model card gives, is too narrow
where blocks are few: the draws vary by a factor sqrt((b - 1) / b) too little, and their quantiles are the
normal's and not Student's (Hesterberg 2015, What Teachers Should Know About the Bootstrap, The American
Statistician 69:371-386; Cameron, Gelbach and Miller 2008, Bootstrap-Based Improvements for Inference with
Clustered Errors, The Review of Economics and Statistics 90:414-427). benchmarks/null_pairs.py measures both.
Student's also has p-values below 1 / resamples, which a correction for many slices needs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from cairn.data.predictions import Floats
from cairn.metrics.bootstrap import (
    MOST_ALONE,
    Blocks,
    Estimate,
    Resampling,
    bootstrap,
    bootstrap_sums,
    dealt,
    defined_draws,
    on_all_rows,
)
from cairn.metrics.decisions import decide
from cairn.metrics.kpi import PER_ROWS, row_saving
from cairn.metrics.scores import METRICS, metric_names
from cairn.metrics.slices import slice_levels
from cairn.metrics.weighted import weighted_rows
from cairn.settings.data import Task
from cairn.settings.kpi import CostKpi
from cairn.settings.search import SAVING

Outcome = Literal["better", "worse", "unclear"]
Decision = Literal["promote", "keep", "undecided"]
POWER = 0.8


@dataclass(frozen=True)
class EvaluationSet:
    """The rows that models are compared on, and how they are resampled.

    Attributes:
        y: the target as metrics take it, shape (n,).
        blocks: a code per row, 0..b-1, each used, shape (n,); None where rows are drawn one by one, or
            many rows in the blocks of `bootstrap.dealt`.
        costs: prices of acting and of the event; None without a saving.
        weights: how much each row counts, shape (n,); None: all the same.
    """

    task: Task
    y: NDArray[Any]
    blocks: Blocks
    costs: CostKpi | None
    resamples: int
    seed: int
    confidence: float
    weights: Floats | None = None

    def of(self, rows: NDArray[np.int64]) -> "EvaluationSet":
        """Return a part of the rows."""
        blocks = None if self.blocks is None else np.unique(self.blocks[rows], return_inverse=True)[1]
        weights = None if self.weights is None else self.weights[rows]
        return replace(self, y=self.y[rows], blocks=blocks, weights=weights)

    @property
    def resampling(self) -> Resampling:
        """How the rows are resampled."""
        blocks, long = dealt(len(self.y), self.blocks, self.seed), len(self.y) > MOST_ALONE
        more: dict[str, Any] = {"weights": self.weights, "grouped": long}
        return Resampling(self.resamples, self.seed, blocks, self.confidence, **more)

    @property
    def units(self) -> int:
        """How many blocks, or rows, are drawn."""
        blocks = self.resampling.blocks
        return len(self.y) if blocks is None else int(blocks.max()) + 1


@dataclass(frozen=True)
class Predictor:
    """The predictions of one model, shape (n,) or (n, k), and the threshold of its binary decisions."""

    prediction: Floats
    threshold: float = 0.5

    def of(self, rows: NDArray[np.int64]) -> "Predictor":
        """Return the predictions of a part of the rows."""
        return replace(self, prediction=self.prediction[rows])


@dataclass(frozen=True)
class Scores:
    """The scores of one way of fitting.

    Attributes:
        values: by quantity, one score per seed, shape (S,).
        draws: by quantity, the mean over the seeds in each bootstrap draw, shape (resamples,).
    """

    values: dict[str, Floats]
    draws: dict[str, Floats]


MeanScore = Estimate
"""The mean score over the seeds with its interval; NaN where undefined."""


@dataclass(frozen=True)
class Difference:
    """One quantity of two models on the same rows; NaN where undefined.

    Attributes:
        difference: value - reference, whichever direction is better, with its interval low, high.
        error: standard error of the difference.
        p: two-sided, against no difference.
        corrected: p corrected for the number of tests in its family, see `corrected`.
    """

    reference: float
    value: float
    difference: float
    low: float
    high: float
    error: float
    p: float
    corrected: float


@dataclass(frozen=True)
class Slice:
    """The difference among the rows of one level of one column."""

    column: str
    level: str
    rows: int
    difference: Difference


def greater_is_better(quantity: str) -> bool:
    """Tell the direction of a metric or of the saving."""
    return quantity == SAVING or METRICS[quantity].greater_is_better


def quantities(task: Task, costs: CostKpi | None, metrics: Iterable[str] | None = None) -> list[str]:
    """List the metrics, and the saving where it is defined.

    Raises:
        ValueError: a metric is unknown or not defined for the task.
    """
    asked = None if metrics is None else list(metrics)
    named = metric_names(task, None if asked is None else [name for name in asked if name != SAVING])
    priced = task == "binary" and costs is not None and (asked is None or SAVING in asked)
    return [*named, *([SAVING] if priced else [])]


def values_of(
    task: Task,
    y: NDArray[Any],
    predictor: Predictor,
    costs: CostKpi | None,
    asked: Sequence[str],
    *,
    weights: Floats | None = None,
) -> dict[str, float]:
    """Return metrics, and the saving per 1,000 rows, of one model; see `score` for the shapes.

    Raises:
        ValueError: a saving without costs, or see `score`.
    """
    metrics = [name for name in asked if name != SAVING]
    p, threshold = predictor.prediction, predictor.threshold
    values = {}
    if metrics:
        values = on_all_rows(task, y, p, threshold=threshold, metrics=metrics, weights=weights)
    if SAVING in asked:
        saved = _saved(y, predictor, costs)
        values[SAVING] = PER_ROWS * float(np.average(saved, weights=weights))
    return values


def _saved(y: NDArray[Any], predictor: Predictor, costs: CostKpi | None) -> Floats:
    """Return what deciding by the model saves against doing nothing, per row, shape (n,)."""
    if costs is None:
        raise ValueError("a saving needs a cost model")
    return row_saving(y, decide(predictor.prediction, predictor.threshold), costs)


def score_fits(
    rows: EvaluationSet, fits: Sequence[Sequence[Predictor]], asked: Sequence[str]
) -> list[Scores]:
    """Score ways of fitting, each a sequence of models, one per seed, on the same resamples."""
    metrics = [name for name in asked if name != SAVING]
    draws: list[dict[str, Floats]] = [{} for _ in fits]
    if metrics:
        every = {f"{i}.{k}": one for i, fit in enumerate(fits) for k, one in enumerate(fit)}
        drawn = bootstrap(
            rows.task,
            rows.y,
            {name: one.prediction for name, one in every.items()},
            rows.resampling,
            metrics=metrics,
            thresholds={name: one.threshold for name, one in every.items()},
        )
        for i, fit in enumerate(fits):
            for name in metrics:
                draws[i][name] = np.mean([drawn[f"{i}.{k}"][name] for k in range(len(fit))], axis=0)
    if SAVING in asked:
        saved = [np.mean([_saved(rows.y, one, rows.costs) for one in fit], axis=0) for fit in fits]
        columns = weighted_rows(np.stack([np.ones(len(rows.y)), *saved], axis=1), rows.weights)
        sums = bootstrap_sums(columns, rows.resampling)
        for i in range(len(fits)):
            draws[i][SAVING] = PER_ROWS * sums[:, i + 1] / sums[:, 0]
    found = []
    for fit, mine in zip(fits, draws, strict=True):
        values = [values_of(rows.task, rows.y, one, rows.costs, asked, weights=rows.weights) for one in fit]
        found.append(Scores({name: np.array([one[name] for one in values]) for name in asked}, mine))
    return found


def mean_score(rows: EvaluationSet, scores: Scores, quantity: str) -> MeanScore:
    """Return the mean over the seeds with its interval."""
    value, seeds = float(scores.values[quantity].mean()), scores.values[quantity]
    low, high, _, _ = _student(rows, value, scores.draws[quantity], [seeds])
    return MeanScore(value, low, high)


def difference_of(rows: EvaluationSet, reference: Scores, other: Scores, quantity: str) -> Difference:
    """Return the difference of two ways of fitting with its interval, see the top of this file."""
    seeds = [one.values[quantity] for one in (reference, other)]
    ours, theirs = (float(one.mean()) for one in seeds)
    draws = other.draws[quantity] - reference.draws[quantity]
    low, high, error, p = _student(rows, theirs - ours, draws, seeds)
    return Difference(ours, theirs, theirs - ours, low, high, error, p, p)


def _student(
    rows: EvaluationSet, value: float, draws: Floats, seeds: Sequence[Floats]
) -> tuple[float, float, float, float]:
    """Return the ends of an interval, the standard error and p against 0; NaN where undefined.

    seeds holds, for each mean in the estimate, its scores by seed.
    """
    defined, units = defined_draws(draws), rows.units
    if len(defined) < 2 or units < 2 or np.isnan(value):
        nan = float("nan")
        return nan, nan, nan, nan
    parts = [(float(defined.var(ddof=1)) * units / (units - 1), units - 1)]
    parts += [(float(one.var(ddof=1)) / len(one), len(one) - 1) for one in seeds if len(one) > 1]
    return _t_interval(value, parts, rows.confidence)


def _t_interval(
    value: float, parts: Sequence[tuple[float, int]], confidence: float
) -> tuple[float, float, float, float]:
    """Do the same for a variance that is the sum of parts (variance, degrees of freedom)."""
    varying = [(variance, freedom) for variance, freedom in parts if variance > 0]
    if not varying:
        return value, value, 0.0, 1.0 if value == 0 else 0.0
    total = sum(variance for variance, _ in varying)
    freedom = total**2 / sum(variance**2 / f for variance, f in varying)
    error = total**0.5
    reach = float(stats.t.ppf((1 + confidence) / 2, freedom)) * error
    return value - reach, value + reach, error, float(2 * stats.t.sf(abs(value) / error, freedom))


def seed_spread(fits: Iterable[Scores], quantity: str) -> float | None:
    """Return the standard deviation between seeds, pooled over ways of fitting; None for one seed."""
    several = [one.values[quantity] for one in fits if len(one.values[quantity]) > 1]
    return float(np.mean([values.var(ddof=1) for values in several])) ** 0.5 if several else None


def seed_difference(
    reference: Sequence[float], values: Sequence[float], *, confidence: float, tests: int = 1
) -> Difference | None:
    """Return the mean difference over pairs of one seed each, Student's; None for fewer than two pairs.

    The interval holds the chance of the seed alone: the rows are the same. It and `corrected` hold for so
    many tests at once, among which the best was picked on these scores (Bonferroni).
    """
    pairs = np.asarray(values) - np.asarray(reference)
    n = len(pairs)
    if n < 2:
        return None
    mean = float(pairs.mean())
    parts = [(float(pairs.var(ddof=1)) / n, n - 1)]
    low, high, error, p = _t_interval(mean, parts, 1 - (1 - confidence) / tests)
    ours, theirs = float(np.mean(reference)), float(np.mean(values))
    return Difference(ours, theirs, mean, low, high, error, p, min(1.0, tests * p))


def differences(
    rows: EvaluationSet, reference: Predictor, others: Sequence[Predictor], asked: Sequence[str]
) -> list[dict[str, Difference]]:
    """Compare each of others with the reference, by quantity, on the same resamples; corrected is p."""
    ours, *theirs = score_fits(rows, [[one] for one in (reference, *others)], asked)
    return [{name: difference_of(rows, ours, one, name) for name in asked} for one in theirs]


def slice_differences(
    rows: EvaluationSet,
    reference: Predictor,
    others: Sequence[Predictor],
    columns: pd.DataFrame,
    *,
    quantity: str,
    min_rows: int,
) -> list[list[Slice]]:
    """Compare each of others with the reference within every level of min_rows; `corrected` is still p."""
    found: list[list[Slice]] = [[] for _ in others]
    for column in columns:
        for level, some in slice_levels(columns[column], min_rows).items():
            inside = [other.of(some) for other in others]
            compared = differences(rows.of(some), reference.of(some), inside, [quantity])
            for mine, difference in zip(found, compared, strict=True):
                mine.append(Slice(str(column), level, len(some), difference[quantity]))
    return found


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that the chance of any false alarm among all tests is at most the level.

    The smallest is multiplied by the number of tests, the next by one less, and so on, none becoming
    smaller than the one before it; valid however the tests depend on each other (Holm 1979, Scandinavian
    Journal of Statistics 6:65-70). NaN, where there was nothing to test, does not count and stays NaN.
    """
    values = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(len(values), np.nan)
    order = np.argsort(values, kind="stable")[: np.count_nonzero(~np.isnan(values))]
    steps = values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted.tolist()


def corrected(family: Sequence[Difference]) -> list[Difference]:
    """Return the differences of one family with their p-values corrected by `holm`."""
    return [replace(one, corrected=p) for one, p in zip(family, holm([one.p for one in family]), strict=True)]


def judged(difference: Difference, quantity: str, level: float) -> Outcome:
    """Say what a difference shows at a level of significance, by its corrected p."""
    if not difference.corrected < level:
        return "unclear"
    return "better" if (difference.difference > 0) == greater_is_better(quantity) else "worse"


def decision(found: Mapping[str, Difference], decides: str, level: float, min_gain: float = 0.0) -> Decision:
    """Say whether a challenger replaces the champion, by its differences from it.

    promote: the deciding quantity is better, by more than min_gain within the whole interval. keep: it or the
    saving is worse, or the whole interval is at most min_gain. Equal models are called undecided, unless they
    predict the same.
    """
    if any(judged(found[name], name, level) == "worse" for name in (decides, SAVING) if name in found):
        return "keep"
    gained = gain(found[decides], decides)
    if gained.high <= min_gain:
        return "keep"
    better = judged(found[decides], decides, level) == "better"
    return "promote" if better and gained.low > min_gain else "undecided"


def gain(difference: Difference, quantity: str) -> Estimate:
    """Return the difference with the sign that makes positive better."""
    if greater_is_better(quantity):
        return Estimate(difference.difference, difference.low, difference.high)
    return Estimate(-difference.difference, -difference.high, -difference.low)


def detectable(difference: Difference, *, level: float, units: int) -> float:
    """Return the true difference that such a comparison finds four times in five.

    The usual (t(1 - alpha/2) + t(power)) · standard error (Bloom 1995, Evaluation Review 19:547-556).
    """
    quantiles = stats.t.ppf([1 - level / 2, POWER], units - 1)
    return float(quantiles.sum()) * difference.error
