"""Cross-validation: fit and score one recipe on several folds."""

import numpy as np
import pandas as pd
from tqdm import tqdm

from cairn.data.folds import fold_rows
from cairn.metrics.bootstrap import on_all_rows
from cairn.metrics.scores import METRICS
from cairn.models.build import stops_early
from cairn.models.recipe import Recipe
from cairn.settings.cross_validation import CrossValidationConfig


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
        scores = on_all_rows(task, package.encode(rows[target]), package.scores(rows), metrics=metrics)
        found.append({"fit": len(fit), "rows": len(rows), **scores})
    return found
