"""TabM as an estimator of this repository: it learns, it is repeatable, saved and resumed like the others."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score
from synthetic import CONTRACT, TARGETS, recipe, rows
from test_mlp import moons, per_category

from cairn.models.package import load, save
from cairn.models.tabm import TabMClassifier, TabMRegressor
from cairn.settings.model import Encoding, ModelConfig

pytestmark = pytest.mark.scale  # an extra
pytest.importorskip("tabm")
SMALL = {"members": 4, "width": 32, "bins": 8, "embedding": 4, "batch_size": 64, "max_epochs": 20}


def config():
    return ModelConfig(
        name="tabm",
        classifier={"_target_": "cairn.models.tabm.TabMClassifier"},
        regressor={"_target_": "cairn.models.tabm.TabMRegressor"},
        params=SMALL | {"max_epochs": 4},
        encoding=Encoding(numeric="quantile", categorical="ordinal", min_frequency=5, max_categories=50),
    )


def test_it_fits_a_boundary_that_no_linear_model_can():
    X, X_test, y, y_test = moons()
    assert TabMClassifier(**SMALL).fit(X, y).score(X_test, y_test) > 0.95
    assert LogisticRegression().fit(X, y).score(X_test, y_test) < 0.9


def test_it_learns_a_number_for_each_category_and_takes_unseen_ones():
    X, y = per_category()
    model = TabMRegressor(**SMALL, categorical_features=[1]).fit(X[:3000], y[:3000])
    assert r2_score(y[3000:], model.predict(X[3000:])) > 0.95
    unknown = np.column_stack([np.zeros(3), [20, -1, np.nan]])
    assert len(set(model.predict(unknown))) == 1


def test_a_constant_number_is_not_used():
    X, _, y, _ = moons(400)
    wide = np.column_stack([np.ones(len(X)), X])
    assert TabMClassifier(**SMALL).fit(wide, y).varied_.tolist() == [1, 2]


def test_the_prediction_is_the_mean_of_its_members():
    import torch

    X, _, y, _ = moons(400)
    model = TabMClassifier(**SMALL | {"max_epochs": 2}).fit(X, y)
    network = model._network()
    network.load_state_dict({name: torch.from_numpy(values) for name, values in model.weights_.items()})
    network.eval()
    with torch.no_grad():
        each = torch.sigmoid(network.body(*model._inputs(X, torch.device("cpu"))[:1]))
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], each.mean(dim=1)[:, 0], rtol=1e-5)


@pytest.mark.parametrize("task", TARGETS)
def test_it_is_saved_and_loaded_with_the_same_bits_and_fitted_twice_with_the_same_bytes(task, tmp_path):
    plan, asked = recipe(config(), CONTRACT, TARGETS[task], task), rows(200, seed=5)
    first, second = (plan.fit(rows(), rows(600, seed=1)) for _ in range(2))
    save(first, tmp_path / "first")
    save(second, tmp_path / "second")
    np.testing.assert_array_equal(load(tmp_path / "first").scores(asked), first.scores(asked))
    assert (tmp_path / "first/model.skops").read_bytes() == (tmp_path / "second/model.skops").read_bytes()


def test_it_resumes_with_the_same_bits(tmp_path):
    X, X_val, y, y_val = moons(400)
    whole = TabMClassifier(**SMALL | {"max_epochs": 6}).fit(X, y, X_val, y_val)
    snapshot = tmp_path / "snapshot.pt"
    seen = []

    class StopError(Exception):
        pass

    def stop(epoch, loss):
        seen.append(epoch)
        if epoch == 3:
            raise StopError

    with pytest.raises(StopError):
        TabMClassifier(**SMALL | {"max_epochs": 6}).fit(
            X, y, X_val, y_val, snapshot=snapshot, on_iteration=stop
        )
    again = TabMClassifier(**SMALL | {"max_epochs": 6}).fit(X, y, X_val, y_val, snapshot=snapshot)
    for name, values in whole.weights_.items():
        np.testing.assert_array_equal(again.weights_[name], values)
