"""The drawings of the page: histograms and a heat map in the page's colours, and the target over time."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from cairn.report.explore.profile import Bars, Floats
from cairn.report.explore.statistics import IS
from cairn.report.numbers import number
from cairn.report.page import embedded

WIDTH, HEIGHT = 240.0, 48.0
CELL = 20.0
"""Width and height of a cell; the template uses the same number."""
CHARACTER, LONGEST = 6.2, 36


class Histogram(NamedTuple):
    """SVG paths in a box of 240 by 48: the bars of train and the outline of validation."""

    train: str
    validation: str


class Cell(NamedTuple):
    """A cell of the heat map: its corner, opacity, sign (plus or minus) and text."""

    x: str
    y: str
    opacity: str
    sign: str
    text: str


class Heat(NamedTuple):
    """The lower triangle of a matrix of associations: its cells, the names, and the width of the longest."""

    cells: list[Cell]
    names: list[str]
    margin: float


def histogram(bars: Bars) -> Histogram:
    """Draw the bars of a column."""
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
    return Histogram(train, f"M0 {HEIGHT:g}{steps}V{HEIGHT:g}")


def heat(names: Sequence[str], matrix: Floats) -> Heat:
    """Draw the associations of columns with each other.

    Args:
        names: p columns.
        matrix: shape (p, p), -1 to 1 or NaN.
    """
    cells = [
        Cell(
            x=_n(j * CELL),
            y=_n(i * CELL),
            opacity=_n(abs(matrix[i, j]), 2),
            sign="minus" if matrix[i, j] < 0 else "plus",
            text=f"{names[i]}, {names[j]}: {number(matrix[i, j], 2)}",
        )
        for i, j in zip(*np.tril_indices(len(names), -1), strict=True)
        if not np.isnan(matrix[i, j])
    ]
    margin = CHARACTER * min(max(len(name) for name in names), LONGEST) + 10
    return Heat(cells, list(names), margin)


def target_figure(frame: pd.DataFrame, parts: Mapping[str, Any], label: str) -> str:
    """Draw the target in train by period, and its mean in validation over the time that validation spans.

    Args:
        frame: see `statistics.over_time`.
        parts: those of metrics/split.json.
        label: of the y axis.
    """
    from cairn.report.plots.canvas import DASHES, MODEL, OTHERS, TEXT, draw, legend, to_svg

    figure, (axes,) = draw(8.4, 3.2)
    start = frame["start"].to_numpy()
    if "value" in frame:
        axes.fill_between(start, frame["low"], frame["high"], color=MODEL, alpha=0.22, linewidth=0)
        axes.plot(start, frame["value"], color=MODEL, marker="o", markersize=2.5, label="train")
        validation = parts["validation"]
        # The two may differ in format: fractions of a second, or another offset in winter.
        ends = pd.to_datetime([validation["from"], validation["until"]], format="ISO8601", utc=True)
        ends = ends.tz_localize(None).to_numpy()
        mean = validation.get("rate", validation.get("mean"))
        axes.plot(ends, [mean, mean], color=OTHERS[0], linewidth=2.4, label="validation, overall")
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
    """Escape what matplotlib would take for a formula ($…$) or hide from the legend (_…)."""
    return ("\u200b" + text if text.startswith("_") else text).replace("$", r"\$")


def _n(value: float, digits: int = 1) -> str:
    """Format a coordinate without trailing zeros."""
    return f"{round(float(value), digits) + 0.0:g}"
