"""Section `evaluate`: metrics, intervals, slices, and scores too good to be true."""

from pydantic import Field

from cairn.settings.data import Task
from cairn.settings.section import Section

_CLASSES = ("accuracy", "precision", "recall", "f1", "balanced_accuracy", "mcc", "roc_auc", "pr_auc")
METRICS_OF: dict[Task, tuple[str, ...]] = {
    "binary": (*_CLASSES, "log_loss", "brier", "ece"),
    "multiclass": (*_CLASSES, "log_loss", "brier", "ece"),
    "regression": ("rmse", "mae", "median_ae", "mape", "r2"),
}
"""The names that settings may use; cairn.metrics.scores computes them; a test compares both."""

PRIMARY: dict[Task, str] = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}


class EvaluateConfig(Section):
    """How the model is evaluated on test.

    Attributes:
        primary: metric that ranks the baselines and leads the report; null: roc_auc, log_loss (multiclass),
            rmse (regression)
        resamples: bootstrap resamples for every interval; more give more stable bounds
        confidence: share of such intervals that contain the true value
        block: time span whose rows are resampled together, such as 1D; needs data.time; null: single rows
        slices: columns known before the prediction; each of their values is scored separately
        min_slice_rows: rows; smaller slices are not scored
        ceiling: METRIC: score; a better score on test indicates a leak and stops the run
        weight: column with the survey weight of each row, by which scores, baselines, intervals and money are
            weighted; not a feature; null: every row counts the same
    """

    primary: str | None
    resamples: int = Field(ge=100)
    confidence: float = Field(gt=0.5, lt=1)
    block: str | None
    slices: list[str]
    min_slice_rows: int = Field(ge=1)
    ceiling: dict[str, float]
    weight: str | None = None

    def primary_of(self, task: Task) -> str:
        """Return the metric that ranks baselines and leads the report: `primary` or the default."""
        return self.primary or PRIMARY[task]
