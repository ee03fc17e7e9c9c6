"""What `import cairn` offers, on a real repository with the real DVC."""

import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from checkouts import Checkout
from repository import SRC
from synthetic import fit, rows

import cairn
from cairn.data.tables import write_table
from cairn.errors import UserError
from cairn.models.package import save

STAGE = """\
stages:
  evaluate:
    cmd: "true"
    outs: [predictions/model.parquet, models/model]
"""
CONFIG = """\
[core]
    remote = store
    analytics = false
['remote "store"']
    url = {store}
"""


@pytest.fixture(scope="module")
def models():
    return {tag: fit("hist_gbdt", max_iter=trees) for tag, trees in (("v1", 3), ("v2", 6))}


@pytest.fixture(scope="module")
def toy(tmp_path_factory, models):
    """A repository with a model at each of two tags; the second is in the workspace, both on the remote."""
    toy = Checkout(tmp_path_factory.mktemp("toy") / "repository")
    toy.path.mkdir()
    toy.git("init", "--quiet", "--initial-branch=main")
    toy.git("config", "user.email", "test@example.org")
    toy.git("config", "user.name", "test")
    (toy.path / ".dvc").mkdir()
    (toy.path / ".dvc/config").write_text(CONFIG.format(store=toy.path.parent / "store"), encoding="utf-8")
    (toy.path / ".dvc/.gitignore").write_text("/cache\n/tmp\n/config.local\n", encoding="utf-8")
    (toy.path / "dvc.yaml").write_text(STAGE, encoding="utf-8")
    for tag, model in models.items():
        save(model, toy.path / "models/model")
        table = pd.DataFrame({"row_id": range(600), "model": model.scores(rows(600, seed=1))})
        write_table(table, toy.path / "predictions/model.parquet")
        toy.dvc("commit", "--force", "--quiet")
        toy.git("add", "--all")
        toy.git("commit", "--quiet", f"--message={tag}")
        toy.git("tag", tag)
    toy.dvc("push", "--quiet", "--all-commits")
    (toy.path / "below").mkdir()
    return toy


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
    with pytest.raises(UserError, match="no checkout"):
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
