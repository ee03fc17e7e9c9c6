"""LightGBM, XGBoost and CatBoost: the model is what the library fits by hand, and the package holds all."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss
from synthetic import CONTRACT, TARGETS, recipe, rows

from cairn.errors import UserError
from cairn.models.boosting import boosted
from cairn.models.build import stops_early, training_curve
from cairn.models.calibration import calibrate
from cairn.models.compiled import compile_model
from cairn.models.package import load, save
from cairn.serve.predictor import Predictor
from cairn.settings.model import Encoding, ModelConfig

pytestmark = pytest.mark.scale  # each library is an extra

NAMES = {
    "lightgbm": ("LGBMClassifier", "LGBMRegressor"),
    "xgboost": ("XGBClassifier", "XGBRegressor"),
    "catboost": ("CatBoostClassifier", "CatBoostRegressor"),
}
SMALL = {"n_estimators": 300, "learning_rate": 0.2, "early_stopping_rounds": 5}
CATEGORICAL = [3, 4]
"""Columns of the matrix: load, noise, night, línea, stop."""


def config(library, **params):
    classifier, regressor = NAMES[library]
    return ModelConfig(
        name=library,
        classifier={"_target_": f"{library}.{classifier}"},
        regressor={"_target_": f"{library}.{regressor}"},
        params=SMALL | params,
        encoding=Encoding(numeric="passthrough", categorical="ordinal", min_frequency=5, max_categories=50),
    )


def fit(library, task="binary", early_stopping=True, on_iteration=None, **params):
    made = recipe(config(library, **params), CONTRACT, TARGETS[task], task, early_stopping=early_stopping)
    return made.fit(rows(), rows(600, seed=1), on_iteration=on_iteration)


@pytest.fixture(params=NAMES)
def library(request):
    return pytest.importorskip(request.param).__name__


def by_hand(library, task, y, y_other, matrices):
    """What the library itself predicts, called as its own documentation says.

    Matrices are of train, of validation and of the rows to predict.
    """
    codes = np.isin(np.arange(5), CATEGORICAL)
    matrix, other, asked = (np.where(codes & (each < 0), np.nan, each) for each in matrices)
    made: Any
    number = task == "regression"
    if library == "lightgbm":
        import lightgbm as lgb

        kind = lgb.LGBMRegressor if number else lgb.LGBMClassifier
        fixed: dict[str, Any] = {"deterministic": True, "force_col_wise": True, "verbose": -1}
        made = kind(n_estimators=300, learning_rate=0.2, random_state=3, n_jobs=1, **fixed)
        stop = lgb.early_stopping(5, verbose=False)
        made.fit(matrix, y, eval_X=other, eval_y=y_other, categorical_feature=CATEGORICAL, callbacks=[stop])
    elif library == "xgboost":
        import xgboost as xgb

        kind = xgb.XGBRegressor if number else xgb.XGBClassifier
        types = {"enable_categorical": True, "feature_types": ["q", "q", "q", "c", "c"]}
        made = kind(**SMALL, **types, random_state=3, n_jobs=1, tree_method="hist")
        made.fit(matrix, y, eval_set=[(other, y_other)], verbose=False)
    else:
        import catboost

        kind = catboost.CatBoostRegressor if number else catboost.CatBoostClassifier
        made = kind(**SMALL, random_seed=3, thread_count=1, verbose=False, allow_writing_files=False)
        whole, missing = (dict.fromkeys(CATEGORICAL, value) for value in ("int32", -1))
        frames = [pd.DataFrame(each).fillna(missing).astype(whole) for each in (matrix, other, asked)]
        made.fit(frames[0], y, cat_features=CATEGORICAL, eval_set=(frames[1], y_other))
        asked = frames[2]
    return made.predict(asked) if number else made.predict_proba(asked)


@pytest.mark.parametrize("task", TARGETS)
def test_the_model_is_the_one_that_the_library_fits_by_hand(library, task):
    package = fit(library, task)
    train, held_out, asked = rows(), rows(600, seed=1), rows(500, seed=5)
    matrices = [package.encoder.transform(table[package.features]) for table in (train, held_out, asked)]
    y, y_other = (package.encode(table[TARGETS[task]]) for table in (train, held_out))
    expected = by_hand(library, task, y, y_other, matrices)
    expected = expected[:, 1] if task == "binary" else expected
    np.testing.assert_array_equal(package.scores(asked), expected.astype(np.float64))


@pytest.mark.parametrize("task", TARGETS)
def test_a_loaded_model_predicts_the_same_bits_and_saves_the_same_bytes(library, task, tmp_path):
    package = fit(library, task)
    save(package, tmp_path / "model")
    loaded = load(tmp_path / "model")
    asked = rows(300, seed=5)
    np.testing.assert_array_equal(loaded.scores(asked), package.scores(asked))
    save(loaded, tmp_path / "again")
    assert (tmp_path / "again/model.skops").read_bytes() == (tmp_path / "model/model.skops").read_bytes()


def test_a_prediction_does_not_depend_on_the_other_rows(library):
    package, asked = fit(library), rows(600, seed=5)
    alone = np.concatenate([package.scores(asked.iloc[[at]]) for at in range(0, 600, 30)])
    np.testing.assert_array_equal(alone, package.scores(asked)[::30])


def test_two_processes_write_the_same_bytes(library, tmp_path):
    for seed in ("1", "2"):
        env = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run(
            [sys.executable, __file__, library, str(tmp_path / seed)], env=env, check=True, timeout=300
        )
    first, second = ((tmp_path / seed / "model.skops").read_bytes() for seed in ("1", "2"))
    assert first == second


def test_training_stops_on_validation_only_when_it_may(library):
    found = fit(library).estimator
    assert 0 < found.best_iteration_ < found.n_iter_ < 300
    assert stops_early(config(library), "binary", recipe(config(library), CONTRACT, "late").train)
    whole = fit(library, early_stopping=False, n_estimators=12)
    curve = training_curve(fit(library).estimator)
    assert training_curve(whole.estimator)["validation"].isna().all()
    assert curve["iteration"].tolist() == list(range(1, found.n_iter_ + 1))
    held_out = rows(600, seed=1)
    expected = -log_loss(held_out["late"], fit(library).scores(held_out))
    assert curve["validation"].max() == pytest.approx(expected, rel=1e-4)


def test_it_reports_each_tree_and_can_be_stopped(library):
    seen = []
    fit(library, on_iteration=lambda tree, loss: seen.append((tree, loss)))
    assert [tree for tree, _ in seen] == list(range(1, len(seen) + 1))
    assert seen[0][1] > min(loss for _, loss in seen)

    class StopError(Exception):
        pass

    def stop(tree, loss):
        raise StopError

    with pytest.raises(StopError):
        fit(library, on_iteration=stop)


def test_a_new_category_counts_as_missing(library):
    package, asked = fit(library), rows(100, seed=5)
    missing = package.encoder.transform(asked[package.features])
    missing[:, 4] = np.nan
    expected = package.estimator.predict_proba(missing)[:, 1]
    np.testing.assert_array_equal(package.scores(asked.assign(stop="nowhere")), expected)


def test_labels_need_not_be_consecutive(library):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    y = np.where(X[:, 0] > 0, 7, np.where(X[:, 1] > 0, 2, 4))
    target = f"{library}.{NAMES[library][0]}"
    estimator = boosted(target)(target, {"n_estimators": 20}).fit(X, y)
    assert estimator.classes_.tolist() == [2, 4, 7]
    assert (estimator.predict(X) == y).mean() > 0.9


def test_a_parameter_that_the_library_lacks_gives_one_line(library):
    with pytest.raises(UserError, match="num_leafs") as error:
        fit(library, num_leafs=3)
    assert "\n" not in str(error.value)


def test_a_calibrated_model_is_saved_served_and_explained(library, tmp_path):
    package = calibrate(fit(library), rows(600, seed=1), "isotonic")
    save(package, tmp_path / "model")
    loaded, asked = load(tmp_path / "model"), rows(100, seed=5)
    compiled = compile_model(loaded)
    np.testing.assert_array_equal(compiled.scores(compiled.matrix(asked)), package.scores(asked))
    assert Predictor(loaded).needed == []


if __name__ == "__main__":
    save(fit(sys.argv[1]), Path(sys.argv[2]))
