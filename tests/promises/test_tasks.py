"""Every stage from prepare to evaluate works for every task, model and split, on small real tables."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from repository import ROOT
from sklearn import datasets

from cairn.compose.conf import compose
from cairn.data.contract import violations
from cairn.data.load import parsed
from cairn.data.prepare import usable_rows
from cairn.data.records import write_json
from cairn.data.tables import write_table
from cairn.errors import UserError
from cairn.features.select import choose_columns
from cairn.metrics.evaluation import Evaluation
from cairn.metrics.importance import Explanation
from cairn.models.package import load
from cairn.pipeline import baseline, calibrate, cross_validate, evaluate, explain, prepare, split, train
from cairn.settings.config import Config
from cairn.settings.contract import Contract

TABLES = {
    "binary": (datasets.load_breast_cancer, {"task": "binary"}),
    "multiclass": (datasets.load_wine, {"task": "multiclass"}),
    "regression": (datasets.load_diabetes, {"task": "regression"}),
}
GENERIC = ["data=diabetes", "cross_validation=none"]


def settings(task, folder, *overrides):
    """Compose conf/ for a table that is written into the folder, with its contract."""
    loaded = TABLES[task][0](as_frame=True)
    frame = loaded.frame.rename(columns=lambda name: name.replace(" ", "_"))
    if task == "multiclass":
        frame["target"] = frame["target"].map({0: "Barolo", 1: "Grignolino", 2: "Barbéra"})
    frame["kind"] = pd.cut(frame.iloc[:, 0], 4, labels=["ä", "b", "c", "d"]).astype("str")
    frame.to_parquet(folder / "table.parquet")
    kinds = {name: "categorical" if frame[name].dtype == "str" else "numeric" for name in frame}
    columns = {name: {"kind": kind, "group": "main"} for name, kind in kinds.items() if name != "target"}
    columns["target"] = {"kind": kinds["target"], "known": "after"}
    (folder / "contract.yaml").write_text(
        json.dumps({"columns": columns}, ensure_ascii=False), encoding="utf-8"
    )
    values = compose(ROOT / "conf", [*GENERIC, *overrides]).values
    values["data"] |= {
        "name": task,
        "source": str(folder / "table.parquet"),
        "contract": str(folder / "contract.yaml"),
        "load": None,
        "target": "target",
        "positive": 1 if task == "binary" else None,
        "time": None,
        "drop_where": {},
        "leakage": {"max_single_score": 0.999, "min_null_rows": 50, "trusted": []},
        **TABLES[task][1],
    }
    values["evaluate"] |= {"resamples": 100, "slices": ["kind"], "min_slice_rows": 10}
    values["threads"] = 1
    return Config.model_validate(values)


def run(config, *stages):
    for stage in stages:
        names = stage.main.__kwdefaults__ or {}
        wanted = [name for name in stage.main.__annotations__ if name != "return"]
        assert not names
        stage.main(**{name: getattr(config, name) for name in wanted})


def evaluation():
    return Evaluation.model_validate_json(Path("metrics/evaluation.json").read_text())


ALL = (prepare, split, baseline, train, calibrate, cross_validate, evaluate)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["hist_gbdt", "logistic", "mlp", "extra_trees"])
@pytest.mark.parametrize("task", TABLES)
def test_every_model_runs_through_every_stage_and_beats_the_prior(task, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = ["model.params.min_samples_leaf=5", "model.params.max_iter=60"] if model == "hist_gbdt" else []
    run(settings(task, tmp_path, f"model={model}", *small), *ALL)
    record = evaluation()
    assert record.gains["prior"][record.primary].low > 0
    assert record.same_as == (["linear"] if model == "logistic" else [])
    headline = json.loads(Path("metrics/test.json").read_text())
    assert headline == record.headline()
    assert headline[record.primary] == record.scores["model"][record.primary].value
    on_validation = json.loads(Path("metrics/validation.json").read_text())
    assert on_validation == {f"val_{record.primary}": record.validation["model"][record.primary]}
    predictions = pd.read_parquet("predictions/model.parquet")
    assert predictions.groupby("part").size().to_dict() == {
        part: json.loads(Path("metrics/split.json").read_text())["parts"][part]["rows"]
        for part in ("test", "validation")
    }
    scored = {row.level: row.rows for row in record.slices}
    small = record.small_slices.get("kind")
    assert sum(scored.values()) + (small.rows if small else 0) == record.rows
    if task == "regression":
        test = predictions[predictions["part"] == "test"]
        assert record.mean_error.value == pytest.approx((test["model"] - test["target"]).mean(), 1e-5)


@pytest.mark.parametrize("refit", ["none", "validation"])
def test_baselines_predict_test_as_fitted_on_the_rows_of_the_model(refit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(settings("multiclass", tmp_path, "model=logistic", f"train.refit={refit}"), prepare, split, baseline)
    fitted = {
        "validation": ["train"],
        "test": ["train", "validation"] if refit == "validation" else ["train"],
    }
    predicted = pd.read_parquet("predictions/baseline.parquet").groupby("part")
    for part, sources in fitted.items():
        targets = pd.concat([pd.read_parquet(f"data/splits/{name}.parquet")["target"] for name in sources])
        prior = predicted.get_group(part)["prior|Grignolino"]
        assert prior.unique() == pytest.approx([(targets == "Grignolino").mean()])


def test_a_protected_column_is_compared_on_test_and_need_not_be_a_feature(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = settings("binary", tmp_path, "model=logistic")
    file = tmp_path / "contract.yaml"
    contract = json.loads(file.read_text(encoding="utf-8"))
    contract["columns"]["kind"] = {"kind": "categorical", "protected": True}
    file.write_text(json.dumps(contract), encoding="utf-8")
    run(config, prepare, split, baseline, train, calibrate, evaluate)
    assert "kind" not in load(Path("models/model")).features
    test = pd.read_parquet("data/splits/test.parquet")
    predicted = pd.read_parquet("predictions/model.parquet").query("part == 'test'")["model"].to_numpy()
    found = evaluation()
    sizes = test["kind"].value_counts()
    assert {row.level: row.rows for row in found.fairness} == sizes[sizes >= 10].to_dict()
    rows = next(row for row in found.fairness if row.measure == "selection_rate")
    chosen = predicted > found.thresholds["model"]
    assert rows.estimate.value == pytest.approx(chosen[test["kind"] == rows.level].mean(), 1e-5)


def test_a_model_is_explained_on_validation(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(settings("multiclass", tmp_path, "model=logistic"), prepare, split, train, calibrate, explain)
    found = Explanation.model_validate_json(Path("metrics/explain.json").read_text())
    rows = len(pd.read_parquet("data/splits/validation.parquet"))
    assert (found.rows, found.validation_rows, found.metric) == (rows, rows, "log_loss")
    assert [group.name for group in found.groups] == ["main"]
    assert {each.name for each in found.columns} == {*datasets.load_wine().feature_names, "kind"}
    assert [each.name for each in found.dependence] == [each.name for each in found.columns[:4]]


def test_the_event_is_called_by_its_name_and_never_by_its_code(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    config = settings("binary", tmp_path, "model=logistic")
    run(config.model_copy(update={"data": config.data.model_copy(update={"positive": 0})}), *ALL)
    assert re.search(r"target = 0 where the probability is above 0\.\d", capsys.readouterr().out)
    rows = {(cell.actual, cell.predicted): cell.rows for cell in evaluation().confusion}
    raw = pd.read_parquet("table.parquet")["target"].to_numpy()
    test = pd.read_parquet("data/splits/test.parquet")["row_id"]
    assert rows["0", "0"] + rows["0", "not 0"] == (raw[test] == 0).sum()
    assert rows["not 0", "0"] + rows["not 0", "not 0"] == (raw[test] == 1).sum()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["kfold", "rolling"])
def test_cross_validation_scores_every_fold_without_test(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = settings(
        "binary", tmp_path, f"cross_validation={kind}", "cross_validation.folds=3", "model=logistic"
    )
    if kind == "rolling":
        config = config.model_copy(update={"data": config.data.model_copy(update={"time": "row_id"})})
    run(config, prepare, split)
    Path("data/splits/test.parquet").unlink()
    run(config, cross_validate)
    record = json.loads(Path("metrics/cross_validation.json").read_text())
    assert len(record["folds"]) == 3
    assert all(fold["roc_auc"] > 0.9 for fold in record["folds"])
    rows = [len(pd.read_parquet(f"data/splits/{part}.parquet")) for part in ("train", "validation")]
    if kind == "kfold":
        assert sum(fold["rows"] for fold in record["folds"]) == sum(rows)
    else:
        assert [fold["fit"] for fold in record["folds"]] == sorted(fold["fit"] for fold in record["folds"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["univariate", "recursive"])
def test_chosen_columns_go_through_every_stage_and_the_baseline(kind, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    wish = [f"features.selection.kind={kind}", "features.selection.keep=4"]
    run(settings("binary", tmp_path, "model=logistic", "model@baseline.linear=logistic", *wish), *ALL)
    chosen = load(Path("models/model")).features
    assert len(chosen) == 4
    assert f"train: chosen from 31 ({kind}): {', '.join(chosen)}" in capsys.readouterr().out
    scores = evaluation().scores
    assert scores["linear"]["roc_auc"] == scores["model"]["roc_auc"]


@pytest.mark.slow
def test_folds_choose_for_themselves_so_noise_scores_as_noise(tmp_path, monkeypatch):
    """Chosen before the folds, noise looks like signal (Hastie, Tibshirani and Friedman 2009, 7.10.2)."""
    monkeypatch.chdir(tmp_path)
    names = [f"n{i}" for i in range(400)]
    columns = {name: {"kind": "numeric", "group": "g"} for name in names}
    contract = {"columns": columns | {"target": {"kind": "numeric", "known": "after"}}}
    wish = ["features.selection.kind=univariate", "features.selection.keep=20"]
    folds = ["cross_validation=kfold", "cross_validation.folds=4"]
    config = settings("binary", tmp_path, "model=logistic", *folds, *wish)
    noise = np.random.default_rng(0).normal(size=(160, 400))
    rows = pd.DataFrame(noise, columns=names).assign(target=[0, 1] * 80)
    write_json(contract, Path("data/prepared/contract.json"))
    write_table(rows[:120], Path("data/splits/train.parquet"))
    write_table(rows[120:], Path("data/splits/validation.parquet"))

    def score(features):
        run(config.model_copy(update={"features": features}), cross_validate)
        record = json.loads(Path("metrics/cross_validation.json").read_text())
        return np.mean([fold["roc_auc"] for fold in record["folds"]])

    before = choose_columns(
        rows, rows["target"].to_numpy(), names, contract=Contract.model_validate(contract),
        task="binary", selection=config.features.selection, seed=0, threads=1,
    )  # fmt: skip
    others = [name for name in names if name not in before]
    leaky = score(config.features.model_copy(update={"exclude": others}))
    honest = score(config.features)
    assert honest < 0.6
    assert leaky > honest + 0.1


@pytest.mark.slow
@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
def test_calibration_and_costs_need_no_new_training(method, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(settings("binary", tmp_path, "model=logistic"), prepare, split, baseline, train)
    fitted = Path("models/fitted/model.skops").read_bytes()
    run(
        settings("binary", tmp_path, "model=logistic", f"calibration={method}", "kpi=cost"),
        calibrate,
        evaluate,
    )
    assert Path("models/fitted/model.skops").read_bytes() == fitted
    record = evaluation()
    assert record.thresholds["model"] == 0.25
    policies = record.kpi.policies
    assert policies["oracle"].saving.value >= policies["model"].saving.value > 0
    assert record.kpi.savings_of_model["always"].value > 0
    table = pd.read_parquet("predictions/model.parquet")
    for part, saving in (
        ("test", policies["model"].saving.value),
        ("validation", record.validation_kpi["model"]["saving"]),
    ):
        rows = table[table["part"] == part]
        acted = rows["model"] > 0.25
        saved = 0.4 * 1000 * (acted & (rows["target"] == 1)) - 100 * acted
        assert saving == pytest.approx(1000 * saved.mean(), rel=1e-5)


def test_a_score_that_is_too_good_to_be_true_stops_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = settings("binary", tmp_path, "model=logistic", "+evaluate.ceiling.roc_auc=0.8")
    run(config, prepare, split, baseline, train, calibrate)
    with pytest.raises(
        UserError, match=r"roc_auc 0\.9\d* on test is better than evaluate\.ceiling\.roc_auc 0\.8: "
    ):
        run(config, evaluate)
    assert not Path("metrics/test.json").exists()


def test_baseline_predictions_of_other_rows_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = settings("binary", tmp_path, "model=logistic")
    run(config, prepare, split, baseline, train, calibrate)
    run(config.model_copy(update={"seed": 1}), split)
    with pytest.raises(UserError, match="is about other rows of validation"):
        run(config, evaluate)


def test_a_copy_of_the_target_stops_the_run_before_any_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = settings("binary", tmp_path)
    table = pd.read_parquet("table.parquet").assign(kind=lambda t: t["target"].astype(str))
    table.to_parquet("table.parquet")
    with pytest.raises(UserError, match="looks like a leak: kind: alone it reaches ROC-AUC 1"):
        run(config, prepare, split)
    assert not Path("data/splits").exists()


def test_rows_dropped_are_counted_by_reason(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = settings("regression", tmp_path)
    table = pd.read_parquet("table.parquet")
    table.loc[:4, "target"] = None
    table.to_parquet("table.parquet")
    text = Path("contract.yaml").read_text(encoding="utf-8")
    Path("contract.yaml").write_text(
        text.replace('"known": "after"', '"known": "after", "nullable": true'), encoding="utf-8"
    )
    older = config.data.model_copy(update={"drop_where": {"old": "age > 0.05", "odd": "nowhere > 1"}})
    with pytest.raises(UserError, match=r"data\.drop_where\.odd: 'nowhere > 1'"):
        prepare.main(data=older)
    older = config.data.model_copy(update={"drop_where": {"old": "age > 0.05"}})
    prepare.main(data=older)
    record = json.loads(Path("metrics/data.json").read_text())
    old = int((table["age"] > 0.05).sum())
    gone = int((table.loc[:4, "age"] <= 0.05).sum())
    assert record["dropped"] == {"old": old, "no_target": gone}
    assert (
        record["rows_out"]
        == record["rows_in"] - old - gone
        == len(pd.read_parquet("data/prepared/table.parquet"))
    )


def test_rows_that_are_left_out_need_not_keep_the_contract(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = settings("regression", tmp_path)
    table = pd.read_parquet("table.parquet")
    table.loc[[3, 5], "age"] = [1e6, -1e6]
    table.to_parquet("table.parquet")
    text = Path("contract.yaml").read_text(encoding="utf-8")
    text = text.replace('"age": {', '"age": {"min": -1000, "max": 1000, ')
    Path("contract.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as error:
        prepare.main(data=config.data.model_copy(update={"drop_where": {"high": "age > 1000"}}))
    first, last = str(error.value).splitlines()
    assert first.endswith("age: below min -1000: 1 rows, such as row 5 (-1000000.0)")
    assert last.startswith("rules broken: 1; nothing was changed")
    both = config.data.model_copy(update={"drop_where": {"high": "age > 1000", "low": "age < -1000"}})
    prepare.main(data=both)
    assert json.loads(Path("metrics/data.json").read_text())["dropped"] == {
        "high": 1,
        "low": 1,
        "no_target": 0,
    }


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"drop_where": {"odd": "age"}}, "data.drop_where.odd: 'age' is float64; it must be true or false"),
        (
            {"task": "regression", "target": "kind"},
            "data.task: regression needs a numeric target, kind is str",
        ),
    ],
)
def test_a_mistake_about_the_table_gives_one_line(changed, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = settings("regression", tmp_path)
    with pytest.raises(UserError) as error:
        prepare.main(data=config.data.model_copy(update=changed))
    assert str(error.value) == message


def test_features_without_a_gap_and_text_alone_are_encoded_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(settings("binary", tmp_path, "model=logistic"), prepare, split, baseline, train)
    config = settings("binary", tmp_path, "model=logistic")
    only = [name for name in pd.read_parquet("table.parquet") if name not in ("kind", "target")]
    text_alone = config.features.model_copy(update={"exclude": only})
    run(config.model_copy(update={"features": text_alone}), baseline, train)


def test_a_column_called_row_id_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = settings("regression", tmp_path)
    with pytest.raises(UserError, match="row_id: the table has a column of this name"):
        usable_rows(pd.read_parquet("table.parquet").assign(row_id=1), config.data)


def test_dates_of_a_csv_are_read_as_the_contract_says(tmp_path):
    contract = Contract.model_validate({"columns": {"at": {"kind": "datetime"}, "x": {"kind": "numeric"}}})
    table = pd.DataFrame({"at": ["2020-01-02", "2020-01-03 04:05"], "x": [1, 2]})
    assert violations(parsed(table, contract), contract) == []
    odd = table.assign(at=["2020-01-02", "soon"])
    (violation,) = violations(parsed(odd, contract), contract)
    assert violation.column == "at"


def test_without_early_stopping_cross_validation_learns_from_every_other_fold(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folds = ["cross_validation=kfold", "cross_validation.folds=5"]
    config = settings("binary", tmp_path, *folds, "model=logistic")
    run(config, prepare, split, cross_validate)
    for fold in json.loads(Path("metrics/cross_validation.json").read_text())["folds"]:
        assert fold["fit"] / fold["rows"] == pytest.approx(4, rel=0.05)
