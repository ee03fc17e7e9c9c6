"""torchrun in the cmd of the stage train: DVC runs it, one process writes, the model is as of one process."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cairn.models.package import load

pytestmark = pytest.mark.slow

ONE = "cmd: python src/cairn train"
TWO = "cmd: torchrun --standalone --nproc-per-node 2 src/cairn train"
SETTINGS = (
    "experiment=tiny",
    "model=mlp",
    "model.params.dropout=0",
    "model.params.max_epochs=3",
    "threads=1",
)


def trained(checkout):
    """Run the stage; return what it printed, its curve and its weights."""
    said = checkout.dvc("repro", "train")
    weights = load(checkout.path / "models/fitted").estimator.weights_
    return said, pd.read_csv(checkout.path / "plots/training.csv"), weights


def test_dvc_runs_the_stage_over_two_processes(tiny, tmp_path):
    shutil.copytree(tiny.path, tmp_path / "two", symlinks=True)
    checkout = replace(tiny, path=tmp_path / "two")
    checkout.run("python", "src/cairn", "compose", *SETTINGS)
    _, one_curve, one = trained(checkout)
    checkout.replace("dvc.yaml", ONE, TWO)
    said, two_curve, two = trained(checkout)
    assert said.count("train: mlp on") == 1
    np.testing.assert_allclose(two_curve, one_curve, atol=1e-4)
    for name, values in one.items():
        np.testing.assert_allclose(two[name], values, atol=1e-3, err_msg=name)
    assert not list((checkout.path / ".dvc/tmp/resume").glob("*/")), "the snapshot is gone"
    assert "up to date" in checkout.dvc("status", "train")
