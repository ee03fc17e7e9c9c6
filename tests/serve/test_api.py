"""What `import cairn` offers, on a real repository with the real DVC."""

import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from repository import SRC
from synthetic import rows

import cairn
from cairn.errors import UserError


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["", "below"])
def test_a_model_is_found_by_folder_tag_and_commit(toy, models, monkeypatch, folder):
    monkeypatch.chdir(toy.path / folder)
    commit = toy.git("rev-parse", "v1").strip()
    names = {"v1": "v1", commit: "v1", "HEAD": "v2", "workspace": "v2", toy.path / "models/model": "v2"}
    for name, tag in names.items():
        found, expected = cairn.load_model(name).predict(rows(50)), models[tag].predict(rows(50))
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
    np.testing.assert_array_equal(
        cairn.load_predictions("v1")["model"], models["v1"].scores(rows(600, seed=1))
    )


def test_what_is_not_in_the_cache_comes_from_the_remote(toy, models, monkeypatch):
    monkeypatch.chdir(toy.path)
    shutil.rmtree(toy.path / ".dvc/cache")
    shutil.rmtree(toy.path / ".dvc/tmp/outputs", ignore_errors=True)
    np.testing.assert_array_equal(
        cairn.load_predictions("v1")["model"], models["v1"].scores(rows(600, seed=1))
    )
    np.testing.assert_array_equal(cairn.load_model("v1").scores(rows(50)), models["v1"].scores(rows(50)))
    shutil.rmtree(toy.path / ".dvc/cache")
    # The copy that was made of it needs no cache.
    np.testing.assert_array_equal(cairn.load_model("v1").scores(rows(50)), models["v1"].scores(rows(50)))


@pytest.mark.parametrize(
    ("name", "said"),
    [("v3", "v3: no branch, tag"), ("below", "below: no saved model"), ("models", "models: no saved model")],
)
def test_a_name_without_a_model_is_one_line(toy, monkeypatch, name, said):
    monkeypatch.chdir(toy.path)
    with pytest.raises(UserError, match=f"^{said}") as stopped:
        cairn.load_model(name)
    assert "\n" not in str(stopped.value)


def test_outside_a_checkout_there_are_folders_only(toy, models, tmp_path, monkeypatch):
    shutil.copytree(toy.path / "models/model", tmp_path / "m")
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(cairn.load_model("m").scores(rows(50)), models["v2"].scores(rows(50)))
    with pytest.raises(UserError, match="not a checkout"):
        cairn.load_model("v1")
    with pytest.raises(UserError, match="inside a clone"):
        cairn.load_predictions()


def test_import_cairn_is_quick_and_imports_nothing():
    code = (
        "import time; start = time.process_time(); import cairn; used = time.process_time() - start;"
        "import sys; print(used, 'pandas' in sys.modules, 'numpy' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    said = [
        subprocess.run(command, cwd=SRC, capture_output=True, text=True, check=True).stdout.split()
        for _ in range(3)
    ]
    assert min(float(used) for used, *_ in said) < 0.1
    assert all(loaded == ["False", "False"] for _, *loaded in said)


def test_what_is_not_offered_is_not_there():
    assert not hasattr(cairn, "load_modell")
    assert {name for name in dir(cairn) if name.startswith("load")} <= {*cairn.__all__}
