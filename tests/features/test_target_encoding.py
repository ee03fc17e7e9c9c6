"""Means of the target by category: those of scikit-learn, within folds, and never from the row itself."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold
from sklearn.preprocessing import StandardScaler, TargetEncoder
from synthetic import CONTRACT, TARGETS, config, ensemble, recipe, rows

from cairn.features.encode import target_columns
from cairn.models.compiled import compile_model
from cairn.models.package import load, reference_rows, save

TRAIN, VALIDATION, ASKED = rows(), rows(600, seed=1), rows(200, seed=5)


def plan(name="hist_gbdt", task="binary", above=10, data=None, **params):
    """stop has 30 values, línea 3 and missing."""
    model = config(name, **params)
    encoding = model.encoding.model_copy(update={"target_above": above})
    made = recipe(model.model_copy(update={"encoding": encoding}), CONTRACT, TARGETS[task], task)
    return replace(made, data=made.data.model_copy(update=data or {}))


class Seen:
    """What the estimator of a recipe was fitted on."""

    def __init__(self, monkeypatch):
        whole = LogisticRegression.fit

        def fit(estimator, X, y, *args, **kwargs):
            self.X = X.toarray() if hasattr(X, "toarray") else np.array(X)
            return whole(estimator, X, y, *args, **kwargs)

        monkeypatch.setattr(LogisticRegression, "fit", fit)


@pytest.fixture
def seen(monkeypatch):
    return Seen(monkeypatch)


def place_of(package):
    return package.encoder.output_indices_["target"]


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_train_gets_the_means_of_other_folds_and_other_rows_those_of_train_as_scikit_learn(task, seen):
    package = plan("logistic", task).fit(TRAIN, VALIDATION)
    folds = StratifiedKFold(5, shuffle=True, random_state=3).split(TRAIN, TRAIN[TARGETS[task]])
    expected = TargetEncoder(target_type=task, cv=list(folds))
    codes = TRAIN[TARGETS[task]].astype("category").cat.codes.to_numpy(dtype=np.int64)
    within = expected.fit_transform(TRAIN[["stop"]].to_numpy(dtype=object), codes)
    scaler = StandardScaler().fit(within)
    place = place_of(package)
    np.testing.assert_allclose(seen.X[:, place], scaler.transform(within), rtol=1e-12)
    other = expected.transform(ASKED[["stop"]].to_numpy(dtype=object))
    found = package.encoder.transform(ASKED[package.features])
    found = found.toarray() if hasattr(found, "toarray") else found
    np.testing.assert_allclose(found[:, place], scaler.transform(other), rtol=1e-12)
    assert target_columns(package.encoder) == ["stop"]


def test_a_regression_gets_means_of_the_number():
    package = plan("hist_gbdt", "regression").fit(TRAIN, VALIDATION)
    folds = KFold(5, shuffle=True, random_state=3).split(TRAIN)
    expected = TargetEncoder(target_type="continuous", cv=list(folds))
    expected.fit(TRAIN[["stop"]].to_numpy(dtype=object), TRAIN["delay"])
    found = package.encoder.transform(ASKED[package.features])[:, place_of(package)]
    np.testing.assert_allclose(found, expected.transform(ASKED[["stop"]].to_numpy(dtype=object)), rtol=1e-12)


def test_groups_are_never_on_both_sides_of_a_fold(seen):
    """A column that names the group says nothing about rows of other groups: a fold gets one mean."""
    made = plan("logistic", data={"group": "stop"})
    package = made.fit(TRAIN, VALIDATION)
    found = seen.X[:, place_of(package)].ravel()
    folds = GroupKFold(5, shuffle=True, random_state=3).split(TRAIN, groups=TRAIN["stop"])
    for _, left_out in folds:
        assert len(np.unique(found[left_out].round(9))) == 1


def test_a_name_of_every_row_teaches_nothing_where_its_own_label_would_teach_all(seen):
    names = [f"n{i}" for i in range(1500)]
    rng = np.random.default_rng(0)
    noise = TRAIN.assign(stop=names, late=rng.integers(0, 2, 1500))
    package = plan("logistic").fit(noise, VALIDATION)
    own = seen.X[:, place_of(package)].ravel()
    assert abs(roc_auc_score(noise["late"], own) - 0.5) < 0.06
    naive = clone(TargetEncoder()).fit(noise[["stop"]].to_numpy(dtype=object), noise["late"])
    leaking = naive.transform(noise[["stop"]].to_numpy(dtype=object)).ravel()
    assert roc_auc_score(noise["late"], leaking) == 1


def test_labels_of_validation_change_no_mean():
    changed = VALIDATION.assign(late=1 - VALIDATION["late"])
    found = [
        plan().fit(TRAIN, each).encoder.transform(ASKED[list(CONTRACT.columns)])
        for each in (VALIDATION, changed)
    ]
    np.testing.assert_array_equal(*found)


def test_only_columns_with_more_values_are_replaced_and_without_the_key_none():
    assert target_columns(plan(above=10).fit(TRAIN).encoder) == ["stop"]
    assert target_columns(plan(above=2).fit(TRAIN).encoder) == ["línea", "stop"]
    assert target_columns(plan(above=30).fit(TRAIN).encoder) == []
    package = plan(above=None).fit(TRAIN)
    assert target_columns(package.encoder) == []
    assert "target_above" not in package.config["model"]["encoding"]


@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize("name", ["hist_gbdt", "logistic", "mlp"])
def test_a_saved_model_predicts_the_same_bits_also_compiled(name, task, tmp_path):
    package = plan(name, task).fit(TRAIN, VALIDATION)
    package = replace(package, reference=reference_rows(package, VALIDATION))
    save(package, tmp_path / "model")
    loaded = load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.scores(ASKED), package.scores(ASKED))
    compiled = compile_model(loaded)
    assert compiled.difference() == ""
    assert compiled.encoder.categories("stop") == set(TRAIN["stop"])
    assert (tmp_path / "model/model.skops").stat().st_size < 1_000_000  # the rows of the folds are not in it


def test_a_refit_replaces_the_same_columns():
    made = plan(above=29)
    fitted = made.fit(TRAIN, VALIDATION)
    more = VALIDATION.assign(línea=[f"l{i}" for i in range(600)])
    assert target_columns(made.refit(fitted, TRAIN, more).encoder) == ["stop"]


def test_members_of_an_ensemble_may_encode_otherwise_and_know_other_categories():
    model = ensemble("hist_gbdt", "logistic", weights="equal")
    encoding = model.members["hist_gbdt"].encoding.model_copy(update={"target_above": 10})
    boosting = model.members["hist_gbdt"].model_copy(update={"encoding": encoding})
    model = model.model_copy(
        update={"members": {**model.members, "hist_gbdt": boosting}, "bag": True, "folds": 3}
    )
    # A category in the rows of one period only: the models that leave it out do not know it.
    table = TRAIN.assign(
        stop=np.where(np.arange(1500) < 400, "only here", TRAIN["stop"]),
        day=pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(1500), unit="h"),
    )
    made = recipe(model, CONTRACT, "late")
    made = replace(made, data=made.data.model_copy(update={"time": "day"}))
    package = made.fit(table, VALIDATION)
    package = replace(package, reference=reference_rows(package, VALIDATION))
    asked = ASKED.assign(stop=np.where(np.arange(200) < 20, "only here", ASKED["stop"]))
    compiled = compile_model(package)
    np.testing.assert_array_equal(compiled.scores(compiled.matrix(asked)), package.scores(asked))
    assert compiled.encoder.categories("stop") == set(table["stop"])
