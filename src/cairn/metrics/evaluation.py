"""The evaluation of a run, typed: scores, gains over every baseline and money, with intervals.

`evaluate` computes it and the stage evaluate writes it to metrics/evaluation.json, which is read back as an
`Evaluation`. Fields that older files lack have a default, so that these can still be read.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from cairn.data.predictions import Floats
from cairn.errors import UserError
from cairn.metrics.bootstrap import (
    MOST_ALONE,
    Estimate,
    Resampling,
    bootstrap,
    bootstrap_sums,
    dealt,
    on_all_rows,
    p_value,
)
from cairn.metrics.decisions import confusion, decide, decision_threshold, ratio
from cairn.metrics.fairness import fairness
from cairn.metrics.kpi import ORACLE, policy_series
from cairn.metrics.scores import METRICS
from cairn.metrics.slices import slice_scores, small_levels
from cairn.metrics.weighted import weighted_rows
from cairn.settings.baseline import ColumnRule, Rule
from cairn.settings.data import DataConfig, Task
from cairn.settings.evaluate import EvaluateConfig
from cairn.settings.kpi import CostKpi, KpiConfig

MODEL = "model"
"""Name of the model among the predictors, beside the names of the baselines."""

HEADLINE: dict[Task, tuple[str, ...]] = {
    "binary": ("roc_auc", "pr_auc", "log_loss", "brier", "ece", "accuracy", "precision", "recall", "f1"),
    "multiclass": ("accuracy", "f1", "roc_auc", "log_loss", "brier", "ece"),
    "regression": ("rmse", "mae", "mape", "r2"),
}
"""The metrics in metrics/test.json, which are columns of `dvc exp show`."""


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


Number = Annotated[float | None, BeforeValidator(_known)]
"""A float; None where it is undefined, which is NaN while it is computed and null in JSON."""


class Frozen(BaseModel):
    """A record that is read through attributes and never changed."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class Score(Frozen):
    """A value and its confidence interval."""

    value: Number
    low: Number = None
    high: Number = None


class Gain(Score):
    """The model's paired gain over a baseline, positive where the model is better; p is two-sided."""

    p: Number = None


class Policy(Frozen):
    """A way to decide, in money; see `kpi.policy_series` for the quantities."""

    cost: Score
    spent: Score
    saving: Score
    roi: Score
    acted: Score
    precision: Score
    recall: Score
    share_of_oracle: Score


class Kpi(Frozen):
    """Every policy in money per 1,000 test rows, and by policy how much less the model costs."""

    currency: str
    policies: dict[str, Policy]
    savings_of_model: dict[str, Score]


class SliceScore(Frozen):
    """One metric of the model and of the best baseline in one slice; see `slices.slice_scores`."""

    column: str
    level: str
    rows: int
    mean: Number
    metric: str
    value: Number
    reference: Number
    gain: Number
    low: Number
    high: Number

    @property
    def interval(self) -> Score:
        """The gain with its interval."""
        return Score(value=self.gain, low=self.low, high=self.high)

    @property
    def name(self) -> str:
        """The slice as `carrier = HA`."""
        return f"{self.column} = {self.level}"


class Treatment(Frozen):
    """How a level of a protected column is treated, and the gap to the rest; see `fairness.fairness`."""

    column: str
    level: str
    rows: int
    measure: str
    estimate: Score
    gap: Score

    @property
    def name(self) -> str:
        """The level as `sex = F`."""
        return f"{self.column} = {self.level}"


class SmallLevels(Frozen):
    """How many levels of a column are too small to be scored, and how many rows they have together."""

    levels: int
    rows: int


class Cell(Frozen):
    """One cell of the confusion matrix."""

    actual: str
    predicted: str
    rows: int


class Evaluated(Frozen):
    """What was evaluated: the part of an evaluation that every version has written."""

    task: Task
    target: str
    model: str
    thresholds: dict[str, float]


class Evaluation(Evaluated):
    """What may be claimed of a model, from its predictions of validation and test.

    Attributes:
        primary: the metric that ranks the baselines and heads the report.
        best_baseline: chosen on validation by the primary metric.
        same_as: baselines whose test predictions equal the model's.
        block: span of time whose rows were drawn together; None where rows were drawn one by one,
            or where there are many by `bootstrap.dealt`.
        weight: column by which scores, gains, money, slices and fairness are weighted; None: all rows alike.
        validation: by predictor and metric.
        validation_kpi: by policy and quantity, in money; None without a cost model.
        scores: by predictor and metric, on test.
        gains: by baseline and metric, on test, paired.
        mean_error: by how much predictions of a number are too high on average, on test.
        small_slices: by column, the levels that were not scored.
        fairness: of every level of a protected column, on test; binary tasks only.
    """

    primary: str
    better: dict[str, Literal["higher", "lower"]]
    best_baseline: str
    same_as: list[str]
    confidence: float
    resamples: int
    block: str | None
    weight: str | None = Field(default=None, exclude_if=lambda column: column is None)
    rows: int
    validation: dict[str, dict[str, Number]]
    validation_kpi: dict[str, dict[str, Number]] | None = None
    scores: dict[str, dict[str, Score]]
    gains: dict[str, dict[str, Gain]]
    mean_error: Score | None = None
    kpi: Kpi | None = None
    slices: list[SliceScore] = Field(default_factory=list)
    small_slices: dict[str, SmallLevels] = Field(default_factory=dict)
    confusion: list[Cell] | None = None
    # Left out where no column is protected, so that the records of such tables keep their bytes.
    fairness: list[Treatment] = Field(default_factory=list, exclude_if=lambda rows: not rows)

    @property
    def score(self) -> Score:
        """The model's primary score."""
        return self.scores[MODEL][self.primary]

    @property
    def gain(self) -> Gain:
        """The model's gain over the best baseline in the primary metric."""
        return self.gains[self.best_baseline][self.primary]

    @property
    def is_baseline(self) -> bool:
        """Whether the model predicts what the best baseline does."""
        return self.best_baseline in self.same_as

    @property
    def primary_slices(self) -> list[SliceScore]:
        """The slices in the primary metric; in the first that slices have, if an older version wrote them."""
        metrics = [row.metric for row in self.slices]
        chosen = self.primary if self.primary in metrics else next(iter(metrics), None)
        return [row for row in self.slices if row.metric == chosen]

    def higher_is_better(self, metric: str) -> bool:
        """Tell the direction of a metric."""
        return self.better[metric] == "higher"

    def files(self) -> dict[str, dict[str, Any]]:
        """Return the records that the stage evaluate writes below metrics/, by the name of the file."""
        whole = {"evaluation.json": self.model_dump()}
        return whole | {"test.json": self.headline(), "validation.json": self.validation_headline()}

    def headline(self) -> dict[str, Number]:
        """Return the content of metrics/test.json: the columns of `dvc exp show`."""
        scores = self.scores[MODEL]
        chosen: dict[str, Number] = {name: scores[name].value for name in HEADLINE[self.task]}
        chosen[f"{self.primary}_gain"] = self.gain.value
        if self.kpi:
            chosen["saving_per_1000"] = self.kpi.policies[MODEL].saving.value
        return chosen

    def validation_headline(self) -> dict[str, Number]:
        """Return the content of metrics/validation.json."""
        return {f"val_{self.primary}": self.validation[MODEL][self.primary]}


@dataclass(frozen=True)
class Predicted:
    """The rows of one part with the predictions of the model and every baseline.

    y has shape (n,), predictions (n,) or (n, k), see `scores.score`; classes are in the order of their codes.
    """

    rows: pd.DataFrame
    y: NDArray[Any]
    predictions: Mapping[str, Floats]
    classes: list[str]

    @property
    def baselines(self) -> dict[str, Floats]:
        """The predictions of every baseline."""
        return {name: p for name, p in self.predictions.items() if name != MODEL}


def evaluate_predictions(
    validation: Predicted,
    test: Predicted,
    *,
    model: str,
    threshold: float,
    data: DataConfig,
    rules: Mapping[str, Rule],
    settings: EvaluateConfig,
    kpi: KpiConfig,
    seed: int,
    protected: Sequence[str] = (),
) -> Evaluation:
    """Evaluate a model on test; thresholds and the best baseline are chosen on validation.

    Raises:
        UserError: a score is better than evaluate.ceiling allows.
    """
    task, primary = data.task, settings.primary_of(data.task)
    known = row_weights(validation.rows, settings.weight)
    best = best_baseline(task, validation.y, validation.baselines, primary, known)
    cut = {MODEL: threshold} | thresholds(task, validation.y, validation.baselines, kpi, rules)
    blocks = time_blocks(test.rows[data.time] if data.time else None, settings.block)
    weights = row_weights(test.rows, settings.weight)
    drawn = dealt(len(test.rows), blocks, seed)
    long = len(test.rows) > MOST_ALONE
    resampling = Resampling(
        settings.resamples, seed, drawn, settings.confidence, weights=weights, grouped=long
    )
    scores, gains = scores_with_intervals(task, test.y, test.predictions, cut, resampling)
    if suspicious := too_good(scores[MODEL], settings.ceiling):
        raise UserError("\n".join(suspicious))
    ours = test.predictions[MODEL]
    columns = test.rows[settings.slices]
    treated = test.rows[list(protected) if task == "binary" else []]
    slices = slice_scores(
        task,
        test.y,
        test.predictions,
        columns,
        resampling,
        model=MODEL,
        reference=best,
        min_rows=settings.min_slice_rows,
        primary=primary,
        thresholds=cut,
    )
    return Evaluation(
        task=task,
        target=data.target,
        model=model,
        primary=primary,
        better={name: "higher" if m.greater_is_better else "lower" for name, m in METRICS.items()},
        best_baseline=best,
        same_as=[name for name, theirs in test.baselines.items() if np.array_equal(ours, theirs)],
        thresholds=cut,
        confidence=settings.confidence,
        resamples=settings.resamples,
        block=settings.block if blocks is not None else None,
        weight=settings.weight,
        rows=len(test.rows),
        validation={
            name: on_all_rows(task, validation.y, p, threshold=cut[name], weights=known)
            for name, p in validation.predictions.items()
        },
        validation_kpi=_money_on_validation(validation, cut, kpi, known),
        scores=scores,
        gains=gains,
        mean_error=mean_error(test.y, ours, resampling) if task == "regression" else None,
        kpi=money(test, cut, kpi, resampling),
        slices=slices.to_dict("records"),
        small_slices=small_levels(test.rows[[*dict.fromkeys([*columns, *treated])]], settings.min_slice_rows),
        fairness=fairness(test.y, ours, threshold, treated, resampling, min_rows=settings.min_slice_rows),
        confusion=None if task == "regression" else _cells(task, test, threshold),
    )


def best_baseline(
    task: Task,
    y: NDArray[Any],
    baselines: Mapping[str, Floats],
    metric: str,
    weights: Floats | None = None,
) -> str:
    """Return the baseline with the best value of the metric on these rows, which are of validation."""
    sign = METRICS[metric].sign
    values = {
        name: sign * on_all_rows(task, y, p, metrics=[metric], weights=weights)[metric]
        for name, p in baselines.items()
    }
    return max(values, key=lambda name: -np.inf if np.isnan(values[name]) else values[name])


def thresholds(
    task: Task, y: NDArray[Any], baselines: Mapping[str, Floats], kpi: KpiConfig, rules: Mapping[str, Rule]
) -> dict[str, float]:
    """Return the decision threshold of every baseline, see decision_threshold; 0.5 for tasks without one.

    The rows are of validation. A column used as the prediction need not be a probability, so it gets the
    threshold that does best for it.
    """
    if task != "binary":
        return dict.fromkeys(baselines, 0.5)
    return {
        name: decision_threshold(y, p, kpi, probability=not isinstance(rules.get(name), ColumnRule))
        for name, p in baselines.items()
    }


def time_blocks(time: pd.Series | None, block: str | None) -> NDArray[np.int64] | None:
    """Number the blocks of time that the bootstrap draws as one; None when rows are drawn one by one."""
    if time is None or block is None:
        return None
    return pd.factorize(time.dt.floor(block))[0].astype(np.int64)


def row_weights(rows: pd.DataFrame, column: str | None) -> Floats | None:
    """Return the weights of the rows (n,) by evaluate.weight; None where all rows count the same.

    They are divided by their mean, so that sums do not depend on their unit.

    Raises:
        UserError: a weight that is missing, infinite or below 0, or nothing but zeros.
    """
    if column is None:
        return None
    weights = rows[column].to_numpy(dtype=np.float64)
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        raise UserError(f"evaluate.weight: {column} is missing, infinite or below 0 in {wrong.sum():,} rows")
    if not weights.any():
        raise UserError(f"evaluate.weight: {column} is 0 in all of {len(weights):,} rows")
    return weights / weights.mean()


def scores_with_intervals(
    task: Task,
    y: NDArray[Any],
    predictions: Mapping[str, Floats],
    cut: Mapping[str, float],
    resampling: Resampling,
) -> tuple[dict[str, dict[str, Estimate]], dict[str, dict[str, Gain]]]:
    """Score every predictor, and the model's paired gain over every other, on the same resamples.

    Returns:
        The scores by predictor and metric, and the gains by baseline and metric.
    """
    draws = bootstrap(task, y, predictions, resampling, thresholds=cut)
    points = {
        name: on_all_rows(task, y, p, threshold=cut[name], weights=resampling.weights)
        for name, p in predictions.items()
    }

    def gain(name: str, metric: str) -> Gain:
        sign = METRICS[metric].sign
        drawn = sign * (draws[MODEL][metric] - draws[name][metric])
        found = resampling.estimate(sign * (points[MODEL][metric] - points[name][metric]), drawn)
        return Gain(**found._asdict(), p=p_value(drawn))

    scores = {
        name: {metric: resampling.estimate(value, draws[name][metric]) for metric, value in found.items()}
        for name, found in points.items()
    }
    gains = {
        name: {metric: gain(name, metric) for metric in found}
        for name, found in points.items()
        if name != MODEL
    }
    return scores, gains


def mean_error(y: Floats, prediction: Floats, resampling: Resampling) -> Estimate:
    """Return by how much predictions of a number (n,) are too high (below 0: too low) on average."""
    error = prediction - y
    rows = weighted_rows(np.column_stack([error, np.ones(len(y))]), resampling.weights)
    drawn = bootstrap_sums(rows, resampling)
    mean = float(np.average(error, weights=resampling.weights))
    return resampling.estimate(mean, ratio(drawn[:, 0], drawn[:, 1], np.nan))


def money(
    test: Predicted, cut: Mapping[str, float], kpi: KpiConfig, resampling: Resampling
) -> dict[str, Any] | None:
    """Price every predictor's decisions, per 1,000 rows and with intervals; None without a cost model.

    Returns:
        The fields of `Kpi`.
    """
    if not isinstance(kpi, CostKpi):
        return None
    series = policy_series(test.y, _decisions(test, cut), kpi, resampling)

    def estimated(values: Floats) -> Estimate:
        return resampling.estimate(values[0], values[1:])

    costs = {name: found["cost"] for name, found in series.items() if name not in {MODEL, ORACLE}}
    return {
        "currency": kpi.currency,
        "policies": {name: {key: estimated(v) for key, v in found.items()} for name, found in series.items()},
        "savings_of_model": {name: estimated(cost - series[MODEL]["cost"]) for name, cost in costs.items()},
    }


def _money_on_validation(
    validation: Predicted, cut: Mapping[str, float], kpi: KpiConfig, weights: Floats | None
) -> dict[str, dict[str, float]] | None:
    if not isinstance(kpi, CostKpi):
        return None
    series = policy_series(validation.y, _decisions(validation, cut), kpi, weights=weights)
    return {name: {key: float(v[0]) for key, v in found.items()} for name, found in series.items()}


def _decisions(part: Predicted, cut: Mapping[str, float]) -> dict[str, NDArray[np.int64]]:
    return {name: decide(prediction, cut[name]) for name, prediction in part.predictions.items()}


def _cells(task: Task, test: Predicted, threshold: float) -> list[dict[str, Any]]:
    matrix = confusion(task, test.y, test.predictions[MODEL], threshold=threshold, classes=test.classes)
    return matrix.reset_index().melt("actual", value_name="rows").to_dict("records")


def too_good(scores: Mapping[str, Estimate], ceiling: Mapping[str, float]) -> list[str]:
    """Name the metrics of the model that are better than evaluate.ceiling, which is a sign of a leak."""
    found = []
    for metric, bound in ceiling.items():
        value, sign = scores[metric].value, METRICS[metric].sign
        if sign * value > sign * bound:
            found.append(
                f"{metric} {value:.3f} on test is better than evaluate.ceiling.{metric} {bound:g}: look for a"
                " leak, or raise the ceiling"
            )
    return found
