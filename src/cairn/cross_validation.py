"""Cross-validation: fit and score one recipe on several folds."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from cairn.errors import UserError
from cairn.metrics.scores import METRICS, score
from cairn.models.build import stops_early
from cairn.models.recipe import Recipe
from cairn.settings.cross_validation import CrossValidationConfig
from cairn.settings.data import DataConfig

Rows = NDArray[np.int64]


def cross_validate(
    recipe: Recipe, table: pd.DataFrame, settings: CrossValidationConfig
) -> list[dict[str, float]]:
    """Fit the recipe on each fold's rows and score it on the rows held out.

    Each fold has the numbers of rows fitted on (fit) and scored (rows), and the metrics without a threshold.

    Raises:
        UserError: see fold_rows and Recipe.fit.
    """
    task, target = recipe.data.task, recipe.data.target
    metrics = [name for name, m in METRICS.items() if task in m.tasks and m.needs != "decision"]
    classes = sorted(table[target].unique().tolist()) if task != "regression" else None
    found = []
    folds = fold_rows(table, settings, recipe.data, recipe.seed)
    for first, stop, held_out in tqdm(folds, desc=settings.kind, unit="fold", disable=None, leave=False):
        early = stops_early(recipe.model, task, recipe.train)
        fit = first if early else np.concatenate([first, stop])
        package = recipe.fit(table.iloc[fit], table.iloc[stop], classes=classes)
        rows = table.iloc[held_out]
        scores = score(task, package.encode(rows[target]), package.scores(rows), metrics=metrics)
        found.append({"fit": len(fit), "rows": len(rows), **scores})
    return found


def fold_rows(
    table: pd.DataFrame, settings: CrossValidationConfig, data: DataConfig, seed: int
) -> list[tuple[Rows, Rows, Rows]]:
    """Return, per fold, the positions of the rows to fit on, to stop early on and to score.

    rolling: time is cut into folds + 2 periods of about equal rows, equal times staying together; fold i fits
    on the first i, stops on the next and scores the one after. kfold: folds keep groups whole (data.group) or
    the shares of classes; fold i is scored, the next one is stopped on, the others are fitted on.

    Raises:
        UserError: rolling without data.time, or fewer groups or rows of a class than folds.
    """
    folds = settings.folds
    if settings.kind == "rolling":
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
