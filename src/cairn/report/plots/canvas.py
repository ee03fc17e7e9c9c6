"""The style of figures, legible on light and dark pages, and reproducible SVG."""

import io
import warnings
from collections.abc import Iterable
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cbook import boxplot_stats
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from cairn.report.numbers import short

# Mid-tones have enough contrast on white and on near-black, and the background is transparent. The hues are
# those of Okabe and Ito's palette for colour-blind readers, with a blue light enough for dark pages.
TEXT = "#808080"
MODEL = "#2f8fd8"
OTHERS = ("#d98a00", "#00a37a", "#cc6fa3", "#d55e00", "#8c8c8c")
HARMFUL = "#c4453a"
DASHES = ("--", "-.", ":", (0, (5, 1)), (0, (1, 1)))

ON_PAGES = {MODEL: "accent", HARMFUL: "worse"} | dict(
    zip(OTHERS, ("series-1", "series-2", "series-3", "series-4", "soft"), strict=True)
)
"""The colours of page.css that replace these on a page: each has enough contrast, light and dark."""

STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 10.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "cairn",
    "text.color": TEXT,
    "axes.edgecolor": TEXT,
    "axes.labelcolor": TEXT,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": TEXT,
    "grid.alpha": 0.18,
    "grid.linewidth": 0.8,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
    "legend.frameon": False,
    "legend.labelcolor": TEXT,
    "figure.facecolor": "none",
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
}


def draw(
    width: float = 5.2,
    height: float = 4.2,
    rows: tuple[float, ...] = (1.0,),
    columns: tuple[float, ...] = (1.0,),
) -> tuple[Figure, list[Axes]]:
    """Create a figure of width by height inches, and its axes, row by row, in the common style.

    Rows and columns are the relative heights and widths of the axes.
    """
    with mpl.rc_context(STYLE):
        layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)
        figure = Figure(figsize=(width, height), layout=layout, dpi=144)
        FigureCanvasAgg(figure)
        grid = figure.subplots(
            len(rows), len(columns), squeeze=False, height_ratios=rows, width_ratios=columns
        )
    return figure, list(grid.ravel())


def legend(axes: Axes, **options: Any) -> None:
    """Add a legend in the common style."""
    with mpl.rc_context(STYLE):
        axes.legend(fontsize=9, handlelength=2.2, **options)


def limits(values: Iterable[float]) -> tuple[float, float] | None:
    """Return the range of the values that are at most three times the middle half's width beyond it.

    Tukey's outer fences: a few values far off, such as the first iterations or a failed trial, would
    flatten all others. None without a finite value.
    """
    known = np.fromiter((value for value in values if np.isfinite(value)), dtype=np.float64)
    if not len(known):
        return None
    found = boxplot_stats(known, whis=3)[0]
    if found["iqr"] == 0:
        return float(known.min()), float(known.max())
    return float(found["whislo"]), float(found["whishi"])


def keep_readable(axes: Axes, values: Iterable[float], shown: Iterable[float] = ()) -> None:
    """Leave values far off below or above the axes, and say how far they go; `shown` are never left out.

    On a logarithmic axis the rule is applied to the logarithms.
    """
    known = np.array([value for value in values if np.isfinite(value)])
    log = axes.get_yscale() == "log"
    found = limits(np.log(known) if log else known)
    if found is None:
        return
    kept = [*(np.exp(found) if log else found), *(value for value in shown if np.isfinite(value))]
    low, high = min(kept), max(kept)
    rounding = 1e-9 * max(abs(low), abs(high))
    below, above = known[known < low - rounding], known[known > high + rounding]
    said: list[str] = []
    for left_out, words in ((below, "below, down to"), (above, "above, up to")):
        if len(left_out):
            end = left_out.min() if left_out is below else left_out.max()
            said.append(f"{len(left_out)} {words} {short(end)}")
    axes.set_title("; ".join(said), loc="right", fontsize=8, color=TEXT)
    if said and low < high:
        ends = np.log([low, high]) if log else np.array([low, high])
        ends += 0.06 * (ends[1] - ends[0]) * np.array([-1, 1])
        axes.set_ylim(*(np.exp(ends) if log else ends))


def to_svg(figure: Figure) -> str:
    """Return a figure as an <svg> element to embed in HTML; equal figures give equal text."""
    buffer = io.StringIO()
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # A letter that matplotlib's font lacks, such as 北, is measured roughly; the reader's font has it.
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        if (layout := figure.get_layout_engine()) is not None:
            # Computed again on a second save, the layout would move by fractions of a pixel.
            layout.execute(figure)
            figure.set_layout_engine("none")
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = buffer.getvalue()
    return text[text.index("<svg") :]
