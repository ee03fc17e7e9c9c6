"""What a model has to beat: the prior, today's rules without a model, and a simple linear model.

reads: data/prepared/contract.json, data/splits/train.parquet, data/splits/validation.parquet,
    data/splits/test.parquet
writes: predictions/baseline.parquet

Everything is computed or fitted on train; validation chooses among baseline.candidates, where there are any.
Test is only predicted.
"""

from pathlib import Path

from cairn.data.parts import load_prepared
from cairn.data.tables import read_table, write_table
from cairn.models.baseline import baseline_table, fit_linear
from cairn.models.recipe import Recipe
from cairn.settings.baseline import BaselineConfig, RateRule
from cairn.settings.data import DataConfig
from cairn.settings.features import FeaturesConfig
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
    linear = fit_linear(recipe, train, validation, grid, emptied=True)
    parts = {name: read_table(Path(f"data/splits/{name}.parquet")) for name in ("validation", "test")}
    table = baseline_table(known, parts, baseline, linear)
    write_table(table, Path("predictions/baseline.parquet"))
    print(f"baseline: {', '.join(['prior', *baseline.rules, 'linear'])}")
