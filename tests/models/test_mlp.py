"""The network as a scikit-learn estimator: it learns, it stops early, it is repeatable."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits, make_moons
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.model_selection import GridSearchCV, train_test_split

from cairn.models import loop
from cairn.models.build import unconverged
from cairn.models.mlp import MLPClassifier, MLPRegressor, Pieces
from cairn.models.network import paced

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def moons(rows=1200):
    X, y = make_moons(rows, noise=0.2, random_state=0)
    return train_test_split(X, y, random_state=0)


def per_category(rows=4000):
    """Numbers that depend only on a category, coded 0..19, beside a column of noise."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 20, rows)
    return np.column_stack([rng.normal(size=rows), codes]), 50 + 10 * rng.normal(size=20)[codes]


def small(**params):
    return MLPClassifier(
        **{"hidden": [32], "batch_size": 64, "max_epochs": 30, "learning_rate": 0.005} | params
    )


def test_it_fits_a_boundary_that_no_linear_model_can():
    X, X_test, y, y_test = moons()
    assert small(hidden=[64, 64], max_epochs=60).fit(X, y).score(X_test, y_test) > 0.95
    assert LogisticRegression().fit(X, y).score(X_test, y_test) < 0.9


def test_it_reads_digits_as_well_as_is_known_for_a_plain_network():
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X / 16, y, random_state=0)
    assert small(hidden=[64]).fit(X, y).score(X_test, y_test) > 0.96


def test_it_learns_a_number_for_each_category():
    X, y = per_category()
    model = MLPRegressor(categorical_features=[1], batch_size=64, max_epochs=15).fit(X[:3000], y[:3000])
    assert model.score(X[3000:], y[3000:]) > 0.99
    assert abs(model.predict(X).mean() - 50) < 10


def test_an_unseen_category_a_negative_one_and_nan_are_the_same_unknown():
    X, y = per_category(500)
    model = MLPRegressor(categorical_features=[1], max_epochs=2).fit(X, y)
    unknown = np.column_stack([np.zeros(4), [20, -1, np.nan, 1e6]])
    assert len(set(model.predict(unknown))) == 1
    table = model.weights_["embeddings.weight"]
    assert not table[-1].any()
    assert table[:-1].any(axis=1).all()


def test_a_category_missing_among_the_codes_keeps_a_vector_of_zeros():
    X, y = per_category(500)
    keep = X[:, 1] != 7
    model = MLPRegressor(categorical_features=[1], max_epochs=2).fit(X[keep], y[keep])
    zero = ~model.weights_["embeddings.weight"].any(axis=1)
    assert np.flatnonzero(zero).tolist() == [7, 20]


def test_the_weights_kept_are_those_with_the_best_validation_loss():
    X, X_val, y, y_val = moons(200)
    y = np.where(np.random.default_rng(0).random(len(y)) < 0.3, 1 - y, y)
    model = small(max_epochs=200, patience=6, schedule="constant", dropout=0, learning_rate=0.02)
    model.fit(X, y, X_val, y_val)
    assert model.n_iter_ < 200
    assert model.n_iter_ == model.best_iteration_ + 6
    assert model.best_iteration_ == model.validation_score_.argmax() + 1
    assert log_loss(y_val, model.predict_proba(X_val)) == pytest.approx(
        -model.validation_score_.max(), rel=1e-5
    )


def test_the_regression_curve_is_in_units_of_the_target():
    X, y = per_category(1000)
    model = MLPRegressor(categorical_features=[1], max_epochs=3, batch_size=64)
    model.fit(X[:700], y[:700], X[700:], y[700:])
    assert mean_squared_error(y[700:], model.predict(X[700:])) == pytest.approx(
        -model.validation_score_[model.best_iteration_ - 1], rel=1e-4
    )


def test_without_validation_rows_every_epoch_counts():
    X, _, y, _ = moons(200)
    model = small(max_epochs=4).fit(X, y)
    assert (model.n_iter_, model.best_iteration_, len(model.validation_score_)) == (4, 4, 0)


def test_the_seed_decides_the_bits_and_nothing_else_does():
    X, X_test, y, _ = moons(300)
    first = small(max_epochs=3).fit(X, y).predict_proba(X_test)
    torch.manual_seed(99)
    np.random.default_rng().random()
    again = small(max_epochs=3).fit(X, y).predict_proba(X_test)
    other = small(max_epochs=3, random_state=1).fit(X, y).predict_proba(X_test)
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()


def test_the_callers_random_numbers_and_switches_stay_as_they_were():
    X, _, y, _ = moons(100)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    small(max_epochs=2).fit(X, y)
    assert torch.equal(torch.rand(3), expected)
    assert not torch.are_deterministic_algorithms_enabled()


def test_labels_come_back_as_they_were_given():
    X, _, y, _ = moons(200)
    words = np.where(y == 1, "später", "früh")
    model = small(max_epochs=2).fit(X, words, X, words)
    assert set(model.predict(X)) <= {"früh", "später"}
    with pytest.raises(ValueError, match="nie"):
        model.fit(X, words, X, np.full(len(y), "nie"))


def test_it_is_cloned_and_searched_like_any_estimator():
    X, _, y, _ = moons(200)
    fitted = small(max_epochs=2).fit(X, y)
    assert not hasattr(clone(fitted), "weights_")
    assert clone(fitted).get_params() == fitted.get_params()
    search = GridSearchCV(small(max_epochs=2), {"hidden": [(8,), (16,)], "dropout": [0.0]}, cv=2)
    assert search.fit(X, y).best_params_["dropout"] == 0


def test_missing_numbers_are_refused_with_the_way_out():
    X, _, y, _ = moons(100)
    X[0, 0] = np.nan
    with pytest.raises(ValueError, match=r"encoding\.numeric"):
        small().fit(X, y)


def test_a_loss_that_runs_away_is_an_error_and_not_a_model():
    X, _, y, _ = moons(200)
    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        small(learning_rate=1e30).fit(X, y)


def test_one_class_alone_is_no_question():
    with pytest.raises(ValueError, match="only one class"):
        small().fit(np.zeros((4, 1)), np.zeros(4))


def test_auto_is_the_cpu_where_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert loop.pick_device("auto").type == "cpu"
    with pytest.raises(ValueError, match=r"device cuda: .*set device: auto or cpu"):
        loop.pick_device("cuda")


@needs_gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_gpu_learns_the_same_and_repeats_itself(precision):
    X, X_test, y, y_test = moons()
    first, again = (
        small(hidden=[64, 64], max_epochs=60, device="cuda", precision=precision).fit(X, y) for _ in range(2)
    )
    assert first.score(X_test, y_test) > 0.95
    np.testing.assert_array_equal(first.predict_proba(X_test), again.predict_proba(X_test))


@needs_gpu
def test_a_gpu_takes_categories_and_repeats_itself():
    X, y = per_category()
    fits = [MLPRegressor(categorical_features=[1], device="cuda", max_epochs=3).fit(X, y) for _ in range(2)]
    for name, values in fits[0].weights_.items():
        np.testing.assert_array_equal(values, fits[1].weights_[name])


def test_pieces_of_numbers_are_how_much_of_each_bin_is_passed():
    pieces = Pieces(1, 3)
    pieces.edges.copy_(torch.tensor([[0.0, 1.0, 3.0, 3.0]]))
    found = pieces(torch.tensor([[-1.0], [0.5], [2.0], [3.5]]))
    assert found.tolist() == [[0, 0, 0], [0.5, 0, 0], [1, 0.5, 0], [1, 1, 1]]


def test_pieces_let_a_network_bend_often():
    rng = np.random.default_rng(0)
    X = rng.uniform(-3, 3, size=(4000, 1))
    y = np.sin(4 * X[:, 0])
    X_test = rng.uniform(-3, 3, size=(500, 1))
    plain, bent = (
        MLPRegressor(bins=bins, hidden=[32], batch_size=128, max_epochs=15).fit(X, y) for bins in (0, 24)
    )
    errors = [mean_squared_error(np.sin(4 * X_test[:, 0]), each.predict(X_test)) for each in (plain, bent)]
    assert errors[1] < 0.2 * errors[0]
    np.testing.assert_allclose(
        bent.weights_["pieces.edges"][0], np.quantile(X, np.linspace(0, 1, 25)), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("rows", "batch", "epochs", "patience"),
    [
        (100, 32, 100, 17),
        (3_000, 128, 100, 17),
        (50_000, 512, 72, 12),
        (230_000, 1024, 31, 5),
        (10_000_000, 4096, 10, 5),
    ],
)
def test_few_rows_get_small_batches_and_many_epochs(rows, batch, epochs, patience):
    assert paced(rows, "auto", "auto") == {"batch_size": batch, "max_epochs": epochs, "patience": patience}


def test_what_is_given_is_not_auto():
    X, y = moons(300)[::2][0], moons(300)[2]
    model = small(batch_size="auto", max_epochs=3, patience="auto").fit(X, y)
    assert model.n_iter_ == 3
    assert small(batch_size=32, max_epochs="auto").fit(X, y).max_epochs_ == 100


def test_with_the_automatic_pace_it_converges_on_few_rows_where_a_pace_for_many_does_not():
    X, X_val, y, y_val = moons(1500)
    losses = []
    for pace in (
        {"batch_size": 1024, "max_epochs": 30},
        {"batch_size": "auto", "max_epochs": "auto", "patience": "auto"},
    ):
        model = MLPClassifier(hidden=[64, 32], dropout=0.1, learning_rate=0.001, **pace).fit(
            X, y, X_val, y_val
        )
        losses.append(log_loss(y_val, model.predict_proba(X_val)))
    assert losses[1] < 0.5 * losses[0]


def test_the_limit_of_epochs_is_reported_if_the_loss_still_fell():
    X, X_val, y, y_val = moons()
    short = small(max_epochs=3, schedule="constant").fit(X, y, X_val, y_val)
    assert unconverged(short).startswith("Training stopped at the limit of 3 iterations before convergence")
    assert unconverged(small(max_epochs=300, patience=4).fit(X, y, X_val, y_val)) == ""
    assert unconverged(small(max_epochs=3).fit(X, y)) == ""
