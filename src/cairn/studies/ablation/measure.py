"""How good a way of fitting is, under several seeds, and how sure one can be of a difference.

A way of fitting (these columns, these rows) is fitted under S seeds; its score is the mean over them. Two
things make that mean uncertain: other validation rows might have come (paired bootstrap of whole blocks), and
other seeds (their spread). Everything asked here is a weighted sum of such means, its standard error

    sqrt(sd(draws)² · b / (b - 1)  +  sum of weight² · sd(seeds)² / S)        b blocks

and its interval Student's, with the degrees of freedom of Welch (1947, Biometrika 34:28-35) and Satterthwaite
(1946, Biometrics Bulletin 2:110-114). The first term has the factor for few blocks of Hesterberg (2015, The
American Statistician 69:371-386).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cairn.data.parts import Prepared
from cairn.errors import UserError
from cairn.metrics.bootstrap import Blocks, bootstrap, bootstrap_sums, defined_draws
from cairn.metrics.decisions import decide
from cairn.metrics.evaluation import time_blocks
from cairn.metrics.kpi import PER_ROWS, row_cost
from cairn.metrics.scores import METRICS, score
from cairn.models.labels import class_labels, target_values
from cairn.settings.config import Config
from cairn.settings.data import Task
from cairn.settings.evaluate import METRICS_OF
from cairn.settings.kpi import CostKpi

Floats = NDArray[np.float64]
K = TypeVar("K")
SAVING = "saving"
"""Beside the metrics: what deciding by the model saves against doing nothing, per 1,000 rows."""


@dataclass(frozen=True)
class Jury:
    """The validation rows, and how models are judged on them.

    Attributes:
        task: binary, multiclass or regression.
        y: the target as metrics take it, shape (n,).
        blocks: a code per row, 0..b-1, shape (n,); None where rows are drawn one by one.
        decides: the metric, or `saving`, that verdicts are about.
        costs: prices; None where decisions have none.
        resamples: number of bootstrap draws.
        confidence: of the intervals.
        seed: of the draws.
    """

    task: Task
    y: NDArray[Any]
    blocks: Blocks
    decides: str
    costs: CostKpi | None
    resamples: int
    confidence: float
    seed: int

    @property
    def units(self) -> int:
        """How many blocks, or rows, are drawn."""
        return len(self.y) if self.blocks is None else int(self.blocks.max()) + 1

    @property
    def quantities(self) -> list[str]:
        """What is measured: what decides first, then the saving if there is one."""
        return list(dict.fromkeys([self.decides, *([SAVING] if self.costs else [])]))


@dataclass(frozen=True)
class Measured:
    """One way of fitting.

    Attributes:
        values: by quantity, higher being better (losses have their sign changed), one per seed, shape (S,).
        draws: by quantity, the mean over the seeds in each bootstrap draw, shape (resamples,).
    """

    values: dict[str, Floats]
    draws: dict[str, Floats]


@dataclass(frozen=True)
class Weighed:
    """A weighted sum of scores with its interval; NaN where undefined.

    Attributes:
        value: higher is better.
        low: lower end.
        high: upper end.
        error: standard error.
        p: two-sided, against 0.
    """

    value: float
    low: float
    high: float
    error: float
    p: float


def jury_of(config: Config, prepared: Prepared, decides: str | None) -> Jury:
    """Put together how models of this config are judged on validation.

    Args:
        config: the whole config.
        prepared: the rows.
        decides: a metric of the task or `saving`; None: evaluate.primary.

    Raises:
        UserError: no such metric for the task, or no prices to compute a saving from.
    """
    task, costs = config.data.task, config.kpi if isinstance(config.kpi, CostKpi) else None
    known = [*METRICS_OF[task], *([SAVING] if costs else [])]
    chosen = decides or config.evaluate.primary_of(task)
    if chosen not in known:
        raise UserError(f"--decide-by {chosen}: a {task} task has {', '.join(known)}")
    rows, target = prepared.validation, config.data.target
    y = target_values(rows[target], task, class_labels(prepared.train[target], task))
    time = rows[config.data.time] if config.data.time else None
    blocks = time_blocks(time, config.evaluate.block)
    return Jury(
        task, y, blocks, chosen, costs, config.evaluate.resamples, config.evaluate.confidence, config.seed
    )


def sign_of(quantity: str) -> int:
    """Return 1 where more is better, else -1."""
    return 1 if quantity == SAVING or METRICS[quantity].greater_is_better else -1


def measure(jury: Jury, judged: Sequence[tuple[Floats, float]]) -> Measured:
    """Score one way of fitting.

    Args:
        jury: the rows.
        judged: for each seed the prediction of the rows and the threshold of decisions.
    """
    values: dict[str, Floats] = {}
    draws: dict[str, Floats] = {}
    if jury.decides != SAVING:
        metric, sign = jury.decides, sign_of(jury.decides)
        drawn = bootstrap(
            jury.task,
            jury.y,
            {str(i): prediction for i, (prediction, _) in enumerate(judged)},
            resamples=jury.resamples,
            seed=jury.seed,
            blocks=jury.blocks,
            metrics=[metric],
            thresholds={str(i): threshold for i, (_, threshold) in enumerate(judged)},
        )
        draws[metric] = sign * np.mean([one[metric] for one in drawn.values()], axis=0)
        values[metric] = sign * np.array(
            [score(jury.task, jury.y, p, threshold=t, metrics=[metric])[metric] for p, t in judged]
        )
    if jury.costs is not None:
        values[SAVING], draws[SAVING] = _saving(jury, jury.costs, judged)
    return Measured(values, draws)


def _saving(jury: Jury, costs: CostKpi, judged: Sequence[tuple[Floats, float]]) -> tuple[Floats, Floats]:
    """Return the saving per 1,000 rows under each seed, and the draws of its mean over the seeds."""
    idle = row_cost(jury.y, np.zeros(len(jury.y)), costs)
    saved = [idle - row_cost(jury.y, decide(p, threshold), costs) for p, threshold in judged]
    rows = np.stack([np.ones(len(idle)), np.mean(saved, axis=0)], axis=1)
    sums = bootstrap_sums(rows, resamples=jury.resamples, seed=jury.seed, blocks=jury.blocks)
    return PER_ROWS * np.mean(saved, axis=1), PER_ROWS * sums[:, 1] / sums[:, 0]


def weigh(jury: Jury, measured: Mapping[K, Measured], weights: Mapping[K, float], quantity: str) -> Weighed:
    """Return a weighted sum of ways of fitting with its interval, see the top of this file.

    Args:
        jury: the rows.
        measured: by any key.
        weights: by the same keys; {a: 1, b: -1} is a difference.
        quantity: one of jury.quantities.
    """
    value = sum(w * float(measured[name].values[quantity].mean()) for name, w in weights.items())
    draws = np.sum([w * measured[name].draws[quantity] for name, w in weights.items()], axis=0)
    defined, units = defined_draws(draws), jury.units
    if len(defined) < 2 or units < 2 or np.isnan(value):
        return Weighed(value, *[float("nan")] * 4)
    parts = [(float(defined.var(ddof=1)) * units / (units - 1), units - 1)]
    for name, weight in weights.items():
        seeds = measured[name].values[quantity]
        if len(seeds) > 1:
            parts.append((weight**2 * float(seeds.var(ddof=1)) / len(seeds), len(seeds) - 1))
    return _student(value, parts, jury.confidence)


def mean_score(jury: Jury, measured: Measured, quantity: str) -> Weighed:
    """Return the mean over the seeds with its interval; a loss has its own sign again."""
    score = weigh(jury, {"it": measured}, {"it": 1.0}, quantity)
    if sign_of(quantity) > 0:
        return score
    return replace(score, value=-score.value, low=-score.high, high=-score.low)


def _student(value: float, parts: Iterable[tuple[float, int]], confidence: float) -> Weighed:
    """Return the interval of a value whose variance is the sum of parts (variance, degrees of freedom)."""
    varying = [(variance, freedom) for variance, freedom in parts if variance > 0]
    if not varying:
        return Weighed(value, value, value, 0.0, 1.0 if value == 0 else 0.0)
    total = sum(variance for variance, _ in varying)
    freedom = total**2 / sum(variance**2 / f for variance, f in varying)
    error = total**0.5
    reach = float(stats.t.ppf((1 + confidence) / 2, freedom)) * error
    return Weighed(
        value, value - reach, value + reach, error, float(2 * stats.t.sf(abs(value) / error, freedom))
    )


def refit_noise(measured: Iterable[Measured], quantity: str) -> float | None:
    """Return the standard deviation between seeds, pooled over ways of fitting; None for one seed."""
    several = [one.values[quantity] for one in measured if len(one.values[quantity]) > 1]
    return float(np.mean([values.var(ddof=1) for values in several])) ** 0.5 if several else None
