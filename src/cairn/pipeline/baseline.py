"""What a model has to beat: the prior, today's rules without a model, and a simple linear model.

reads: data/prepared/contract.json, data/splits/train.parquet, data/splits/validation.parquet,
    data/splits/test.parquet
writes: predictions/baseline.parquet, metrics/baseline.json

Everything is counted or fitted on train; validation and test are only predicted.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.data.predictions import as_columns
from cairn.data.tables import read_json, read_table, write_json, write_table
from cairn.features.select import select_features
from cairn.metrics.scores import METRICS, score
from cairn.models.build import fit_model
from cairn.models.package import Package
from cairn.models.rules import one_hot, predict_rule, prior
from cairn.settings.baseline import BaselineConfig
from cairn.settings.contract import Contract
from cairn.settings.data import DataConfig
from cairn.settings.features import FeaturesConfig
from cairn.settings.train import TrainConfig

Floats = NDArray[np.float64]


def predict_all(
    train: pd.DataFrame, rows: pd.DataFrame, baseline: BaselineConfig, linear: Package
) -> dict[str, Floats]:
    """Predict rows by every baseline, the prior first.

    Args:
        train: rows that rates are counted on, with the target.
        rows: m rows to predict.
        baseline: the rules by name.
        linear: the linear model, fitted.

    Returns:
        By name, predictions of shape (m,), or (m, k) for k classes.
    """
    outcome = one_hot(train[linear.target], linear.task, linear.class_names)
    found = {"prior": prior(outcome, len(rows))}
    for name, rule in baseline.rules.items():
        found[name] = predict_rule(name, rule, linear.task, train=train, outcome=outcome, table=rows)
    flat = found if linear.task == "multiclass" else {name: p[:, 0] for name, p in found.items()}
    return {**flat, "linear": linear.scores(rows)}


def main(
    *, baseline: BaselineConfig, data: DataConfig, features: FeaturesConfig, seed: int, threads: int
) -> None:
    """Write every baseline's predictions, and their scores that need no threshold."""
    contract = Contract.model_validate(read_json(Path("data/prepared/contract.json")))
    train = read_table(Path("data/splits/train.parquet"))
    parts = {name: read_table(Path(f"data/splits/{name}.parquet")) for name in ("validation", "test")}
    linear = fit_model(
        train,
        None,
        contract=contract,
        features=select_features(contract, data.target, features),
        selection=features.selection,
        task=data.task,
        target=data.target,
        positive=None,
        model=baseline.linear,
        settings=TrainConfig(device="cpu", early_stopping=False),
        seed=seed,
        threads=threads,
    )
    tables, scores = [], {}
    metrics = [name for name, m in METRICS.items() if data.task in m.tasks and m.needs != "decision"]
    for part, rows in parts.items():
        predictions = predict_all(train, rows, baseline, linear)
        columns: dict[str, Floats] = {}
        for name, prediction in predictions.items():
            columns |= as_columns(name, prediction, linear.class_names)
        tables.append(pd.DataFrame({"row_id": rows["row_id"], "part": part} | columns))
        y = linear.encode(rows[data.target])
        scores[part] = {name: score(data.task, y, p, metrics=metrics) for name, p in predictions.items()}
    write_table(pd.concat(tables, ignore_index=True), Path("predictions/baseline.parquet"))
    write_json(scores, Path("metrics/baseline.json"))
    print(f"baseline: {', '.join(scores['test'])}")
