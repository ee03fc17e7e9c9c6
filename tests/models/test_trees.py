"""The table of bits sums the same leaves as scikit-learn's walk, to the last bit."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from cairn.models import trees
from cairn.models.trees import Trees

RNG = np.random.default_rng(0)
ROWS = 3000


def data(rows):
    """Numbers with ties, extremes and missing values; three categories in the first columns, some unseen."""
    codes = RNG.integers(0, [200, 3, 40], (rows, 3)).astype(float)
    numbers = np.column_stack([RNG.normal(size=(rows, 3)), RNG.integers(0, 5, (rows, 2))])
    found = np.column_stack([codes, numbers])
    found[RNG.random(found.shape) < 0.1] = np.nan
    return found


X = data(ROWS)
Y = np.nan_to_num(X).sum(axis=1) + 30 * RNG.normal(size=ROWS)
OTHER = data(500)
OTHER[:20, 3:] = np.array([np.inf, -np.inf, 1e300, -1e300])[RNG.integers(0, 4, (20, 5))]
OTHER[20:40, :3] = 250  # categories that train did not have


@pytest.mark.parametrize("most", [2, 31, 33, 64, 65, 200, 700])
def test_the_sums_are_those_of_the_walk(most):
    model = HistGradientBoostingRegressor(
        max_iter=20, max_leaf_nodes=most, min_samples_leaf=2, categorical_features=[0, 1, 2]
    ).fit(X, Y)
    made = Trees(model)
    assert made.table is not None
    inner = model._preprocess_X(OTHER, reset=False)
    np.testing.assert_array_equal(made.raw(inner)[:, 0], model.predict(OTHER))
    one_by_one = np.concatenate([made.raw(inner[at : at + 1]) for at in range(60)])
    np.testing.assert_array_equal(one_by_one[:, 0], model.predict(OTHER)[:60])


def test_codes_that_are_not_known_go_where_missing_ones_go(monkeypatch):
    model = HistGradientBoostingRegressor(max_iter=20, categorical_features=[0, 1, 2]).fit(X, Y)
    inner = model._preprocess_X(OTHER, reset=False)
    inner[:40, :3] = RNG.choice([-1, 250], (40, 3))
    table = Trees(model).raw(inner)
    monkeypatch.setattr(trees, "LARGEST", 0)
    np.testing.assert_array_equal(table, Trees(model).raw(inner))


def test_each_class_has_its_own_sum_and_trees_without_a_split_count():
    labels = np.digitize(Y, [np.quantile(Y, 0.3), np.quantile(Y, 0.6)])
    model = HistGradientBoostingClassifier(max_iter=15, min_samples_leaf=400).fit(X, labels)
    np.testing.assert_array_equal(Trees(model).raw(OTHER), model._raw_predict(OTHER))
    stump = HistGradientBoostingRegressor(max_iter=2, min_samples_leaf=ROWS).fit(X, Y)
    np.testing.assert_array_equal(Trees(stump).raw(OTHER)[:, 0], stump.predict(OTHER))


def test_a_table_that_would_be_too_large_is_not_made(monkeypatch):
    monkeypatch.setattr(trees, "LARGEST", 10_000)
    model = HistGradientBoostingRegressor(max_iter=20).fit(X, Y)
    made = Trees(model)
    assert made.table is None
    np.testing.assert_array_equal(made.raw(OTHER)[:, 0], model.predict(OTHER))
