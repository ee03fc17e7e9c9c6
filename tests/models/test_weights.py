"""Models with pretrained weights: the saved model holds them; the pipeline runs again when they change."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from synthetic import CONTRACT, TARGETS, recipe, rows
from synthetic import config as shipped
from toy_conf import make_toy_conf
from toy_pretrained import checkpoint

from cairn.compose.conf import compose
from cairn.compose.validate import Origin, read_config
from cairn.errors import UserError
from cairn.models.calibration import finish
from cairn.models.package import load, save
from cairn.models.record import RECORD
from cairn.serve.export import export
from cairn.settings.calibration import CalibrationConfig
from cairn.settings.kpi import NoKpi
from cairn.settings.model import Encoding, EnsembleConfig, ModelConfig

FILE = "data/weights/tiny.npy"
MODEL = """\
name: toy
weights: data/weights/tiny.npy
classifier: {_target_: toy_pretrained.ToyClassifier}
regressor: {_target_: toy_pretrained.ToyRegressor}
params: {model_path: "${..weights}"}
encoding: {numeric: standard, categorical: onehot, min_frequency: 5, max_categories: 50}
"""


def config(weights=FILE, **params):
    return ModelConfig(
        name="toy",
        weights=weights,
        classifier={"_target_": "toy_pretrained.ToyClassifier"},
        regressor={"_target_": "toy_pretrained.ToyRegressor"},
        params={"model_path": weights} | params,
        encoding=Encoding(numeric="standard", categorical="onehot", min_frequency=5, max_categories=20),
    )


def fit(task="binary", model=None):
    return recipe(model or config(), CONTRACT, TARGETS[task], task).fit(rows(), rows(600, seed=1))


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """The current folder has weights in FILE; return a function that writes others to another file."""
    monkeypatch.chdir(tmp_path)

    def write(name, seed):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / name, checkpoint(seed))

    write(FILE, 0)
    return write


@pytest.mark.parametrize("task", TARGETS)
def test_a_loaded_model_predicts_the_same_bits_without_the_file_it_was_fitted_with(task, weights, tmp_path):
    package, asked = fit(task), rows(200, seed=5)
    expected = package.scores(asked)
    save(package, tmp_path / "first")
    save(package, tmp_path / "moved/away")
    shutil.rmtree(tmp_path / "data")
    shutil.rmtree(tmp_path / "first")
    loaded = load(tmp_path / "moved/away", trust=["toy_pretrained"])
    np.testing.assert_array_equal(loaded.scores(asked), expected)
    assert np.array_equal(np.load(tmp_path / "moved/away/weights/tiny.npy"), checkpoint(0))
    save(loaded, tmp_path / "again")
    for name in ("model.skops", RECORD):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "moved/away" / name).read_bytes()


def test_other_weights_give_another_model_and_a_changed_copy_is_refused(weights, tmp_path):
    asked = rows(100, seed=5)
    first = fit()
    save(first, tmp_path / "model")
    weights(FILE, 1)
    assert not np.array_equal(fit().scores(asked), first.scores(asked))
    shutil.copy(tmp_path / FILE, tmp_path / "model/weights/tiny.npy")
    with pytest.raises(UserError, match=r"weights/tiny\.npy is not the file that was saved with"):
        load(tmp_path / "model", trust=["toy_pretrained"])


def test_a_calibrated_copy_holds_them_too(weights, tmp_path):
    package, held_out = fit(), rows(600, seed=1)
    save(package, tmp_path / "fitted")
    for method in ("none", "isotonic"):
        fitted = load(tmp_path / "fitted", trust=["toy_pretrained"])
        finished = finish(fitted, held_out, CalibrationConfig(method=method), NoKpi(kind="none"))
        save(finished, tmp_path / method, same_as=tmp_path / "fitted" if method == "none" else None)
    expected = {"none": package.scores(held_out), "isotonic": finished.scores(held_out)}
    shutil.rmtree(tmp_path / "fitted")
    shutil.rmtree(tmp_path / "data")
    for method in ("none", "isotonic"):
        found = load(tmp_path / method, trust=["toy_pretrained"]).scores(held_out)
        np.testing.assert_array_equal(found, expected[method])


def test_members_of_an_ensemble_have_their_own(weights, tmp_path):
    weights("data/weights/other.npy", 1)
    members = {"a": config(), "b": config("data/weights/other.npy"), "c": shipped("logistic")}
    model = EnsembleConfig(
        kind="ensemble", name="both", members=members, weights="equal", draws=1, seeds=1, reads="data/weights"
    )
    package, asked = fit(model=model), rows(100, seed=5)
    expected = package.scores(asked)
    save(package, tmp_path / "model")
    shutil.rmtree(tmp_path / "data")
    assert sorted(path.name for path in (tmp_path / "model/weights").iterdir()) == ["other.npy", "tiny.npy"]
    np.testing.assert_array_equal(load(tmp_path / "model", trust=["toy_pretrained"]).scores(asked), expected)


def test_a_model_that_forgets_their_path_cannot_be_saved(weights, tmp_path):
    package = replace(fit(), weights={"other.npy": tmp_path / "other.npy"})
    shutil.copy(tmp_path / FILE, tmp_path / "other.npy")
    with pytest.raises(UserError, match=r"model\.weights: the fitted model does not name weights/other\.npy"):
        save(package, tmp_path / "model")


def test_an_exported_model_holds_them(weights, tmp_path):
    save(fit(), tmp_path / "saved")
    pinned = fit(model=shipped("logistic"))  # the libraries of the toy are no package that can be pinned
    written = export(pinned, tmp_path / "saved", tmp_path / "served", {}, {})
    assert tmp_path / "served/models/model/weights/tiny.npy" in written


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["model.weights=data/weights/tinny.npy"],
            "model.weights: no file data/weights/tinny.npy; put it there and run `dvc add data/weights/tinny",
        ),
        (
            ["model.weights=data/weights/pulled.npy"],
            "model.weights: no file data/weights/pulled.npy; `dvc pull data/weights/pulled.npy`",
        ),
        (
            ["model.params.model_path=null"],
            "model.weights: no parameter of the model gets it: such as model_path",
        ),
        (
            ["train.reads=constraints.txt"],
            "model.weights: data/weights/tiny.npy is not in train.reads, constraints",
        ),
        (["model.weights=null"], "model.weights: leave the key out"),
        (["model.weights=../tiny.npy"], "model.weights: needs a path below the checkout"),
    ],
)
def test_what_is_wrong_with_them_is_one_line_before_anything_runs(overrides, said, tmp_path, weights):
    conf = make_toy_conf(tmp_path)
    (conf / "model/toy.yaml").write_text(MODEL, encoding="utf-8")
    (conf / "trusted.yaml").write_text("- cairn\n- sklearn\n- toy_pretrained\n", encoding="utf-8")
    (tmp_path / "data/weights/pulled.npy.dvc").touch()
    composed = compose(conf, ["model=toy"])
    assert composed.values["train"]["reads"] == composed.values["model"]["params"]["model_path"] == FILE
    read_config(composed.values, tmp_path)
    composed = compose(conf, ["model=toy", *overrides])
    with pytest.raises(UserError) as error:
        read_config(composed.values, tmp_path, Origin(conf, composed, "override {}").of)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
