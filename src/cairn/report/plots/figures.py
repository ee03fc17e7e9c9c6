"""The figures of a run, from the tables of `metrics.curves`, `metrics.bootstrap` and `metrics.slices`.

If several models are drawn, the first is the model and the others are the baselines.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from cairn.metrics.bootstrap import Estimate
from cairn.metrics.decisions import Floats
from cairn.metrics.importance import Dependence
from cairn.report.numbers import in_order
from cairn.report.plots.canvas import DASHES, HARMFUL, MODEL, OTHERS, TEXT, draw, keep_readable, legend

LEVELS_SHOWN = 12
FEW_LEVELS = 8
"""Categories that have room for their names in a figure of the usual width."""
LABEL_WIDTH = 12
"""Characters in a line of a class name beside the confusion matrix."""


def _look(position: int) -> dict[str, Any]:
    if position == 0:
        return {"color": MODEL, "linewidth": 2.4, "zorder": 3}
    style = (position - 1) % len(OTHERS)
    return {"color": OTHERS[style], "linestyle": DASHES[style], "zorder": 2}


def _diagonal(axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], color=TEXT, linewidth=1, alpha=0.5)


def _curves(
    axes: Axes, curves: Mapping[str, pd.DataFrame], areas: Mapping[str, float], **options: Any
) -> None:
    for position, (name, curve) in enumerate(curves.items()):
        label = f"{name} ({areas[name]:.3f})"
        axes.plot(curve.iloc[:, 0], curve.iloc[:, 1], label=label, **options, **_look(position))
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")


def roc_figure(curves: Mapping[str, pd.DataFrame], areas: Mapping[str, float]) -> Figure:
    """Draw `curves.roc_curve_points` by model, with each ROC AUC in the legend."""
    figure, (axes,) = draw(4.8, 4.8)
    _diagonal(axes)
    _curves(axes, curves, areas)
    axes.set(xlabel="false positive rate", ylabel="true positive rate")
    legend(axes, loc="lower right")
    return figure


def pr_figure(curves: Mapping[str, pd.DataFrame], areas: Mapping[str, float], base_rate: float) -> Figure:
    """Draw `curves.pr_curve_points` by model, with each average precision in the legend.

    The base rate, the share of positive rows, is what a random order of the rows would reach.
    """
    figure, (axes,) = draw(4.8, 4.8)
    axes.axhline(base_rate, color=TEXT, linewidth=1, alpha=0.5)
    axes.annotate(
        "base rate", (0.01, base_rate), xytext=(0, 3), textcoords="offset points", color=TEXT, fontsize=8
    )
    _curves(axes, curves, areas, drawstyle="steps-pre")
    axes.set(xlabel="recall", ylabel="precision")
    legend(axes, loc="upper right")
    return figure


def calibration_figure(tables: Mapping[str, pd.DataFrame], prediction: Floats) -> Figure:
    """Draw `curves.calibration_table` by model, the first with intervals and its predictions."""
    figure, (axes, below) = draw(4.8, 5.6, rows=(4.0, 1.0))
    _diagonal(axes)
    for position, (name, table) in enumerate(tables.items()):
        predicted, observed = table["predicted"].to_numpy(), table["observed"].to_numpy()
        if position == 0:
            reach = np.abs(table[["low", "high"]].to_numpy().T - observed)
            style: dict[str, Any] = {
                "fmt": "o-",
                "markersize": 5,
                "elinewidth": 1.4,
                "capsize": 3,
                **_look(position),
            }
            axes.errorbar(predicted, observed, yerr=reach, label=name, **style)
        else:
            axes.plot(predicted, observed, marker="o", markersize=3, label=name, **_look(position))
    top = min(1.0, 1.05 * max(float(table[["predicted", "high"]].max().max()) for table in tables.values()))
    axes.set(xlim=(0, top), ylim=(0, top), ylabel="observed rate")
    axes.tick_params(labelbottom=False)
    lines, names = axes.get_legend_handles_labels()
    order = [names.index(name) for name in tables]
    legend(axes, handles=[lines[i] for i in order], labels=list(tables), loc="upper left")
    below.hist(prediction, bins=40, range=(0, top), color=MODEL, alpha=0.6)
    below.set(xlim=(0, top), xlabel="predicted probability", ylabel="rows")
    below.yaxis.set_major_locator(MaxNLocator(2))
    return figure


def confusion_figure(matrix: pd.DataFrame) -> Figure:
    """Draw `decisions.confusion`: counts, and the share of the actual class, which colours the cell."""
    counts = matrix.to_numpy(dtype=np.float64)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    size = max(3.6, 1.0 + 0.85 * len(matrix))
    figure, (axes,) = draw(size + 0.4, size)
    # Cells are opaque, so that their text is legible on light and on dark pages.
    hue = LinearSegmentedColormap.from_list("shares", ["#dbe9f6", "#1c6cad"])
    for row, column in np.ndindex(shares.shape):
        share = float(shares[row, column])
        corner = (column - 0.48, row - 0.48)
        axes.add_patch(Rectangle(corner, 0.96, 0.96, color=hue(share), linewidth=0))
        text = f"{counts[row, column]:,.0f}\n{share:.0%}"
        ink = "white" if share > 0.5 else "#202020"
        axes.text(column, row, text, ha="center", va="center", color=ink)
    ticks = range(len(matrix))
    axes.set_xticks(ticks, [_in_lines(str(name)) for name in matrix.columns])
    axes.set_yticks(ticks, [_in_lines(str(name)) for name in matrix.index])
    axes.set(xlim=(-0.5, len(matrix) - 0.5), ylim=(len(matrix) - 0.5, -0.5), aspect="equal")
    axes.set(xlabel="predicted", ylabel="actual")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return figure


def _in_lines(name: str) -> str:
    """Break a name into lines as wide as a cell, preferably after an underscore."""
    lines = textwrap.wrap(name.replace("_", "_ "), LABEL_WIDTH)
    return "\n".join(line.replace("_ ", "_") for line in lines)


def training_figure(train: Sequence[float], validation: Sequence[float]) -> Figure:
    """Draw the score over the iterations, with the best on validation marked; higher is better.

    `validation` is empty if the model was fitted without it.
    """
    figure, (axes,) = draw(4.8, 3.4)
    axes.plot(range(1, len(train) + 1), train, label="train", color=OTHERS[0], linestyle=DASHES[0])
    if validation:
        steps = range(1, len(validation) + 1)
        axes.plot(steps, validation, label="validation", **_look(0))
        best = (int(np.argmax(validation)) + 1, max(validation))
        axes.plot(*best, "o", color=MODEL, markersize=8, markerfacecolor="none")
        place: dict[str, Any] = {"xytext": (0, -16), "textcoords": "offset points", "ha": "center"}
        axes.annotate(f"best: {best[0]}", best, color=TEXT, **place)
    axes.set(xlabel="iteration", ylabel="score")
    keep_readable(axes, [*train, *validation])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(axes, loc="best")
    return figure


def dependence_figure(found: Dependence, *, x: str, y: str) -> Figure:
    """Draw a partial dependence, a line for every class of several; categories are points."""
    levels = [str(level) for level in found.at]
    figure, (axes,) = draw(4.0 if found.numeric or len(levels) <= FEW_LEVELS else 5.2, 2.8)
    order = range(len(levels)) if found.numeric else in_order(levels)
    at: Any = found.at if found.numeric else range(len(levels))
    style: dict[str, Any] = {} if found.numeric else {"marker": "o", "linestyle": ""}
    for position, (name, values) in enumerate(found.predictions.items()):
        shown = np.array(values, dtype=np.float64)[list(order)]
        axes.plot(at, shown, label=name, **_look(position) | style)
    if not found.numeric:
        axes.set_xticks(at, [_in_lines(levels[position]) for position in order], fontsize=8)
    axes.set(xlabel=x, ylabel=y)
    if len(found.predictions) > 1:
        legend(axes, loc="best")
    return figure


def regression_figure(actual: Floats, predicted: Floats, *, label: str) -> Figure:
    """Draw actual over predicted values, shape (n,): the density of rows on a log scale, and the diagonal."""
    # A few outliers would squeeze everything else into a corner.
    low, high = np.quantile(np.concatenate([actual, predicted]), [0.001, 0.999])
    pad = 0.02 * (high - low) or 1.0
    limits = (low - pad, high + pad)
    figure, (axes,) = draw(4.8, 4.8)
    inside = (np.minimum(actual, predicted) >= limits[0]) & (np.maximum(actual, predicted) <= limits[1])
    hue = LinearSegmentedColormap.from_list("model", [to_rgba(MODEL, 0.15), to_rgba(MODEL, 1.0)])
    style: dict[str, Any] = {"cmap": hue, "linewidths": 0, "rasterized": True}
    x, y = predicted[inside], actual[inside]
    axes.hexbin(x, y, gridsize=40, extent=limits * 2, mincnt=1, bins="log", **style)
    axes.plot(limits, limits, color=TEXT, linewidth=1)
    axes.set(xlim=limits, ylim=limits, aspect="equal")
    axes.set(xlabel=f"predicted {label}", ylabel=f"actual {label}")
    return figure


def residual_figure(actual: Floats, predicted: Floats, *, label: str) -> Figure:
    """Draw the distribution of the errors (actual - predicted), shape (n,), without the outermost 1%."""
    error = actual - predicted
    low, high = np.quantile(error, [0.005, 0.995])
    figure, (axes,) = draw(5.6, 3.2)
    axes.hist(error, bins=60, range=(float(low), float(high)), color=MODEL, alpha=0.7)
    axes.axvline(0, color=TEXT, linewidth=1)
    axes.set(xlabel=f"actual - predicted {label}", ylabel="rows")
    return figure


def interval_figure(
    estimates: Mapping[str, Estimate], *, label: str, tones: Mapping[str, str] | None = None
) -> Figure:
    """Draw values with their intervals against 0, such as the gain over each baseline, top to bottom.

    A tone is the verdict, `better`, `worse` or `unclear`, that gives an interval its colour; without tones
    an interval that contains 0 is unclear.
    """
    figure, (axes,) = draw(5.6, 1.0 + 0.38 * len(estimates))
    _intervals(axes, list(estimates), list(estimates.values()), tones)
    axes.set(xlabel=label)
    return figure


def _intervals(
    axes: Axes, names: Sequence[str], estimates: Sequence[Estimate], tones: Mapping[str, str] | None = None
) -> None:
    axes.axvline(0, color=TEXT, linewidth=1)
    for line, (value, low, high) in enumerate(estimates):
        tone = "unclear" if low <= 0 <= high else "better"
        tone = tones[names[line]] if tones else tone
        color = {"better": MODEL, "worse": HARMFUL}.get(tone, TEXT)
        axes.plot([low, high], [line, line], color=color, linewidth=2.2)
        axes.plot(value, line, "o", color=color, markersize=6)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")


def slice_figure(table: pd.DataFrame, metric: str, *, model: str, reference: str) -> Figure:
    """Draw `slices.slice_scores`: model and reference on the left, the paired gain on the right.

    Only the 12 largest levels of each column are drawn, in the order of the table.
    """
    shown = table[table["metric"] == metric]
    largest = shown.groupby("column")["rows"].rank(method="first", ascending=False) <= LEVELS_SHOWN
    shown = shown[largest]
    figure, (left, right) = draw(7.6, 1.2 + 0.24 * len(shown), columns=(1.0, 1.0))
    lines = np.arange(len(shown))
    left.hlines(lines, shown["reference"], shown["value"], color=TEXT, linewidth=1, alpha=0.5)
    left.plot(shown["reference"], lines, "o", color=OTHERS[0], markerfacecolor="none", label=reference)
    left.plot(shown["value"], lines, "o", color=MODEL, label=model)
    names = [f"{column} {level}" for column, level in zip(shown["column"], shown["level"], strict=True)]
    left.set_yticks(lines, names, fontsize=8)
    left.set_ylim(len(shown) - 0.4, -0.6)
    left.set(xlabel=metric)
    legend(left, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    gains = [Estimate(*row) for row in shown[["gain", "low", "high"]].itertuples(index=False)]
    _intervals(right, names, gains)
    right.tick_params(labelleft=False, left=False)
    right.set(xlabel=f"gain in {metric} over {reference}")
    return figure
