"""Baselines: the prior, a smoothed rate per group, a column used as the prediction, a linear model."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cairn.data.predictions import as_columns
from cairn.errors import UserError
from cairn.features.encode import Floats
from cairn.models.package import Package
from cairn.settings.baseline import BaselineConfig, ColumnRule, RateRule, Rule
from cairn.settings.data import Task


def baseline_table(
    train: pd.DataFrame, parts: Mapping[str, pd.DataFrame], baseline: BaselineConfig, linear: Package
) -> pd.DataFrame:
    """Predict the rows of every part by every baseline.

    Args:
        train: rows that the rates are computed on, with the target.
        parts: rows to predict, by part.
        baseline: the rules by name.
        linear: the linear model, fitted.

    Returns:
        Columns row_id, part, and of each baseline its predictions, see cairn.data.predictions.
    """
    tables = []
    for part, rows in parts.items():
        columns: dict[str, Floats] = {}
        for name, prediction in predict_all(train, rows, baseline, linear).items():
            columns |= as_columns(name, prediction, linear.class_names)
        tables.append(pd.DataFrame({"row_id": rows["row_id"], "part": part} | columns))
    return pd.concat(tables, ignore_index=True)


def predict_all(
    train: pd.DataFrame, rows: pd.DataFrame, baseline: BaselineConfig, linear: Package
) -> dict[str, Floats]:
    """Predict rows by every baseline, the prior first.

    Returns:
        By name, predictions of shape (m,), or (m, k) for k classes.
    """
    outcome = one_hot(train[linear.target], linear.task, linear.class_names)
    found = {"prior": prior(outcome, len(rows))}
    for name, rule in baseline.rules.items():
        found[name] = predict_rule(name, rule, linear.task, train=train, outcome=outcome, table=rows)
    flat = found if linear.task == "multiclass" else {name: p[:, 0] for name, p in found.items()}
    return {**flat, "linear": linear.scores(rows)}


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
    """Predict `table` by a rule whose numbers come from train only.

    Args:
        name: of the rule, for messages.
        rule: a rate per group of columns, or a column taken as the prediction.
        task: what is predicted.
        train: rows the rates are computed on, n of them.
        outcome: the target of train as columns, shape (n, k), see `one_hot`.
        table: rows to predict, m of them.

    Returns:
        Predictions of shape (m, k).

    Raises:
        UserError: a column that is not in the table, or that cannot be the prediction.
    """
    columns = rule.by if isinstance(rule, RateRule) else [rule.column]
    absent = [column for column in columns if column not in table.columns]
    if absent:
        raise UserError(f"baseline.rules.{name}: no column {', '.join(absent)} in the prepared table")
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
