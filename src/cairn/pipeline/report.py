"""The whole run on one page that a person can read and sign, and in a few lines on the terminal.

reads: data/prepared/contract.json, metrics/data.json, metrics/split.json, metrics/evaluation.json,
    metrics/cross_validation.json, models/model, plots/curves, plots/images, plots/training.csv
writes: reports/model_card.html

The page is one file: styles and figures are inside it, and it loads nothing. Nothing is computed here that is
not in the records, and no time or host is written, so equal runs give equal bytes.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from cairn.data.tables import read_json
from cairn.report.card.gallery import figures, training_score
from cairn.report.card.limits import limits, primary_slices, small_slices
from cairn.report.card.rows import fold_rows, metric_rows, policy_rows, predictor_rows, slice_rows
from cairn.report.card.words import MODEL, Record, confidence, metric_name, places, summary, verdict
from cairn.report.inventory import column_rows, feature_groups
from cairn.report.numbers import number, percent
from cairn.report.page import render
from cairn.settings.baseline import BaselineConfig, RateRule
from cairn.settings.calibration import CalibrationConfig
from cairn.settings.contract import Contract
from cairn.settings.cross_validation import CrossValidationConfig
from cairn.settings.data import DataConfig, Task
from cairn.settings.evaluate import EvaluateConfig
from cairn.settings.features import FeaturesConfig
from cairn.settings.kpi import KpiConfig
from cairn.settings.model import ModelConfig
from cairn.settings.section import Section
from cairn.settings.split import SplitConfig, TimeSplit
from cairn.settings.train import TrainConfig

PAGE = Path("reports/model_card.html")
MODEL_FOLDER = Path("models/model")
RECORDS = {
    "contract": Path("data/prepared/contract.json"),
    "data": Path("metrics/data.json"),
    "split": Path("metrics/split.json"),
    "evaluation": Path("metrics/evaluation.json"),
    "cross_validation": Path("metrics/cross_validation.json"),
    "package": MODEL_FOLDER / "package.json",
}


def main(
    *,
    data: DataConfig,
    split: SplitConfig,
    features: FeaturesConfig,
    model: ModelConfig,
    train: TrainConfig,
    calibration: CalibrationConfig,
    baseline: BaselineConfig,
    evaluate: EvaluateConfig,
    cross_validation: CrossValidationConfig,
    kpi: KpiConfig,
    seed: int,
    threads: int,
) -> None:
    """Write the model card and print the summary of the run."""
    sections: dict[str, Section] = {
        "data": data,
        "split": split,
        "features": features,
        "model": model,
        "train": train,
        "calibration": calibration,
        "baseline": baseline,
        "evaluate": evaluate,
        "cross_validation": cross_validation,
        "kpi": kpi,
    }
    records = {name: read_json(path) for name, path in RECORDS.items()}
    record = records["evaluation"]
    page = render(
        Path(__file__).parents[1] / "report/card/page.html.j2",
        MODEL=MODEL,
        **about_results(record, records["split"]),
        **about_data(records, data),
        limits=limits(record, records["split"], records["data"], calibration_bins(Path("plots/curves"))),
        figures=figures(Path("plots/images"), Path("plots/training.csv"), training_score(model, data.task)),
        rules=rules_in_words(baseline, data.task),
        gap=split.gap if isinstance(split, TimeSplit) else None,
        folds=fold_rows(records["cross_validation"]["folds"]),
        settings={name: as_yaml(section) for name, section in sections.items()},
        seed=seed,
        threads=threads,
        versions=records["package"]["versions"],
        files=hashes([*RECORDS.values(), *sorted(MODEL_FOLDER.rglob("*"))]),
    )
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page, encoding="utf-8", newline="\n")
    print("\n".join(summary(record, records["split"], data.name, PAGE.as_posix())))


def about_results(record: Record, parts: Record) -> dict[str, Any]:
    """Return what the page says of metrics/evaluation.json; parts are those of metrics/split.json."""
    names, metrics = metric_rows(record)
    slices = primary_slices(record)
    return {
        "record": record,
        "verdict": verdict(record, parts),
        "primary": metric_name(record["primary"]),
        "confidence": confidence(record),
        "threshold": number(record["thresholds"][MODEL], 3),
        "predictors": predictor_rows(record),
        "names": names,
        "metrics": metrics,
        "policies": policy_rows(record),
        "slices": slice_rows(record),
        "small_slices": small_slices(record),
        "slice_metric": metric_name(slices[0]["metric"]) if slices else "",
    }


def about_data(records: Mapping[str, Any], data: DataConfig) -> dict[str, Any]:
    """Return what the page says of the table, its contract and its parts."""
    contract = Contract.model_validate(records["contract"])
    inputs = set(records["package"]["features"])
    return {
        "name": data.name,
        "source": data.source,
        "question": question(data, contract),
        "event": data.event,
        "about": contract.columns[data.target].description,
        "data": records["data"],
        "groups": feature_groups(contract, inputs),
        "columns": column_rows(contract, inputs, data, records["data"]["missing"]),
        "split": records["split"],
        "parts": part_rows(records["split"]),
    }


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
    average = "the shares of the classes on train" if task == "multiclass" else "the target's mean on train"
    known = {
        "prior": f"{average}, for every row",
        "linear": "a linear model on the same columns",
    }
    for name, rule in baseline.rules.items():
        if isinstance(rule, RateRule):
            known[name] = f"{average}, for each {' × '.join(rule.by)}"
        else:
            known[name] = f"column {rule.column} as it stands"
    return known


def calibration_bins(curves: Path) -> list[dict[str, Any]]:
    """Return the rows of the calibration curve; none where the task has no such curve."""
    path = curves / "calibration.csv"
    return pd.read_csv(path).to_dict("records") if path.exists() else []


def part_rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row per part of the split: its rows and share, its dates, and the target in it."""
    total = sum(part["rows"] for part in record["parts"].values())
    digits = places({"value": part.get("mean")} for part in record["parts"].values())
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
        for name, part in record["parts"].items()
    ]


def as_yaml(section: Section) -> str:
    """Write a section as it stands in params.yaml."""
    from omegaconf import OmegaConf

    return OmegaConf.to_yaml(OmegaConf.create(section.model_dump())).rstrip()


def hashes(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Return path, size in bytes and SHA-256 of the files among the paths, each once."""
    contents = {path.as_posix(): path.read_bytes() for path in paths if path.is_file()}
    return [
        {"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for path, content in contents.items()
    ]
