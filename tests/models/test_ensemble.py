"""Ensembles: weights that drop a weak member, and one model that is saved, served and explained like any."""

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.model_selection import KFold, StratifiedKFold
from synthetic import CONTRACT, FEATURES, MODELS, TARGETS, config, ensemble, recipe, rows

from cairn.data.folds import left_out_rows
from cairn.models.build import stops_early
from cairn.models.calibration import calibrate
from cairn.models.compiled import Trees, compile_model
from cairn.models.contributions import background_of, explain_rows
from cairn.models.ensemble import chosen_weights, greedy_weights
from cairn.models.package import Package, load, reference_rows, save
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


def test_greedy_weights_by_hand():
    """Mean squares of the members alone: 2, 2, 9; with the first: 2, 1, 4.25; of three draws at best 10/9."""
    errors = [np.array([2.0, 0.0]), np.array([0.0, 2.0]), np.array([3.0, 3.0])]
    by_mean_square = chosen_weights(errors, np.zeros(2), "regression", draws=1)
    assert by_mean_square.tolist() == [1, 0, 0]
    assert chosen_weights(errors, np.zeros(2), "regression", draws=2).tolist() == [0.5, 0.5, 0]
    assert chosen_weights(errors, np.zeros(2), "regression", draws=3).tolist() == [0.5, 0.5, 0]
    # Log loss: (-log .9 - log .2) / 2 = .857 and (-log .4 - log .8) / 2 = .570, so the second is drawn first;
    # with the first (-log .65 - log .5) / 2 = .562, with itself .570, so one of each; then the second again:
    # (-log(1.7 / 3) - log(1.8 / 3)) / 2 = .539.
    found = chosen_weights([np.array([0.9, 0.8]), np.array([0.4, 0.2])], np.array([1, 0]), "binary", draws=3)
    np.testing.assert_allclose(found, [1 / 3, 2 / 3])


def test_weights_from_validation_change_with_its_labels_and_without_it_they_are_equal():
    plan = made("hist_gbdt", "logistic")
    assert plan.fit(rows()).estimator.weights == [0.5, 0.5]
    other = rows().assign(late=rng_labels())
    assert plan.fit(rows(), other).estimator.weights != plan.fit(rows(), HELD_OUT).estimator.weights


def rng_labels():
    return np.random.default_rng(0).integers(0, 2, 1500)


def with_folds(plan, **settings):
    return replace(plan, model=plan.model.model_copy(update={"folds": 3, **settings}))


def test_weights_from_folds_are_those_of_scikit_learns_out_of_fold_predictions():
    """Independent: StratifiedKFold and members fitted by hand. Validation plays no part."""
    plan = with_folds(made("extra_trees", "logistic"), weights_from="folds")
    table, found = rows(), {"extra_trees": [], "logistic": []}
    y = []
    for fit_on, held_out in StratifiedKFold(3, shuffle=True, random_state=3).split(table, table["late"]):
        y.append(table["late"].to_numpy()[held_out])
        # The fold that others would stop early on is fitted on too, at the end, by a model that does not.
        for name, scores in found.items():
            one = recipe(config(name), CONTRACT, "late")
            first, stop = _first_and_stop(table, fit_on, held_out)
            scores.append(one.fit(table.iloc[[*first, *stop]]).scores(table.iloc[held_out]))
    weights = chosen_weights(
        [np.concatenate(each) for each in found.values()], np.concatenate(y), "binary", 40
    )
    package = plan.fit(rows(), HELD_OUT)
    told = dict(zip(package.estimator.names, package.estimator.weights, strict=True))
    assert [told.get(name, 0.0) for name in found] == pytest.approx(weights.tolist())
    changed = HELD_OUT.assign(late=1 - HELD_OUT["late"])
    assert plan.fit(rows(), changed).estimator.weights == package.estimator.weights
    assert not stops_early(plan.model, "binary", plan.train)


def _first_and_stop(table, fit_on, held_out):
    folds = list(StratifiedKFold(3, shuffle=True, random_state=3).split(table, table["late"]))
    at = next(i for i, (_, last) in enumerate(folds) if np.array_equal(last, held_out))
    stop = folds[(at + 1) % 3][1]
    return np.setdiff1d(fit_on, stop), stop


def test_weights_from_folds_are_chosen_on_rows_later_than_those_fitted_on(monkeypatch):
    plan = with_folds(made("extra_trees", "logistic"), weights_from="folds")
    plan = replace(plan, data=plan.data.model_copy(update={"time": "day"}))
    table = rows().assign(day=pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(1500) // 5, unit="h"))
    asked, fitted = [], []
    whole, scores = Recipe.fit, Package.scores

    def fit(self, train, validation=None, **kwargs):
        if self.model.name != "both":
            fitted.append(train["day"].max())
        return whole(self, train, validation, **kwargs)

    def score(self, frame):
        asked.append((fitted[-1], frame["day"].min()))
        return scores(self, frame)

    monkeypatch.setattr(Recipe, "fit", fit)
    monkeypatch.setattr(Package, "scores", score)
    plan.fit(table.sample(frac=1, random_state=0), HELD_OUT)
    assert len(asked) == 6 and all(before < after for before, after in asked)


@pytest.mark.parametrize("task", TARGETS)
def test_a_bagged_member_is_the_mean_of_models_that_each_left_a_fold_out(task):
    plan = with_folds(made("hist_gbdt", task=task, weights="equal"), bag=True)
    package, table, asked = plan.fit(rows(), HELD_OUT), rows(), rows(200, seed=5)
    kind = KFold if task == "regression" else StratifiedKFold
    folds = kind(3, shuffle=True, random_state=3).split(table, table[TARGETS[task]])
    each = [
        recipe(config("hist_gbdt"), CONTRACT, TARGETS[task], task).fit(
            table.iloc[first], table.iloc[left_out]
        )
        for first, left_out in folds
    ]
    expected = np.mean([one.scores(asked) for one in each], axis=0)
    np.testing.assert_allclose(package.scores(asked), expected, rtol=1e-12)
    assert package.estimator.names == ["hist_gbdt/1", "hist_gbdt/2", "hist_gbdt/3"]
    assert package.notes == ["Weights of the members: hist_gbdt 1.00."]
    assert not stops_early(plan.model, task, plan.train)


def test_bagging_keeps_groups_whole_and_neighbours_in_time_together():
    table = rows(300).assign(day=np.arange(300)[::-1] // 10)
    table["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(table["day"], unit="D")
    data = made("hist_gbdt").data
    for column, settings in (("stop", {"group": "stop"}), ("day", {"time": "day"})):
        folds = left_out_rows(table, 3, data.model_copy(update=settings), seed=3)
        assert sorted(np.concatenate([left_out for _, left_out in folds])) == list(range(300))
        for first, left_out in folds:
            assert set(table[column].iloc[first]).isdisjoint(table[column].iloc[left_out])
    spans = [(table["day"].iloc[left].min(), table["day"].iloc[left].max()) for _, left in folds]
    assert all(before[1] < after[0] for before, after in pairwise(sorted(spans)))


def test_a_bagged_ensemble_is_weighted_saved_compiled_explained_and_refitted_like_any(tmp_path):
    plan = with_folds(made("hist_gbdt", "extra_trees"), bag=True)
    fitted = plan.fit(rows(), HELD_OUT)
    package = replace(fitted, reference=reference_rows(fitted, HELD_OUT))
    asked = rows(100, seed=5)
    save(package, tmp_path / "model")
    np.testing.assert_array_equal(load(tmp_path / "model").scores(asked), package.scores(asked))
    compiled = compile_model(package)
    np.testing.assert_array_equal(compiled.scores(compiled.matrix(asked)), package.scores(asked))
    few = rows(3, seed=5)
    found = explain_rows(compiled, compiled.matrix(few), background_of(compiled), within=False)
    np.testing.assert_allclose(sum(found.groups.values()), found.prediction - found.base, atol=1e-12)
    again = plan.refit(fitted, rows(), HELD_OUT)
    assert (again.estimator.names, again.estimator.weights) == (
        fitted.estimator.names,
        fitted.estimator.weights,
    )
    trees = [
        [one.n_iter_ for one in each.estimator.estimators if hasattr(one, "n_iter_")]
        for each in (fitted, again)
    ]
    assert trees[0] == trees[1]
    assert (again.scores(asked) != fitted.scores(asked)).any()


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
