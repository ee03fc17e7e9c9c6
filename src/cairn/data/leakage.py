"""Find columns that leak the target, on train alone: too good by themselves, or by their missing values.

This is the only place that judges a single column; `cairn new-data` calls it too, and the explore page shows
what it found.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.data.contract import names_of_kind
from cairn.errors import UserError
from cairn.settings.contract import Contract
from cairn.settings.data import DataConfig, Task

Values = NDArray[Any]

SAMPLE = 20_000
FEWEST_ROWS = 20
SAME = 1e-3
UNBELIEVABLE = 1e-6
SUSPICIOUS: dict[Task, float] = {"binary": 0.99, "multiclass": 0.995, "regression": 0.95}
"""What data.leakage.max_single_score is while `cairn new-data` has not chosen one for the table."""
LARGEST = 1e30
"""Trees work in float32, whose largest value is 3e38, and sum values."""


class Judged(NamedTuple):
    """What a column alone reaches, ROC-AUC or R2, and every reason why it looks like a leak."""

    score: float
    reasons: list[str]


def stop_on_leaks(judged: dict[str, Judged], contract: Contract, data: DataConfig) -> None:
    """Raise UserError where a feature looks like a leak; data.leakage.trusted names columns to use anyway."""
    features = [name for name in judged if contract.columns[name].group]
    used = [name for name in features if name not in data.leakage.trusted]
    if found := [f"{name}: {reason}" for name in used for reason in judged[name].reasons]:
        fix = (
            f"declare it known: after in {data.contract}; or, if it is right, add it to data.leakage.trusted"
            " or raise data.leakage.max_single_score"
        )
        raise UserError("\n".join([*(f"looks like a leak: {line}" for line in found), fix]))


def judge(train: pd.DataFrame, contract: Contract, data: DataConfig, seed: int) -> dict[str, Judged]:
    """Judge every column, feature or not, except the target and dates.

    A column is suspect when a small tree on it alone, scored on rows it was not fitted on, is above
    data.leakage.max_single_score (ROC-AUC for classes, R2 for a number), or when the rows where it is
    missing (or those where it is not) all have the same target.

    Args:
        train: the training part, with the target; never another part.
        contract: what the columns are.
        data: target, task and the bounds.
        seed: of the sample of 20,000 rows that is looked at.
    """
    columns = {name: column for name, column in contract.columns.items() if name != data.target}
    names = [name for name, column in columns.items() if column.kind != "datetime"]
    sample = train.sample(min(SAMPLE, len(train)), random_state=seed)
    judged = {}
    for name, score in single_scores(sample, names, contract, data):
        reasons = (telling_gaps(train[name], train[data.target], data), too_good(score, data))
        judged[name] = Judged(score, [reason for reason in reasons if reason])
    return judged


def too_good(score: float, data: DataConfig) -> str | None:
    """Say that a column alone scores above data.leakage.max_single_score; None if it does not."""
    most = data.leakage.max_single_score
    return f"alone it reaches {measure_of(data.task)} {score:.3f}, above {most:g}" if score > most else None


def measure_of(task: Task) -> str:
    """Name the score of a single column."""
    return "R2" if task == "regression" else "ROC-AUC"


def telling_gaps(values: pd.Series, target: pd.Series, data: DataConfig) -> str | None:
    """Name the rows, missing or present, in which the target is always the same; None if there are none."""
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
            return f"the target is always the same where it is {state} ({int(rows.sum()):,} rows)"
    return None


def single_scores(
    sample: pd.DataFrame, names: list[str], contract: Contract, data: DataConfig
) -> Iterator[tuple[str, float]]:
    """Yield by column what a small tree on it alone reaches on rows it was not fitted on: ROC-AUC, or R2.

    It is the mean over two halves of the rows, for several classes also that over one-vs-rest. 0 where there
    are too few rows, a class has one row only, or there is one class only.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    regression = data.task == "regression"
    target = sample[data.target]
    y = target.to_numpy(dtype=np.float64) if regression else pd.factorize(target, sort=True)[0]
    if len(y) < FEWEST_ROWS or (not regression and np.bincount(y, minlength=2).min() < 2):
        yield from ((name, 0.0) for name in names)
        return
    folds = list((KFold if regression else StratifiedKFold)(2, shuffle=True, random_state=0).split(y, y))
    for name in names:
        if names_of_kind(contract, [name], "categorical"):
            values, score = _codes(sample[name]), _score_of_codes
        else:
            values, score = _numbers(sample[name]), _score_of_numbers
        scores = [score(values[fold], y[fold], values[other], y[other], data.task) for fold, other in folds]
        yield name, float(np.nan_to_num(scores).mean())


def _score_of_codes(values: Values, y: Values, others: Values, other_y: Values, task: Task) -> float:
    """Do as _score_of_numbers, with the mean target of each code."""
    from sklearn.model_selection import KFold
    from sklearn.preprocessing import TargetEncoder

    # By default it would take whole numbers, such as prices, for thousands of classes.
    kind = "continuous" if task == "regression" else task
    encoder = TargetEncoder(target_type=kind, cv=KFold(5, shuffle=True, random_state=0))
    means = encoder.fit_transform(values, y)
    return _score_of_numbers(means, y, encoder.transform(others), other_y, task)


def _score_of_numbers(values: Values, y: Values, others: Values, other_y: Values, task: Task) -> float:
    """Fit a tree to values of shape (n, 1) and their y; score it on the others."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    tree: Any = DecisionTreeRegressor if task == "regression" else DecisionTreeClassifier
    tree = tree(max_depth=5, min_samples_leaf=10, random_state=0).fit(values, y)
    if task == "regression":
        return _r2(other_y, tree.predict(others))
    shares = tree.predict_proba(others).T
    return float(np.mean([_area(other_y == k, share) for k, share in enumerate(shares)]))


def _r2(y: Values, prediction: Values) -> float:
    error, total = ((y - prediction) ** 2).sum(), ((y - y.mean()) ** 2).sum()
    return 1 - error / total if total else float(error == 0)


def _area(event: NDArray[np.bool_], score: Values) -> float:
    """Return the ROC-AUC, counted by leaf of a tree, in a fraction of scikit-learn's time.

    It is the share of pairs of an event and another row in which the event has the higher score; equal ones
    count half (Mann and Whitney).
    """
    levels, level = np.unique(score, return_inverse=True)
    events, others = (np.bincount(level[rows], minlength=len(levels)) for rows in (event, ~event))
    return events @ (np.cumsum(others) - others / 2) / (events.sum() * others.sum())


def _codes(column: pd.Series) -> Values:
    """Return a code for each value of a category, shape (n, 1); missing has a code too."""
    return pd.factorize(column, use_na_sentinel=False)[0][:, None]


def _numbers(column: pd.Series) -> Values:
    """Return float64 as a tree takes it, (n, 1): infinite values are missing, as for the models."""
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isinf(numbers), np.nan, np.clip(numbers, -LARGEST, LARGEST))[:, None]
