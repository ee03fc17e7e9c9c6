"""What the table is like, on one page: read it before you trust a model that was fitted on it.

Of validation only the features are looked at, of test nothing: the page shows the row counts and the drift of
features that the stage split wrote down. So no choice made with this page has seen a row or the target of
test. The page is one file that loads nothing, and the same table gives the same bytes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cairn.data.drift import chance
from cairn.report.explore.charts import heat, histogram, target_figure
from cairn.report.explore.findings import MEASURE, findings, headline
from cairn.report.explore.study import MATRIX, SAMPLE, SAMPLE_OF_PAIRS, Study
from cairn.report.inventory import column_rows, feature_groups
from cairn.report.page import render
from cairn.settings.contract import Contract
from cairn.settings.data import DataConfig
from cairn.settings.evaluate import EvaluateConfig

PAGE = Path("reports/explore.html")
TEMPLATE = Path(__file__).with_name("page.html.j2")
CARDS = 120
"""So many columns are drawn; the table at the end has all of them."""
STRONGEST, DIFFERING = 20, 12


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

    Args:
        found: the study of train and validation.
        source: the contract of the source.
        prepared: the contract of the prepared table.
        data: section data.
        evaluate: section evaluate.
        table: metrics/data.json.
        split: metrics/split.json.
        seed: of the samples.
    """
    every = findings(found, prepared, data, evaluate, split)
    tone, first = headline(every)
    page = render(
        TEMPLATE,
        **about_table(found, prepared, data, table),
        **drawings(found, split, data),
        split=split,
        evaluate=evaluate,
        **comparisons(found, split),
        findings=every,
        tone=tone,
        headline=first,
        seed=seed,
        left_out=left_out(source, prepared),
    )
    return page, first


def about_table(
    found: Study, contract: Contract, data: DataConfig, table: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the page says of the table in text and numbers."""
    strongest = list(found.associations)[:CARDS]
    order = {name: place for place, name in enumerate(contract.columns)}
    return {
        "name": data.name,
        "target": data.target,
        "about": contract.columns[data.target],
        "data": data,
        "record": table,
        "study": found,
        "measure": MEASURE[data.task],
        "contract": contract,
        "cards": sorted(strongest, key=lambda name: (name not in found.features, order[name])),
        "not_drawn": len(found.associations) - len(strongest),
        "groups": feature_groups(contract, found.features),
        "columns": column_rows(contract, found.features, data, table["missing"]),
        "samples": {"columns": min(SAMPLE, found.rows), "pairs": min(SAMPLE_OF_PAIRS, found.rows)},
    }


def comparisons(found: Study, split: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that are closest to the target, and those that differ most between the parts."""
    tested = split["shift"]["test"]["most"]
    validated = list(found.shifts)[:DIFFERING]
    return {
        "strongest": list(found.associations.items())[:STRONGEST],
        "alone": {suspect.column: suspect.score for suspect in found.suspects},
        "differing": list(dict.fromkeys([*validated, *list(tested)[: DIFFERING // 2]])),
        "least_test": min(tested.values(), default=0.0),
        "groups_shown": bool(found.groups or found.entities),
        "chance": chance(min(SAMPLE, found.rows), min(SAMPLE, found.validation_rows)),
    }


def drawings(found: Study, split: Mapping[str, Any], data: DataConfig) -> dict[str, Any]:
    """Return the pictures of the page."""
    from markupsafe import Markup

    profiles = {**found.profiles, data.target: found.target}
    over_time = None
    if found.periods is not None:
        labels = {"binary": f"share of {data.event}", "regression": f"mean {data.target}"}
        label = labels.get(data.task, f"share of {data.target}")
        over_time = Markup(target_figure(found.periods, split["parts"], label))
    names = found.compared[:MATRIX]
    return {
        "histograms": {name: histogram(profile.bars) for name, profile in profiles.items() if profile.bars},
        "over_time": over_time,
        "heat": heat(names, found.matrix[: len(names), : len(names)]) if len(names) > 1 else None,
    }


def left_out(whole: Contract, prepared: Contract) -> dict[str, str]:
    """Return the columns known only after the prediction, with what the contract says of them."""
    return {
        name: column.description for name, column in whole.columns.items() if name not in prepared.columns
    }
