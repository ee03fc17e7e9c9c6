"""The model card: the whole run on one page.

The page is one file that loads nothing: styles and figures are inside it. All its numbers come from the
records, and it has no date or host name, so equal runs give equal bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cairn.metrics.evaluation import MODEL, Evaluation, Score
from cairn.report.card.gallery import figures, training_score
from cairn.report.card.inputs import Inputs
from cairn.report.card.limits import Limit, limits, small_slices
from cairn.report.card.rows import Row, fold_rows, metric_rows, policy_rows, predictor_rows, slice_rows
from cairn.report.card.words import Record, Verdict, confidence, metric_name, verdict
from cairn.report.inventory import column_rows, feature_groups
from cairn.report.numbers import number, percent, places
from cairn.report.page import render
from cairn.settings.baseline import BaselineConfig, RateRule
from cairn.settings.contract import Contract
from cairn.settings.data import DataConfig, Task
from cairn.settings.section import Section
from cairn.settings.split import TimeSplit

PAGE = Path("reports/model_card.html")
TEMPLATE = Path(__file__).with_name("page.html.j2")


@dataclass(frozen=True)
class Card:
    """What the template shows, in the order of the page; rows hold text.

    Attributes:
        about: the contract's description of the target.
        event: name of the positive class.
        rules: what each baseline does, by name.
        names: of the predictors, the columns of `metrics`.
        policies: in money; empty without a cost model.
        small_slices: a sentence about those that were not scored.
        data: metrics/data.json.
        split: metrics/split.json.
        folds: header and rows of the cross-validation.
        settings: every section of params.yaml as YAML.
    """

    name: str
    question: str
    about: str
    event: str
    record: Evaluation
    verdict: Verdict
    primary: str
    confidence: str
    threshold: str
    rules: dict[str, str]
    predictors: list[Row]
    names: list[str]
    metrics: list[Row]
    policies: list[Row]
    limits: list[Limit]
    figures: list[Row]
    slices: list[Row]
    small_slices: str
    slice_metric: str
    source: str
    data: Record
    groups: list[Row]
    split: Record
    gap: str | None
    parts: list[Row]
    folds: tuple[list[str], list[list[str]]]
    settings: dict[str, str]
    seed: int
    threads: int
    columns: list[Row]
    files: list[Row]
    versions: dict[str, str]


def model_card(inputs: Inputs, sections: Mapping[str, Any]) -> Card:
    """Return what the page shows.

    Args:
        inputs: the outputs of earlier stages.
        sections: of params.yaml by name, the numbers seed and threads among them.
    """
    data: DataConfig = sections["data"]
    record, contract = inputs.evaluation, inputs.contract
    names, metrics = metric_rows(record)
    slices = record.primary_slices
    return Card(
        name=data.name,
        question=question(data, contract),
        about=contract.columns[data.target].description,
        event=data.event,
        record=record,
        verdict=verdict(record, inputs.split),
        primary=metric_name(record.primary),
        confidence=confidence(record),
        threshold=number(record.thresholds[MODEL], 3),
        rules=rules_in_words(sections["baseline"], data.task),
        predictors=predictor_rows(record),
        names=names,
        metrics=metrics,
        policies=policy_rows(record),
        limits=limits(record, inputs.split, inputs.data, inputs.calibration),
        figures=figures(inputs.images, inputs.training, training_score(sections["model"], data.task)),
        slices=slice_rows(record),
        small_slices=small_slices(record),
        slice_metric=metric_name(slices[0].metric) if slices else "",
        source=data.source,
        data=inputs.data,
        groups=feature_groups(contract, inputs.features),
        split=inputs.split,
        gap=sections["split"].gap if isinstance(sections["split"], TimeSplit) else None,
        parts=part_rows(inputs.split),
        folds=fold_rows(inputs.folds),
        settings={name: as_yaml(part) for name, part in sections.items() if isinstance(part, Section)},
        seed=sections["seed"],
        threads=sections["threads"],
        columns=column_rows(contract, inputs.features, data, inputs.data["missing"]),
        files=inputs.files,
        versions=inputs.versions,
    )


def html(card: Card) -> str:
    """Return the page."""
    return render(TEMPLATE, MODEL=MODEL, **vars(card))


def question(data: DataConfig, contract: Contract) -> str:
    """Ask in words what the model answers for every row."""
    unit = contract.columns[data.target].unit
    if data.task == "regression":
        return f"For every row: how much is {data.target}{f', in {unit}' if unit else ''}?"
    if data.task == "multiclass":
        return f"For every row: which {data.target} is it?"
    event = "true" if data.positive in (None, True) else data.positive
    return f"For every row: how likely is it that {data.target} is {event}?"


def rules_in_words(baseline: BaselineConfig, task: Task) -> dict[str, str]:
    """Say what each baseline does, by its name."""
    average = "the class shares in train" if task == "multiclass" else "the mean of the target in train"
    known = {"prior": f"{average}, for every row", "linear": "a linear model on the same columns"}
    for name, rule in baseline.rules.items():
        if isinstance(rule, RateRule):
            known[name] = f"{average}, for each {' × '.join(rule.by)}"
        else:
            known[name] = f"the value of column {rule.column}"
    return known


def part_rows(split: Record) -> list[Row]:
    """Return one row per part of the split: its rows and share, its dates, and the target in it."""
    parts = split["parts"]
    total = sum(part["rows"] for part in parts.values())
    digits = places(Score(value=part.get("mean")) for part in parts.values())
    return [
        {
            "name": name,
            "rows": part["rows"],
            "share": part["rows"] / total,
            "from": part.get("from"),
            "until": part.get("until"),
            "rate": percent(part["rate"]) if "rate" in part else None,
            "mean": number(part["mean"], digits) if "mean" in part else None,
            "shares": part.get("shares", {}),
        }
        for name, part in parts.items()
    ]


def as_yaml(section: Section) -> str:
    """Write a section as in params.yaml."""
    from omegaconf import OmegaConf

    return OmegaConf.to_yaml(OmegaConf.create(section.model_dump())).rstrip()
