"""A model with pretrained weights in the real pipeline: DVC tracks them; if they change, train runs again."""

import shutil

import numpy as np
import pandas as pd
import pytest
from repository import ROOT
from toy_pretrained import checkpoint

pytestmark = pytest.mark.slow

WEIGHTS = "data/weights/tiny.npy"
MODEL = """\
name: toy
weights: data/weights/tiny.npy
classifier: null
regressor:
  _target_: cairn.models.toy_pretrained.ToyRegressor
params:
  model_path: ${..weights}
encoding: {numeric: standard, categorical: onehot, min_frequency: 5, max_categories: 50}
"""


def predicted(checkout):
    checkout.run("cairn", "predict", "data/raw/diabetes.csv", "-o", "out.csv")
    return pd.read_csv(checkout.path / "out.csv")["prediction"]


def test_a_changed_file_of_weights_trains_again_and_the_model_needs_it_no_more(snapshot, tmp_path):
    checkout = snapshot.clone(tmp_path / "clone", share_cache=False)
    shutil.copy(ROOT / "tests/toy_pretrained.py", checkout.path / "src/cairn/models/toy_pretrained.py")
    (checkout.path / "conf/model/toy.yaml").write_text(MODEL, encoding="utf-8")
    choice = ("data=diabetes", "model=toy", "calibration=none", "train.refit=validation")
    run = ("exp", "run", *(word for each in choice for word in ("-S", each)), "calibrate")
    said = checkout.dvc(*run, fails=True)
    assert f"model.weights: no file {WEIGHTS}; put it there and run `dvc add {WEIGHTS}`" in said
    assert "Traceback" not in said
    (checkout.path / WEIGHTS).parent.mkdir()
    np.save(checkout.path / WEIGHTS, checkpoint(0))
    checkout.dvc("add", WEIGHTS)
    checkout.dvc(*run)
    assert checkout.read("dvc.lock").count(f"- path: {WEIGHTS}\n") == 2
    assert "up to date" in checkout.dvc("status", "train", "calibrate")
    first = predicted(checkout)
    np.save(checkout.path / WEIGHTS, checkpoint(1))
    assert WEIGHTS in checkout.dvc("status", "train", "calibrate")
    checkout.dvc("repro", "calibrate")
    shutil.rmtree(checkout.path / "data/weights")
    shutil.rmtree(checkout.path / ".dvc/cache")
    second = predicted(checkout)
    assert not np.allclose(first, second)
    assert np.array_equal(np.load(checkout.path / "models/model/weights/tiny.npy"), checkpoint(1))
