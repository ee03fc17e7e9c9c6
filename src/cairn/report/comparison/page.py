"""A comparison on one page that loads nothing: the verdicts, every number, every slice drawn."""

import math
from pathlib import Path

from cairn.metrics.bootstrap import Estimate
from cairn.report.card.words import metric_name
from cairn.report.comparison.tables import letters, metric_table, slice_table
from cairn.report.comparison.words import background, changes, sensitivity, verdict
from cairn.report.page import render
from cairn.report.plots.canvas import to_svg
from cairn.report.plots.figures import interval_figure
from cairn.studies.compare.comparison import Candidate, Comparison


def to_html(comparison: Comparison) -> str:
    """Fill the template; every text is escaped but the figures, which are this repository's own SVG."""
    candidates = [
        {
            "letter": letter,
            "name": one.name,
            "commit": one.commit,
            "model": one.model,
            "outcome": one.outcome,
            "verdict": verdict(comparison, one),
            "sensitivity": sensitivity(comparison, one) if one.outcome == "unclear" else "",
            "metrics": metric_table(comparison, one, letter),
            "slices": slice_table(comparison, one.slices, letter),
            "figure": _slice_figure(comparison, one, letter),
            "changes": changes(one, most=len(one.settings)),
        }
        for letter, one in zip(letters(comparison), comparison.candidates, strict=True)
    ]
    template = Path(__file__).with_name("page.html.j2")
    return render(template, comparison=comparison, candidates=candidates, background=background(comparison))


def _slice_figure(comparison: Comparison, candidate: Candidate, letter: str) -> str:
    """Draw the difference of the deciding quantity in the whole part and in every slice, as SVG."""
    whole = candidate.differences[comparison.decides]
    drawn = {"all rows": whole} | {f"{s.column} {s.level}": s.difference for s in candidate.slices}
    known = {
        name: Estimate(one.difference, one.low, one.high)
        for name, one in drawn.items()
        if not math.isnan(one.low)
    }
    label = f"{metric_name(comparison.decides)}, {letter} - A"
    return to_svg(interval_figure(known, label=label)) if known else ""
