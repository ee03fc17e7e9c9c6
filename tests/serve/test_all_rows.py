"""`cairn refit`: a model fitted on all rows repeats the scored one, and has no score of its own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from synthetic import CONTRACT, FEATURES, TARGETS, config, ensemble, recipe, rows

from cairn.commands.app import run
from cairn.data.records import write_json
from cairn.data.tables import write_table
from cairn.errors import UserError
from cairn.models.calibration import FITTED, calibrate, load_and_score, save_scores, validated
from cairn.models.package import load, reference_rows, save
from cairn.models.record import read_record
from cairn.report.card.markdown import markdown_card
from cairn.serve.description import describe
from cairn.serve.served_model import load_model

PARTS = {"train": rows(), "validation": rows(600, seed=1), "test": rows(500, seed=2)}
ALL = pd.concat(PARTS.values(), ignore_index=True)
ASKED = rows(200, seed=5)
BOOSTING = config("hist_gbdt", n_iter_no_change=3, max_iter=400, learning_rate=0.2)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Write what the stages leave behind for a model; return the function that does."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("cairn.commands.refit.user_folder", Path.cwd)
    Path("dvc.yaml").write_text("stages: {}\n")
    write_json(CONTRACT.model_dump(), Path("data/prepared/contract.json"))
    for name, part in PARTS.items():
        write_table(part, Path(f"data/splits/{name}.parquet"))

    def made(model=BOOSTING, task="binary", method="none"):
        plan = recipe(model, CONTRACT, TARGETS[task], task)
        fitted = plan.fit(PARTS["train"], PARTS["validation"])
        save(fitted, FITTED)
        save_scores(fitted.scores(PARTS["validation"]))
        package = calibrate(fitted, PARTS["validation"], method)
        sections = {"calibration": {"method": method}, "kpi": {"kind": "none"}}
        package = replace(
            package,
            threshold=0.4,
            config=fitted.config | sections,
            reference=reference_rows(fitted, PARTS["validation"]),
        )
        save(package, Path("models/model"))
        return fitted, package

    return made


def test_it_has_as_many_trees_as_the_scored_model_and_all_rows(checkout, capsys):
    fitted, _ = checkout()
    assert run("refit", "all-rows") == 0
    found = load(Path("all-rows"))
    by_hand = HistGradientBoostingClassifier(
        max_iter=fitted.estimator.n_iter_,
        learning_rate=0.2,
        random_state=3,
        categorical_features=[3, 4],
        early_stopping=False,
    )
    by_hand.fit(found.encoder.transform(ALL[found.features]), ALL["late"])
    expected = by_hand.predict_proba(found.encoder.transform(ASKED[found.features]))[:, 1]
    np.testing.assert_array_equal(found.scores(ASKED), expected)
    assert found.threshold == 0.4
    said = capsys.readouterr().out
    assert "all-rows: hist_gbdt fitted on 2,600 rows, all of them\nNo score belongs to this model" in said


def test_the_same_command_writes_the_same_bytes(checkout):
    checkout()
    run("refit", "one")
    run("refit", "two")
    for file in Path("one").iterdir():
        assert file.read_bytes() == Path("two", file.name).read_bytes()


def test_the_record_names_the_record_of_the_scored_model(checkout):
    checkout()
    run("refit", "all-rows")
    scored, found = read_record(Path("models/model")), read_record(Path("all-rows"))
    assert scored.refit_of is None
    assert found.refit_of == scored.sha256["package.json"]
    assert found.refit_of[:12] in found.notes[0]


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration_and_weights_are_those_of_the_scored_model(checkout, method):
    fitted, package = checkout(ensemble("hist_gbdt", "logistic"), method=method)
    run("refit", "all-rows")
    found = load(Path("all-rows"))
    inner = found.estimator.estimator.estimator
    assert inner.weights == fitted.estimator.weights
    raw = inner.predict_proba(found.encoder.transform(ASKED[found.features]))[:, 1]
    (mapped,) = package.estimator.calibrated_classifiers_
    np.testing.assert_allclose(found.scores(ASKED), mapped.calibrators[0].predict(raw), rtol=1e-9)


def test_evaluate_and_explain_refuse_it(checkout):
    checkout()
    run("refit", "all-rows")
    Path("models/model").rename("scored")
    Path("all-rows").rename("models/model")
    for ask in (
        lambda: load_and_score(Path("models/model"), PARTS, []),  # evaluate
        lambda: validated(load(Path("models/model")), FITTED),  # explain
    ):
        with pytest.raises(UserError, match="models/model: no score belongs to this model"):
            ask()


def test_predict_serve_and_card_say_that_no_score_belongs_to_it(checkout, capsys, monkeypatch):
    checkout()
    run("refit", "all-rows")
    note = load(Path("all-rows")).notes[0]
    ASKED[FEATURES].to_csv("rows.csv", index=False)
    monkeypatch.setattr("cairn.commands.predict.user_folder", Path.cwd)
    monkeypatch.setattr("cairn.commands.predict.from_root", lambda path: path)
    run("predict", "rows.csv", "-o", "out.parquet", "--model", "all-rows")
    assert f"cairn predict: all-rows: {note}" in capsys.readouterr().err
    run("predict", "rows.csv", "-o", "out.parquet")
    assert "No score" not in capsys.readouterr().err
    served, scored = (load_model(folder, "flag") for folder in ("all-rows", "models/model"))
    assert served.about()["refit_of"] == read_record(Path("models/model")).sha256["package.json"]
    assert scored.about()["refit_of"] is None
    assert note in describe(served, {}, "http://x/", None)
    assert "No score" not in describe(scored, {}, "http://x/", None)
    card = markdown_card(served.package, None)
    assert note in card
    assert "model-index" not in card


def test_data_of_another_run_are_refused(checkout):
    checkout()
    write_table(rows(600, seed=9), Path("data/splits/validation.parquet"))
    with pytest.raises(UserError, match="are of several runs; run `dvc repro`"):
        run("refit", "all-rows")
    assert not Path("all-rows").exists()


def test_a_folder_that_exists_and_a_model_without_data_are_refused(checkout):
    checkout()
    Path("there").mkdir()
    with pytest.raises(UserError, match="there: exists already"):
        run("refit", "there")
    run("refit", "all-rows")
    with pytest.raises(UserError, match="has no data to be fitted on again"):
        run("refit", "again", "--model", "all-rows")
