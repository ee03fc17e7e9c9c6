"""The fit on train and validation: as long as was best on train, and nothing of it reaches what is chosen."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from synthetic import CONTRACT, TARGETS, config, ensemble, recipe, rows

from cairn.data.tables import write_table
from cairn.models.calibration import calibrate, is_refitted, recalibrated, validated
from cairn.models.package import load, save
from cairn.settings.contract import Contract

TRAIN, VALIDATION = rows(), rows(600, seed=1)
BOTH = pd.concat([TRAIN, VALIDATION], ignore_index=True)
SLOW = {"learning_rate": 0.02, "max_iter": 200}


def made(model, task="binary"):
    return recipe(model, CONTRACT, TARGETS[task], task)


@pytest.mark.parametrize("name", ["logistic", "extra_trees"])
def test_a_model_that_does_not_stop_early_is_the_one_fitted_on_all_rows(name):
    plan = made(config(name))
    fitted = plan.fit(TRAIN, VALIDATION)
    expected = plan.fit(BOTH)
    asked = rows(200, seed=5)
    np.testing.assert_array_equal(plan.refit(fitted, TRAIN, VALIDATION).scores(asked), expected.scores(asked))


@pytest.mark.parametrize("name", ["hist_gbdt", "logistic", "mlp"])
def test_a_fit_that_reads_its_rows_in_blocks_has_the_bits_of_one_in_memory(name, tmp_path, monkeypatch):
    monkeypatch.setattr("cairn.features.fitting.CELLS", 5_000)  # blocks of some 300 rows
    files = [tmp_path / "train.parquet", tmp_path / "validation.parquet"]
    for part, file in zip((TRAIN, VALIDATION), files, strict=True):
        write_table(part, file)
    plan = made(config(name, **({"max_epochs": 2} if name == "mlp" else {})))
    plan = replace(plan, train=plan.train.model_copy(update={"refit": "validation"}))
    first, second = plan.fit_both(*files)
    expected = plan.fit(TRAIN, VALIDATION)
    asked = rows(200, seed=5)
    np.testing.assert_array_equal(first.scores(asked), expected.scores(asked))
    again = plan.refit(expected, TRAIN, VALIDATION)
    np.testing.assert_array_equal(second.scores(asked), again.scores(asked))
    assert (first.types, first.features, first.classes) == (
        expected.types,
        expected.features,
        expected.classes,
    )
    # The parts are taken apart, and only these.
    emptied = [part.copy() for part in (TRAIN, VALIDATION)]
    plan.refit(expected, *emptied, files=files)
    assert [len(part.columns) for part in emptied] == [0, 0]


def test_rows_of_a_class_that_train_lacks_are_left_out_of_files_too(tmp_path):
    known = TRAIN[TRAIN["class"] != TRAIN["class"].iloc[0]]
    files = [tmp_path / "train.parquet", tmp_path / "validation.parquet"]
    for part, file in zip((known, VALIDATION), files, strict=True):
        write_table(part, file)
    plan = made(config("logistic"), "multiclass")
    fitted = plan.fit(known, VALIDATION)
    expected = plan.refit(fitted, known, VALIDATION)
    for validation in (VALIDATION, plan.of_known_classes(VALIDATION, known)):
        found = plan.refit(fitted, known.copy(), validation.copy(), files=files)
        np.testing.assert_array_equal(found.scores(VALIDATION), expected.scores(VALIDATION))


def test_boosting_gets_as_many_trees_as_stopped_on_validation():
    plan = made(config("hist_gbdt", n_iter_no_change=3, max_iter=400, learning_rate=0.2))
    fitted = plan.fit(TRAIN, VALIDATION)
    refitted = plan.refit(fitted, TRAIN, VALIDATION)
    trees = fitted.estimator.n_iter_
    assert 3 < trees == refitted.estimator.n_iter_ < 400
    by_hand = HistGradientBoostingClassifier(
        max_iter=trees, learning_rate=0.2, random_state=3, categorical_features=[3, 4], early_stopping=False
    )
    by_hand.fit(refitted.encoder.transform(BOTH[refitted.features]), BOTH["late"])
    asked = rows(200, seed=5)
    expected = by_hand.predict_proba(refitted.encoder.transform(asked[refitted.features]))[:, 1]
    np.testing.assert_array_equal(refitted.scores(asked), expected)


def test_a_network_takes_as_many_steps_as_its_best_ones():
    plan = made(config("mlp", max_epochs=20, patience=3, learning_rate=0.01))
    fitted = plan.fit(TRAIN, VALIDATION)
    refitted = plan.refit(fitted, TRAIN, VALIDATION)
    share = len(TRAIN) / len(BOTH)
    assert refitted.estimator.n_iter_ == max(1, round(fitted.estimator.best_iteration_ * share))
    assert refitted.estimator.best_iteration_ == refitted.estimator.n_iter_
    # Without more rows it is the same fit, bit for bit: the schedule does not know that it is a second one.
    again = plan.fit(TRAIN, like=fitted)
    for name, values in fitted.estimator.weights_.items():
        np.testing.assert_array_equal(again.estimator.weights_[name], values)


def test_an_ensemble_keeps_its_weights_and_refits_its_members():
    plan = made(ensemble("hist_gbdt", "logistic", "mlp"))
    fitted = plan.fit(TRAIN, VALIDATION)
    refitted = plan.refit(fitted, TRAIN, VALIDATION)
    assert refitted.estimator.names == fitted.estimator.names
    assert refitted.estimator.weights == fitted.estimator.weights
    for name, estimator in zip(refitted.estimator.names, refitted.estimator.estimators, strict=True):
        single = made(config(name))
        alone = single.refit(single.fit(TRAIN, VALIDATION), TRAIN, VALIDATION).estimator
        assert type(alone) is type(estimator)
        assert getattr(alone, "n_iter_", None) == getattr(estimator, "n_iter_", None)


def test_the_columns_are_those_that_were_chosen_on_train():
    plan = made(config("logistic"))
    fitted = plan.fit(TRAIN.assign(noise=1.0), VALIDATION)
    narrow = replace(fitted, contract=Contract(columns={"load": CONTRACT.columns["load"]}))
    assert plan.refit(narrow, TRAIN, VALIDATION).features == ["load"]


def test_rows_of_a_class_that_train_lacks_are_left_out():
    plan = made(config("logistic"), "multiclass")
    train = TRAIN[TRAIN["class"] != "fair"]
    refitted = plan.refit(plan.fit(train, VALIDATION), train, VALIDATION)
    assert refitted.class_names == ["early", "late"]


def test_a_model_is_more_exact_with_the_rows_of_validation_and_its_validation_scores_stay_honest(tmp_path):
    """What calibration and threshold are chosen by has not seen validation, though the deployed model has."""
    plan = made(config("hist_gbdt", min_samples_leaf=2, learning_rate=0.5, max_iter=100))
    plan = replace(plan, train=plan.train.model_copy(update={"refit": "validation", "early_stopping": False}))
    fitted = plan.fit(TRAIN, VALIDATION)
    deployed = plan.refit(fitted, TRAIN, VALIDATION)
    save(fitted, tmp_path / "fitted")
    assert is_refitted(deployed)
    seen = validated(deployed, tmp_path / "fitted")
    np.testing.assert_array_equal(seen.scores(VALIDATION), fitted.scores(VALIDATION))
    wrong = [((each.scores(VALIDATION) > 0.5) != VALIDATION["late"]).mean() for each in (deployed, seen)]
    assert wrong[0] < 0.02 < wrong[1]


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
def test_the_calibration_is_that_of_the_model_fitted_on_train(method, tmp_path):
    plan = made(config("hist_gbdt"))
    plan = replace(plan, train=plan.train.model_copy(update={"refit": "validation"}))
    fitted = plan.fit(TRAIN, VALIDATION)
    refitted = plan.refit(fitted, TRAIN, VALIDATION)
    calibrated = calibrate(fitted, VALIDATION, method)
    deployed = replace(refitted, estimator=recalibrated(calibrated, refitted.estimator))
    save(deployed, tmp_path / "model")
    save(fitted, tmp_path / "fitted")
    loaded, asked = load(tmp_path / "model"), rows(300, seed=5)
    np.testing.assert_array_equal(loaded.scores(asked), deployed.scores(asked))
    assert (loaded.scores(asked) != calibrated.scores(asked)).any()
    back = validated(loaded, tmp_path / "fitted")
    np.testing.assert_array_equal(back.scores(asked), calibrated.scores(asked))


def test_a_model_that_was_not_refitted_has_the_record_of_older_versions():
    assert "refit" not in made(config("logistic")).fit(TRAIN).config["train"]
    assert not is_refitted(made(config("logistic")).fit(TRAIN))
