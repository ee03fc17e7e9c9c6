"""A fit tells of its iterations without changing a bit of what is fitted."""

import numpy as np
import pytest
from synthetic import fit, rows

EXTRA = {"hist_gbdt": {"max_iter": 40, "n_iter_no_change": 5}, "mlp": {"max_epochs": 6}}


class StopError(Exception):
    pass


@pytest.mark.parametrize("task", ["binary", "regression"])
@pytest.mark.parametrize("name", EXTRA)
def test_a_fit_that_is_watched_ends_in_the_same_bits(name, task):
    told = []
    watched = fit(name, task=task, on_iteration=lambda n, loss: told.append((n, loss)), **EXTRA[name])
    alone = fit(name, task=task, **EXTRA[name])
    test = rows(300, seed=9)
    assert np.array_equal(watched.scores(test), alone.scores(test))
    estimator = watched.estimator
    assert [number for number, _ in told] == list(range(1, estimator.n_iter_ + 1))
    assert vars(estimator).keys() == vars(alone.estimator).keys()
    if task == "binary":
        scores = estimator.validation_score_[-estimator.n_iter_ :]
        assert np.array_equal([-loss for _, loss in told], scores)


@pytest.mark.parametrize("name", EXTRA)
def test_who_watches_may_end_the_fit(name):
    told = []

    def stop(number, loss):
        told.append(number)
        if number == 3:
            raise StopError

    with pytest.raises(StopError):
        fit(name, on_iteration=stop, **EXTRA[name])
    assert told == [1, 2, 3]


def test_other_estimators_tell_nothing():
    told = []
    fit("extra_trees", on_iteration=lambda *_: told.append(1))
    assert not told
