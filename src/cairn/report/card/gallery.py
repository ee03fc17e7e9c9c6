"""The figures of a run, ready to stand together in one page."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from cairn.report.page import embedded
from cairn.settings.data import Task
from cairn.settings.model import ModelConfig

FIGURES = {
    "roc": "ROC curve: the share of events caught against the share of false alarms, at every threshold.",
    "pr": "Precision over recall: how many warnings are right, for every share of events caught.",
    "calibration": "Calibration: predicted against observed rates; on the diagonal a 30% means 30%.",
    "regression": "Predicted against actual values; rows on the line are exactly right.",
    "residuals": "Errors: actual less predicted values.",
    "confusion": "Confusion matrix: test rows by actual and predicted class, with shares of the actual one.",
    "training": "Training: the score after each iteration, higher is better.",
}
"""What is shown first, in this order; other figures follow under their own names."""

IN_TABLES = {"gain", "slices"}
"""Figures that the page draws into its tables."""


def figures(images: Mapping[str, str], training: pd.DataFrame, score: str) -> list[dict[str, Any]]:
    """Return the figures there are, each with its name, caption and SVG, those of FIGURES first.

    Args:
        images: figures as SVG by name.
        training: the training curve, see `training_svg`.
        score: what the curve shows, see `training_score`.
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
    """Say what a training curve shows: minus the loss that is fitted, unless `scoring` says otherwise.

    Of an estimator that is neither scikit-learn's nor ours nothing is known.
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
