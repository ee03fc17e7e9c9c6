"""The figures of monitoring: windows and scores over time."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from cairn.metrics.evaluation import Score
from cairn.monitor.record import Monitored
from cairn.report.card.words import metric_name
from cairn.report.plots.canvas import MODEL, OTHERS, TEXT, draw, legend

TICKS = 6


def window_figure(found: Monitored) -> Figure:
    """Draw the largest ratio of every window that was judged, and the threshold."""
    judged = [window for window in found.windows if window.ratio is not None]
    ratios = np.array([max(window.ratio or 0, 0.1) for window in judged])
    voted = np.array([window.voted for window in judged], dtype=bool)
    places = np.arange(len(judged))
    figure, (axes,) = draw(7.6, 3.0)
    axes.plot(places, ratios, color=TEXT, linewidth=0.8, alpha=0.5)
    axes.plot(places[~voted], ratios[~voted], "o", color=TEXT, markersize=3, markerfacecolor="none")
    axes.plot(places[voted], ratios[voted], "o", color=OTHERS[3], markersize=3.5)
    axes.axhline(found.calibration.threshold, color=MODEL, linewidth=1.2)
    axes.set_yscale("log")
    for axis_format in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        axis_format(LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.5)))
    axes.set(ylabel="largest ratio")
    _ticks(axes, [window.name for window in judged])
    return figure


def score_figure(found: Monitored) -> Figure | None:
    """Draw the primary metric of the stretches, and as estimated; None if there is neither."""
    scores = [stretch.scores.get(found.primary) for stretch in found.stretches]
    guesses = [_or_nan(stretch.estimate) for stretch in found.stretches]
    if not any(scores) and all(map(math.isnan, guesses)):
        return None
    places = np.arange(len(scores))
    figure, (axes,) = draw(7.6, 3.2)
    low, value, high = (np.array([_end(score, end) for score in scores]) for end in ("low", "value", "high"))
    axes.vlines(places, low, high, color=MODEL, linewidth=2)
    axes.plot(places, value, "o", color=MODEL, label="measured")
    axes.plot(places, guesses, "x", color=OTHERS[0], label="estimated from the scores")
    before = found.baseline.scores.get(found.primary) if found.baseline else None
    if before is not None:
        axes.axhline(_or_nan(before.value), color=TEXT, linewidth=1, label="validation")
    axes.set(ylabel=metric_name(found.primary))
    _ticks(axes, [stretch.first for stretch in found.stretches])
    legend(axes, loc="best")
    return figure


def _ticks(axes: Axes, names: list[str]) -> None:
    shown = np.unique(np.linspace(0, len(names) - 1, min(TICKS, len(names))).astype(int))
    axes.set_xticks(shown, [names[at] for at in shown], fontsize=8)


def _end(score: Score | None, name: str) -> float:
    return math.nan if score is None else _or_nan(getattr(score, name))


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
