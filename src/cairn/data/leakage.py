"""Find columns that give the answer away, on train alone: too good by themselves, or by their gaps."""

from typing import Any

import numpy as np
import pandas as pd

from cairn.config.contract import Contract
from cairn.config.data import DataConfig
from cairn.data.contract import names_of_kind

SAMPLE = 20_000
FEWEST_ROWS = 20
SAME = 1e-3
UNBELIEVABLE = 1e-6
LARGEST = 1e30
"""A tree works in float32, which ends at 3e38 and must hold sums."""


def leaks(train: pd.DataFrame, contract: Contract, data: DataConfig, seed: int) -> list[str]:
    """Name every feature that looks like a leak, with the reason, one line each.

    A feature is suspect when a small tree on it alone, scored on rows it was not fitted on, is above
    data.leakage.max_single_score (ROC-AUC for classes, R2 for a number), or when the rows where it is
    missing (or those where it is not) all have the same target.

    Args:
        train: the training part, with the target; never another part.
        contract: what the columns are; those with a group are the features.
        data: target, task and the bounds; data.leakage.trusted names columns that are right all the same.
        seed: of the sample of 20,000 rows that is looked at.
    """
    names = [n for n, c in contract.columns.items() if c.group and n not in data.leakage.trusted]
    suspects = [line for name in names if (line := telling_gaps(train[name], train[data.target], data))]
    sample = train.sample(min(SAMPLE, len(train)), random_state=seed)
    for name in names:
        score = single_score(sample, name, contract, data)
        if score > data.leakage.max_single_score:
            measure = "R2" if data.task == "regression" else "ROC-AUC"
            suspects.append(
                f"{name}: alone it reaches {measure} {score:.3f}, above {data.leakage.max_single_score:g}"
            )
    return suspects


def telling_gaps(values: pd.Series, target: pd.Series, data: DataConfig) -> str | None:
    """Say where a column is missing (or present) and the target is then always the same; None if nowhere."""
    missing = values.isna()
    for rows, state in ((missing, "missing"), (~missing, "present")):
        if rows.all() or rows.sum() < data.leakage.min_null_rows:
            continue
        inside = target[rows]
        if data.task == "regression":
            tells = inside.std() < SAME * target.std()
        else:
            by_chance = (target == inside.iloc[0]).mean() ** len(inside)
            tells = (inside == inside.iloc[0]).all() and by_chance < UNBELIEVABLE
        if tells:
            return (
                f"{values.name}: the target is always the same where it is {state} ({int(rows.sum()):,} rows)"
            )
    return None


def single_score(sample: pd.DataFrame, name: str, contract: Contract, data: DataConfig) -> float:
    """Return what a small tree on one column reaches on rows it was not fitted on: ROC-AUC, or R2.

    0 where there are too few rows, or a class with one row only, to tell.
    """
    from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score

    target = sample[data.target]
    if len(sample) < FEWEST_ROWS:
        return 0.0
    if data.task == "regression":
        folds, scoring = KFold(2, shuffle=True, random_state=0), "r2"
    elif target.value_counts().min() < 2:
        return 0.0
    else:
        folds, scoring = StratifiedKFold(2, shuffle=True, random_state=0), "roc_auc"
        scoring = "roc_auc" if data.task == "binary" else "roc_auc_ovr"
    scores = cross_val_score(_tree(name, contract, data), sample[[name]], target, cv=folds, scoring=scoring)
    return float(np.nan_to_num(scores).mean())


def _tree(name: str, contract: Contract, data: DataConfig) -> Any:
    from sklearn.model_selection import KFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, TargetEncoder
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    kind = DecisionTreeRegressor if data.task == "regression" else DecisionTreeClassifier
    tree = kind(max_depth=5, min_samples_leaf=10, random_state=0)
    if names_of_kind(contract, [name], "categorical"):
        as_text = FunctionTransformer(_as_text)
        return make_pipeline(as_text, TargetEncoder(cv=KFold(5, shuffle=True, random_state=0)), tree)
    return make_pipeline(FunctionTransformer(_as_number), tree)


def _as_text(column: pd.DataFrame) -> pd.DataFrame:
    return column.astype("str").fillna("missing")


def _as_number(column: pd.DataFrame) -> np.ndarray:
    """Return float64 that a tree takes: what is infinite is missing, as for the models."""
    numbers = column.astype("float64").to_numpy()
    return np.where(np.isinf(numbers), np.nan, np.clip(numbers, -LARGEST, LARGEST))
