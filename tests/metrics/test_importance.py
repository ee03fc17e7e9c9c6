"""Importance and partial dependence against scikit-learn's."""

from functools import partial

import numpy as np
import pytest
from resamples import draw_counts
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.inspection import partial_dependence
from sklearn.inspection import permutation_importance as sklearn_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from cairn.metrics.bootstrap import Resampling
from cairn.metrics.importance import grid, mean_predictions, permutation_importance

RNG = np.random.default_rng(0)
X = np.column_stack([RNG.normal(size=(300, 3)), RNG.integers(0, 4, 300)])
X[:, 1] += X[:, 0]
VALUE = X[:, 0] + 0.5 * X[:, 1] ** 2 + X[:, 3] + RNG.normal(size=300)
LATE = (np.median(VALUE) < VALUE).astype(int)
KIND = np.digitize(VALUE, np.quantile(VALUE, [0.3, 0.7]))
DAYS = np.arange(300) // 30
ONE_BY_ONE = {str(at): [at] for at in range(4)}


@pytest.mark.parametrize(
    ("task", "metric", "scoring", "y"),
    [
        ("binary", "roc_auc", "roc_auc", LATE),
        ("multiclass", "log_loss", "neg_log_loss", KIND),
        ("regression", "rmse", "neg_root_mean_squared_error", VALUE),
        ("binary", "f1", "f1", LATE),
    ],
)
def test_the_importance_of_a_column_is_that_of_scikit_learn(task, metric, scoring, y):
    if task == "regression":
        model = HistGradientBoostingRegressor(max_iter=20).fit(X, y)
        scores = model.predict
    else:
        model = HistGradientBoostingClassifier(max_iter=20).fit(X, y)
        scores = model.predict_proba
    ours = permutation_importance(
        X,
        y,
        (lambda rows: scores(rows)[:, 1]) if task == "binary" else scores,
        ONE_BY_ONE,
        Resampling(100, 0, DAYS),
        task=task,
        metric=metric,
        threshold=0.5,
        repeats=3,
        seed=11,
    )
    theirs = sklearn_importance(model, X, y, scoring=scoring, n_repeats=3, random_state=11)
    np.testing.assert_allclose(
        [found.value for found in ours.values()], theirs.importances_mean, rtol=1e-6, atol=1e-9
    )
    assert all(found.low < found.value < found.high for found in ours.values() if found.value > 0.01)


def one_repeat(parts, resampling, scores, matrix=X):
    measure = partial(permutation_importance, task="binary", metric="roc_auc", threshold=0.5)
    return measure(matrix, LATE, scores, parts, resampling, repeats=1, seed=5)


def test_the_interval_is_that_of_the_differences_in_the_days_drawn():
    shuffled = []

    def scores(rows):
        shuffled.append(expit(rows[:, 0]))
        return shuffled[-1]

    found = one_repeat({"first": [0]}, Resampling(100, 3, DAYS, 0.9), scores)["first"]
    before, after = shuffled
    drawn = []
    for counts in draw_counts(DAYS, 100, 3):
        weights = counts[DAYS]
        drawn.append(
            roc_auc_score(LATE, before, sample_weight=weights)
            - roc_auc_score(LATE, after, sample_weight=weights)
        )
    assert found.value == pytest.approx(roc_auc_score(LATE, before) - roc_auc_score(LATE, after))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [0.05, 0.95])))


def test_a_group_is_shuffled_as_a_whole_so_that_copies_do_not_hide_each_other():
    twice = np.column_stack([X[:, 0], X[:, 0], X[:, 2]])
    model = LogisticRegression().fit(twice, LATE)
    parts = {"copies": [0, 1], "one": [0], "noise": [2]}
    found = one_repeat(parts, Resampling(100, 0), lambda rows: model.predict_proba(rows)[:, 1], twice)
    alone = one_repeat({"column": [0]}, Resampling(100, 0), lambda rows: expit(rows[:, 0]))
    assert found["copies"].value > 1.5 * found["one"].value
    assert found["copies"].value == pytest.approx(alone["column"].value, abs=0.03)
    assert abs(found["noise"].value) < 0.02


@pytest.mark.parametrize("column", [0, 3])
def test_partial_dependence_is_that_of_scikit_learn(column):
    model = HistGradientBoostingClassifier(max_iter=20).fit(X, LATE)
    theirs = partial_dependence(
        model, X, [column], grid_resolution=12, method="brute", response_method="predict_proba"
    )
    at = grid(X[:, column], 12)
    np.testing.assert_allclose(at, theirs["grid_values"][0])
    ours = mean_predictions(X, column, at, lambda rows: model.predict_proba(rows)[:, 1])
    np.testing.assert_allclose(ours, theirs["average"][0])
    many = mean_predictions(X, column, at, model.predict_proba)
    np.testing.assert_allclose(many[:, 1], ours)


def test_missing_numbers_are_not_on_the_grid():
    assert grid(np.array([2.0, np.nan, 1.0, 2.0]), 5).tolist() == [1, 2]
    assert grid(np.array([np.nan]), 5).tolist() == []
