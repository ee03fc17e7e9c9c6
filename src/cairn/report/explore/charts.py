"""Small drawings that take the page's own colours, and the one figure of the target over time."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cairn.report.explore.profile import Bars
from cairn.report.explore.target import IS
from cairn.report.explore.values import Floats

WIDTH, HEIGHT = 240.0, 48.0
CELL = 20.0
CHARACTER, LONGEST = 6.2, 36


def histogram(bars: Bars) -> dict[str, str]:
    """Return SVG paths in a box of 240 by 48: the bars of train, and the outline of validation."""
    top = max(bars.train.max(), bars.validation.max()) or 1.0
    width = WIDTH / len(bars.train)
    gap = 1.0 if len(bars.train) > 1 else 0.0
    train = "".join(
        f"M{_n(i * width)} {HEIGHT:g}v{_n(-HEIGHT * share / top)}h{_n(width - gap)}V{HEIGHT:g}z"
        for i, share in enumerate(bars.train)
        if share
    )
    heights = [_n(HEIGHT - (HEIGHT - 1) * share / top) for share in bars.validation]
    steps = "".join(f"V{y}H{_n((i + 1) * width)}" for i, y in enumerate(heights))
    return {"train": train, "validation": f"M0 {HEIGHT:g}{steps}V{HEIGHT:g}"}


def heat(names: Sequence[str], matrix: Floats) -> dict[str, Any]:
    """Place the lower triangle of a matrix of associations: its cells, and the names along both sides.

    Args:
        names: p columns.
        matrix: shape (p, p), -1 to 1 or NaN.
    """
    cells = [
        {
            "x": _n(j * CELL),
            "y": _n(i * CELL),
            "ink": _n(abs(matrix[i, j]), 2),
            "tone": "minus" if matrix[i, j] < 0 else "plus",
            "text": f"{names[i]}, {names[j]}: {matrix[i, j]:.2f}".replace("-", "−"),
        }
        for i, j in zip(*np.tril_indices(len(names), -1), strict=True)
        if not np.isnan(matrix[i, j])
    ]
    margin = CHARACTER * min(max(len(name) for name in names), LONGEST) + 10
    return {"cells": cells, "names": list(names), "side": CELL * len(names), "cell": CELL, "margin": margin}


def target_figure(frame: pd.DataFrame, parts: Mapping[str, Any], label: str) -> str:
    """Draw the target of train by period, and the mean of validation over the time it spans.

    Args:
        frame: see `target.over_time`.
        parts: those of metrics/split.json.
        label: of the vertical axis.
    """
    from cairn.report.page import embedded
    from cairn.report.plots.canvas import DASHES, MODEL, OTHERS, TEXT, draw, legend, to_svg

    figure, (axes,) = draw(8.4, 3.2)
    start = frame["start"].to_numpy()
    if "value" in frame:
        axes.fill_between(start, frame["low"], frame["high"], color=MODEL, alpha=0.22, linewidth=0)
        axes.plot(start, frame["value"], color=MODEL, marker="o", markersize=2.5, label="train")
        validation = parts["validation"]
        # One may have a fraction of a second, or another offset in winter.
        ends = pd.to_datetime([validation["from"], validation["until"]], format="ISO8601", utc=True)
        ends = ends.tz_localize(None).to_numpy()
        mean = validation.get("rate", validation.get("mean"))
        axes.plot(ends, [mean, mean], color=OTHERS[0], linewidth=2.4, label="validation, as a whole")
    else:
        for position, name in enumerate(frame.columns.drop(["start", "rows"])):
            style = position % len(OTHERS)
            color, dash = (MODEL, "-") if position == 0 else (OTHERS[style], DASHES[style])
            axes.plot(start, frame[name], color=color, linestyle=dash, label=_plain(name.removeprefix(IS)))
    axes.set(ylabel=_plain(label))
    axes.tick_params(axis="x", labelrotation=0)
    axes.margins(x=0.01)
    axes.yaxis.label.set_color(TEXT)
    legend(axes, loc="best")
    return embedded(to_svg(figure), "time")


def _plain(text: str) -> str:
    """Keep matplotlib from reading a formula between two $, and from hiding a name that begins with _."""
    return ("\u200b" + text if text.startswith("_") else text).replace("$", r"\$")


def _n(value: float, digits: int = 1) -> str:
    """Write a coordinate without zeros it does not need."""
    return f"{round(float(value), digits) + 0.0:g}"
