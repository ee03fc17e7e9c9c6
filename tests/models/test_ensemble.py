"""Ensembles: weights that drop a weak member, and one model that is saved, served and explained like any."""

from dataclasses import replace
from itertools import product

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import log_loss, mean_squared_error
from synthetic import CONTRACT, FEATURES, MODELS, TARGETS, config, ensemble, recipe, rows

from cairn.models.build import stops_early
from cairn.models.calibration import calibrate
from cairn.models.compiled import Trees, compile_model
from cairn.models.contributions import background_of, explain_rows
from cairn.models.ensemble import greedy_weights, weights_on
from cairn.models.package import load, reference_rows, save
from cairn.models.recipe import Recipe
from cairn.serve.predictor import Predictor

HELD_OUT = rows(600, seed=1)


def made(*names, task="binary", **settings):
    return recipe(ensemble(*names, **settings), CONTRACT, TARGETS[task], task)


def fit(*names, task="binary", snapshot=None, **settings):
    return made(*names, task=task, **settings).fit(rows(), HELD_OUT, snapshot=snapshot)


def single(name, task="binary", seed=3):
    return recipe(config(name), CONTRACT, TARGETS[task], task, seed=seed).fit(rows(), HELD_OUT)


@pytest.mark.parametrize("task", TARGETS)
def test_predictions_are_the_weighted_mean_of_the_members(task):
    package, asked = fit("hist_gbdt", "mlp", "logistic", task=task), rows(300, seed=5)
    estimator = package.estimator
    expected = sum(
        weight * single(name, task).scores(asked)
        for name, weight in zip(estimator.names, estimator.weights, strict=True)
    )
    np.testing.assert_allclose(package.scores(asked), expected, rtol=1e-12)
    assert sum(estimator.weights) == pytest.approx(1)


def test_greedy_weights_are_those_of_the_best_mixture_on_a_grid():
    rng = np.random.default_rng(0)
    y = rng.normal(size=400)
    errors = [0.9 * rng.normal(size=400), rng.normal(size=400), 1.3 * rng.normal(size=400)]

    def loss(mixture):
        return mean_squared_error(y, y + mixture)

    found = greedy_weights(errors, loss, draws=60)
    grid = [(a, b, 20 - a - b) for a, b in product(range(21), repeat=2) if a + b <= 20]
    best = min(loss(sum(w / 20 * e for w, e in zip(each, errors, strict=True))) for each in grid)
    assert loss(sum(w * e for w, e in zip(found, errors, strict=True))) < best * 1.002


def test_a_member_that_hurts_gets_no_weight_where_the_plain_mean_is_worse():
    chance = config("logistic", C=1e-9)
    members = {"hist_gbdt": config("hist_gbdt"), "chance": chance}
    settings = ensemble("hist_gbdt").model_copy(update={"members": members})
    greedy = recipe(settings, CONTRACT, "late").fit(rows(), HELD_OUT)
    plain = recipe(settings.model_copy(update={"weights": "equal"}), CONTRACT, "late").fit(rows(), HELD_OUT)
    assert greedy.estimator.names == ["hist_gbdt"]
    assert plain.estimator.weights == [0.5, 0.5]
    asked = rows(2000, seed=5)
    losses = [log_loss(asked["late"], each.scores(asked)) for each in (greedy, plain)]
    assert losses[0] < 0.9 * losses[1]
    np.testing.assert_array_equal(greedy.scores(asked), single("hist_gbdt").scores(asked))


def test_weights_never_use_the_rows_of_train_and_without_validation_they_are_equal():
    members = [single("hist_gbdt"), single("logistic")]
    model = ensemble("hist_gbdt", "logistic")
    assert weights_on(members, model, None).tolist() == [0.5, 0.5]
    changed = HELD_OUT.assign(late=1 - HELD_OUT["late"])
    assert weights_on(members, model, changed).tolist() != weights_on(members, model, HELD_OUT).tolist()


@pytest.mark.parametrize("task", TARGETS)
def test_a_loaded_ensemble_predicts_the_same_bits_and_saves_the_same_bytes(task, tmp_path):
    package, asked = fit("hist_gbdt", "mlp", task=task, weights="equal"), rows(300, seed=5)
    save(package, tmp_path / "model")
    loaded = load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.scores(asked), package.scores(asked))
    save(loaded, tmp_path / "again")
    assert (tmp_path / "again/model.skops").read_bytes() == (tmp_path / "model/model.skops").read_bytes()


@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize("names", [("hist_gbdt", "mlp"), ("hist_gbdt", "extra_trees", "logistic")])
def test_the_compiled_ensemble_predicts_the_same_bits(task, names):
    package, asked = fit(*names, task=task, weights="equal"), rows(200, seed=5)
    compiled = compile_model(package)
    assert isinstance(compiled.members[0].trees, Trees)
    matrix = compiled.matrix(asked)
    np.testing.assert_array_equal(compiled.scores(matrix), package.scores(asked))
    np.testing.assert_array_equal(compiled.scores(matrix[:1]), package.scores(asked.iloc[:1]))


def test_an_ensemble_is_served_calibrated_too():
    fitted = fit("hist_gbdt", "extra_trees", weights="equal")
    package = calibrate(fitted, HELD_OUT, "isotonic")
    package = replace(package, reference=reference_rows(package, HELD_OUT))
    asked = rows(50, seed=5)[FEATURES]
    found = Predictor(package).table(pa.Table.from_pandas(asked))
    np.testing.assert_array_equal(found.scores, package.scores(asked))
    assert compile_model(package).members == ()


def test_numbers_are_needed_where_a_member_needs_them():
    package = fit("hist_gbdt", "mlp", weights="equal")
    package = replace(package, reference=reference_rows(package, HELD_OUT))
    assert Predictor(package).needed == []


def test_contributions_of_groups_add_up_and_are_the_weighted_mean_of_the_members():
    package = fit("hist_gbdt", "mlp", weights="equal")
    parts = [single("hist_gbdt"), single("mlp")]
    asked, found = rows(3, seed=5), []
    for each in (package, *parts):
        compiled = compile_model(replace(each, reference=reference_rows(each, HELD_OUT)))
        found.append(explain_rows(compiled, compiled.matrix(asked), background_of(compiled), within=False))
    whole, first, second = found
    np.testing.assert_allclose(sum(whole.groups.values()), whole.prediction - whole.base, atol=1e-12)
    for name, values in whole.groups.items():
        np.testing.assert_allclose(values, (first.groups[name] + second.groups[name]) / 2, atol=1e-9)


class KilledError(Exception):
    pass


def test_a_member_that_an_interrupted_run_has_finished_is_not_fitted_again(tmp_path, monkeypatch):
    names, fitted = ["hist_gbdt", "mlp"], []
    whole = Recipe.fit

    def counted(self, *args, **kwargs):
        if self.model.name in names:
            fitted.append(self.model.name)
            if self.model.name == "mlp" and fitted.count("mlp") == 1:
                raise KilledError
        return whole(self, *args, **kwargs)

    monkeypatch.setattr(Recipe, "fit", counted)
    with pytest.raises(KilledError):
        fit(*names, snapshot=tmp_path / "snapshot.pt")
    resumed = fit(*names, snapshot=tmp_path / "snapshot.pt")
    assert fitted == ["hist_gbdt", "mlp", "mlp"]
    save(resumed, tmp_path / "resumed")
    (tmp_path / "other").mkdir()
    save(fit(*names, snapshot=tmp_path / "other/snapshot.pt"), tmp_path / "whole")
    assert (tmp_path / "resumed/model.skops").read_bytes() == (tmp_path / "whole/model.skops").read_bytes()


def test_every_seed_is_a_member_of_its_own():
    package = fit("mlp", seeds=2, weights="equal")
    assert package.estimator.names == ["mlp", "mlp#2"]
    assert package.notes == ["Weights of the members: mlp 0.50, mlp#2 0.50."]
    asked = rows(100, seed=5)
    expected = (single("mlp").scores(asked) + single("mlp", seed=4).scores(asked)) / 2
    np.testing.assert_allclose(package.scores(asked), expected, rtol=1e-12)


def test_an_ensemble_uses_validation_if_its_weights_or_members_do():
    train = made("logistic").train
    assert stops_early(ensemble("logistic"), "binary", train)
    assert not stops_early(ensemble("logistic", weights="equal"), "binary", train)
    assert stops_early(ensemble("logistic", "mlp", weights="equal"), "binary", train)


def test_every_shipped_model_can_be_a_member():
    assert set(fit(*MODELS, weights="equal").estimator.names) == set(MODELS)
