"""What a model looks at: permutation importance and partial dependence, on rows of validation.

Importance is scikit-learn's: how much worse the primary metric gets when the values of a column, or of a
whole feature group together, are shuffled between the rows. Its interval comes from the same blocks of rows
as `evaluate` has them. The stage explain writes an `Explanation` to metrics/explain.json.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cairn.data.predictions import Floats
from cairn.metrics.bootstrap import Resampling, bootstrap, on_all_rows
from cairn.metrics.evaluation import Frozen, Number, Score
from cairn.metrics.scores import METRICS
from cairn.settings.data import Task

Scores = Callable[[Floats], Floats]
"""The matrix of a model (n, width) to its predictions, see `scores.score`."""

RANGE = (0.05, 0.95)
"""Quantiles of a number between which its partial dependence is computed: few rows are outside."""


class Importance(Score):
    """By how much the metric is worse without a column or a group, 0 where it does not matter."""

    name: str
    group: str
    columns: int


class Dependence(Frozen):
    """The mean prediction if every row had the same value in one column.

    Attributes:
        at: the values: numbers in ascending order, or the most frequent categories first.
        predictions: by output of the model (a class, or the only one), one number for each value.
    """

    name: str
    group: str
    numeric: bool
    at: list[float | str]
    predictions: dict[str, list[Number]]


class Explanation(Frozen):
    """What a model looks at, from validation.

    Attributes:
        metric: that gets worse; positive importances mean worse.
        rows: in which the groups were shuffled, evenly spaced among validation_rows.
        column_rows: in which the columns were shuffled, and over which predictions were averaged.
        repeats: shuffles of every column and group; their mean is the importance.
        block: span of time whose rows were drawn together; None where rows were drawn one by one.
        groups: of features, shuffled as a whole, the most important first.
        columns: one by one, the most important first.
        dependence: of the most important columns.
    """

    metric: str
    rows: int
    column_rows: int
    validation_rows: int
    repeats: int
    confidence: float
    resamples: int
    block: str | None
    groups: list[Importance]
    columns: list[Importance]
    dependence: list[Dependence]


def permutation_importance(
    matrix: Floats,
    y: NDArray[Any],
    scores: Scores,
    parts: Mapping[str, Sequence[int]],
    resampling: Resampling,
    *,
    task: Task,
    metric: str,
    threshold: float,
    repeats: int,
    seed: int,
) -> dict[str, Score]:
    """Return the importance of parts of the matrix (n, width), with intervals, by name.

    Rows are shuffled as sklearn.inspection.permutation_importance does with random_state=seed, the same for
    every part.

    Args:
        matrix: what scores takes.
        y: target, shape (n,); see `scores.score` for it, task and threshold.
        scores: of the model.
        parts: columns of the matrix that are shuffled together, by name.
        resampling: of the rows, for the intervals.
        task: of the model.
        metric: its name in METRICS.
        threshold: of a binary decision.
        repeats: shuffles of each part.
        seed: of the shuffles.
    """
    sign = METRICS[metric].sign
    orders = _orders(len(y), repeats, seed)

    def scored(predictions: list[Floats]) -> tuple[float, Floats]:
        """Return the mean score over some predictions of the rows, and for every resample."""
        named = {str(at): prediction for at, prediction in enumerate(predictions)}
        cut = dict.fromkeys(named, threshold)
        draws = bootstrap(task, y, named, resampling, metrics=[metric], thresholds=cut)
        weights = resampling.weights
        points = [
            on_all_rows(task, y, p, threshold=threshold, metrics=[metric], weights=weights)[metric]
            for p in predictions
        ]
        return float(np.mean(points)), np.mean([draws[name][metric] for name in named], axis=0)

    before, draws_before = scored([scores(matrix)])
    found = {}
    for name, places in parts.items():
        predictions = []
        for order in orders:
            shuffled = matrix.copy()
            shuffled[:, places] = matrix[:, places][order]
            predictions.append(scores(shuffled))
        after, draws_after = scored(predictions)
        estimate = resampling.estimate(sign * (before - after), sign * (draws_before - draws_after))
        found[name] = Score.model_validate(estimate)
    return found


def _orders(rows: int, repeats: int, seed: int) -> list[NDArray[np.int64]]:
    random = np.random.RandomState(np.random.RandomState(seed).randint(np.iinfo(np.int32).max + 1))
    order, found = np.arange(rows), [np.arange(rows)]
    for _ in range(repeats):
        random.shuffle(order)
        found.append(found[-1][order])  # It shuffles what it has shuffled before.
    return found[1:]


def grid(values: Floats, points: int) -> Floats:
    """Return the values at which a number's partial dependence is computed, ascending.

    As in scikit-learn: all distinct values if there are at most `points`, otherwise evenly spaced ones.
    Missing values do not count.
    """
    from scipy.stats.mstats import mquantiles

    known = values[~np.isnan(values)]
    distinct = np.unique(known)
    if len(distinct) <= points:
        return distinct
    low, high = mquantiles(known, RANGE)
    return np.unique(np.linspace(low, high, points))


def mean_predictions(values: Floats, place: int, at: Floats, predict: Scores) -> Floats:
    """Return the mean prediction with each value of `at` in one column of values (n, d).

    Returns:
        Shape (len(at),), or (len(at), k) for predictions of k classes.
    """
    found = []
    for value in at:
        changed = values.copy()
        changed[:, place] = value
        found.append(predict(changed).mean(axis=0))
    return np.array(found)
