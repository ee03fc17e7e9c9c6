"""What may be claimed of one part of the table: scores, differences and money, all with intervals."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.metrics.bootstrap import bootstrap, bootstrap_sums, estimate, p_value
from cairn.metrics.decisions import Floats, decide
from cairn.metrics.kpi import kpi_report
from cairn.metrics.scores import METRICS, score
from cairn.metrics.threshold import decision_threshold
from cairn.settings.baseline import ColumnRule, Rule
from cairn.settings.data import Task
from cairn.settings.evaluate import EvaluateConfig
from cairn.settings.kpi import CostKpi, KpiConfig

MODEL = "model"


def best_baseline(task: Task, y: NDArray[Any], baselines: Mapping[str, Floats], metric: str) -> str:
    """Return the baseline with the best value of the metric on these rows, which are validation's."""
    sign = METRICS[metric].sign
    values = {name: sign * score(task, y, p, metrics=[metric])[metric] for name, p in baselines.items()}
    return max(values, key=lambda name: -np.inf if np.isnan(values[name]) else values[name])


def thresholds(
    task: Task, y: NDArray[Any], baselines: Mapping[str, Floats], kpi: KpiConfig, rules: Mapping[str, Rule]
) -> dict[str, float]:
    """Return where each baseline's decision turns, see decision_threshold; 0.5 for tasks without one.

    The rows are validation's. A column taken as it stands is no probability, and gets the threshold that does
    best for it.
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


def scores_with_intervals(
    task: Task,
    y: NDArray[Any],
    predictions: Mapping[str, Floats],
    cut: Mapping[str, float],
    *,
    evaluate: EvaluateConfig,
    blocks: NDArray[np.int64] | None,
    seed: int,
) -> dict[str, Any]:
    """Score every predictor, and the model's paired gain over every other, on the same resamples.

    A gain is positive where the model is better, whatever the metric's direction.

    Returns:
        `scores[predictor][metric]` and `gains[baseline][metric]`, each with value, low, high (a gain also p).
    """
    draws = bootstrap(
        task, y, predictions, resamples=evaluate.resamples, seed=seed, blocks=blocks, thresholds=cut
    )
    points = {name: score(task, y, p, threshold=cut[name]) for name, p in predictions.items()}

    def with_interval(value: float, drawn: Floats) -> dict[str, float]:
        return estimate(value, drawn, evaluate.confidence)._asdict()

    scores = {
        name: {metric: with_interval(value, draws[name][metric]) for metric, value in points[name].items()}
        for name in predictions
    }
    gains: dict[str, dict[str, dict[str, float]]] = {}
    for name in predictions:
        if name == MODEL:
            continue
        gains[name] = {}
        for metric, value in points[name].items():
            sign = METRICS[metric].sign
            drawn = sign * (draws[MODEL][metric] - draws[name][metric])
            gain = with_interval(sign * (points[MODEL][metric] - value), drawn)
            gains[name][metric] = {**gain, "p": p_value(drawn)}
    return {"scores": scores, "gains": gains}


def mean_error(
    y: NDArray[Any],
    prediction: Floats,
    *,
    evaluate: EvaluateConfig,
    blocks: NDArray[np.int64] | None,
    seed: int,
) -> dict[str, float]:
    """Return by how much predictions of a number are too high (below 0: too low) on average.

    Args:
        y: values, shape (n,).
        prediction: of the same rows, shape (n,).
        evaluate: resamples and confidence.
        blocks: block code per row, see `bootstrap`.
        seed: of the draws, which are those of scores_with_intervals.

    Returns:
        value, low and high, in the target's unit.
    """
    error = prediction - y
    rows = np.column_stack([error, np.ones(len(y))])
    drawn = bootstrap_sums(rows, resamples=evaluate.resamples, seed=seed, blocks=blocks)
    return estimate(error.mean(), drawn[:, 0] / drawn[:, 1], evaluate.confidence)._asdict()


def money(
    y: NDArray[Any],
    predictions: Mapping[str, Floats],
    cut: Mapping[str, float],
    *,
    kpi: KpiConfig,
    evaluate: EvaluateConfig,
    blocks: NDArray[np.int64] | None,
    seed: int,
) -> dict[str, Any] | None:
    """Price every predictor's decisions, per 1,000 rows and with intervals; None without a cost model."""
    if not isinstance(kpi, CostKpi):
        return None
    decisions = {name: decide(prediction, cut[name]) for name, prediction in predictions.items()}
    report = kpi_report(
        y,
        decisions,
        kpi,
        resamples=evaluate.resamples,
        seed=seed,
        blocks=blocks,
        confidence=evaluate.confidence,
    )
    return {
        "currency": kpi.currency,
        "policies": {name: _plain(quantities) for name, quantities in report.policies.items()},
        "savings_of_model": _plain(report.savings[MODEL]),
    }


def _plain(estimates: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    return {name: value._asdict() for name, value in estimates.items()}


def too_good(scores: Mapping[str, Mapping[str, float]], ceiling: Mapping[str, float]) -> list[str]:
    """Name the metrics of the model that are better than evaluate.ceiling says anything honest can be."""
    found = []
    for metric, bound in ceiling.items():
        value, greater = scores[metric]["value"], METRICS[metric].greater_is_better
        if value > bound if greater else value < bound:
            found.append(
                f"{metric} {value:.3f} is better than {bound:g}, which evaluate.ceiling calls a leak"
            )
    return found
