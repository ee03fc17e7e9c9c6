"""Section `evaluate`: intervals, slices, and the score that is too good to be true."""

from pydantic import Field

from cairn.config.base import Section
from cairn.config.data import Task

_CLASSES = ("accuracy", "precision", "recall", "f1", "balanced_accuracy", "mcc", "roc_auc", "pr_auc")
METRICS_OF: dict[Task, tuple[str, ...]] = {
    "binary": (*_CLASSES, "log_loss", "brier", "ece"),
    "multiclass": (*_CLASSES, "log_loss", "brier", "ece"),
    "regression": ("rmse", "mae", "median_ae", "mape", "r2"),
}
"""The names that settings may use; cairn.metrics.scores says how each is computed, a test that they agree."""

PRIMARY: dict[Task, str] = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}


class EvaluateConfig(Section):
    """How claims are made on the test part."""

    primary: str | None
    resamples: int = Field(ge=100)
    confidence: float = Field(gt=0.5, lt=1)
    block: str | None
    slices: list[str]
    min_slice_rows: int = Field(ge=1)
    ceiling: dict[str, float]

    def primary_of(self, task: Task) -> str:
        """Return the metric that ranks baselines and heads the report: `primary`, or the task's usual one."""
        return self.primary or PRIMARY[task]
