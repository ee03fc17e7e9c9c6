"""Fewer columns, chosen by what train says of them: whole columns of the table, before the model's encoding.

Called by fit_model with the rows it fits on, so every fold chooses anew and no other row has a say.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.config.contract import Contract
from cairn.config.data import Task
from cairn.config.features import SelectionConfig
from cairn.config.model import Encoding
from cairn.features.encode import build_encoder, categorical_positions

Floats = NDArray[np.float64]
BINS = 32
PLAIN = Encoding(numeric="passthrough", categorical="ordinal", min_frequency=20, max_categories=254)
"""One number per column, and not the model's encoding: the baseline gets the columns that the model gets."""
SAMPLE, TREES, LEAVES = 20_000, 60, 200
STEP = 0.1
"""Share of the columns that each round of the elimination takes away."""


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
    """Choose the features that a model gets; they keep their order, which has no say in the choice.

    univariate keeps the columns that tell most about the target by themselves: mutual information with the
    column cut into at most 32 bins of equal rows, missing being one more, less what chance gives on average
    (Miller 1955). It keeps both of two copies. recursive fits a forest of random trees to 20,000 rows, takes
    the least important tenth of the columns away, fits again, and so on (Guyon, Weston, Barnhill and Vapnik
    2002, Machine Learning 46:389-422): of two copies one goes, and the other inherits its importance.

    Args:
        train: the rows that are fitted on; never others.
        y: their target: class codes or values, shape (n,).
        features: candidates, columns of train.
        contract: says which of them are categories.
        task: what y is.
        selection: how, and how many are kept; no more than there are.
        seed: of the forest.
        threads: of the forest.
    """
    keep = selection.kept_of(len(features))
    if keep == len(features):
        return features
    names = sorted(features)
    encoder = build_encoder(contract, names, PLAIN)
    X = encoder.fit_transform(train[names])
    if selection.kind == "univariate":
        support = _univariate(X, y, task, categorical_positions(encoder), keep)
    else:
        support = _recursive(X, y, task, keep, seed=seed, threads=threads)
    chosen = set(encoder.get_feature_names_out()[support])
    return [name for name in features if name in chosen]


def _univariate(
    X: Floats, y: NDArray[Any], task: Task, categorical: list[int], keep: int
) -> NDArray[np.bool_]:
    """Say which columns of X (n, p) have the most information about y by themselves."""
    from sklearn.feature_selection import SelectKBest

    codes = [column if i in categorical else _binned(column) for i, column in enumerate(X.T)]
    target = _binned(y) if task == "regression" else y
    return SelectKBest(_information, k=keep).fit(np.stack(codes, axis=1), target).get_support()


def _information(codes: Floats, y: NDArray[Any]) -> Floats:
    """Return the mutual information of each column of codes (n, p) with y, in nats, shape (p,)."""
    from sklearn.metrics import mutual_info_score

    classes = len(np.unique(y))
    by_chance = [(len(np.unique(column)) - 1) * (classes - 1) / (2 * len(y)) for column in codes.T]
    return np.array([mutual_info_score(y, column) for column in codes.T]) - by_chance


def _binned(values: NDArray[Any]) -> NDArray[np.int64]:
    """Cut values at their quantiles; missing ones get a code of their own."""
    missing = np.isnan(values)
    if missing.all():
        return np.zeros(len(values), dtype=np.int64)
    cuts = np.unique(np.quantile(values[~missing], np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.where(missing, len(cuts) + 1, np.searchsorted(cuts, values))


def _recursive(
    X: Floats, y: NDArray[Any], task: Task, keep: int, *, seed: int, threads: int
) -> NDArray[np.bool_]:
    """Say which columns of X (n, p) are left after the least important ones went, round by round."""
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
    from sklearn.feature_selection import RFE

    rows = np.random.default_rng(seed).permutation(len(y))[:SAMPLE]
    kind = ExtraTreesRegressor if task == "regression" else ExtraTreesClassifier
    forest = kind(
        n_estimators=TREES,
        # Small leaves would credit columns of many values for fitting noise.
        min_samples_leaf=max(5, len(rows) // LEAVES),
        max_features=0.3,
        random_state=seed,
        n_jobs=threads,
    )
    return RFE(forest, n_features_to_select=keep, step=STEP).fit(X[rows], y[rows]).support_
