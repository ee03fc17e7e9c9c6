"""The figures of a run, ready to be embedded in one page."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from cairn.report.page import embedded
from cairn.settings.data import Task
from cairn.settings.model import ModelConfig

FIGURES = {
    "roc": "ROC curve: true positive rate over false positive rate, for every threshold.",
    "pr": "Precision-recall curve: precision over recall, for every threshold.",
    "calibration": "Calibration curve: observed over predicted rates; perfect calibration is the diagonal.",
    "regression": "Actual over predicted values; perfect predictions are on the diagonal.",
    "residuals": "Residuals: actual minus predicted values.",
    "confusion": "Confusion matrix: test rows by actual and predicted class, as shares of the actual class.",
    "training": "Training curve: the score after each iteration, higher is better.",
}
"""The first figures of the page, in this order; others follow under their own names."""

IN_TABLES = {"gain", "slices"}
"""Figures that the page shows inside its tables instead."""


def figures(images: Mapping[str, str], training: pd.DataFrame, score: str) -> list[dict[str, Any]]:
    """Return the name, caption and SVG of every figure, those in FIGURES first.

    Args:
        images: figures as SVG by name.
        training: the training curve, see `training_svg`.
        score: name of its score, see `training_score`.
    """
    from markupsafe import Markup

    texts = dict(images)
    if training["train"].notna().any():
        texts["training"] = training_svg(training, score)
    captions = FIGURES | {name: f"{name.replace('_', ' ')}." for name in texts if name not in FIGURES}
    return [
        {"name": name, "caption": caption, "svg": Markup(embedded(texts[name], name))}
        for name, caption in captions.items()
        if name in texts.keys() - IN_TABLES
    ]


def training_score(model: ModelConfig, task: Task) -> str:
    """Name the score of a training curve: minus the loss that is fitted, unless `scoring` names another.

    Estimators of other libraries than scikit-learn and this one may use anything, which is called "score".
    """
    estimator = (model.regressor if task == "regression" else model.classifier) or {}
    parameters = {**model.params, **estimator}
    library = str(parameters.get("_target_")).split(".")[0]
    if library not in ("sklearn", "cairn"):
        return "score"
    if parameters.get("scoring", "loss") != "loss":
        return str(parameters["scoring"] or "score").replace("_", " ")
    loss = parameters.get("loss", "squared_error" if task == "regression" else "log_loss")
    # HistGradientBoostingRegressor drops the factor 2 of the gradient, our networks keep it.
    half = "half the " if library == "sklearn" and loss == "squared_error" else ""
    return f"minus {half}{str(loss).replace('_', ' ')}"


def training_svg(curve: pd.DataFrame, score: str) -> str:
    """Draw the scores of training: columns iteration, train, validation (NaN where there was none)."""
    from cairn.report.plots.canvas import to_svg
    from cairn.report.plots.figures import training_figure

    # Iteration 0 is the constant that boosting starts from: far below the rest, it would flatten the curve.
    steps = curve[curve["iteration"] > 0]
    train, validation = steps["train"].tolist(), steps["validation"].dropna().tolist()
    return to_svg(training_figure(train, validation, label=score))
