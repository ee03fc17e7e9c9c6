"""A model saved by commit f2e801d loads with today's code and predicts the same bits.

saved_model/ holds each model's folder as that commit saved it (zipped, as skops does not compress), fitted on
tests/synthetic.py, and the predictions that commit made of rows.csv, where one category is not in train.
"""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from cairn.models.package import load, save

SAVED = Path(__file__).parent / "saved_model"
ROWS = pd.read_csv(SAVED / "rows.csv", dtype={"línea": "object", "stop": "object"})


@pytest.mark.parametrize("name", ["hist_gbdt-binary", "logistic-regression", "mlp-multiclass"])
def test_a_model_of_f2e801d_predicts_the_same_bits(tmp_path, name):
    shutil.unpack_archive(SAVED / f"{name}.zip", tmp_path / "model")
    package = load(tmp_path / "model")
    expected = json.loads((SAVED / f"{name}.json").read_text(encoding="utf-8"))
    assert package.predict(ROWS).to_dict("list") == expected
    assert (package.threshold, package.config) == (0.4, {"seed": 3})


@pytest.mark.parametrize("name", ["hist_gbdt-binary", "logistic-regression", "mlp-multiclass"])
def test_saving_it_again_writes_the_same_bytes(tmp_path, name):
    shutil.unpack_archive(SAVED / f"{name}.zip", tmp_path / "model")
    save(load(tmp_path / "model"), tmp_path / "again")
    for file in ("model.skops", "package.json"):
        assert (tmp_path / "again" / file).read_bytes() == (tmp_path / "model" / file).read_bytes()
