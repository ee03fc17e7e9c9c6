"""Baselines: the prior, a smoothed rate per group, a column used as the prediction, a linear model."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from cairn.data.parts import spaced
from cairn.data.predictions import Floats, as_columns
from cairn.data.tables import empty
from cairn.errors import UserError
from cairn.metrics.bootstrap import on_all_rows
from cairn.models.package import Package, target_values
from cairn.models.recipe import Recipe
from cairn.settings.baseline import BaselineConfig, ColumnRule, RateRule, Rule
from cairn.settings.data import Task

MOST_TRIED = 100_000
"""Rows of train, and of validation; for a penalty more tell hardly more."""
Grid = Mapping[str, list[int | float]]


def baseline_table(
    train: pd.DataFrame, parts: Mapping[str, pd.DataFrame], baseline: BaselineConfig, linear: Package
) -> pd.DataFrame:
    """Predict the rows of every part by every baseline, with rates of train; see cairn.data.predictions."""
    outcome = one_hot(train[linear.target], linear.task, linear.class_names)
    tables = []
    for part, rows in parts.items():
        found = {"prior": prior(outcome, len(rows))}
        for name, rule in baseline.rules.items():
            found[name] = predict_rule(name, rule, linear.task, train=train, outcome=outcome, table=rows)
        flat = found if linear.task == "multiclass" else {name: p[:, 0] for name, p in found.items()}
        columns: dict[str, Floats] = {}
        for name, prediction in {**flat, "linear": linear.scores(rows)}.items():
            columns |= as_columns(name, prediction, linear.class_names)
        tables.append(pd.DataFrame({"row_id": rows["row_id"], "part": part} | columns))
    return pd.concat(tables, ignore_index=True)


def fit_linear(
    recipe: Recipe,
    train: pd.DataFrame,
    validation: pd.DataFrame,
    grid: Grid,
    *,
    files: Sequence[Path] = (),
) -> Package:
    """Fit the linear model with the parameters of the grid that predict validation best; {}: as it is.

    In a large table they are chosen by MOST_TRIED rows of each, and the best one is fitted on all of train.
    Both parts are emptied if `files` hold the rows of train, see Recipe.fit.
    """
    role = "regressor" if recipe.data.task == "regression" else "classifier"
    metric = "rmse" if recipe.data.task == "regression" else "log_loss"
    best, least = None, np.inf
    tried = spaced(train, MOST_TRIED) if len(train) > MOST_TRIED else train
    whole = validation
    validation = spaced(whole, MOST_TRIED) if len(whole) > MOST_TRIED else whole.copy(deep=False)
    if files:
        empty(whole)
    names, values = zip(*grid.items(), strict=True) if grid else ((), ())
    for chosen in product(*values):
        block = getattr(recipe.model, role) | dict(zip(names, chosen, strict=True))
        model = recipe.model.model_copy(update={role: block})
        chosen_recipe = replace(recipe, model=model)
        if not grid:
            return chosen_recipe.fit(train, files=files)
        fitted = chosen_recipe.fit(tried)
        y = target_values(validation[fitted.target], fitted.task, fitted.classes)
        loss = on_all_rows(fitted.task, y, fitted.scores(validation), metrics=[metric])[metric]
        if best is None or loss < least or np.isnan(least):
            best, least = (fitted, chosen_recipe), loss
    assert best is not None, "compose refuses an empty list of values"
    return best[0] if tried is train else best[1].fit(train, files=files)


def one_hot(target: pd.Series, task: Task, classes: list[str]) -> Floats:
    """Return the target as columns to average: shape (n, k) of 0/1 for multiclass, (n, 1) otherwise."""
    if task == "multiclass":
        return (target.to_numpy()[:, None] == np.array(classes)[None, :]).astype(np.float64)
    return target.to_numpy(dtype=np.float64)[:, None]


def prior(outcome: Floats, rows: int) -> Floats:
    """Predict the mean of train everywhere, shape (rows, k)."""
    return np.tile(outcome.mean(axis=0), (rows, 1))


def predict_rule(
    name: str, rule: Rule, task: Task, *, train: pd.DataFrame, outcome: Floats, table: pd.DataFrame
) -> Floats:
    """Predict table (m rows) by a rule whose numbers come from train (n rows) only, shape (m, k).

    outcome is the target of train as columns, shape (n, k), see `one_hot`.

    Raises:
        UserError: a column that cannot be the prediction.
    """
    if isinstance(rule, RateRule):
        return _rates(rule, train, outcome, table)
    return _column(name, rule, task, outcome, table)


def _rates(rule: RateRule, train: pd.DataFrame, outcome: Floats, table: pd.DataFrame) -> Floats:
    """Shrink each group's mean towards the overall one: (sum + smoothing x overall) / (rows + smoothing)."""
    overall = outcome.mean(axis=0)
    keys = pd.concat([train[rule.by], table[rule.by]], ignore_index=True)
    codes = keys.groupby(rule.by, dropna=False, sort=False).ngroup().to_numpy()
    seen, asked = codes[: len(train)], codes[len(train) :]
    rows = np.bincount(seen, minlength=codes.max() + 1)[:, None]
    sums = np.stack([np.bincount(seen, weights=column, minlength=len(rows)) for column in outcome.T], axis=1)
    weight = rows + rule.smoothing
    rates = np.where(weight > 0, (sums + rule.smoothing * overall) / np.where(weight > 0, weight, 1), overall)
    return rates[asked]


def _column(name: str, rule: ColumnRule, task: Task, outcome: Floats, table: pd.DataFrame) -> Floats:
    if outcome.shape[1] > 1:
        raise UserError(f"baseline.rules.{name}: a column cannot predict {outcome.shape[1]} classes")
    values = table[rule.column].to_numpy(dtype=np.float64)
    values = np.where(np.isnan(values), outcome.mean() if rule.missing is None else rule.missing, values)
    if task == "binary" and (values.min(initial=0) < 0 or values.max(initial=0) > 1):
        raise UserError(f"baseline.rules.{name}: {rule.column} is not a probability: values outside 0 to 1")
    return values[:, None]
