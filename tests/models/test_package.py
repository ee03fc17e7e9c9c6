"""The saved model: the same bytes everywhere, the same predictions after loading, no code run by loading."""

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest import mock
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import FunctionTransformer
from skops.io import dumps, loads
from synthetic import recipe

from cairn.errors import UserError
from cairn.models import package as package_module
from cairn.models.calibration import calibrate
from cairn.models.canonical import _without_gaps, canonical
from cairn.models.package import Package, load, save
from cairn.settings.contract import Column, Contract
from cairn.settings.model import Encoding, ModelConfig

CONTRACT = Contract(
    columns={
        "width": Column(kind="numeric", group="g", nullable=True, min=-9, unit="mm"),
        "Farbe": Column(kind="categorical", group="g", nullable=True, allowed=["rot", "grün", "青"]),
        "dry": Column(kind="boolean", group="g"),
    }
)
ENSEMBLE = "sklearn.ensemble."
CLASSIFIERS = {
    "logistic": ("sklearn.linear_model.LogisticRegression", {}, "standard", "onehot"),
    "hist_gbdt": (f"{ENSEMBLE}HistGradientBoostingClassifier", {"max_iter": 5}, "passthrough", "ordinal"),
    "extra_trees": (f"{ENSEMBLE}ExtraTreesClassifier", {"n_estimators": 5}, "passthrough", "ordinal"),
    "mlp": ("cairn.models.mlp.MLPClassifier", {"hidden": [8], "max_epochs": 2}, "quantile", "ordinal"),
}
METHODS = ["none", "sigmoid", "isotonic"]


def table(count=300, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "width": rng.normal(size=count),
            "Farbe": rng.choice(["rot", "grün", "青"], count),
            "dry": rng.random(count) < 0.5,
        }
    )
    level = frame["width"] + (frame["Farbe"] == "rot") + rng.normal(size=count)
    frame.loc[::11, "width"] = np.nan
    frame.loc[::7, "Farbe"] = None
    return frame.assign(ok=level > 0, grade=np.where(level > 1, "höch", np.where(level > 0, "mid", "low")))


def fitted(name="logistic", target="ok", task="binary"):
    class_name, params, numeric, categorical = CLASSIFIERS[name]
    model = ModelConfig(
        name=name,
        classifier={"_target_": class_name},
        regressor=None,
        params=params,
        encoding=Encoding(numeric=numeric, categorical=categorical, min_frequency=2, max_categories=9),
    )
    return recipe(model, CONTRACT, target, task, seed=1).fit(table(), table(150, seed=1))


def save_all(root: Path) -> None:
    for name in CLASSIFIERS:
        package = replace(fitted(name), config={"seed": 1}, threshold=0.1 + 0.2)
        for method in METHODS:
            save(calibrate(package, table(150, seed=1), method), root / f"{name}-{method}")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    root = tmp_path_factory.mktemp("saved")
    save_all(root)
    return root


def contents(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.*")}


@pytest.mark.slow
def test_three_processes_write_the_same_bytes(saved, tmp_path):
    runs = [
        subprocess.Popen(
            [sys.executable, __file__, str(tmp_path / seed)],
            env=os.environ
            | {"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for seed in ("1", "2")
    ]
    assert [run.wait(timeout=120) for run in runs] == [0, 0]
    first, second = contents(tmp_path / "1"), contents(tmp_path / "2")
    assert len(first) == 2 * len(CLASSIFIERS) * len(METHODS)
    assert [name for name in first if first[name] != second.get(name)] == []


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("method", METHODS)
def test_a_loaded_model_predicts_the_same_bits_and_saves_the_same_bytes(saved, tmp_path, name, method):
    folder = saved / f"{name}-{method}"
    loaded = load(folder)
    original = calibrate(fitted(name), table(150, seed=1), method)
    rows = table(200, seed=2)
    np.testing.assert_array_equal(loaded.scores(rows), original.scores(rows))
    save(loaded, tmp_path / "again")
    assert contents(tmp_path / "again") == contents(folder)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_long_table_gets_the_bits_of_its_rows_a_few_at_a_time(name):
    package, rows = fitted(name), table(2_500, seed=2)
    few = [package.scores(rows.iloc[start : start + 100]) for start in range(0, len(rows), 100)]
    for cells in (2**16, 1):
        with mock.patch.multiple("cairn.models.package", CACHED_CELLS=cells, ENCODED_CELLS=3 * cells):
            np.testing.assert_array_equal(package.scores(rows), np.concatenate(few))


def test_the_whole_record_is_restored(saved):
    loaded = load(saved / "logistic-none")
    assert loaded.contract == CONTRACT
    assert loaded.features == ["width", "Farbe", "dry"]
    assert (loaded.task, loaded.target, loaded.classes) == ("binary", "ok", [False, True])
    assert loaded.threshold == 0.1 + 0.2
    assert loaded.config == {"seed": 1}
    assert loaded.versions["scikit-learn"].startswith("1.")


def test_a_saved_model_does_not_reveal_when_and_where_it_was_made(saved):
    for name in CLASSIFIERS:
        with ZipFile(saved / f"{name}-none/model.skops") as file:
            assert {entry.date_time for entry in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
            schema = file.read("schema.json").decode()
        record = (saved / f"{name}-none/package.json").read_text(encoding="utf-8")
        for secret in (os.uname().nodename, str(Path.home()), str(Path(__file__).parent), str(saved)):
            assert secret not in schema + record


def test_stray_memory_between_the_fields_of_records_is_not_saved():
    gaps = np.dtype({"names": ["a", "b"], "formats": ["u1", "f8"], "offsets": [0, 8], "itemsize": 16})
    clean, stray = (np.frombuffer(bytes([7, *fill]) + bytes(8), gaps) for fill in (bytes(7), b"garbage"))
    assert (clean == stray).all()
    assert clean.tobytes() != stray.tobytes()
    assert canonical(dumps({"x": clean})) == canonical(dumps({"x": stray}))
    np.testing.assert_array_equal(loads(canonical(dumps({"x": stray})))["x"], clean)


def test_shared_arrays_stay_shared_and_copies_stay_copies():
    array = np.arange(3)
    shared = loads(canonical(dumps({"x": array, "y": array, "z": array.copy(), "s": {"b", "a"}})))
    assert shared["x"] is shared["y"]
    assert shared["x"] is not shared["z"]
    assert shared["s"] == {"a", "b"}


def test_two_copies_of_a_forest_are_stored_once(saved):
    plain, wrapped = ((saved / f"extra_trees-{m}/model.skops").stat().st_size for m in ("none", "sigmoid"))
    assert wrapped < 1.5 * plain


def test_binary_predictions_are_a_probability_and_a_decision(saved):
    package = replace(load(saved / "logistic-none"), threshold=0.6)
    rows = table(50).set_index(pd.Index(range(100, 150)))
    found = package.predict(rows)
    assert list(found.columns) == ["probability", "decision"]
    assert (found["decision"] == (found["probability"] > 0.6)).all()
    assert found["decision"].dtype == bool
    assert found.index.equals(rows.index)


def test_multiclass_predictions_have_a_column_per_class(tmp_path):
    save(fitted("mlp", "grade", "multiclass"), tmp_path / "model")
    package = load(tmp_path / "model")
    found = package.predict(table(50))
    assert list(found.columns) == ["probability_höch", "probability_low", "probability_mid", "prediction"]
    most_probable = found.drop(columns="prediction").idxmax(axis=1).str.removeprefix("probability_")
    assert (found["prediction"] == most_probable).all()
    assert package.encode(pd.Series(["mid", "höch"])).tolist() == [2, 0]


def test_no_rows_get_no_predictions(saved):
    assert load(saved / "hist_gbdt-none").predict(table(3).iloc[:0]).shape == (0, 2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop(columns=["dry", "width"]), "missing columns: width, dry"),
        (lambda t: t.assign(width="wide"), r"width \(str, the model needs numeric\)"),
        (lambda t: t.assign(dry=[2] * len(t)), "dry .*boolean"),
        (lambda t: t.assign(Farbe=pd.Timestamp("2020-01-01")), "Farbe .*categorical"),
    ],
)
def test_a_table_that_breaks_the_contract_is_refused_in_one_line(saved, change, words):
    with pytest.raises(ValueError, match=words) as error:
        load(saved / "logistic-none").predict(change(table(5)))
    assert "\n" not in str(error.value)


def test_rows_as_a_web_client_sends_them_are_taken(saved):
    package = load(saved / "hist_gbdt-none")
    records = [{"width": 1, "Farbe": None, "dry": True}, {"width": None, "Farbe": "rot", "dry": 0}]
    sent = package.scores(pd.DataFrame(records, dtype=object))
    known = pd.DataFrame({"width": [1.0, np.nan], "Farbe": [None, "rot"], "dry": [True, False]})
    np.testing.assert_array_equal(sent, package.scores(known))


class Guess(ClassifierMixin, BaseEstimator):
    classes_ = np.array([0, 1])

    def predict_proba(self, X):
        return np.full((len(X), 2), 0.5)


def test_a_strange_type_is_named_and_refused_until_it_is_trusted(tmp_path):
    save(replace(fitted(), estimator=Guess()), tmp_path / "model")
    with pytest.raises(UserError, match=rf"{__name__}\.Guess.*trust=\['{__name__}'\]"):
        load(tmp_path / "model")
    with pytest.raises(UserError):
        load(tmp_path / "model", trust=["Guess", __name__[:-1]])
    assert (load(tmp_path / "model", trust=[__name__]).scores(table(3)) == 0.5).all()


def test_a_function_smuggled_into_a_model_is_refused(tmp_path):
    save(replace(fitted(), encoder=FunctionTransformer(os.getcwd)), tmp_path / "model")
    with pytest.raises(UserError, match=r"not trusted: .*getcwd"):
        load(tmp_path / "model")


def test_an_empty_folder_and_another_format_are_refused(tmp_path, saved):
    with pytest.raises(UserError, match="no saved model"):
        load(tmp_path)
    save(load(saved / "logistic-none"), tmp_path / "model")
    record = json.loads((tmp_path / "model/package.json").read_text(encoding="utf-8"))
    (tmp_path / "model/package.json").write_text(json.dumps(record | {"format": 99}), encoding="utf-8")
    with pytest.raises(UserError, match="another version"):
        load(tmp_path / "model")


def test_a_save_that_fails_leaves_the_model_before_it(saved, tmp_path, monkeypatch):
    save(load(saved / "logistic-none"), tmp_path / "model")
    before, other = contents(tmp_path), load(saved / "mlp-none")
    monkeypatch.setattr(package_module, "RECORD", "no/such/folder.json")
    with pytest.raises(OSError, match="no/such/folder"):
        save(other, tmp_path / "model")
    assert contents(tmp_path / "model") == {Path(name).name: content for name, content in before.items()}


def test_a_new_save_replaces_the_old_one_and_leaves_nothing_beside_it(saved, tmp_path):
    save(load(saved / "logistic-none"), tmp_path / "model")
    save(load(saved / "mlp-none"), tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert contents(tmp_path / "model") == contents(saved / "mlp-none")


def test_the_package_holds_plain_python_classes_and_no_numpy(saved):
    assert isinstance(load(saved / "mlp-none"), Package)
    assert all(type(label) is bool for label in load(saved / "mlp-none").classes)


def test_stray_memory_between_the_fields_of_records_is_not_stored():
    record = np.dtype({"names": ["a", "b"], "formats": ["<f8", "u1"], "offsets": [0, 8], "itemsize": 64})
    stored = []
    for seed in (0, 1):
        memory = np.random.default_rng(seed).integers(0, 255, 64 * 500, dtype=np.uint8)
        records = memory.view(record)
        records["a"], records["b"] = np.arange(500), 1
        file = io.BytesIO()
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(records))
        stored.append(_without_gaps(file.getvalue() + memory.tobytes()))
    assert stored[0] == stored[1]
    np.testing.assert_array_equal(np.load(io.BytesIO(stored[0]))["a"], np.arange(500))


if __name__ == "__main__":
    save_all(Path(sys.argv[1]))


@pytest.mark.slow
def test_loading_a_model_of_scikit_learn_does_not_import_torch(saved):
    code = (
        "import sys; from pathlib import Path; from cairn.models.package import load;"
        f"load(Path({str(saved / 'hist_gbdt-none')!r})); assert 'torch' not in sys.modules;"
        "import sklearn.externals.array_api_compat.torch"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    )


@pytest.fixture
def copied(saved, tmp_path):
    """A saved model, and a way to edit its record; as is, or with the hashes taken out, as an older one."""
    save(replace(load(saved / "logistic-none"), reference=table(5)), tmp_path / "model")
    file = tmp_path / "model/package.json"

    def edit(change, *, older):
        record = json.loads(file.read_text(encoding="utf-8"))
        change(record)
        if older:
            del record["sha256"]
        file.write_text(json.dumps(record), encoding="utf-8")
        return tmp_path / "model"

    return edit


EDITS = {
    "classes swapped": lambda r: r["classes"].reverse(),
    "a third class": lambda r: r["classes"].append("x"),
    "no class": lambda r: r.update(classes=[]),
    "features reversed": lambda r: r["features"].reverse(),
    "a feature left out": lambda r: r["features"].pop(),
    "no features": lambda r: r.update(features=[], inputs={}),
    "threshold NaN": lambda r: r.update(threshold=float("nan")),
    "threshold infinite": lambda r: r.update(threshold=float("inf")),
    "threshold text": lambda r: r.update(threshold="x"),
    "another task": lambda r: r.update(task="regression"),
    "no task": lambda r: r.pop("task"),
    "unknown task": lambda r: r.update(task="guess"),
    "a kind unknown": lambda r: r["inputs"]["width"].update(kind="colour"),
    "inputs a list": lambda r: r.update(inputs=[1]),
    "config a text": lambda r: r.update(config="seed"),
    "unknown key": lambda r: r.update(more=1),
    "raw without order": lambda r: r.update(raw={"width": {"kind": "numeric"}}),
}


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("name", EDITS)
def test_an_edited_record_is_refused_in_one_line_with_and_without_hashes(copied, name, older):
    folder = copied(EDITS[name], older=older)
    with pytest.raises(UserError) as error:
        load(folder)
    (line,) = str(error.value).splitlines()
    assert line.startswith(str(folder))


def test_a_record_without_hashes_loads_and_keeps_to_have_none(copied, tmp_path):
    loaded = load(copied(lambda record: None, older=True))
    assert not loaded.bound
    save(loaded, tmp_path / "again")
    assert "sha256" not in json.loads((tmp_path / "again/package.json").read_text(encoding="utf-8"))


def test_a_small_edit_that_fits_every_field_is_noticed_by_the_hash(copied):
    with pytest.raises(UserError, match=r"package\.json was changed after it was saved"):
        load(copied(lambda record: record.update(threshold=0.5), older=False))


@pytest.mark.parametrize("name", ["model.skops", "reference.parquet"])
@pytest.mark.parametrize("how", ["another", "flipped", "missing"])
def test_files_that_were_not_saved_together_are_refused(copied, saved, name, how):
    file = copied(lambda record: None, older=False) / name
    content = file.read_bytes()
    flipped = content[:500] + bytes([content[500] ^ 1]) + content[501:]
    other = (saved / "mlp-none/model.skops").read_bytes()
    file.unlink()
    if how != "missing":
        file.write_bytes({"another": other, "flipped": flipped}[how])
    with pytest.raises(UserError, match=name) as error:
        load(file.parent, with_model=False)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "{}", "\x00", '{"format": 1}'])
def test_a_record_that_is_none_is_refused_in_one_line(copied, text):
    folder = copied(lambda record: None, older=False)
    (folder / "package.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as error:
        load(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive", None])
def test_a_model_file_of_an_older_package_that_cannot_be_read_is_one_line(copied, content):
    file = copied(lambda record: None, older=True) / "model.skops"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(UserError, match=r"model\.skops") as error:
        load(file.parent)
    assert "\n" not in str(error.value)
