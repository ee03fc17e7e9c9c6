"""Fit and score the model on several folds of train and validation; test stays out.

reads: data/prepared/contract.json, data/splits/train.parquet, data/splits/validation.parquet
writes: metrics/cross_validation.json
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from cairn.data.tables import read_json, read_table, write_json
from cairn.errors import UserError
from cairn.features.select import select_features
from cairn.metrics.scores import METRICS, score
from cairn.models.build import fit_model, stops_early
from cairn.settings.contract import Contract
from cairn.settings.cross_validation import CrossValidationConfig
from cairn.settings.data import DataConfig
from cairn.settings.features import FeaturesConfig
from cairn.settings.model import ModelConfig
from cairn.settings.train import TrainConfig

Rows = NDArray[np.int64]
METRICS_FILE = Path("metrics/cross_validation.json")


def fold_rows(
    table: pd.DataFrame, kind: str, folds: int, data: DataConfig, seed: int
) -> list[tuple[Rows, Rows, Rows]]:
    """Return, per fold, the positions of the rows to fit on, to stop on and to score.

    rolling: time is cut into folds + 2 periods of about equal rows, equal times staying together; fold i fits
    on the first i, stops on the next and scores the one after. kfold: folds keep groups whole (data.group) or
    the shares of classes; fold i is scored, the next one is stopped on, the others are fitted on.

    Raises:
        UserError: rolling without data.time, or fewer groups or rows of a class than folds.
    """
    if kind == "rolling":
        if data.time is None:
            raise UserError("cross_validation.kind: rolling needs data.time, the column to order by")
        period = np.minimum(
            (table[data.time].rank(method="min", pct=True) * (folds + 2)).astype(int), folds + 1
        )
        return [
            (np.flatnonzero(period < i), np.flatnonzero(period == i), np.flatnonzero(period == i + 1))
            for i in range(1, folds + 1)
        ]
    number = _numbered(table, folds, data, seed)
    return [
        (
            np.flatnonzero((number != i) & (number != (i + 1) % folds)),
            np.flatnonzero(number == (i + 1) % folds),
            np.flatnonzero(number == i),
        )
        for i in range(folds)
    ]


def _numbered(table: pd.DataFrame, folds: int, data: DataConfig, seed: int) -> Rows:
    from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

    groups = table[data.group] if data.group else None
    if groups is not None:
        splitter = GroupKFold(folds, shuffle=True, random_state=seed)
    else:
        kind = KFold if data.task == "regression" else StratifiedKFold
        splitter = kind(folds, shuffle=True, random_state=seed)
    number = np.empty(len(table), dtype=np.int64)
    try:
        for i, (_, held_out) in enumerate(splitter.split(table, table[data.target], groups)):
            number[held_out] = i
    except ValueError as error:
        raise UserError(f"cross_validation.folds: {error}") from error
    return number


def main(
    *,
    cross_validation: CrossValidationConfig,
    data: DataConfig,
    features: FeaturesConfig,
    model: ModelConfig,
    train: TrainConfig,
    seed: int,
    threads: int,
) -> None:
    """Write every fold's scores that need no threshold, or that none was asked for."""
    kind = cross_validation.kind
    if kind == "none":
        write_json({"kind": kind, "folds": []}, METRICS_FILE)
        return
    contract = Contract.model_validate(read_json(Path("data/prepared/contract.json")))
    parts = [read_table(Path(f"data/splits/{name}.parquet")) for name in ("train", "validation")]
    table = pd.concat(parts, ignore_index=True)
    metrics = [name for name, m in METRICS.items() if data.task in m.tasks and m.needs != "decision"]
    classes = sorted(table[data.target].unique().tolist()) if data.task != "regression" else None
    folds = []
    for first, stop, held_out in tqdm(
        fold_rows(table, kind, cross_validation.folds, data, seed), desc=f"cross_validate {kind}", unit="fold"
    ):
        fit = first if stops_early(model, data.task, train) else np.concatenate([first, stop])
        package = fit_model(
            table.iloc[fit],
            table.iloc[stop],
            contract=contract,
            features=select_features(contract, data.target, features),
            selection=features.selection,
            task=data.task,
            target=data.target,
            positive=None,
            model=model,
            settings=train,
            seed=seed,
            threads=threads,
            classes=classes,
        )
        rows = table.iloc[held_out]
        scores = score(data.task, package.encode(rows[data.target]), package.scores(rows), metrics=metrics)
        folds.append({"fit": len(fit), "rows": len(rows), **scores})
    write_json({"kind": kind, "folds": folds}, METRICS_FILE)
    print(f"cross_validate: {kind}, {len(folds)} folds")
