"""Fit and score the model on several folds of train and validation; test stays out.

reads: data/prepared/contract.json, data/splits/train.parquet, data/splits/validation.parquet, ${train.reads}
writes: metrics/cross_validation.json
"""

from pathlib import Path

from cairn.data.records import write_json
from cairn.settings.cross_validation import CrossValidationConfig
from cairn.settings.data import DataConfig
from cairn.settings.features import FeaturesConfig
from cairn.settings.model import AnyModelConfig
from cairn.settings.train import TrainConfig


def main(
    *,
    cross_validation: CrossValidationConfig,
    data: DataConfig,
    features: FeaturesConfig,
    model: AnyModelConfig,
    train: TrainConfig,
    seed: int,
    threads: int,
) -> None:
    """Write every fold's scores that need no threshold, or that no folds were asked for."""
    kind, folds = cross_validation.kind, []
    if kind != "none":  # only then is what the folds need imported, which takes seconds
        import pandas as pd

        from cairn.cross_validation import cross_validate
        from cairn.data.parts import load_prepared
        from cairn.models.recipe import Recipe

        prepared = load_prepared()
        recipe = Recipe(prepared.contract, data, features, model, train, seed, threads)
        table = pd.concat([prepared.train, prepared.validation], ignore_index=True)
        folds = cross_validate(recipe, table, cross_validation)
    write_json({"kind": kind, "folds": folds}, Path("metrics/cross_validation.json"))
    if folds:
        print(f"cross_validate: {kind}, {len(folds)} folds")
