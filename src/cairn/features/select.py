"""Which columns a model gets: the groups of the contract, then a selection on train.

The selection sees whole columns, before the model's encoding, and only rows that are fitted on: every fold
selects again.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.data.predictions import Floats
from cairn.errors import UserError
from cairn.features.encode import build_encoder, categorical_positions
from cairn.settings.contract import Contract
from cairn.settings.data import Task
from cairn.settings.features import FeaturesConfig, SelectionConfig
from cairn.settings.model import Encoding

MOST_BINS = 32
PLAIN = Encoding(numeric="passthrough", categorical="ordinal", min_frequency=20, max_categories=254)
"""One number per column, not the model's encoding: so the baseline gets the same columns as the model."""
SAMPLE, TREES, LEAVES = 20_000, 60, 200
STEP = 0.1
"""Share of the columns that each round of the elimination removes."""


def select_features(contract: Contract, target: str, features: FeaturesConfig) -> list[str]:
    """List the features in the order of the contract.

    A column is a feature if it has a group, is known before, is not the target, and is not excluded.

    Raises:
        UserError: no feature left.
    """
    chosen = [
        name
        for name, column in contract.columns.items()
        if column.group is not None
        and (features.groups is None or column.group in features.groups)
        and column.known == "before"
        and name != target
        and name not in features.exclude
    ]
    if not chosen:
        raise UserError(
            "features: no column is left; give columns a group in the contract,"
            " or relax features.groups and features.exclude"
        )
    return chosen


def choose_columns(
    train: pd.DataFrame,
    y: NDArray[Any],
    features: list[str],
    *,
    contract: Contract,
    task: Task,
    selection: SelectionConfig,
    seed: int,
    threads: int,
) -> list[str]:
    """Choose the features that a model gets; they keep their order, and the choice does not depend on it.

    Of columns that cut the rows into the same bins (copies, or the same in another unit) only one is a
    candidate. univariate keeps the columns with the highest mutual information with the target, in bins of
    equal rows (the cube root of the rows, at most 32; missing is one more), less the value expected by chance
    (Vinh, Epps and Bailey 2010, Journal of Machine Learning Research 11:2837-2854). recursive fits a forest
    of random trees to 20,000 rows, removes the least important tenth of the columns, fits again, and so on
    (Guyon, Weston, Barnhill and Vapnik 2002, Machine Learning 46:389-422).
    """
    keep = selection.kept_of(len(features))
    if keep == len(features):
        return features
    encoder = build_encoder(contract, sorted(features), PLAIN)
    X = encoder.fit_transform(train[features])
    names, categorical = encoder.get_feature_names_out(), categorical_positions(encoder)
    codes = np.stack([c if i in categorical else _binned(c) for i, c in enumerate(X.T)], axis=1)
    distinct = _distinct(codes)
    support = np.ones(len(distinct), dtype=bool)
    if keep < len(distinct) and selection.kind == "univariate":
        support = _univariate(codes[:, distinct], y, task, keep)
    elif keep < len(distinct):
        support = _recursive(X[:, distinct], y, task, keep, seed=seed, threads=threads)
    chosen = set(names[distinct][support])
    return [name for name in features if name in chosen]


def _distinct(codes: Floats) -> list[int]:
    """Return the positions of the columns of codes (n, p) that cut the rows like no column before them."""
    first: dict[bytes, int] = {}
    for position, column in enumerate(codes.T):
        first.setdefault(np.unique(column, return_inverse=True)[1].tobytes(), position)
    return list(first.values())


def _univariate(codes: Floats, y: NDArray[Any], task: Task, keep: int) -> NDArray[np.bool_]:
    """Return a mask of the columns of codes (n, p) with the most information about y, shape (p,)."""
    from sklearn.feature_selection import SelectKBest

    target = _binned(y) if task == "regression" else y
    return SelectKBest(_information, k=keep).fit(codes, target).get_support()


def _information(codes: Floats, y: NDArray[Any]) -> Floats:
    """Return the mutual information of each column of codes (n, p) with y beyond chance, in nats, (p,)."""
    from sklearn.metrics import mutual_info_score
    from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information

    found = []
    for column in codes.T:
        table = contingency_matrix(y, column, sparse=True)
        by_chance = expected_mutual_information(table.astype(np.int64), len(y))
        found.append(mutual_info_score(None, None, contingency=table) - by_chance)
    return np.array(found)


def _binned(values: NDArray[Any]) -> NDArray[np.int64]:
    """Cut values at their quantiles; missing ones get a code of their own."""
    missing = np.isnan(values)
    if missing.all():
        return np.zeros(len(values), dtype=np.int64)
    bins = min(MOST_BINS, max(3, round(len(values) ** (1 / 3))))
    cuts = np.unique(np.quantile(values[~missing], np.linspace(0, 1, bins + 1)[1:-1]))
    return np.where(missing, len(cuts) + 1, np.searchsorted(cuts, values))


def _recursive(
    X: Floats, y: NDArray[Any], task: Task, keep: int, *, seed: int, threads: int
) -> NDArray[np.bool_]:
    """Return a mask of the columns of X (n, p) left after recursive feature elimination, shape (p,)."""
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
    from sklearn.feature_selection import RFE

    rows = np.random.default_rng(seed).permutation(len(y))[:SAMPLE]
    kind = ExtraTreesRegressor if task == "regression" else ExtraTreesClassifier
    forest = kind(
        n_estimators=TREES,
        # With small leaves, columns of many values would look important for fitting noise.
        min_samples_leaf=max(5, len(rows) // LEAVES),
        max_features=0.3,
        random_state=seed,
        n_jobs=threads,
    )
    return RFE(forest, n_features_to_select=keep, step=STEP).fit(X[rows], y[rows]).support_
