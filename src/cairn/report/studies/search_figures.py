"""The figures of a search: history and slices."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from cairn.report.plots.canvas import MODEL, OTHERS, TEXT, draw, legend
from cairn.studies.search.space import Dimension
from cairn.studies.search.study import DEFAULT, EXPLORED, FOLLOWED, ORIGIN, value

COLUMNS = 3
COLOURS = {EXPLORED: OTHERS[0], FOLLOWED: MODEL, DEFAULT: OTHERS[2]}
MARKS = {EXPLORED: "o", FOLLOWED: "o", DEFAULT: "D"}


def history_figure(trials: Sequence[FrozenTrial], objective: str, *, greater: bool) -> Figure:
    """The objective of every trial, where its point came from, and the best so far.

    Args:
        trials: finished ones, in order; pruned ones are marked at the bottom.
        objective: its name.
        greater: its direction.
    """
    figure, (axes,) = draw(6.6, 3.6)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    numbers, values = [t.number for t in complete], np.array([value(t) for t in complete])
    best = np.maximum.accumulate(values) if greater else np.minimum.accumulate(values)
    axes.step(numbers, best, where="post", color=TEXT, linewidth=1.2, label="best so far")
    for origin, colour in COLOURS.items():
        mine = [t for t in complete if t.user_attrs.get(ORIGIN) == origin]
        if mine:
            axes.plot(
                [t.number for t in mine],
                [value(t) for t in mine],
                MARKS[origin],
                color=colour,
                markersize=6,
                label=origin,
            )
    pruned = [t.number for t in trials if t.state == TrialState.PRUNED]
    if pruned:
        axes.plot(
            pruned,
            np.zeros(len(pruned)),
            "|",
            color=OTHERS[3],
            markersize=9,
            transform=axes.get_xaxis_transform(),
            clip_on=False,
            label="stopped early",
        )
    axes.set(xlabel="trial", ylabel=objective)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(axes, loc="best")
    return figure


def slices_figure(dimensions: Sequence[Dimension], best: Sequence[FrozenTrial], objective: str) -> Figure:
    """The objective over each dimension by itself.

    Args:
        dimensions: of the space.
        best: complete trials, the best first, which is ringed.
        objective: its name.
    """
    columns = min(COLUMNS, len(dimensions))
    rows = math.ceil(len(dimensions) / columns)
    figure, all_axes = draw(2.9 * columns + 0.4, 2.5 * rows, rows=(1.0,) * rows, columns=(1.0,) * columns)
    values = [value(trial) for trial in best]
    colours = [COLOURS.get(trial.user_attrs.get(ORIGIN), TEXT) for trial in best]
    for axes, dimension in zip(all_axes, dimensions, strict=False):
        parameters = [trial.params[dimension.key] for trial in best]
        if isinstance(dimension.distribution, CategoricalDistribution):
            names = dimension.distribution.choices
            parameters = [names.index(parameter) for parameter in parameters]
            axes.set_xticks(range(len(names)), [str(name) for name in names], fontsize=8)
            axes.set_xlim(-0.5, len(names) - 0.5)
        elif dimension.distribution.log:
            axes.set_xscale("log")
            ticks = np.geomspace(dimension.distribution.low, dimension.distribution.high, 3)
            axes.set_xticks(ticks, [f"{tick:.3g}" for tick in ticks])
            axes.xaxis.set_minor_locator(NullLocator())
        axes.scatter(parameters, values, c=colours, s=22, linewidths=0)
        axes.plot(parameters[0], values[0], "o", color=MODEL, markersize=11, markerfacecolor="none")
        axes.set_xlabel(dimension.key.rpartition(".")[2], fontsize=9)
        axes.tick_params(labelsize=8)
    for row in range(rows):
        all_axes[row * columns].set_ylabel(objective, fontsize=9)
    for axes in all_axes[len(dimensions) :]:
        axes.set_visible(False)
    return figure
