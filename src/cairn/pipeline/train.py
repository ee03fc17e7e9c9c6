"""Fit the chosen model on train; validation only says when to stop.

reads: data/prepared/contract.json, data/splits/train.parquet, data/splits/validation.parquet
writes: models/fitted, plots/training.csv

A torch model that is killed goes on from its last epoch when the same run is started again. Started by
torchrun it trains in several processes, of which the first writes (docs/scale-out.md).
"""

import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from cairn.data.tables import read_json, read_table
from cairn.features.select import select_features
from cairn.imports import code_of_stage
from cairn.models.build import fit_model, training_curve
from cairn.models.distributed import started_group
from cairn.models.package import save
from cairn.models.resume import resume_key, snapshot_folder
from cairn.pins import PINS
from cairn.settings.contract import Contract
from cairn.settings.data import DataConfig
from cairn.settings.features import FeaturesConfig
from cairn.settings.model import ModelConfig
from cairn.settings.train import TrainConfig

ROWS = {name: Path(f"data/splits/{name}.parquet") for name in ("train", "validation")}
CONTRACT = Path("data/prepared/contract.json")
CURVE = Path("plots/training.csv")


def main(
    *,
    data: DataConfig,
    features: FeaturesConfig,
    model: ModelConfig,
    train: TrainConfig,
    seed: int,
    threads: int,
) -> None:
    """Write the fitted model, not yet calibrated, and its training curve."""
    contract = Contract.model_validate(read_json(CONTRACT))
    rows = {name: read_table(path) for name, path in ROWS.items()}
    sections = {"data": data, "features": features, "model": model, "train": train}
    config: dict[str, Any] = {"seed": seed, "threads": threads}
    config |= {name: section.model_dump() for name, section in sections.items()}
    candidates = select_features(contract, data.target, features)
    # DVC wipes the outs before a stage runs, and in a temporary folder DVC_ROOT is still the main checkout.
    root = Path(os.environ.get("DVC_ROOT", ".")) / ".dvc/tmp/resume"
    first = started_group().rank == 0
    key = resume_key([CONTRACT, *ROWS.values(), PINS], {**config, "code": code_of_stage("train")})
    with snapshot_folder(root, key) if first else nullcontext() as folder:
        package = fit_model(
            rows["train"],
            rows["validation"],
            contract=contract,
            features=candidates,
            selection=features.selection,
            task=data.task,
            target=data.target,
            positive=None,
            model=model,
            settings=train,
            seed=seed,
            threads=threads,
            snapshot=folder and folder / "snapshot.pt",
        )
        if not first:
            return
        package.config.update(config)
        save(package, Path("models/fitted"))
    CURVE.parent.mkdir(exist_ok=True)
    curve = training_curve(package.estimator)
    curve.to_csv(CURVE, index=False, float_format="%.6g", lineterminator="\n")
    print(f"train: {model.name} on {len(rows['train']):,} rows and {len(package.features)} features")
    if len(package.features) < len(candidates):
        chosen = ", ".join(package.features)
        print(f"train: chosen from {len(candidates)} ({features.selection.kind}): {chosen}")
