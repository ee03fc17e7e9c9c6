"""The objective of a search: one number of the validation rows."""

from cairn.metrics.paired import Predictor, values_of
from cairn.settings.config import Config
from cairn.settings.kpi import CostKpi
from cairn.studies.trial import Trial


def objective_of(config: Config) -> str:
    """Return the name of the objective: search.objective, or evaluate.primary."""
    return config.search.objective or config.evaluate.primary_of(config.data.task)


def value_of(objective: str, trial: Trial, config: Config) -> float:
    """Return the objective of a trial on validation; for a saving in currency per 1,000 rows."""
    predictor = Predictor(trial.prediction, trial.package.threshold)
    costs = config.kpi if isinstance(config.kpi, CostKpi) else None
    return values_of(config.data.task, trial.y, predictor, costs, [objective])[objective]
