"""The small examples run from a fresh clone to a model card, and are as good as plain scikit-learn."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

pytestmark = pytest.mark.slow


def run(snapshot, path, name):
    """Run the example in a clone with an empty cache; return the clone, its evaluation and the parts."""
    checkout = snapshot.clone(path / name, share_cache=False)
    said = checkout.dvc("exp", "run", "-S", f"data={name}")
    assert f"Stage 'data/dvc.yaml:{name}' didn't change" in said
    assert f"{name}: " in said.split("> python src/cairn report")[1]
    assert "Data and pipelines are up to date." in checkout.dvc("repro", "--dry")
    assert f"<title>{name}: data</title>" in checkout.read("reports/explore.html")
    same_from_the_raw_file(checkout, f"data/raw/{name}.csv")
    parts = {
        part: pd.read_parquet(checkout.path / f"data/splits/{part}.parquet")
        for part in ("train", "validation", "test")
    }
    return checkout, json.loads(checkout.read("metrics/evaluation.json")), parts


def same_from_the_raw_file(checkout, source):
    """Predict the file that the stages began with; the bits are those of the stage `evaluate`."""
    checkout.run("python", "src/cairn", "predict", source, "-o", "from_raw.parquet")
    evaluated = pd.read_parquet(checkout.path / "predictions/model.parquet")
    evaluated = evaluated[evaluated["part"] == "test"]  # the model of validation has not seen it
    found = pd.read_parquet(checkout.path / "from_raw.parquet").set_index("row_id").loc[evaluated["row_id"]]
    columns = [name for name in evaluated if name.partition("|")[0] == "model"]
    for name in columns:
        label = name.partition("|")[2]
        same = f"probability_{label}" if label else "prediction"
        np.testing.assert_array_equal(found[same], evaluated[name])
    assert columns


def plain(model, parts, target, score):
    """Fit a plain estimator on train, on all columns but the answer and the row's number; score test."""
    features = [name for name in parts["train"] if name not in (target, "row", "row_id", "stretch")]
    train, test = parts["train"], parts["test"]
    return score(test[target], model.fit(train[features], train[target]).predict(test[features]))


def test_digits_are_read_better_than_by_any_model_that_sees_columns(snapshot, tmp_path):
    checkout, found, parts = run(snapshot, tmp_path, "digits")
    assert (found["task"], found["model"], sum(map(len, parts.values()))) == ("multiclass", "cnn", 1797)
    reached = found["scores"]["model"]["accuracy"]["value"]
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    assert reached >= 0.97
    assert reached > plain(linear, parts, "digit", accuracy_score)
    assert reached > plain(HistGradientBoostingClassifier(random_state=0), parts, "digit", accuracy_score)
    assert found["gains"]["linear"]["log_loss"]["low"] > 0
    assert "cnn" in checkout.read("reports/model_card.html")


def test_diabetes_is_foretold_as_well_as_a_hundred_patients_allow(snapshot, tmp_path):
    checkout, found, parts = run(snapshot, tmp_path, "diabetes")
    assert (found["task"], found["model"], sum(map(len, parts.values()))) == ("regression", "svr", 442)
    reached = found["scores"]["model"]["rmse"]
    ridge = plain(make_pipeline(StandardScaler(), Ridge(10)), parts, "progression", root_mean_squared_error)
    boosting = HistGradientBoostingRegressor(random_state=0)
    assert reached["value"] < plain(boosting, parts, "progression", root_mean_squared_error)
    assert reached["low"] < ridge < reached["high"]
    folds = json.loads(checkout.read("metrics/cross_validation.json"))["folds"]
    assert len(folds) == 5
    assert max(fold["rmse"] for fold in folds) < reached["high"]
