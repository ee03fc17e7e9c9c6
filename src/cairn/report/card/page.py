"""The model card: the whole run on one page.

The page is one file that loads nothing: styles and figures are inside it. All its numbers come from the
records, and it has no date or host name, so equal runs give equal bytes.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cairn.data.records import read_json
from cairn.metrics.evaluation import MODEL, Evaluation, Score
from cairn.metrics.importance import Explanation
from cairn.report.card.explanation import explanation_rows
from cairn.report.card.limits import limits, small_slices
from cairn.report.card.rows import (
    Row,
    fairness_rows,
    fold_rows,
    metric_rows,
    policy_rows,
    predictor_rows,
    slice_rows,
)
from cairn.report.card.words import Record, confidence, metric_name, verdict
from cairn.report.numbers import number, percent, places
from cairn.report.page import column_rows, embedded, feature_groups, render
from cairn.settings.baseline import BaselineConfig, RateRule
from cairn.settings.contract import Contract
from cairn.settings.data import DataConfig, Task
from cairn.settings.section import Section
from cairn.settings.split import TimeSplit

PAGE = Path("reports/model_card.html")
TEMPLATE = Path(__file__).with_name("page.html.j2")
CONTRACT, PACKAGE = Path("data/prepared/contract.json"), Path("models/model/package.json")
IMAGES, CALIBRATION = Path("plots/images"), Path("plots/curves/calibration.csv")
TRAINING = Path("plots/training.csv")

FIGURES = {
    "roc": "ROC curve: true positive rate over false positive rate, for every threshold.",
    "pr": "Precision-recall curve: precision over recall, for every threshold.",
    "calibration": "Calibration curve: observed over predicted rates; perfect calibration is the diagonal.",
    "regression": "Actual over predicted values; perfect predictions are on the diagonal.",
    "residuals": "Residuals: actual minus predicted values.",
    "confusion": "Confusion matrix: test rows by actual and predicted class, as shares of the actual class.",
    "training": "Training curve: the model's own score after each iteration (minus its loss, unless the"
    " model is set to another score); higher is better.",
}
"""The figures of the page. The plots of gains and slices are not among them: its tables show the same."""


@dataclass(frozen=True)
class Inputs:
    """The outputs of earlier stages: records as in metrics/, figures as SVG, files with their SHA-256."""

    evaluation: Evaluation
    explanation: Explanation
    contract: Contract
    data: Record
    split: Record
    folds: Sequence[Record]
    features: list[str]
    versions: dict[str, str]
    images: dict[str, str]
    calibration: Sequence[Record]
    training: pd.DataFrame
    files: list[Row]
    notes: Sequence[str] = ()


def read_inputs() -> Inputs:
    """Read the inputs from the current folder."""
    names = ("data", "split", "evaluation", "cross_validation", "explain")
    records = [CONTRACT, *(Path(f"metrics/{name}.json") for name in names), PACKAGE]
    contract, data, split, evaluation, folds, explanation, package = map(read_json, records)
    return Inputs(
        evaluation=Evaluation.model_validate(evaluation),
        explanation=Explanation.model_validate(explanation),
        contract=Contract.model_validate(contract),
        data=data,
        split=split,
        folds=folds["folds"],
        features=package["features"],
        versions=package["versions"],
        images={path.stem: path.read_text(encoding="utf-8") for path in sorted(IMAGES.glob("*.svg"))},
        calibration=pd.read_csv(CALIBRATION).to_dict("records") if CALIBRATION.exists() else [],
        training=pd.read_csv(TRAINING),
        notes=package.get("notes", []),
        files=_hashes([*records, *sorted(PACKAGE.parent.rglob("*"))]),
    )


def _hashes(paths: Iterable[Path]) -> list[Row]:
    contents = {path.as_posix(): path.read_bytes() for path in paths if path.is_file()}
    return [
        {"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for path, content in contents.items()
    ]


def model_card(inputs: Inputs, sections: Mapping[str, Any]) -> Row:
    """Return what the template shows, by name; rows hold text.

    `sections` are those of params.yaml by name, the numbers seed and threads among them.
    """
    from omegaconf import OmegaConf

    data: DataConfig = sections["data"]
    record, contract = inputs.evaluation, inputs.contract
    names, metrics = metric_rows(record)
    slices = record.primary_slices
    return {
        "MODEL": MODEL,
        "name": data.name,
        "question": question(data, contract),
        "about": contract.columns[data.target].description,
        "event": data.event,
        "record": record,
        "verdict": verdict(record, inputs.split),
        "primary": metric_name(record.primary),
        "confidence": confidence(record),
        "threshold": number(record.thresholds[MODEL], 3),
        "rules": rules_in_words(sections["baseline"], data.task),
        "predictors": predictor_rows(record),
        "names": names,
        "metrics": metrics,
        "policies": policy_rows(record),
        "limits": limits(record, inputs.split, inputs.data, inputs.calibration, inputs.notes),
        "figures": figures(inputs.images, inputs.training),
        "explanation": explanation_rows(inputs.explanation, contract.columns, predicted(data)),
        "slices": slice_rows(record),
        "small_slices": small_slices(record),
        "fairness": fairness_rows(record),
        "slice_metric": metric_name(slices[0].metric) if slices else "",
        "source": data.source,
        "data": inputs.data,
        "groups": feature_groups(contract, inputs.features),
        "split": inputs.split,
        "gap": sections["split"].gap if isinstance(sections["split"], TimeSplit) else None,
        "parts": part_rows(inputs.split),
        "folds": fold_rows(inputs.folds),
        "settings": {
            name: OmegaConf.to_yaml(OmegaConf.create(section.model_dump())).rstrip()
            for name, section in sections.items()
            if isinstance(section, Section)
        },
        "seed": sections["seed"],
        "threads": sections["threads"],
        "columns": column_rows(contract, inputs.features, data, inputs.data["missing"]),
        "files": inputs.files,
        "versions": inputs.versions,
    }


def html(card: Row) -> str:
    """Return the page."""
    return render(TEMPLATE, **card)


def figures(images: Mapping[str, str], training: pd.DataFrame) -> list[Row]:
    """Return the caption and SVG of every figure, in the order of FIGURES.

    The training curve has the columns iteration, train and validation (NaN where there was none).
    """
    from markupsafe import Markup

    # Iteration 0 is the constant that boosting starts from: far below the rest, it would flatten the curve.
    steps = training[(training["iteration"] > 0) & training["train"].notna()]
    drawn = dict(images)
    if len(steps):
        from cairn.report.plots.canvas import to_svg
        from cairn.report.plots.figures import training_figure

        drawn["training"] = to_svg(
            training_figure(steps["train"].tolist(), steps["validation"].dropna().tolist())
        )
    return [
        {"caption": caption, "svg": Markup(embedded(drawn[name], name))}
        for name, caption in FIGURES.items()
        if name in drawn
    ]


def question(data: DataConfig, contract: Contract) -> str:
    """Ask in words what the model answers for every row."""
    unit = contract.columns[data.target].unit
    if data.task == "regression":
        return f"For every row: how much is {data.target}{f', in {unit}' if unit else ''}?"
    if data.task == "multiclass":
        return f"For every row: which {data.target} is it?"
    event = "true" if data.positive in (None, True) else data.positive
    return f"For every row: how likely is it that {data.target} is {event}?"


def predicted(data: DataConfig) -> str:
    """Name the number that the model predicts, for an axis."""
    names = {"binary": f"P({data.event})", "multiclass": "probability", "regression": data.target}
    return names[data.task]


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
