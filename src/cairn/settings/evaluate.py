"""Section `evaluate`: intervals, slices, and the score that is too good to be true."""

from pydantic import Field

from cairn.settings.data import Task
from cairn.settings.section import Section

_CLASSES = ("accuracy", "precision", "recall", "f1", "balanced_accuracy", "mcc", "roc_auc", "pr_auc")
METRICS_OF: dict[Task, tuple[str, ...]] = {
    "binary": (*_CLASSES, "log_loss", "brier", "ece"),
    "multiclass": (*_CLASSES, "log_loss", "brier", "ece"),
    "regression": ("rmse", "mae", "median_ae", "mape", "r2"),
}
"""The names that settings may use; cairn.metrics.scores says how each is computed, a test that they agree."""

PRIMARY: dict[Task, str] = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}


class EvaluateConfig(Section):
    """How claims are made on the test part.

    Attributes:
        primary: metric that ranks the baselines and heads the report; null: roc_auc, log_loss (multiclass),
            rmse (regression)
        resamples: bootstrap resamples behind every interval; more makes the interval's ends steadier
        confidence: share of such intervals that hold the true value
        block: time span whose rows are drawn together, such as 1D; needs data.time; null: single rows
        slices: columns known before; every value of each is scored on its own
        min_slice_rows: rows; smaller slices are left out
        ceiling: METRIC: score; a better score than this on test means a leak, and the run stops
    """

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
