"""What the model card is made from: the records, figures and files of a run."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cairn.data.tables import read_json
from cairn.metrics.evaluation import Evaluation
from cairn.report.card.words import Record
from cairn.settings.contract import Contract

EVALUATION = Path("metrics/evaluation.json")
CONTRACT = Path("data/prepared/contract.json")
DATA, SPLIT, FOLDS = (Path(f"metrics/{name}.json") for name in ("data", "split", "cross_validation"))
MODEL_FOLDER = Path("models/model")
PACKAGE = MODEL_FOLDER / "package.json"
IMAGES, CALIBRATION, TRAINING = (
    Path("plots/images"),
    Path("plots/curves/calibration.csv"),
    "plots/training.csv",
)


@dataclass(frozen=True)
class Inputs:
    """The outputs of earlier stages.

    Attributes:
        folds: of metrics/cross_validation.json, see `rows.fold_rows`.
        features: the columns that the model takes.
        versions: of the libraries that fitted the model.
        images: the figures in plots/images as SVG, by name.
        calibration: rows of the calibration curve; empty for tasks without one.
        files: path, size in bytes and SHA-256 of every record and every file of the model.
    """

    evaluation: Evaluation
    contract: Contract
    data: Record
    split: Record
    folds: Sequence[Record]
    features: list[str]
    versions: dict[str, str]
    images: dict[str, str]
    calibration: Sequence[Record]
    training: pd.DataFrame
    files: list[dict[str, Any]]


def read_inputs() -> Inputs:
    """Read the inputs from the current folder."""
    package = read_json(PACKAGE)
    records = [CONTRACT, DATA, SPLIT, EVALUATION, FOLDS, PACKAGE]
    return Inputs(
        evaluation=Evaluation.model_validate(read_json(EVALUATION)),
        contract=Contract.model_validate(read_json(CONTRACT)),
        data=read_json(DATA),
        split=read_json(SPLIT),
        folds=read_json(FOLDS)["folds"],
        features=package["features"],
        versions=package["versions"],
        images={path.stem: path.read_text(encoding="utf-8") for path in sorted(IMAGES.glob("*.svg"))},
        calibration=pd.read_csv(CALIBRATION).to_dict("records") if CALIBRATION.exists() else [],
        training=pd.read_csv(TRAINING),
        files=hashes([*records, *sorted(MODEL_FOLDER.rglob("*"))]),
    )


def hashes(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Return path, size in bytes and SHA-256 of the files among the paths, each once."""
    contents = {path.as_posix(): path.read_bytes() for path in paths if path.is_file()}
    return [
        {"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for path, content in contents.items()
    ]
