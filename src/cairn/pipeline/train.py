"""Fit the chosen model on train; validation is used for early stopping, and scored for the calibration.

reads: data/prepared/contract.json, data/splits/train.parquet, data/splits/validation.parquet
writes: models/fitted, plots/training.csv

With train.refit: validation a second model is fitted on both, for as long as was best for the first.
A torch model resumes after a kill; torchrun, known by its environment, trains it in several processes.
"""

import os
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from cairn.data.parts import CONTRACT, PARTS, load_prepared
from cairn.data.records import write_text
from cairn.imports import code_of_stage
from cairn.models.build import training_curve
from cairn.models.calibration import FITTED, REFITTED, save_scores
from cairn.models.package import save
from cairn.models.recipe import Recipe
from cairn.models.resume import once, resume_key, snapshot_folder
from cairn.pins import PINS
from cairn.settings.data import DataConfig
from cairn.settings.features import FeaturesConfig
from cairn.settings.model import AnyModelConfig
from cairn.settings.train import TrainConfig

CURVE = Path("plots/training.csv")


def main(
    *,
    data: DataConfig,
    features: FeaturesConfig,
    model: AnyModelConfig,
    train: TrainConfig,
    seed: int,
    threads: int,
) -> None:
    """Write the fitted model, not yet calibrated, its scores of validation, and its training curve."""
    prepared = load_prepared()
    recipe = Recipe(prepared.contract, data, features, model, train, seed, threads)
    # DVC wipes the outs before; in a temporary folder DVC_ROOT is still the main checkout.
    root = Path(os.environ.get("DVC_ROOT", ".")) / ".dvc/tmp/resume"
    first = "TORCHELASTIC_RUN_ID" not in os.environ or os.environ["RANK"] == "0"
    inputs = [CONTRACT, *PARTS.values(), PINS]
    key = resume_key(inputs, {**recipe.settings, "code": code_of_stage("train")})
    with snapshot_folder(root, key) if first else nullcontext() as folder:
        own, again = (folder and folder / f"{name}.pt" for name in ("snapshot", "refit"))
        fit = partial(recipe.fit, prepared.train, prepared.validation, snapshot=own)
        package = once(fit, own, model.trusted) if train.refit != "none" else fit()
        refitted = None
        if train.refit != "none":
            refitted = recipe.refit(package, prepared.train, prepared.validation, snapshot=again)
        if not first:
            return
        save(package, FITTED)
        save_scores(package.scores(prepared.validation))
        if refitted is not None:
            save(refitted, REFITTED)
    curve = training_curve(package.estimator)
    write_text(curve.to_csv(index=False, float_format="%.6g", lineterminator="\n"), CURVE)
    print(f"train: {model.name} on {len(prepared.train):,} rows and {len(package.features)} features")
    if refitted is not None:
        print("train: fitted again on train and validation, for test and deployment")
    for note in package.notes:
        print(f"train: {note}")
    if len(package.features) < len(recipe.candidates):
        chosen = ", ".join(package.features)
        print(f"train: chosen from {len(recipe.candidates)} ({features.selection.kind}): {chosen}")
