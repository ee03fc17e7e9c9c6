"""What the model looks at, on the model card: importance as rows of text, partial dependence as figures."""

from collections.abc import Mapping, Sequence

from cairn.metrics.importance import Explanation, Importance
from cairn.report.card.rows import Row, gain_cells
from cairn.report.card.words import metric_name, tone
from cairn.report.numbers import estimate
from cairn.report.page import embedded
from cairn.settings.contract import Column

SAID, SHOWN = 3, 12
"""Groups in the sentence at the top, and columns in the table; metrics/explain.json has all of them."""


def drivers(found: Explanation) -> str:
    """Say in a sentence what the model looks at most: groups, or columns if all are in one group."""
    several = len(found.groups) > 1
    every = found.groups if several else found.columns
    named = [f"{each.name} {estimate(each)}" for each in every if tone(each) == "better"][:SAID]
    if not named:
        return f"No {'feature group' if several else 'column'} alone drives the model."
    what = "feature groups drive the model most" if several else "columns drive the model most"
    return f"These {what} (loss of {metric_name(found.metric)} when shuffled): {', '.join(named)}."


def importance_rows(found: Sequence[Importance]) -> list[Row]:
    """Return one row per group or column; their marks have the same axis."""
    return [
        {"name": each.name, "group": each.group, "columns": each.columns, **cells}
        for each, cells in zip(found, gain_cells(found), strict=True)
    ]


def dependence_figures(found: Explanation, columns: Mapping[str, Column], predicted: str) -> list[Row]:
    """Return the caption and SVG of every partial dependence; `predicted` names what the model predicts."""
    from markupsafe import Markup

    from cairn.report.plots.canvas import to_svg
    from cairn.report.plots.figures import dependence_figure

    rows = []
    for number, each in enumerate(found.dependence):
        column = columns[each.name]
        unit = f" ({column.unit})" if column.unit else ""
        about = f": {column.description}" if column.description else ""
        svg = to_svg(dependence_figure(each, x=f"{each.name}{unit}", y=predicted))
        rows.append({"caption": f"{each.name}{about}", "svg": Markup(embedded(svg, f"dependence-{number}"))})
    return rows


def explanation_rows(found: Explanation, columns: Mapping[str, Column], predicted: str) -> Row:
    """Return what the section of the page shows."""
    return {
        "record": found,
        "metric": metric_name(found.metric),
        "sentence": drivers(found),
        "groups": importance_rows(found.groups),
        "columns": importance_rows(found.columns[:SHOWN]),
        "left_out": len(found.columns[SHOWN:]),
        "figures": dependence_figures(found, columns, predicted),
    }
