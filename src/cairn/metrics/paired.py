"""Is the difference between two models real? Paired, by blocks, and corrected for how often one asks.

Every model is scored on the same resamples of whole blocks, so the draws of a difference are differences of
draws. The interval is Student's, from the standard error of these draws:

    difference ± t(1 - alpha/2, b - 1) · sd(draws) · sqrt(b / (b - 1))        b blocks

The percentile interval, which the model card gives, is too narrow where blocks are few: the draws vary by a
factor sqrt((b - 1) / b) too little, and their quantiles are the normal's and not Student's (Hesterberg 2015,
What Teachers Should Know About the Bootstrap, The American Statistician 69:371-386; Cameron, Gelbach and
Miller 2008, Bootstrap-Based Improvements for Inference with Clustered Errors, The Review of Economics and
Statistics 90:414-427). benchmarks/null_pairs.py measures both. Student's also has p-values below
1 / resamples, which a correction for many slices needs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from cairn.metrics.bootstrap import Blocks, bootstrap, bootstrap_sums, defined_draws
from cairn.metrics.decisions import decide
from cairn.metrics.kpi import PER_ROWS, row_cost
from cairn.metrics.multiplicity import holm
from cairn.metrics.scores import METRICS, metric_names, score
from cairn.metrics.slices import slice_levels
from cairn.settings.data import Task
from cairn.settings.kpi import CostKpi

Floats = NDArray[np.float64]
SAVING = "saving"
"""Beside the metrics: what deciding by the model saves against doing nothing, per 1,000 rows."""


@dataclass(frozen=True)
class Question:
    """The rows, how they are drawn, and what is asked of them.

    Attributes:
        task: binary, multiclass or regression.
        y: the target as metrics take it, shape (n,).
        blocks: a code per row, 0..b-1, each used, shape (n,); None where rows are drawn one by one.
        costs: prices of acting and of the event; None where there is no saving to speak of.
        resamples: number of bootstrap draws.
        seed: of the draws.
        confidence: of the intervals.
    """

    task: Task
    y: NDArray[Any]
    blocks: Blocks
    costs: CostKpi | None
    resamples: int
    seed: int
    confidence: float

    def of(self, rows: NDArray[np.int64]) -> "Question":
        """The same of some of the rows."""
        blocks = None if self.blocks is None else np.unique(self.blocks[rows], return_inverse=True)[1]
        return replace(self, y=self.y[rows], blocks=blocks)

    @property
    def units(self) -> int:
        """How many blocks, or rows, are drawn."""
        return len(self.y) if self.blocks is None else int(self.blocks.max()) + 1


@dataclass(frozen=True)
class Predictor:
    """What one revision says of the rows.

    Attributes:
        prediction: shape (n,), or (n, k) for k classes.
        threshold: of its decisions in a binary task.
    """

    prediction: Floats
    threshold: float = 0.5

    def of(self, rows: NDArray[np.int64]) -> "Predictor":
        """The same of some of the rows."""
        return replace(self, prediction=self.prediction[rows])


@dataclass(frozen=True)
class Difference:
    """One quantity of two models on the same rows; NaN where undefined.

    Attributes:
        reference: its value for the reference.
        value: its value for the other.
        difference: value - reference, whichever direction is better.
        low: lower end of the interval of the difference.
        high: upper end.
        error: standard error of the difference.
        p: two-sided, against no difference.
        corrected: p after Holm's correction within its family, see `corrected`.
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


def differences(
    question: Question, reference: Predictor, others: Sequence[Predictor], asked: Sequence[str]
) -> list[dict[str, Difference]]:
    """Compare each of others with the reference, quantity by quantity, on the same resamples.

    Args:
        question: the rows.
        reference: what the others are compared with.
        others: at least one.
        asked: names from `quantities`.

    Returns:
        For each of others its differences by quantity; `corrected` is still p.
    """
    predictors = [reference, *others]
    values, draws = _scores(question, predictors, [name for name in asked if name != SAVING])
    if SAVING in asked and question.costs:
        savings = _savings(question, question.costs, predictors)
        for i, (value, drawn) in enumerate(zip(*savings, strict=True)):
            values[i][SAVING], draws[i][SAVING] = value, drawn
    return [
        {
            name: student(values[0][name], values[i][name], draws[i][name] - draws[0][name], question)
            for name in asked
        }
        for i in range(1, len(predictors))
    ]


def _scores(
    question: Question, predictors: Sequence[Predictor], metrics: list[str]
) -> tuple[list[dict[str, float]], list[dict[str, Floats]]]:
    """The metrics of each predictor, and their draws."""
    if not metrics:
        return [{} for _ in predictors], [{} for _ in predictors]
    names = [str(i) for i in range(len(predictors))]
    draws = bootstrap(
        question.task,
        question.y,
        {name: one.prediction for name, one in zip(names, predictors, strict=True)},
        resamples=question.resamples,
        seed=question.seed,
        blocks=question.blocks,
        metrics=metrics,
        thresholds={name: one.threshold for name, one in zip(names, predictors, strict=True)},
    )
    values = [
        score(question.task, question.y, one.prediction, threshold=one.threshold, metrics=metrics)
        for one in predictors
    ]
    return values, [draws[name] for name in names]


def _savings(
    question: Question, costs: CostKpi, predictors: Sequence[Predictor]
) -> tuple[list[float], list[Floats]]:
    """The saving of each predictor per 1,000 rows, and its draws."""
    idle = row_cost(question.y, np.zeros(len(question.y)), costs)
    saved = [idle - row_cost(question.y, decide(p.prediction, p.threshold), costs) for p in predictors]
    rows = np.stack([np.ones(len(idle)), *saved], axis=1)
    sums = bootstrap_sums(rows, resamples=question.resamples, seed=question.seed, blocks=question.blocks)
    drawn = PER_ROWS * sums[:, 1:] / sums[:, :1]
    return [PER_ROWS * float(one.mean()) for one in saved], list(drawn.T)


def student(reference: float, value: float, draws: Floats, question: Question) -> Difference:
    """Turn a difference and its draws into an interval and a p-value, see the top of this file.

    Args:
        reference: value of the reference.
        value: value of the other.
        draws: of the difference, shape (resamples,); NaN where undefined.
        question: says how many units were drawn, and the confidence.
    """
    defined, units = defined_draws(draws), question.units
    difference = value - reference
    if len(defined) < 2 or units < 2 or np.isnan(difference):
        nan = float("nan")
        return Difference(reference, value, difference, nan, nan, nan, nan, nan)
    error = float(defined.std(ddof=1)) * (units / (units - 1)) ** 0.5
    reach = float(stats.t.ppf((1 + question.confidence) / 2, units - 1)) * error
    if error > 0:
        p = float(2 * stats.t.sf(abs(difference) / error, units - 1))
    else:
        p = 1.0 if difference == 0 else 0.0
    return Difference(reference, value, difference, difference - reach, difference + reach, error, p, p)


def slice_differences(
    question: Question,
    reference: Predictor,
    others: Sequence[Predictor],
    columns: pd.DataFrame,
    *,
    quantity: str,
    min_rows: int,
) -> list[list[Slice]]:
    """Compare each of others with the reference within every level of every column.

    Args:
        question: the rows.
        reference: what the others are compared with.
        others: at least one.
        columns: to slice by, n rows in the same order.
        quantity: the one that decides.
        min_rows: smaller slices are left out.

    Returns:
        For each of others its slices; `corrected` is still p.
    """
    found: list[list[Slice]] = [[] for _ in others]
    for column in columns:
        for level, rows in slice_levels(columns[column], min_rows).items():
            inside = [other.of(rows) for other in others]
            compared = differences(question.of(rows), reference.of(rows), inside, [quantity])
            for mine, difference in zip(found, compared, strict=True):
                mine.append(Slice(str(column), level, len(rows), difference[quantity]))
    return found


def corrected(family: Sequence[Difference]) -> list[Difference]:
    """Return the differences of one family with their p-values corrected by `holm`."""
    return [replace(one, corrected=p) for one, p in zip(family, holm([one.p for one in family]), strict=True)]
