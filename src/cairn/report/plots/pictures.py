"""Which curves and figures belong to a task: small tables for `dvc plots`, figures for people."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cairn.metrics import curves
from cairn.metrics.bootstrap import Estimate
from cairn.metrics.decisions import confusion
from cairn.report.plots import figures
from cairn.settings.data import Task

Floats = NDArray[np.float64]
MODEL = "model"


def curve_tables(
    task: Task, y: NDArray[Any], prediction: Floats, threshold: float, classes: list[str]
) -> dict[str, pd.DataFrame]:
    """Return the model's curves by file name, each of at most 1,000 rows.

    Args:
        task: what is predicted.
        y: class codes or values, shape (n,).
        prediction: the model's, shape (n,) or (n, k).
        threshold: of binary decisions.
        classes: names of the codes.
    """
    if task == "regression":
        return {"regression": curves.regression_table(y, prediction)}
    found = {
        "confusion": curves.confusion_per_thousand(task, y, prediction, threshold=threshold, classes=classes)
    }
    if task == "binary":
        found["roc"] = curves.roc_curve_points(y, prediction)
        found["pr"] = curves.pr_curve_points(y, prediction)
        found["calibration"] = curves.calibration_table(y, prediction)
    return found


def all_figures(
    task: Task,
    y: NDArray[Any],
    predictions: Mapping[str, Floats],
    *,
    threshold: float,
    classes: list[str],
    record: Mapping[str, Any],
    slices: pd.DataFrame,
) -> dict[str, Figure]:
    """Return the figures of the test part by file name.

    Args:
        task: what is predicted.
        y: class codes or values, shape (n,).
        predictions: the model's first, then every baseline's.
        threshold: of the model's decisions.
        classes: names of the codes.
        record: the evaluation's scores, gains, primary metric and best baseline.
        slices: see `slices.slice_scores`; may be empty.
    """
    primary = record["primary"]
    gains = {
        name: Estimate(gain[primary]["value"], gain[primary]["low"], gain[primary]["high"])
        for name, gain in record["gains"].items()
    }
    found = {"gain": figures.interval_figure(gains, label=f"gain in {primary} over")}
    if task == "regression":
        label = record["target"]
        found["regression"] = figures.regression_figure(y, predictions[MODEL], label=label)
        found["residuals"] = figures.residual_figure(y, predictions[MODEL], label=label)
    else:
        matrix = confusion(task, y, predictions[MODEL], threshold=threshold, classes=classes)
        found["confusion"] = figures.confusion_figure(matrix)
    if task == "binary":
        found |= _binary_figures(y, predictions, record)
    if len(slices):
        metric = primary if (slices["metric"] == primary).any() else slices["metric"].iloc[0]
        found["slices"] = figures.slice_figure(
            slices, metric, model=record["model"], reference=record["best_baseline"]
        )
    return found


def _binary_figures(
    y: NDArray[Any], predictions: Mapping[str, Floats], record: Mapping[str, Any]
) -> dict[str, Figure]:
    # A baseline may be called what the model is called, such as logistic.
    ours = MODEL if record["model"] in predictions else record["model"]
    named = {ours if name == MODEL else name: p for name, p in predictions.items()}

    def areas(metric: str) -> dict[str, float]:
        return {
            label: record["scores"][name][metric]["value"]
            for label, name in zip(named, predictions, strict=True)
        }

    pair = {
        record["model"]: predictions[MODEL],
        record["best_baseline"]: predictions[record["best_baseline"]],
    }
    roc = {name: curves.roc_curve_points(y, p) for name, p in named.items()}
    pr = {name: curves.pr_curve_points(y, p) for name, p in named.items()}
    calibration = {name: curves.calibration_table(y, p) for name, p in pair.items()}
    return {
        "roc": figures.roc_figure(roc, areas("roc_auc")),
        "pr": figures.pr_figure(pr, float(y.mean()), areas("pr_auc")),
        "calibration": figures.calibration_figure(calibration, predictions[MODEL]),
    }
