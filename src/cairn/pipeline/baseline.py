"""What a model has to beat: the prior, today's rules without a model, and a simple linear model.

reads: data/prepared/contract.json, data/splits/train.parquet, data/splits/validation.parquet,
    data/splits/test.parquet
writes: predictions/baseline.parquet

Everything is computed or fitted on train; validation chooses among baseline.candidates, where there are any.
With baseline.refit: validation, test is predicted as computed and fitted on both. Test is only predicted.
"""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from cairn.data.parts import PARTS, load_prepared
from cairn.data.tables import read_table, write_table
from cairn.models.baseline import baseline_table, fit_linear
from cairn.models.recipe import Recipe
from cairn.settings.baseline import BaselineConfig, RateRule
from cairn.settings.data import DataConfig
from cairn.settings.features import FeaturesConfig
from cairn.settings.model import ModelConfig
from cairn.settings.train import TrainConfig

CPU = TrainConfig(device="cpu", early_stopping=False)


def main(
    *, baseline: BaselineConfig, data: DataConfig, features: FeaturesConfig, seed: int, threads: int
) -> None:
    """Write every baseline's predictions."""
    prepared = load_prepared()
    recipe = Recipe(prepared.contract, data, features, baseline.linear, CPU, seed, threads)
    role = "regressor" if data.task == "regression" else "classifier"
    train, validation, grid = prepared.train, prepared.validation, baseline.candidates.get(role, {})
    by = {name for rule in baseline.rules.values() if isinstance(rule, RateRule) for name in rule.by}
    known = train[[name for name in train if name in {data.target, *by}]]
    linear = fit_linear(recipe, train, validation, grid, files=[PARTS["train"]])
    tables = [baseline_table(known, {"validation": read_table(PARTS["validation"])}, baseline, linear)]
    if baseline.refit == "validation":
        prepared = load_prepared()  # fit_linear has emptied the first
        train, validation = prepared.train, recipe.of_known_classes(prepared.validation, prepared.train)
        known = pd.concat([train[list(known)], validation[list(known)]], ignore_index=True)
        chosen = replace(recipe, model=ModelConfig.model_validate(linear.config["model"]))
        linear = chosen.refit(linear, train, validation, files=[*PARTS.values()])
    tables.append(
        baseline_table(known, {"test": read_table(Path("data/splits/test.parquet"))}, baseline, linear)
    )
    write_table(pd.concat(tables, ignore_index=True), Path("predictions/baseline.parquet"))
    print(f"baseline: {', '.join(['prior', *baseline.rules, 'linear'])}")
