"""Which curves and figures belong to a task: small tables for `dvc plots`, figures for people."""

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cairn.metrics import curves
from cairn.metrics.bootstrap import Estimate
from cairn.metrics.decisions import confusion
from cairn.metrics.evaluation import MODEL, Evaluation, Predicted, Score, row_weights
from cairn.report.plots import figures
from cairn.report.plots.canvas import to_svg

SLICE_VALUES = ("value", "reference", "gain", "low", "high")


def plot_files(found: Evaluation, test: Predicted) -> dict[str, str]:
    """Return the curves of the model as CSV and its figures as SVG, by their path inside plots/."""
    tables, drawn = _curve_tables(found, test), _figures(found, test)
    return {
        **{f"curves/{name}.csv": table.to_csv(index=False) for name, table in tables.items()},
        **{f"images/{name}.svg": to_svg(figure) for name, figure in drawn.items()},
    }


def _curve_tables(found: Evaluation, test: Predicted) -> dict[str, pd.DataFrame]:
    y, prediction = test.y, test.predictions[MODEL]
    if found.task == "regression":
        return {"regression": curves.regression_table(y, prediction)}
    tables = {
        "confusion": curves.confusion_per_thousand(
            found.task, y, prediction, threshold=found.thresholds[MODEL], classes=test.classes
        )
    }
    if found.task == "binary":
        weights = row_weights(test.rows, found.weight)
        tables["roc"] = curves.roc_curve_points(y, prediction, weights)
        tables["pr"] = curves.pr_curve_points(y, prediction, weights)
        tables["calibration"] = curves.calibration_table(y, prediction)
    return tables


def _figures(found: Evaluation, test: Predicted) -> dict[str, Figure]:
    y, ours, primary = test.y, test.predictions[MODEL], found.primary
    gains = {name: _estimate(gain[primary]) for name, gain in found.gains.items()}
    drawn = {"gain": figures.interval_figure(gains, label=f"gain in {primary} over")}
    if found.task == "regression":
        drawn["regression"] = figures.regression_figure(y, ours, label=found.target)
        drawn["residuals"] = figures.residual_figure(y, ours, label=found.target)
    else:
        matrix = confusion(found.task, y, ours, threshold=found.thresholds[MODEL], classes=test.classes)
        drawn["confusion"] = figures.confusion_figure(matrix)
    if found.task == "binary":
        drawn |= _binary_figures(found, test)
    slices = found.primary_slices
    if slices:
        table = pd.DataFrame([row.model_dump() for row in slices]).astype(dict.fromkeys(SLICE_VALUES, float))
        drawn["slices"] = figures.slice_figure(
            table, slices[0].metric, model=found.model, reference=found.best_baseline
        )
    return drawn


def _estimate(score: Score) -> Estimate:
    return Estimate(*(math.nan if end is None else end for end in (score.value, score.low, score.high)))


def _binary_figures(found: Evaluation, test: Predicted) -> dict[str, Figure]:
    y, predictions, weights = test.y, test.predictions, row_weights(test.rows, found.weight)
    # A baseline may be called what the model is called, such as logistic.
    ours = MODEL if found.model in predictions else found.model
    named = {ours if name == MODEL else name: p for name, p in predictions.items()}

    def areas(metric: str) -> dict[str, float]:
        return {
            label: _estimate(found.scores[name][metric]).value
            for label, name in zip(named, predictions, strict=True)
        }

    pair = {found.model: predictions[MODEL], found.best_baseline: predictions[found.best_baseline]}
    roc = {name: curves.roc_curve_points(y, p, weights) for name, p in named.items()}
    pr = {name: curves.pr_curve_points(y, p, weights) for name, p in named.items()}
    calibration = {name: curves.calibration_table(y, p) for name, p in pair.items()}
    return {
        "roc": figures.roc_figure(roc, areas("roc_auc")),
        "pr": figures.pr_figure(pr, areas("pr_auc"), float(np.average(y, weights=weights))),
        "calibration": figures.calibration_figure(calibration, predictions[MODEL]),
    }
