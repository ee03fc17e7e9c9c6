"""What every model does: the same row gets the same prediction, a changed row a plausible one, no errors."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score, roc_auc_score
from synthetic import FEATURES, MODELS, fit, rows

TASKS = ["binary", "multiclass", "regression"]
LATER = rows(300, seed=2)


@cache
def model(name, task="binary"):
    return fit(name, task)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", MODELS)
class TestEveryModel:
    def test_a_row_gets_the_same_bits_alone_and_among_others(self, name, task):
        together = model(name, task).scores(LATER)
        for size in (1, 7, 100):
            parts = [LATER.iloc[i : i + size] for i in range(0, 20 * size, size)]
            apart = np.concatenate([model(name, task).scores(part) for part in parts])
            np.testing.assert_array_equal(apart, together[: len(apart)])

    def test_the_order_of_rows_does_not_matter(self, name, task):
        order = np.random.default_rng(0).permutation(len(LATER))
        shuffled = model(name, task).scores(LATER.iloc[order])
        np.testing.assert_array_equal(shuffled, model(name, task).scores(LATER)[order])

    def test_the_order_of_columns_and_other_columns_do_not_matter(self, name, task):
        mixed = LATER[LATER.columns[::-1]].assign(extra="x")
        np.testing.assert_array_equal(model(name, task).scores(mixed), model(name, task).scores(LATER))

    def test_the_target_is_not_used_at_prediction_time(self, name, task):
        bare = model(name, task).scores(LATER[FEATURES])
        np.testing.assert_array_equal(bare, model(name, task).scores(LATER))

    def test_an_unseen_category_gets_a_prediction(self, name, task):
        found = model(name, task).scores(LATER.assign(línea="new", stop="also new"))
        assert np.isfinite(found).all()

    def test_a_row_without_any_value_gets_a_prediction(self, name, task):
        empty = pd.DataFrame({column: [None] for column in FEATURES})
        assert np.isfinite(model(name, task).scores(empty)).all()

    def test_the_same_seed_gives_the_same_model(self, name, task):
        np.testing.assert_array_equal(fit(name, task).scores(LATER), model(name, task).scores(LATER))

    def test_a_dozen_rows_are_enough_to_fit(self, name, task):
        few = rows().groupby("class").head(4)
        assert np.isfinite(fit(name, task, train=few, validation=few).scores(LATER)).all()


@pytest.mark.parametrize("name", MODELS)
def test_more_load_means_a_later_arrival(name):
    known = LATER.dropna()
    less, more = (model(name).scores(known.assign(load=known["load"] + step)) for step in (-0.5, 0.5))
    assert (more > less).mean() > 0.9


@pytest.mark.parametrize("name", MODELS)
def test_the_slow_line_gets_later_predictions(name):
    slow, quick = (model(name, "regression").scores(LATER.assign(línea=line)) for line in ("Ω", "北"))
    assert 1 < (slow - quick).mean() < 3


@pytest.mark.parametrize("name", MODELS)
def test_predictions_are_about_as_good_as_the_truth_allows(name):
    assert roc_auc_score(LATER["late"], model(name).scores(LATER)) > 0.93
    assert r2_score(LATER["delay"], model(name, "regression").scores(LATER)) > 0.75


@pytest.mark.parametrize("name", MODELS)
def test_probabilities_of_all_classes_sum_to_one(name):
    np.testing.assert_allclose(model(name, "multiclass").scores(LATER).sum(axis=1), 1, atol=1e-12)
