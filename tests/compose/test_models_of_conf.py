"""Files of conf/model that name several models, or a library that is an extra."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from synthetic import CONTRACT, TARGETS, recipe, rows
from toy_conf import ROOT

from cairn.compose.conf import compose
from cairn.compose.validate import Origin, read_config
from cairn.errors import UserError
from cairn.settings.model import EnsembleConfig
from cairn.settings.trusted import EXTRAS

CONF = ROOT / "conf"


def read(*overrides):
    composed = compose(CONF, overrides)
    return read_config(composed.values, ROOT, Origin(CONF, composed, "-S {}").of)


def test_the_members_of_an_ensemble_are_the_files_that_its_defaults_name():
    model = read("model=ensemble", "model.members.mlp.params.dropout=0.125").model
    assert isinstance(model, EnsembleConfig)
    assert list(model.members) == ["hist_gbdt", "mlp"]
    assert model.members["hist_gbdt"] == read("model=hist_gbdt").model
    assert model.members["mlp"] == read("model=mlp", "model.params.dropout=0.125").model


def test_the_ensemble_for_tables_in_general_has_their_boosting_and_the_weights_of_the_other():
    model = read("model=ensemble_general").model
    assert model.members == {
        "hist_gbdt": read("model=hist_gbdt_general").model,
        "mlp": read("model=mlp").model,
    }
    other = read("model=ensemble").model
    assert model == other.model_copy(update={"name": "ensemble_general", "members": model.members})


def test_the_ensemble_with_libraries_has_them_beside_the_members_of_the_other():
    ours, general, catboost, lightgbm = (
        compose(CONF, [f"model={name}"]).values["model"]
        for name in ("ensemble_general_libraries", "ensemble_general", "catboost", "lightgbm")
    )
    members = general["members"] | {"catboost": catboost, "lightgbm": lightgbm}
    assert ours == general | {"name": "ensemble_general_libraries", "members": members}


def test_the_best_ensemble_of_the_flights_has_the_libraries_and_the_network_as_their_files_are():
    model = compose(CONF, ["experiment=flights_ensemble_libraries"]).values["model"]
    assert (model["weights"], model["seeds"]) == ("equal", 2)
    libraries = {
        name: compose(CONF, [f"model={name}"]).values["model"] for name in ("lightgbm", "xgboost", "catboost")
    }
    network = compose(CONF, ["model=mlp", "model.params.bins=0"]).values["model"]
    assert model["members"] == libraries | {"mlp": network}


def test_the_linear_model_selects_the_penalty_that_predicts_left_out_rows_best():
    table = rows(120)
    found = {}
    for task in ("binary", "regression"):
        made = recipe(read("model=logistic_cv").model, CONTRACT, TARGETS[task], task)
        found[task] = made.fit(table)
    X = found["binary"].encoder.transform(table)
    y, number = table["late"].to_numpy(), table["delay"].to_numpy()

    def loss(C):
        fold = -cross_val_score(LogisticRegression(C=C, max_iter=1000), X, y, cv=5, scoring="neg_log_loss")
        return fold.mean()

    def squared_error(alpha):
        errors = []
        for left_out in range(len(X)):
            kept = np.arange(len(X)) != left_out
            mean, middle = X[kept].mean(axis=0), number[kept].mean()
            centred = X[kept] - mean
            gram = centred.T @ centred + alpha * np.eye(X.shape[1])
            weights = np.linalg.solve(gram, centred.T @ (number[kept] - middle))
            errors.append(number[left_out] - middle - (X[left_out] - mean) @ weights)
        return np.mean(np.square(errors))

    strength, penalty = found["binary"].estimator.C_, found["regression"].estimator.alpha_
    assert strength == min([0.001, 0.01, 0.1, 1.0, 10.0], key=loss)
    assert penalty == min([0.1, 1.0, 10.0, 100.0, 1000.0], key=squared_error)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "model.members.mlp.params.dropout=1.5",
            "model.members.mlp.params.dropout: must be less than 1, not 1.5",
        ),
        (
            "+model.members.mlp.params.dropuot=0.1",
            "mlp.params.dropuot: MLPClassifier has no such parameter; did",
        ),
        ("+model.drawn=3", "model.drawn: unknown key; did you mean 'draws'?"),
        (
            "model.weights=greed",
            "model.weights: must be 'greedy' or 'equal', not 'greed'; did you mean 'greedy'?",
        ),
        ("model.members.hist_gbdt.encoding.max_categories=300", "hist_gbdt.encoding.max_categories: Hist"),
        ("model.members.mlp=5", "model.members.mlp: "),
        (
            "+model.members.mlp.classifer=null",
            "model.members.mlp.classifer: unknown key; did you mean 'classifier'?",
        ),
    ],
)
def test_what_is_wrong_in_a_member_is_one_line_with_its_key(override, said):
    with pytest.raises(UserError) as error:
        read("model=ensemble", override)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "+model.weights=null",
            "model.weights: leave the key out: a model without pretrained weights does not",
        ),
        ("train.reads=null", "train.reads: must be a string, not null"),
        ("~train.reads", "train.reads: missing; constraints.txt for a model without weights"),
    ],
)
def test_a_path_that_dvc_reads_is_never_null(override, said):
    assert compose(CONF, ["+model.weights=null"]).values["train"]["reads"] == "None", "DVC fails on null"
    with pytest.raises(UserError, match=re.escape(said)) as error:
        read(override)
    assert "\n" not in str(error.value)


def test_a_search_space_of_a_member_is_in_no_stage():
    assert "space" not in str(compose(CONF, ["model=ensemble"]).values["model"])


@pytest.mark.parametrize(
    ("model", "library"),
    [
        *((name, name) for name in ("catboost", "keras", "lightgbm", "tabm", "xgboost")),
        ("keras_tensorflow", "tensorflow"),
    ],
)
def test_a_library_that_is_not_installed_is_one_line_that_names_its_extra(model, library, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == library else found(name, *a)
    )
    with pytest.raises(UserError) as error:
        read(f"model={model}")
    assert f"-e .[{library}]" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.params.backend=jax", "params.backend: must be 'torch' or 'tensorflow', not 'jax'"),
        ("model.params.hidden=[64,0]", "params.hidden.1: must be at least 1, not 0"),
        ("model.params.dropout=1", "params.dropout: must be less than 1, not 1"),
        ("+model.params.precision=bfloat16", "params.precision: KerasClassifier has no such parameter"),
    ],
)
def test_the_parameters_of_keras_are_checked_before_it_is_imported(override, said, monkeypatch):
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: importlib.machinery.ModuleSpec(name, None)
    )
    with pytest.raises(UserError) as error:
        read("model=keras", override)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_every_extra_is_one_of_the_project():
    text = Path(ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert all(f"\n{name} = [" in text for name in EXTRAS)
