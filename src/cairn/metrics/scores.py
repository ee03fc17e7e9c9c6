"""The table of metrics: name → how it is computed, for which tasks, and which direction is better.

A new metric is one entry in `METRICS`; bootstrap intervals then work for it too (slowly, until
`weighted.py` knows it). `score` computes it by its entry, `bootstrap.on_all_rows` by the bootstrap's sums.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cairn.data.predictions import Floats
from cairn.errors import did_you_mean
from cairn.metrics import decisions, formulas
from cairn.metrics.formulas import Score
from cairn.settings.data import Task

Needs = Literal["decision", "ranking", "probability", "value"]


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        functions: by task, a function of (y, prediction, threshold), see `score` for their shapes.
        needs: which aspect of the prediction it uses: the decision at a threshold, the order of the
            rows, the probabilities, or the predicted value.
        meaning: one line for the model card.
        greater_is_better: False for losses and errors.
    """

    functions: Mapping[Task, Score]
    needs: Needs
    meaning: str
    greater_is_better: bool = True

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks it is defined for."""
        return tuple(self.functions)

    @property
    def sign(self) -> int:
        """1 where greater is better, else -1: a signed difference is positive where the first is better."""
        return 1 if self.greater_is_better else -1


_AUC, _AP = formulas.ranked("binary_auroc"), formulas.ranked("binary_average_precision")

METRICS: dict[str, Metric] = {
    "accuracy": Metric(
        {
            "binary": formulas.decided("binary_accuracy"),
            "multiclass": formulas.of_classes("multiclass_accuracy", average="micro"),
        },
        "decision",
        "share of rows classified correctly",
    ),
    "precision": Metric(
        {
            "binary": formulas.decided("binary_precision"),
            "multiclass": formulas.of_classes("multiclass_precision", average="macro"),
        },
        "decision",
        "share of positive predictions that are correct (multiclass: mean over classes)",
    ),
    "recall": Metric(
        {
            "binary": formulas.decided("binary_recall"),
            "multiclass": formulas.of_classes("multiclass_recall", average="macro"),
        },
        "decision",
        "share of positive rows that are predicted positive (multiclass: mean over classes)",
    ),
    "f1": Metric(
        {
            "binary": formulas.decided("binary_f1_score"),
            "multiclass": formulas.of_classes("multiclass_f1_score", average="macro"),
        },
        "decision",
        "harmonic mean of precision and recall (multiclass: mean over classes)",
    ),
    "balanced_accuracy": Metric(
        dict.fromkeys(("binary", "multiclass"), formulas.from_cells(decisions.balanced_accuracy)),
        "decision",
        "mean recall over the classes that occur",
    ),
    "mcc": Metric(
        dict.fromkeys(("binary", "multiclass"), formulas.from_cells(decisions.mcc)),
        "decision",
        "Matthews correlation of predicted and actual class; 0 if either is constant",
    ),
    "roc_auc": Metric(
        {"binary": _AUC, "multiclass": formulas.one_vs_rest(_AUC)},
        "ranking",
        "probability that a positive row ranks above a negative one (multiclass: one-vs-rest mean)",
    ),
    "pr_auc": Metric(
        {"binary": _AP, "multiclass": formulas.one_vs_rest(_AP)},
        "ranking",
        "average precision: area under the precision-recall steps (multiclass: one-vs-rest mean)",
    ),
    "log_loss": Metric(
        dict.fromkeys(("binary", "multiclass"), formulas.mean_of(formulas.row_log_loss)),
        "probability",
        "mean negative log-likelihood of the actual class, in nats",
        greater_is_better=False,
    ),
    "brier": Metric(
        dict.fromkeys(("binary", "multiclass"), formulas.mean_of(formulas.row_brier)),
        "probability",
        "mean squared error of the probabilities (multiclass: summed over classes, 0 to 2)",
        greater_is_better=False,
    ),
    "ece": Metric(
        {
            "binary": formulas.calibration_error,
            "multiclass": formulas.of_classes("multiclass_calibration_error", n_bins=formulas.ECE_BINS),
        },
        "probability",
        f"mean |probability - observed rate| in {formulas.ECE_BINS} equal-width bins (multiclass: top class)",
        greater_is_better=False,
    ),
    "rmse": Metric(
        {"regression": formulas.of_values("mean_squared_error", squared=False)},
        "value",
        "root mean squared error, in the unit of the target",
        greater_is_better=False,
    ),
    "mae": Metric(
        {"regression": formulas.of_values("mean_absolute_error")},
        "value",
        "mean absolute error, in the unit of the target",
        greater_is_better=False,
    ),
    "median_ae": Metric(
        {"regression": lambda y, prediction, threshold: float(np.median(np.abs(y - prediction)))},
        "value",
        "median absolute error, in the unit of the target",
        greater_is_better=False,
    ),
    "mape": Metric(
        {"regression": formulas.mape},
        "value",
        "mean absolute error as a share of the target, without the rows whose target is 0",
        greater_is_better=False,
    ),
    "r2": Metric(
        {"regression": formulas.r2},
        "value",
        "share of the variance of the target that is explained; undefined if it is constant",
    ),
}


def metric_names(task: Task, names: Iterable[str] | None = None) -> list[str]:
    """The metrics of a task: all of them, or the named ones after checking them.

    Raises:
        ValueError: a name is unknown or not defined for the task.
    """
    known = [name for name, metric in METRICS.items() if task in metric.functions]
    if names is None:
        return known
    for name in names:
        if name not in known:
            near = did_you_mean(name, known)
            raise ValueError(f"a {task} task has no metric '{name}'{near} (metrics: {', '.join(known)})")
    return list(names)


def checked(task: Task, y: ArrayLike, prediction: ArrayLike) -> tuple[NDArray[Any], Floats]:
    """Convert targets and predictions to the types that the metrics take.

    Returns:
        y as int64 codes (float64 values for regression), shape (n,); the prediction as float64.

    Raises:
        ValueError: no rows, other lengths or shapes, NaN, class codes or probabilities out of range
            (torchmetrics silently takes the latter for logits).
    """
    target, predicted = np.asarray(y), np.asarray(prediction, dtype=np.float64)
    if len(target) == 0:
        raise ValueError("there are no rows to score")
    dims = 2 if task == "multiclass" else 1
    if target.ndim != 1 or predicted.ndim != dims or len(predicted) != len(target):
        raise ValueError(
            f"{task} needs targets (n,) and predictions {'(n, k)' if dims == 2 else '(n,)'},"
            f" got {target.shape} and {predicted.shape}"
        )
    if not np.isfinite(predicted).all():
        raise ValueError("a prediction is NaN or infinite")
    if task == "regression":
        target = target.astype(np.float64)
        if not np.isfinite(target).all():
            raise ValueError("a target is NaN or infinite")
        return target, predicted
    k = 2 if task == "binary" else predicted.shape[1]
    if target.dtype.kind == "f" and not np.equal(target, np.floor(target)).all():
        raise ValueError("a class code is not a whole number")
    if target.min() < 0 or target.max() >= k:
        raise ValueError(f"class codes must lie in 0..{k - 1}, got {target.min()}..{target.max()}")
    if predicted.min() < 0 or predicted.max() > 1:
        raise ValueError(
            f"probabilities must lie in 0..1, got {predicted.min():g}..{predicted.max():g} (logits, perhaps?)"
        )
    return target.astype(np.int64), predicted


def score(
    task: Task,
    y: ArrayLike,
    prediction: ArrayLike,
    *,
    threshold: float = 0.5,
    metrics: Iterable[str] | None = None,
) -> dict[str, float]:
    """Compute the metrics of a task.

    Args:
        task: binary, multiclass or regression.
        y: class codes 0..k-1 (binary: 1 is the positive class) or values, shape (n,).
        prediction: binary: P(positive), shape (n,); multiclass: probabilities, shape (n, k);
            regression: values, shape (n,).
        threshold: binary decisions are positive where the probability is above it.
        metrics: names from `METRICS`; all of the task's when None.

    Returns:
        Values by name; NaN where a metric is undefined on these rows (say ROC AUC of one class).

    Raises:
        ValueError: unknown metric, or inputs that `checked` refuses.
    """
    names = metric_names(task, metrics)
    target, predicted = checked(task, y, prediction)
    return {name: METRICS[name].functions[task](target, predicted, threshold) for name in names}
