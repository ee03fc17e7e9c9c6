"""What the table is like, on one page: read it before you trust a model that was fitted on it.

Of validation only the features are looked at, of test nothing: the page shows the row counts and the drift of
features that the stage split wrote down. So no choice made with this page has seen a row or the target of
test. The page is one file that loads nothing, and the same table gives the same bytes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from cairn.data.drift import chance
from cairn.report.explore.findings import MEASURE, TONES, by_column, findings, headline
from cairn.report.explore.profile import Bars
from cairn.report.explore.statistics import IS
from cairn.report.explore.study import MATRIX, SAMPLE, SAMPLE_OF_PAIRS, Study
from cairn.report.numbers import moment, percent, short
from cairn.report.page import column_rows, embedded, feature_groups, render
from cairn.settings.contract import Contract, Kind
from cairn.settings.data import DataConfig
from cairn.settings.evaluate import EvaluateConfig

PAGE = Path("reports/explore.html")
TEMPLATE = Path(__file__).with_name("page.html.j2")
CARDS = 120
"""So many columns are drawn; the table at the end has all of them."""
STRONGEST, DIFFERING = 20, 12
WIDTH, HEIGHT = 240.0, 48.0
"""Of a histogram."""


def explore_page(
    found: Study,
    *,
    source: Contract,
    prepared: Contract,
    data: DataConfig,
    evaluate: EvaluateConfig,
    table: Mapping[str, Any],
    split: Mapping[str, Any],
    seed: int,
) -> tuple[str, str]:
    """Return the page, and its headline.

    `source` is the contract of the source table, `prepared` the contract of the prepared one; `table` is
    metrics/data.json, `split` is metrics/split.json, and `seed` draws the samples.
    """
    every = findings(found, data, evaluate, split)
    tone, first = headline(every)
    drawn = list(found.associations)[:CARDS]
    marked = by_column(every)

    def severity(name: str) -> float:
        """Rank the columns with a problem first, then those with the most findings, then by the target."""
        problems = sum(TONES[0] == tone for tone, _ in marked.get(name, []))
        return 100 * problems + len(marked.get(name, [])) + abs(found.associations[name] or 0.0) / 2

    tested = split["shift"]["test"]["most"]
    page = render(
        TEMPLATE,
        **_drawings(found, split, data),
        name=data.name,
        target=data.target,
        about=prepared.columns[data.target],
        data=data,
        record=table,
        study=found,
        split=split,
        evaluate=evaluate,
        contract=prepared,
        findings=every,
        tone=tone,
        headline=first,
        seed=seed,
        measure=MEASURE[data.task],
        cards=sorted(drawn, key=lambda name: -severity(name)),
        marked=marked,
        severity=severity,
        not_drawn=len(found.associations) - len(drawn),
        groups=feature_groups(prepared, found.features),
        columns=column_rows(prepared, found.features, data, table["missing"]),
        samples={"columns": min(SAMPLE, found.rows), "pairs": min(SAMPLE_OF_PAIRS, found.rows)},
        strongest=list(found.associations.items())[:STRONGEST],
        alone={suspect.column: suspect.score for suspect in found.suspects},
        differing=list(dict.fromkeys([*list(found.shifts)[:DIFFERING], *list(tested)[: DIFFERING // 2]])),
        least_test=min(tested.values(), default=0.0),
        chance=chance(min(SAMPLE, found.rows), min(SAMPLE, found.validation_rows)),
        left_out={
            name: column.description
            for name, column in source.columns.items()
            if name not in prepared.columns
        },
    )
    return page, first


def _drawings(found: Study, split: Mapping[str, Any], data: DataConfig) -> dict[str, Any]:
    from markupsafe import Markup

    profiles = {**found.profiles, data.target: found.target}
    over_time = None
    if found.periods is not None:
        labels = {"binary": f"share of {data.event}", "regression": f"mean {data.target}"}
        label = labels.get(data.task, f"share of {data.target}")
        over_time = Markup(target_figure(found.periods, split["parts"], label))
    names = found.compared[:MATRIX]
    return {
        "histograms": {
            name: histogram(profile.bars, profile.kind) for name, profile in profiles.items() if profile.bars
        },
        "over_time": over_time,
        "shown": names,
        "matrix": found.matrix.tolist(),
    }


def histogram(bars: Bars, kind: Kind) -> dict[str, Any]:
    """Return SVG paths in a box of 240 by 48: the bars of train and the outline of validation.

    And for each bin what it holds, in words.
    """
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
    # Of the target nothing is known in validation.
    known = bool(bars.validation.any())
    said = [
        f"{_range(*ends, kind)}: {percent(mine)} of train"
        + (f", {percent(other)} of validation" if known else "")
        for ends, mine, other in zip(bars.edges, bars.train, bars.validation, strict=True)
    ]
    return {
        "train": train,
        "validation": f"M0 {HEIGHT:g}{steps}V{HEIGHT:g}",
        "width": _n(width, 3),
        "bins": [(_n(i * width), text) for i, text in enumerate(said)],
    }


def _range(first: float, last: float, kind: Kind) -> str:
    if kind == "boolean":
        return "false" if last < 0.5 else "true"
    low, high = (moment(end) if kind == "datetime" else short(end) for end in (first, last))
    return low if low == high else f"{low} to {high}"


def target_figure(frame: pd.DataFrame, parts: Mapping[str, Any], label: str) -> str:
    """Draw `statistics.over_time` of train, and the mean in validation; `parts` are the split's."""
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
    return f"{round(float(value), digits) + 0.0:g}"
