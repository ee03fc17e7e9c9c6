"""The paired bootstrap: every model is scored on the same resamples, so their differences are paired.

Rows with a common cause (the flights of one day) are drawn together as a block; drawing them one by
one would make the intervals too narrow (Efron and Tibshirani 1993, chapter 8).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cairn.data.predictions import Floats
from cairn.errors import UserError
from cairn.metrics.scores import METRICS, checked, metric_names
from cairn.metrics.weighted import (
    MEDIANS,
    RANKED,
    GroupedRanking,
    Ranking,
    block_sums,
    terms_of,
    weighted_median,
    weighted_sums,
)
from cairn.settings.data import Task

Blocks = NDArray[np.int64] | None
Draws = dict[str, Floats]
"""By metric, its value in each resample, shape (resamples,)."""

# Cells of one (blocks, draws) table of counts at a time: 8 MB of int32, about what a CPU cache holds.
CHUNK_CELLS = 2_000_000
MOST_DRAWS_AT_ONCE = 64
MOST_ALONE = 200_000
"""Rows that are drawn one by one, and ranked so; more are dealt into blocks, and ranked in groups."""
DEALT = 10_000
MOST_UNDEFINED = 0.02
"""Share of the draws. Of 30 blocks with 3 events among them, 4 % of the draws have none."""


class Estimate(NamedTuple):
    """A value and its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Resampling:
    """How rows are resampled; the same seed and blocks give the same draws for any models and metrics.

    Attributes:
        resamples: number of draws.
        seed: of the draws.
        blocks: block code per row, 0.., shape (n,); None draws every row by itself.
        confidence: of the intervals.
        n_blocks: number of blocks of the whole table, if these rows are in only some of them.
        weights: how much each row counts, shape (n,); None: all the same. They do not change the draws.
        grouped: rank groups of neighbours instead of rows, see GroupedRanking; needs blocks.
    """

    resamples: int
    seed: int
    blocks: Blocks = None
    confidence: float = 0.95
    n_blocks: int | None = None
    weights: Floats | None = None
    grouped: bool = False

    def __post_init__(self) -> None:
        """Refuse negative codes, which pandas gives to missing values."""
        if self.blocks is not None and self.blocks.min() < 0:
            raise ValueError(f"{(self.blocks < 0).sum()} rows belong to no block (is their time missing?)")

    def of(self, rows: NDArray[np.int64]) -> "Resampling":
        """Return the same draws for a part of the rows."""
        part = self if self.weights is None else replace(self, weights=self.weights[rows])
        if self.blocks is None:
            return part
        return replace(part, blocks=self.blocks[rows], n_blocks=int(self.blocks.max()) + 1)

    def estimate(self, value: float, draws: Floats) -> Estimate:
        """Return a value of all rows with the interval of its draws."""
        return Estimate(float(value), *interval(draws, self.confidence))

    def draws(self, n_rows: int) -> Iterator[tuple[slice, NDArray[np.int32]]]:
        """Draw blocks with replacement, as many as there are, in chunks that fit in memory.

        Yields which resamples a chunk is and how often each block was drawn, shape (n_blocks, draws). The
        numbers do not depend on the size of the chunks.
        """
        from tqdm import tqdm

        n_blocks = self.n_blocks or (n_rows if self.blocks is None else int(self.blocks.max()) + 1)
        rng = np.random.default_rng(self.seed)
        step = min(MOST_DRAWS_AT_ONCE, max(1, CHUNK_CELLS // n_blocks))
        total = self.resamples
        with tqdm(total=total, desc="bootstrap", unit="draw", delay=2, disable=None, leave=False) as bar:
            for start in range(0, total, step):
                stop = min(start + step, total)
                counts = np.empty((n_blocks, stop - start), dtype=np.int32)
                for column in range(stop - start):
                    drawn = rng.integers(0, n_blocks, size=n_blocks)
                    counts[:, column] = np.bincount(drawn, minlength=n_blocks)
                yield slice(start, stop), counts
                bar.update(stop - start)


def dealt(rows: int, blocks: Blocks, seed: int) -> Blocks:
    """Return the blocks; for a long table without any, DEALT blocks of rows dealt at random.

    Rows with no common cause are as independent in blocks as alone, so the intervals mean the same. Their
    width varies by 1 / sqrt(2 x DEALT), 0.7 %, with the deal; that of 1,000 draws by 2 %. Drawing 1.5 million
    rows one by one took five times as long.
    """
    if blocks is not None or rows <= MOST_ALONE:
        return blocks
    return np.random.default_rng(seed).permutation(np.arange(rows, dtype=np.int64) % DEALT)


def bootstrap(
    task: Task,
    y: ArrayLike,
    predictions: Mapping[str, ArrayLike],
    resampling: Resampling,
    *,
    metrics: Iterable[str] | None = None,
    thresholds: Mapping[str, float] | None = None,
) -> dict[str, Draws]:
    """Score every model on the same resamples of the rows; see `scores.score` for the shapes.

    thresholds are of binary decisions, by model; 0.5 when None.

    Returns:
        By model and metric, the values in each resample, shape (resamples,); NaN where undefined.

    Raises:
        ValueError: unknown metric, or inputs that `scores.checked` refuses.
    """
    names = metric_names(task, metrics)
    models: dict[str, _Resampled] = {}
    for model, prediction in predictions.items():
        target, predicted = checked(task, y, prediction)
        threshold = thresholds[model] if thresholds else 0.5
        models[model] = _Resampled(
            task,
            target,
            predicted,
            threshold,
            resampling.blocks,
            names,
            resampling.weights,
            resampling.grouped,
        )
    draws = {model: {name: np.empty(resampling.resamples) for name in names} for model in models}
    for where, counts in resampling.draws(len(np.asarray(y))):
        for model, resampled in models.items():
            for name, values in resampled.scores(counts).items():
                draws[model][name][where] = values
    return draws


def on_all_rows(
    task: Task,
    y: ArrayLike,
    prediction: ArrayLike,
    *,
    threshold: float = 0.5,
    metrics: Iterable[str] | None = None,
    weights: Floats | None = None,
) -> dict[str, float]:
    """Score all rows once by the formulas of the bootstrap: in float64, and without importing torch.

    See `scores.score` for the arguments and what is returned; weights (n,) are of the rows.
    """
    names = metric_names(task, metrics)
    target, predicted = checked(task, y, prediction)
    once = np.ones((len(target), 1), dtype=np.int32)
    values = _Resampled(task, target, predicted, threshold, None, names, weights).scores(once)
    return {name: float(values[name][0]) for name in names}


@dataclass
class _Resampled:
    """One model's predictions, prepared once for the metrics of every chunk of draws."""

    task: Task
    y: NDArray[Any]
    prediction: Floats
    threshold: float
    blocks: Blocks
    names: list[str]
    weights: Floats | None = None
    grouped: bool = False

    def __post_init__(self) -> None:
        terms, formulas = terms_of(self.task, self.y, self.prediction, self.threshold)
        self.sizes = {name: term.size for name, term in terms.items()}
        from scipy import sparse

        matrix = sparse.hstack([term.matrix() for term in terms.values()], format="csr")
        if self.weights is not None:
            matrix = sparse.csr_array(sparse.diags_array(self.weights) @ matrix)
        self.matrix = block_sums(matrix, self.blocks)
        self.summed = {name: formulas[name] for name in self.names if name in formulas}
        self.ranked = [name for name in self.names if name in RANKED]
        self.other = [name for name in self.names if name not in self.summed and name not in RANKED]
        self.rankings = self._rankings() if self.ranked else []

    def _rankings(self) -> list[Ranking] | list[GroupedRanking]:
        made: Any = GroupedRanking if self.grouped else Ranking
        if self.prediction.ndim == 1:
            return [made(self.y == 1, self.prediction, self.blocks, self.weights)]
        classes = np.unique(self.y)
        return [made(self.y == k, self.prediction[:, k], self.blocks, self.weights) for k in classes]

    def scores(self, counts: NDArray[np.int32]) -> Draws:
        """The metrics under counts (blocks, draws)."""
        draws = {}
        if self.summed:
            ends = np.cumsum(list(self.sizes.values()))[:-1]
            sums = dict(zip(self.sizes, np.split(weighted_sums(self.matrix, counts), ends), strict=True))
            draws = {name: formula(sums) for name, formula in self.summed.items()}
        if self.ranked:
            areas = np.array([ranking.areas(counts) for ranking in self.rankings])
            # A class that a draw misses is left out of its mean; one with all rows leaves nothing.
            defined = ~np.isnan(areas)
            with np.errstate(invalid="ignore"):
                means = np.where(defined, areas, 0).sum(axis=0) / defined.sum(axis=0)
            draws |= {name: means[RANKED.index(name)] for name in self.ranked}
        return draws | {name: self._recomputed(name, counts) for name in self.other}

    def _recomputed(self, name: str, counts: NDArray[np.int32]) -> Floats:
        """Compute a metric that is neither a sum nor a ranking on the copied rows of every draw.

        Raises:
            UserError: rows have weights, and the metric has no formula for them.
        """
        function, values = METRICS[name].functions[self.task], []
        of_rows = (drawn if self.blocks is None else drawn[self.blocks] for drawn in counts.T)
        if self.weights is not None:
            if name not in MEDIANS:
                said = f"{name} has no formula for weighted rows; add it to src/cairn/metrics/weighted.py"
                raise UserError(f"evaluate.weight: {said}")
            each = MEDIANS[name](self.y, self.prediction)
            return np.array([weighted_median(each, copies * self.weights) for copies in of_rows])
        for copies in of_rows:
            rows = np.repeat(np.arange(len(self.y)), copies)
            empty = len(rows) == 0
            values.append(np.nan if empty else function(self.y[rows], self.prediction[rows], self.threshold))
        return np.array(values)


def bootstrap_sums(rows: Floats, resampling: Resampling) -> Floats:
    """Sum columns of rows (n, c) over the resamples that `bootstrap` draws, shape (resamples, c)."""
    from scipy import sparse

    matrix = block_sums(sparse.csr_array(np.asarray(rows, dtype=np.float64)), resampling.blocks)
    sums = np.empty((resampling.resamples, rows.shape[1]))
    for where, counts in resampling.draws(len(rows)):
        sums[where] = weighted_sums(matrix, counts).T
    return sums


def defined_draws(draws: Floats) -> Floats:
    """Return the draws that are not NaN, shape (resamples,) or less; none of them if more than a few are NaN.

    A metric is undefined in a draw without events. If that happens often, there are only one to three events,
    and the defined draws vary by the other rows alone: an interval from them would be far too narrow.
    """
    missing = np.isnan(draws)
    return draws[:0] if missing.mean() > MOST_UNDEFINED else draws[~missing]


def interval(draws: Floats, confidence: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of draws (resamples,); NaN if `defined_draws` returns none."""
    defined = defined_draws(draws)
    if len(defined) == 0:
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)


def p_value(differences: Floats) -> float:
    """Return the two-sided bootstrap p-value of paired differences (resamples,) against no difference.

    Twice the smaller share of draws on either side of 0, with one draw added so that it is never 0
    (Davison and Hinkley 1997, section 4.2); NaN if `defined_draws` returns none.
    """
    defined = defined_draws(differences)
    if len(defined) == 0:
        return float("nan")
    side = min((defined <= 0).sum(), (defined >= 0).sum())
    return float(min(1.0, 2 * (side + 1) / (len(defined) + 1)))
