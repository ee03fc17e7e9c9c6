"""From config to fitted model: the parameters of estimators, and the errors a user can correct."""

import importlib
import inspect

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss
from synthetic import CONTRACT, MODELS, config, fit, rows

from cairn.errors import UserError
from cairn.models.build import build_estimator, training_curve
from cairn.models.calibration import calibrate, finish
from cairn.models.package import class_labels, label_codes
from cairn.settings.calibration import CalibrationConfig
from cairn.settings.kpi import CostKpi
from cairn.settings.networks import PARAMS_OF


def build(task="binary", device="auto", categorical=(), name="logistic", classifier=None, **params):
    model = config(name, **params)
    if classifier is not None:
        model = model.model_copy(update={"classifier": {"_target_": classifier}})
    return build_estimator(
        model, task, seed=7, threads=2, device=device, categorical=list(categorical)
    ).get_params()


def test_an_estimator_gets_seed_threads_device_and_code_columns_where_it_takes_them():
    assert build(name="extra_trees")["random_state"] == 7
    assert build(name="extra_trees")["n_jobs"] == 2
    assert build(name="hist_gbdt", categorical=[3, 4])["categorical_features"] == [3, 4]
    network = build(name="mlp", device="cpu", categorical=[1])
    assert (network["device"], network["categorical_features"], network["random_state"]) == ("cpu", [1], 7)


def test_the_config_takes_precedence():
    assert build(name="extra_trees", n_jobs=5)["n_jobs"] == 5


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"n_estimator": 3, "name": "extra_trees"}, "unexpected keyword argument 'n_estimator'"),
        ({"classifier": "sklearn.linear_model.LogisticRegresion"}, "did you mean 'LogisticRegression"),
        ({"classifier": "lightgum.LGBM"}, "no module 'lightgum'"),
        ({"classifier": "LogisticRegression"}, "no module"),
        ({"classifier": "sklearn.svm.LinearSVC"}, "no predict_proba"),
    ],
)
def test_a_model_that_cannot_be_built_gives_one_line(choice, words):
    with pytest.raises(UserError, match=words) as error:
        build(**choice)
    assert "\n" not in str(error.value)


def test_a_model_without_a_regressor_is_refused_for_a_regression():
    model = config("logistic").model_copy(update={"regressor": None})
    with pytest.raises(UserError, match="no regressor"):
        build_estimator(model, "regression", seed=0, threads=1, device="cpu", categorical=[])


def test_a_wrong_parameter_value_gives_one_line():
    with pytest.raises(UserError, match=r"model 'hist_gbdt': .*max_iter") as error:
        fit("hist_gbdt", max_iter=-1)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["hist_gbdt", "mlp"])
def test_training_stops_on_validation_only_when_it_may(name):
    many = {"max_iter": 300, "learning_rate": 0.5} if name == "hist_gbdt" else {"max_epochs": 40}
    most = next(iter(many.values()))
    stopped = fit(name, **many).estimator.n_iter_
    assert stopped < most
    assert fit(name, early_stopping=False, **many).estimator.n_iter_ == most


def test_boosting_never_holds_out_rows_of_train_by_itself():
    assert not fit("hist_gbdt", early_stopping=False, max_iter=3).estimator.do_early_stopping_


@pytest.mark.parametrize("name", MODELS)
def test_the_training_curve_ends_with_the_loss_of_the_validation_rows(name):
    package = fit(name)
    curve = training_curve(package.estimator)
    assert list(curve.columns) == ["iteration", "train", "validation"]
    if name in ("logistic", "extra_trees"):
        assert len(curve) == 1
        assert curve[["train", "validation"]].isna().all(axis=None)
        return
    held_out = rows(600, seed=1)
    expected = -log_loss(held_out["late"], package.scores(held_out))
    reached = curve["validation"].max() if name == "mlp" else curve["validation"].iloc[-1]
    assert reached == pytest.approx(expected, rel=1e-5)
    assert curve["iteration"].iloc[-1] == package.estimator.n_iter_


def test_a_class_that_only_validation_has_does_not_stop_the_fit():
    train = rows()[rows()["class"] != "fair"]
    assert fit("mlp", "multiclass", train=train).class_names == ["early", "late"]


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
def test_calibration_corrects_overconfident_probabilities(method):
    overconfident = fit("hist_gbdt", early_stopping=False, max_iter=300, learning_rate=0.5)
    calibrated = calibrate(overconfident, rows(600, seed=1), method)
    test = rows(2000, seed=5)
    assert log_loss(test["late"], calibrated.scores(test)) < 0.8 * log_loss(
        test["late"], overconfident.scores(test)
    )


def test_calibration_refuses_what_it_cannot_calibrate():
    package = fit("logistic", "multiclass")
    no_late = rows(200)[lambda table: table["class"] != "late"]
    with pytest.raises(UserError, match="at least two validation rows of class late"):
        calibrate(package, no_late, "sigmoid")
    assert calibrate(package, rows(), "none") is package


def test_a_finished_model_has_calibration_threshold_and_both_settings():
    kpi = CostKpi(kind="cost", currency="EUR", action=1, loss=10, share_saved=0.5)
    fitted = fit("logistic")
    finished = finish(fitted, rows(600, seed=1), CalibrationConfig(method="sigmoid"), kpi)
    assert finished.threshold == pytest.approx(0.2)
    assert finished.config == {
        **fitted.config,
        "calibration": {"method": "sigmoid"},
        "kpi": kpi.model_dump(),
    }
    expected = calibrate(fitted, rows(600, seed=1), "sigmoid").scores(rows(50, seed=5))
    np.testing.assert_array_equal(finished.scores(rows(50, seed=5)), expected)


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        ([True, False], "binary", [False, True]),
        ([1.0, 0.0], "binary", [0, 1]),
        (["no", "yes", "no"], "multiclass", ["no", "yes"]),
        ([3, 1, 2], "multiclass", [1, 2, 3]),
    ],
)
def test_classes_are_sorted_so_the_event_of_two_is_last(values, task, classes):
    target = pd.Series(values, name="y")
    found = class_labels(target, task)
    assert found == classes
    assert [type(label) for label in found] == [type(label) for label in classes]
    codes = label_codes(target, found)
    assert [found[code] for code in codes] == values


@pytest.mark.parametrize(
    ("values", "task", "words"),
    [
        (["a", "b"], "binary", "'y' in train holds 'a', 'b' and not 0 and 1"),
        ([0, 1, 2], "binary", "'y' in train holds 0, 1, 2 and not 0 and 1"),
        ([0, 0], "binary", "'y' in train holds 0 and not 0 and 1"),
        (["a", "a"], "multiclass", "only one class"),
    ],
)
def test_labels_that_do_not_fit_the_task_are_refused(values, task, words):
    with pytest.raises(UserError, match=words):
        class_labels(pd.Series(values, name="y"), task)


def test_the_event_of_a_binary_task_is_last_whatever_the_contract_allows_first():
    assert class_labels(pd.Series([1, 0, 1]), "binary", [1, 0]) == [0, 1]


def test_an_unknown_label_is_named():
    with pytest.raises(ValueError, match="holds 'c', missing, not among"):
        label_codes(pd.Series(["a", "c", None], name="y"), ["a", "b"])


def test_only_features_reach_the_model():
    assert fit("logistic").features == list(CONTRACT.columns)
    changed = rows().assign(delay=0.0)
    np.testing.assert_array_equal(
        fit("logistic", train=changed).scores(rows()), fit("logistic").scores(rows())
    )


@pytest.mark.parametrize("target", PARAMS_OF)
def test_what_compose_checks_of_a_network_are_the_parameters_it_takes(target):
    module, _, name = target.rpartition(".")
    takes = inspect.signature(getattr(importlib.import_module(module), name)).parameters.values()
    assert set(PARAMS_OF[target].model_fields) == {parameter.name for parameter in takes}
    defaults = {p.name: p.default for p in takes if p.default is not p.empty}
    given = {key: list(value) if isinstance(value, tuple) else value for key, value in defaults.items()}
    needed = {p.name: [8, 8] for p in takes if p.default is p.empty}
    assert PARAMS_OF[target].model_validate(given | needed).model_dump() == given | needed
