"""What a search calls best: one number of the validation rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cairn.metrics.decisions import decide
from cairn.metrics.kpi import PER_ROWS, row_cost
from cairn.metrics.scores import METRICS, score
from cairn.settings.config import Config
from cairn.settings.kpi import CostKpi
from cairn.settings.search import SAVING
from cairn.studies.trial import Trial


def objective_of(config: Config) -> str:
    """Return the name of the objective: search.objective, or the metric that heads the report."""
    return config.search.objective or config.evaluate.primary_of(config.data.task)


def greater_is_better(objective: str) -> bool:
    """Tell the direction of an objective."""
    return objective == SAVING or METRICS[objective].greater_is_better


def value_of(objective: str, trial: Trial, config: Config) -> float:
    """Return the objective of a trial on validation; for a saving in currency per 1,000 rows."""
    return score_of(objective, trial.y, trial.prediction, trial.package.threshold, config)


def score_of(
    objective: str, y: NDArray[Any], prediction: NDArray[np.float64], threshold: float, config: Config
) -> float:
    """Return the objective of any predictions; see cairn.metrics.scores.score for the shapes."""
    if objective != SAVING:
        return score(config.data.task, y, prediction, threshold=threshold, metrics=[objective])[objective]
    if not isinstance(config.kpi, CostKpi):
        raise TypeError("a saving needs a cost model; the config was not checked")
    acted = decide(prediction, threshold)
    saved = row_cost(y, np.zeros_like(acted), config.kpi) - row_cost(y, acted, config.kpi)
    return float(saved.mean() * PER_ROWS)
