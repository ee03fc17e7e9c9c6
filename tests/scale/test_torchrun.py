"""One training over two processes that torchrun starts is the training of one process."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from servers import wait_until

from cairn.models.cnn import CNNClassifier
from cairn.models.loop import started_group
from cairn.models.mlp import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.scale

# The last batch of 1501 rows is a single row: one of two processes has none.
TRAIN, ROWS, BATCH = 1501, 2000, 100


def table():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(ROWS, 8)), rng.integers(0, 30, ROWS)])
    return X, X[:, 0] * X[:, 1] + 0.3 * (X[:, 8] % 3) + 0.3 * rng.normal(size=ROWS)


def classifier(**params):
    chosen = {"hidden": [64, 64], "batch_size": BATCH, "max_epochs": 8, "categorical_features": [8]}
    return MLPClassifier(**chosen | {"dropout": 0.0, "device": "cpu"} | params)


def fit(model, snapshot=None):
    X, y = table()
    y = y if isinstance(model, MLPRegressor) else (y > 0.3)
    return model.fit(X[:TRAIN], y[:TRAIN], X[TRAIN:], y[TRAIN:], snapshot=snapshot)


def summary(model):
    score = getattr(model, "predict_proba", model.predict)
    return {
        "epochs": [model.n_iter_, model.best_iteration_],
        "train": model.train_score_.tolist(),
        "validation": model.validation_score_.tolist(),
        "prediction": np.ravel(score(table()[0][TRAIN:])).tolist(),
    }


def fits():
    """Fit several networks, one after the other, and say what came of them."""
    found = {
        "resumable": digest(fit(resumable())),
        "classes": summary(fit(classifier())),
        "patience": summary(fit(classifier(learning_rate=0.03, schedule="constant", patience=1))),
        "number": summary(
            fit(
                MLPRegressor(
                    batch_size=BATCH, max_epochs=3, dropout=0, categorical_features=[8], device="cpu"
                )
            )
        ),
        "image": summary(
            fit(
                CNNClassifier(
                    image_shape=[3, 3],
                    channels=[4, 8],
                    max_epochs=3,
                    batch_size=BATCH,
                    dropout=0,
                    device="cpu",
                )
            )
        ),
        "dropout": summary(fit(classifier(dropout=0.2))),
    }
    try:
        fit(classifier(learning_rate=1e30))
    except FloatingPointError as error:
        found["runaway"] = str(error)
    return found


def resumable():
    return classifier(dropout=0.2, max_epochs=12, patience=12)


def digest(model):
    return hashlib.sha256(b"".join(values.tobytes() for values in model.weights_.values())).hexdigest()


def go_on(folder):
    """Fit with a snapshot, then tell how far it had come before, and the hash of the weights."""
    written = folder / "snapshot-cpu-2.pt"
    done = len(torch.load(written, weights_only=True)["state"]["train"]) if written.exists() else 0
    (folder / f"pid-{started_group().rank}").write_text(str(os.getpid()))
    return {"done": done, "digest": digest(fit(resumable(), folder / "snapshot.pt"))}


def start(*words, processes=2):
    launcher = [
        str(Path(sys.executable).with_name("torchrun")),
        "--standalone",
        f"--nproc-per-node={processes}",
    ]
    command = [*launcher, __file__, *map(str, words)] if processes > 1 else [sys.executable, __file__, *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def result(process):
    out, _ = process.communicate(timeout=150)
    assert process.returncode == 0
    return json.loads(out)


@pytest.fixture(scope="module")
def two():
    return result(start("fits"))


def test_two_processes_end_in_the_model_of_one(two):
    one = result(start("fits", processes=1))
    for name in ("classes", "patience", "number", "image"):
        for key, values in one[name].items():
            np.testing.assert_allclose(two[name][key], values, atol=1e-5, err_msg=f"{name} {key}")
    assert one["patience"]["epochs"][0] < 8, "patience was never tried"
    assert two["runaway"] == one["runaway"]
    # The second process drops other values: another run of the same quality.
    assert two["dropout"]["train"] != pytest.approx(one["dropout"]["train"], abs=1e-5)
    assert two["dropout"]["validation"] == pytest.approx(one["dropout"]["validation"], abs=0.01)


def test_a_run_that_lost_a_process_goes_on_to_the_same_bits(two, tmp_path):
    killed = start("go_on", tmp_path)
    wait_until((tmp_path / "snapshot-cpu-2.pt").exists)
    os.kill(int((tmp_path / "pid-1").read_text()), signal.SIGKILL)
    killed.communicate(timeout=60)
    assert killed.returncode != 0
    again = result(start("go_on", tmp_path))
    assert 1 <= again["done"] < 12
    assert again["digest"] == two["resumable"]


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    outcome = go_on(Path(rest[0])) if what == "go_on" else fits()
    if started_group().rank == 0:
        print(json.dumps(outcome))
