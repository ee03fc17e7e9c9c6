"""Networks of Keras: they learn, are repeatable, and the package holds all.

A process has one backend. Here it is torch, or what the environment variable BACKEND says: the last test runs
this file again in another process, on TensorFlow.
"""

import importlib.util
import io
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import yaml
from repository import ROOT
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, r2_score
from synthetic import CONTRACT, TARGETS, recipe, rows
from test_mlp import moons, per_category

from cairn.errors import UserError
from cairn.models.canonical import zipped
from cairn.models.compiled import compile_model
from cairn.models.keras import KerasClassifier, KerasRegressor, library
from cairn.models.package import load, save
from cairn.serve.export import requirements
from cairn.serve.predictor import Predictor
from cairn.settings.model import ModelConfig

BACKEND = os.environ.get("BACKEND", "torch")
NEEDED = "keras" if BACKEND == "torch" else BACKEND
pytestmark = [
    pytest.mark.scale,  # extras
    pytest.mark.skipif(importlib.util.find_spec(NEEDED) is None, reason=f"{NEEDED} is not installed"),
]
SMALL = {"backend": BACKEND, "hidden": [32], "dropout": 0.1, "batch_size": 64, "learning_rate": 0.01}


def config(**params):
    values = yaml.safe_load((ROOT / "conf/model/keras.yaml").read_text(encoding="utf-8"))
    del values["space"]
    values["params"] |= SMALL | {"max_epochs": 4} | params
    return ModelConfig.model_validate(values)


def fit(task="binary", on_iteration=None, **params):
    plan = recipe(config(**params), CONTRACT, TARGETS[task], task)
    return plan.fit(rows(), rows(600, seed=1), on_iteration=on_iteration)


def made(**params):
    return KerasClassifier(**SMALL | {"max_epochs": 15} | params)


def test_it_fits_a_boundary_that_no_linear_model_can():
    X, X_test, y, y_test = moons()
    assert made(hidden=[64, 64], max_epochs=20).fit(X, y).score(X_test, y_test) > 0.95
    assert LogisticRegression().fit(X, y).score(X_test, y_test) < 0.9


def test_it_learns_a_number_for_each_category_and_takes_unseen_ones():
    X, y = per_category()
    model = KerasRegressor(**SMALL | {"max_epochs": 15}, categorical_features=[1]).fit(X[:2000], y[:2000])
    assert r2_score(y[2000:], model.predict(X[2000:])) > 0.95
    unknown = np.column_stack([np.zeros(3), [20, -1, np.nan]])
    assert len(set(model.predict(unknown))) == 1


def test_the_shipped_values_read_digits_and_another_process_writes_the_same_bytes():
    params = config().params | {"max_epochs": 10}
    X, y = load_digits(return_X_y=True)
    X = X / 8 - 1
    model = KerasClassifier(**params).fit(X[:600], y[:600])
    assert model.score(X[600:1200], y[600:1200]) > 0.85
    together = model.predict_proba(X[600:856])
    for at in range(0, 256, 16):
        alone = model.predict_proba(np.repeat(X[600 + at : 601 + at], 64, axis=0))
        np.testing.assert_array_equal(alone, np.repeat(together[at : at + 1], 64, axis=0))
    program = (
        "import sys, json, hashlib; from cairn.models.keras import KerasClassifier;"
        "from sklearn.datasets import load_digits; X, y = load_digits(return_X_y=True); X = X / 8 - 1;"
        f"model = KerasClassifier(**json.loads({json.dumps(params)!r})).fit(X[:600], y[:600]);"
        "other = {'torch': 'tensorflow', 'tensorflow': 'torch'}[model.backend];"
        "assert other not in sys.modules, other; sys.stdout.buffer.write(model.content_)"
    )
    other = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, check=False, timeout=300,
    )  # fmt: skip
    assert other.returncode == 0, other.stderr.decode()
    assert other.stdout == model.content_


@pytest.mark.parametrize("task", TARGETS)
def test_it_is_saved_and_loaded_with_the_same_bits(task, tmp_path):
    first, asked = fit(task), rows(200, seed=5)
    save(first, tmp_path / "first")
    loaded = load(tmp_path / "first")
    np.testing.assert_array_equal(loaded.scores(asked), first.scores(asked))
    save(loaded, tmp_path / "again")
    assert (tmp_path / "again/model.skops").read_bytes() == (tmp_path / "first/model.skops").read_bytes()
    compiled = compile_model(loaded)
    np.testing.assert_array_equal(compiled.scores(compiled.matrix(asked)), first.scores(asked))
    assert Predictor(loaded).needed == []


def test_a_prediction_does_not_depend_on_the_other_rows_or_on_the_thread():
    package, asked = fit(), rows(2000, seed=5)
    whole = package.scores(asked)
    alone = np.concatenate([package.scores(asked.iloc[[at]]) for at in range(0, 2000, 100)])
    np.testing.assert_array_equal(alone, whole[::100])
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(package.scores, [asked] * 8):
            np.testing.assert_array_equal(found, whole)


def test_it_stops_on_validation_and_keeps_the_best_epoch():
    seen = []
    package = fit(max_epochs=40, patience=3, on_iteration=lambda *told: seen.append(told))
    found, held_out = package.estimator, rows(600, seed=1)
    assert found.n_iter_ == found.best_iteration_ + 3 < 40
    assert [epoch for epoch, _ in seen] == list(range(1, found.n_iter_ + 1))
    assert [loss for _, loss in seen] == pytest.approx(-found.validation_score_)
    best = -log_loss(held_out["late"], package.scores(held_out))
    assert found.validation_score_[found.best_iteration_ - 1] == pytest.approx(best, rel=1e-5)


def test_a_second_fit_takes_as_many_steps_as_were_best():
    X, X_val, y, y_val = moons(400)
    first = made(max_epochs=7).fit(X, y, X_val, y_val)
    again = made(max_epochs=7).fit(np.vstack([X, X]), np.hstack([y, y]), like=first, share=0.5)
    assert again.n_iter_ == again.best_iteration_ == max(1, round(first.best_iteration_ / 2))


def test_a_search_can_stop_it_and_a_loss_that_is_not_finite_is_one_line():
    class StopError(Exception):
        pass

    def stop(epoch, loss):
        raise StopError

    with pytest.raises(StopError):
        fit(on_iteration=stop)
    with pytest.raises(
        UserError, match=r"model 'keras': the training loss is .* lower learning_rate"
    ) as said:
        fit(learning_rate=1e30, schedule="constant")
    assert "\n" not in str(said.value)


def test_a_network_of_another_shape_overrides_its_body():
    class Wide(KerasClassifier):
        def body(self, keras, joined):
            start = keras.initializers.GlorotUniform(seed=self.seed(0))
            return keras.layers.Dense(7, "tanh", kernel_initializer=start, name="mine")(joined)

    X, X_test, y, _ = moons(400)
    model = Wide(**SMALL | {"max_epochs": 3}).fit(X, y)
    with ZipFile(io.BytesIO(model.content_)) as archive:
        assert '"units": 7' in archive.read("config.json").decode()
    again = Wide(**SMALL | {"max_epochs": 3}).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X_test), again.predict_proba(X_test))


def test_a_file_with_code_in_it_is_refused():
    X, _, y, _ = moons(400)
    model = made(max_epochs=1).fit(X, y)
    with ZipFile(io.BytesIO(model.content_)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    for own, other in ((b'"Dense"', b'"Lambda"'), (b'"keras.layers"', b'"os.path"')):
        changed = parts | {"config.json": parts["config.json"].replace(own, other)}
        model.content_ = zipped(changed.items())
        vars(model).pop("_read", None)
        with pytest.raises(UserError, match=r"not trusted: (keras\.layers\.Lambda|os\.path\.Dense)"):
            model.predict(X)
    model.content_ = b"no zip"
    with pytest.raises(UserError, match=r"no \.keras file"):
        model.predict(X)


def test_what_cannot_be_imported_is_one_line(monkeypatch):
    other = "tensorflow" if BACKEND == "torch" else "torch"
    fit()
    if importlib.util.find_spec("tensorflow"):
        with pytest.raises(UserError, match=f"this process has Keras on {BACKEND}, and cannot have both"):
            library(other, 1)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=rf"{NEEDED} is not installed; it is an extra: .*\[{NEEDED}\]"):
        library(BACKEND, 1)


def test_an_exported_model_names_its_libraries():
    found = requirements(fit())
    assert "keras" in found
    assert ("torch" in found) == (BACKEND == "torch")
    assert any(name.startswith("tensorflow") for name in found) == (BACKEND == "tensorflow")


@pytest.mark.skipif(BACKEND != "torch", reason="it starts this file")
@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="tensorflow is not installed")
def test_all_of_this_holds_on_tensorflow():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "scale", Path(__file__)],
        cwd=ROOT, env=os.environ | {"BACKEND": "tensorflow"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
