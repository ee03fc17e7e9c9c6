"""Fit the chosen model on train; validation is used for early stopping, and scored for the calibration.

reads: data/prepared/contract.json, data/splits/train.parquet, data/splits/validation.parquet, ${train.reads}
writes: models/fitted, plots/training.csv

With train.refit: validation a second model is fitted on both, for as long as was best for the first.
A torch model resumes after a kill; torchrun, known by its environment, trains it in several processes.
"""

from pathlib import Path

from cairn.data.parts import CONTRACT, PARTS, prepared_contract
from cairn.data.records import write_text
from cairn.data.tables import read_table
from cairn.imports import code_of_stage
from cairn.models.build import training_curve
from cairn.models.calibration import FITTED, REFITTED, save_scores
from cairn.models.package import save
from cairn.models.recipe import Recipe
from cairn.models.resume import resume_key, run_folder
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
    recipe = Recipe(prepared_contract(), data, features, model, train, seed, threads)
    inputs = [CONTRACT, *PARTS.values(), PINS, *map(Path, model.checkpoints)]
    with run_folder(resume_key(inputs, {**recipe.settings, "code": code_of_stage("train")})) as folder:
        package, refitted = recipe.fit_both(*PARTS.values(), folder=folder)
        if folder is None:  # another process of torchrun writes
            return
        save(package, FITTED)
        save_scores(package.scores(read_table(PARTS["validation"])))
        if refitted is not None:
            save(refitted, REFITTED)
    rows = len(read_table(PARTS["train"], columns=["row_id"]))
    curve = training_curve(package.estimator)
    write_text(curve.to_csv(index=False, float_format="%.6g", lineterminator="\n"), CURVE)
    print(f"train: {model.name} on {rows:,} rows and {len(package.features)} features")
    again = "fitted again on train and validation, for test and deployment"
    for note in [*([again] if refitted else []), *package.notes]:
        print(f"train: {note}")
    if len(package.features) < len(recipe.candidates):
        chosen = ", ".join(package.features)
        print(f"train: chosen from {len(recipe.candidates)} ({features.selection.kind}): {chosen}")
