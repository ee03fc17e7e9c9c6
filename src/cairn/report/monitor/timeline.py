"""The figures of monitoring: windows and scores over time."""

import math
from collections import Counter

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from cairn.metrics.evaluation import Score
from cairn.monitor.record import Monitored, WindowRow
from cairn.report.card.words import metric_name
from cairn.report.plots.canvas import HARMFUL, MODEL, OTHERS, TEXT, draw, keep_readable, legend

TICKS = 6
LANES = 8
"""Statistics that have a line of their own, those that alarm most often."""


def window_figure(found: Monitored) -> Figure:
    """Draw the largest ratio of every window that was judged, and the threshold."""
    judged = _judged(found)
    ratios = np.array([max(window.ratio or 0, 0.1) for window in judged])
    voted = np.array([window.voted for window in judged], dtype=bool)
    places = np.arange(len(judged))
    figure, (axes,) = draw(7.6, 3.0)
    axes.plot(places, ratios, color=TEXT, linewidth=0.8, alpha=0.5)
    axes.plot(places[~voted], ratios[~voted], "o", color=TEXT, markersize=3, markerfacecolor="none")
    axes.plot(places[voted], ratios[voted], "o", color=HARMFUL, markersize=3.5)
    axes.axhline(found.calibration.threshold, color=MODEL, linewidth=1.2)
    axes.set_yscale("log")
    for axis_format in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        axis_format(LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.5)))
    keep_readable(axes, ratios, shown=[found.calibration.threshold])
    axes.set(ylabel="largest ratio", xlim=(-1, len(judged)))
    _ticks(axes, [window.name for window in judged])
    return figure


def lanes_figure(found: Monitored) -> Figure | None:
    """Draw in which windows each statistic alarms; None if none does."""
    judged = _judged(found)
    counts = Counter(name for window in judged for name in window.most)
    if not counts:
        return None
    names = [name for name, _ in counts.most_common(LANES)]
    figure, (axes,) = draw(7.6, 0.7 + 0.27 * len(names))
    for lane, name in enumerate(names):
        there = np.array([False, *(name in window.most for window in judged), False])
        first, last = np.flatnonzero(np.diff(there.astype(int))).reshape(-1, 2).T
        runs = zip(first - 0.5, last - first, strict=True)
        axes.broken_barh(list(runs), (lane - 0.3, 0.6), color=HARMFUL)
    axes.set(xlim=(-1, len(judged)), ylim=(len(names) - 0.5, -0.5))
    axes.set_yticks(range(len(names)), names, fontsize=8)
    _ticks(axes, [window.name for window in judged])
    return figure


def _judged(found: Monitored) -> list[WindowRow]:
    return [window for window in found.windows if window.ratio is not None]


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
    before = _end(found.baseline.scores.get(found.primary) if found.baseline else None, "value")
    if not math.isnan(before):
        axes.axhline(before, color=TEXT, linewidth=1, label="validation")
    # A stretch of few labels may have an interval many times as wide as the others.
    keep_readable(axes, [*low, *value, *high, *guesses], shown=[*value, before])
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
