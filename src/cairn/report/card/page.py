"""The model card: the whole run on one page.

The page is one file that loads nothing: styles and figures are inside it. All its numbers come from the
records, and it has no date or host name, so equal runs give equal bytes.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cairn.data.records import read_json
from cairn.data.tables import read_table
from cairn.inputs import dvc_md5
from cairn.metrics.evaluation import MODEL, Evaluation, Score
from cairn.metrics.importance import Explanation
from cairn.report.card.explanation import explanation_rows
from cairn.report.card.goal import reached
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
from cairn.report.card.threshold import at_threshold, threshold_curve
from cairn.report.card.words import Record, confidence, metric_name, verdict
from cairn.report.numbers import number, percent, places
from cairn.report.page import column_rows, embedded, feature_groups, render
from cairn.settings.baseline import BaselineConfig, RateRule
from cairn.settings.contract import Contract
from cairn.settings.data import DataConfig, Task
from cairn.settings.purpose import question_of
from cairn.settings.section import Section
from cairn.settings.split import TimeSplit

PAGE = Path("reports/model_card.html")
TEMPLATE = Path(__file__).with_name("page.html.j2")
CONTRACT, PACKAGE = Path("data/prepared/contract.json"), Path("models/model/package.json")
PREDICTIONS = Path("predictions/model.parquet")
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
    """The outputs of earlier stages: records as in metrics/, figures as SVG, files with their SHA-256.

    Attributes:
        validation: columns target and model of the validation rows; None unless the task is binary.
        model_md5: by which dvc.lock knows models/model.
    """

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
    validation: pd.DataFrame | None
    model_md5: str
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
        validation=_validation() if evaluation["task"] == "binary" else None,
        model_md5=dvc_md5(PACKAGE.parent),
    )


def _validation() -> pd.DataFrame:
    columns = ["part", "target", MODEL]
    return read_table(PREDICTIONS, columns=columns).query("part == 'validation'")


def _hashes(paths: Iterable[Path]) -> list[Row]:
    contents = {path.as_posix(): path.read_bytes() for path in paths if path.is_file()}
    return [
        {"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for path, content in contents.items()
    ]


def model_card(inputs: Inputs, sections: Mapping[str, Any]) -> Row:
    """Return what the template shows, by name; rows hold text.

    `sections` holds the sections of params.yaml by name, the numbers seed and threads among them.
    """
    from omegaconf import OmegaConf

    data: DataConfig = sections["data"]
    record, contract = inputs.evaluation, inputs.contract
    names, metrics = metric_rows(record)
    curve = None
    if (rows := inputs.validation) is not None:
        y, prediction = (rows[name].to_numpy(dtype=np.float64) for name in ("target", MODEL))
        curve = threshold_curve(y, prediction, record.thresholds[MODEL], sections["kpi"])
    slices = record.primary_slices
    return {
        "MODEL": MODEL,
        "name": data.name,
        "purpose": sections["purpose"],
        "question": sections["purpose"].question or question_of(data, contract),
        "goal": reached(sections["purpose"].goal, record),
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
        "figures": figures(inputs.images, inputs.training, record),
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
        "model_md5": inputs.model_md5,
        "curve": curve,
        "decided": at_threshold(curve) if curve else None,
        "versions": inputs.versions,
    }


def html(card: Row) -> str:
    """Return the page."""
    return render(TEMPLATE, **card)


def figures(images: Mapping[str, str], training: pd.DataFrame, record: Evaluation) -> list[Row]:
    """Return the caption and SVG of every figure, in the order of FIGURES.

    The training curve has the columns iteration, train and validation (NaN where there was none).
    """
    from markupsafe import Markup

    # Iteration 0 is the constant that boosting starts from: far below the rest, it would flatten the curve.
    steps = training[(training["iteration"] > 0) & training["train"].notna()]
    drawn = dict(images)
    if "calibration" in drawn:
        # There the best baseline is the only one; it gets the colour that it has among all of them.
        from cairn.report.plots.canvas import OTHERS

        baselines = [name for name in record.scores if name != MODEL]
        own = OTHERS[baselines.index(record.best_baseline) % len(OTHERS)]
        drawn["calibration"] = drawn["calibration"].replace(OTHERS[0], own)
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
