"""What the table is like, on one page: read it before you trust a model that was fitted on it.

reads: ${data.contract}, data/prepared/contract.json, data/splits/train.parquet,
    data/splits/validation.parquet, metrics/data.json, metrics/split.json
writes: reports/explore.html

Of validation only the features are looked at, of test nothing: what the page says of it are the counts and
the distances of features that the stage split wrote down. So no choice made with this page has seen a row or
the target of test. The page is one file that loads nothing, and the same table gives the same bytes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cairn.data.drift import chance
from cairn.data.tables import read_json, read_table
from cairn.progress import elapsed
from cairn.report.explore.charts import heat, histogram, target_figure
from cairn.report.explore.findings import MEASURE, findings, headline
from cairn.report.explore.study import MATRIX, SAMPLE, SAMPLE_OF_PAIRS, Study, study
from cairn.report.inventory import column_rows, feature_groups
from cairn.report.page import render
from cairn.settings.contract import Contract, read_contract
from cairn.settings.data import DataConfig
from cairn.settings.evaluate import EvaluateConfig

PAGE = Path("reports/explore.html")
CARDS = 120
"""So many columns are drawn; the table at the end has all of them."""
STRONGEST, DIFFERING = 20, 12


def main(*, data: DataConfig, evaluate: EvaluateConfig, seed: int) -> None:
    """Write the page and print what to look at."""
    contract = Contract.model_validate(read_json(Path("data/prepared/contract.json")))
    split, record = (read_json(Path(f"metrics/{name}.json")) for name in ("split", "data"))
    train, validation = (read_table(Path(f"data/splits/{part}.parquet")) for part in ("train", "validation"))
    with elapsed(f"looking at {len(train):,} rows"):
        found = study(
            train, validation.drop(columns=data.target), contract, data, slices=evaluate.slices, seed=seed
        )
    every = findings(found, contract, data, evaluate, split)
    tone, first = headline(every)
    page = render(
        Path(__file__).parents[1] / "report/explore/page.html.j2",
        **about_table(found, contract, data, record),
        **drawings(found, split, data),
        split=split,
        evaluate=evaluate,
        **comparisons(found, split),
        findings=every,
        tone=tone,
        headline=first,
        seed=seed,
        left_out=left_out(read_contract(Path(data.contract)), contract),
    )
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page, encoding="utf-8", newline="\n")
    print(f"explore: {first} {PAGE.as_posix()}")


def about_table(
    found: Study, contract: Contract, data: DataConfig, record: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the page says of the table in text and numbers."""
    strongest = list(found.associations)[:CARDS]
    order = {name: place for place, name in enumerate(contract.columns)}
    return {
        "name": data.name,
        "target": data.target,
        "about": contract.columns[data.target],
        "data": data,
        "record": record,
        "study": found,
        "measure": MEASURE[data.task],
        "contract": contract,
        "cards": sorted(strongest, key=lambda name: (name not in found.features, order[name])),
        "not_drawn": len(found.associations) - len(strongest),
        "groups": feature_groups(contract, found.features),
        "columns": column_rows(contract, found.features, data, record["missing"]),
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
