"""A fit reports its iterations without changing a bit of the fitted model."""

import numpy as np
import pytest
from synthetic import fit, rows

EXTRA = {"hist_gbdt": {"max_iter": 40, "n_iter_no_change": 5}, "mlp": {"max_epochs": 6}}


class StopError(Exception):
    pass


@pytest.mark.parametrize("task", ["binary", "regression"])
@pytest.mark.parametrize("name", EXTRA)
def test_reporting_does_not_change_the_fitted_bits(name, task):
    reported = []
    watched = fit(name, task=task, on_iteration=lambda n, loss: reported.append((n, loss)), **EXTRA[name])
    alone = fit(name, task=task, **EXTRA[name])
    test = rows(300, seed=9)
    assert np.array_equal(watched.scores(test), alone.scores(test))
    estimator = watched.estimator
    assert [number for number, _ in reported] == list(range(1, estimator.n_iter_ + 1))
    assert vars(estimator).keys() == vars(alone.estimator).keys()
    if task == "binary":
        scores = estimator.validation_score_[-estimator.n_iter_ :]
        assert np.array_equal([-loss for _, loss in reported], scores)


@pytest.mark.parametrize("name", EXTRA)
def test_the_callback_may_end_the_fit(name):
    reported = []

    def stop(number, loss):
        reported.append(number)
        if number == 3:
            raise StopError

    with pytest.raises(StopError):
        fit(name, on_iteration=stop, **EXTRA[name])
    assert reported == [1, 2, 3]


def test_other_estimators_report_nothing():
    reported = []
    fit("extra_trees", on_iteration=lambda *_: reported.append(1))
    assert not reported
