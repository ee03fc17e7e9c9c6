"""`cairn monitor` in a small checkout: raw rows, predictions and the log of the service, with late labels."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic
from http_service import PRICES

from cairn.__main__ import main
from cairn.commands import monitor as command
from cairn.data.tables import write_table
from cairn.models.package import reference_rows, save
from cairn.serve.prediction_log import Entry, as_table, write_segment
from cairn.serve.predictor import Predictor
from cairn.serve.served_model import load_model
from cairn.settings.yaml_text import parse_yaml

PER_DAY = 200
TRAIN, VALIDATION, NEW = 60, 20, 10
"""Days of each part."""
CONTRACT = """\
key: [id]
columns:
  id: {kind: numeric}
  day: {kind: datetime}
  load: {kind: numeric, group: g, nullable: true}
  noise: {kind: numeric, group: g, min: -10, max: 10}
  night: {kind: boolean, group: g}
  línea: {kind: categorical, group: g, nullable: true}
  stop: {kind: categorical, group: g}
  late: {kind: numeric, known: after}
  class: {kind: categorical, known: after}
  delay: {kind: numeric, known: after}
"""
PARAMS = """\
evaluate: {primary: null, resamples: 200, confidence: 0.95, slices: [línea], min_slice_rows: 100}
split: {kind: time}
"""


def table(first, days, seed):
    """Rows of some days, with their target."""
    made = synthetic.rows(days * PER_DAY, seed=seed)
    made["day"] = np.repeat(pd.date_range("2024-01-01", periods=days) + pd.Timedelta(days=first), PER_DAY)
    made["day"] += pd.to_timedelta(np.tile(np.arange(PER_DAY) * 432, days), unit="s")
    made["id"] = np.arange(len(made)) + first * PER_DAY
    return made


def build(root, task="binary", time="day", load=None):
    """Make a checkout whose pipeline has run: data, splits and model; the model has seen none of `new`."""
    parts = {"train": table(0, TRAIN, 0), "validation": table(TRAIN, VALIDATION, 1)}
    data = {"name": "toy", "source": "data.csv", "contract": "contract.yaml", "task": task, "time": time}
    data |= {"target": synthetic.TARGETS[task], "load": load}
    sep = (load or {}).get("sep", ",")
    pd.concat(parts.values(), ignore_index=True).to_csv(root / "data.csv", index=False, sep=sep)
    for name, part in parts.items():
        write_table(part.assign(row_id=part["id"]), root / f"data/splits/{name}.parquet")
    made = synthetic.fit("hist_gbdt", task, **parts)
    config = made.config | {"data": data, "kpi": PRICES if task == "binary" else {"kind": "none"}}
    save(
        replace(made, config=config, reference=reference_rows(made, parts["validation"])),
        root / "models/model",
    )
    (root / "dvc.yaml").write_text("stages: {}\n")
    (root / "params.yaml").write_text(PARAMS if time else PARAMS.replace("time", "random"))
    (root / "contract.yaml").write_text(CONTRACT, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return build(tmp_path_factory.mktemp("monitor"))


@pytest.fixture
def here(checkout, monkeypatch):
    monkeypatch.chdir(checkout)
    monkeypatch.setenv("PWD", str(checkout))
    return checkout


def run(here, *words):
    """Run the command in the checkout, which it leaves; return its exit code and the record that it wrote."""
    os.chdir(here)
    os.environ["PWD"] = str(here)
    try:
        code = main(["monitor", *words])
    except SystemExit as ended:
        code = ended.code
    return code, json.loads((here / command.RECORD).read_text(encoding="utf-8"))


def new(here, name="new.csv", **changes):
    made = table(TRAIN + VALIDATION, NEW, 2).assign(**changes)
    made.to_csv(here / name, index=False)
    return made


def test_rows_like_those_of_train_raise_no_alarm_and_are_scored(here, capsys):
    new(here)
    code, found = run(here, "new.csv")
    assert (code, found["retrain"], found["alarm"], found["reasons"]) == (0, "no", False, [])
    assert [window["rows"] for window in found["windows"]] == [PER_DAY] * NEW
    (stretch,) = found["stretches"]
    assert stretch["labelled"] == NEW * PER_DAY
    assert stretch["scores"]["roc_auc"]["low"] < stretch["scores"]["roc_auc"]["value"]
    assert stretch["change"]["low"] < 0 < stretch["change"]["high"]
    assert stretch["saving"]["value"] > 0
    assert found["calibration"]["windows"] == TRAIN
    assert found["calibration"]["validation"]["windows"] == VALIDATION
    assert {one["level"] for one in found["slices"]} == {"3", "Ω", "北", "(missing)"}
    page = (here / command.PAGE).read_text(encoding="utf-8")
    assert "Retrain: no" in page and "<svg" in page and "http:" not in page.replace("http://www.w3.org", "")
    said = capsys.readouterr()
    assert "Retrain: no" in said.out
    assert said.err.splitlines()[0] == "settings: conf/"


def test_the_first_line_says_where_the_settings_differ_from_conf(here, capsys):
    params = here / "params.yaml"
    before = params.read_text(encoding="utf-8")
    params.write_text(f'# overrides: ["experiment=tiny"]\n{before}', encoding="utf-8")
    new(here)
    run(here, "new.csv")
    params.write_text(before, encoding="utf-8")
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith("settings: conf/ + experiment=tiny; from params.yaml: experiment=tiny")


def test_a_new_category_is_a_reason_to_retrain_and_the_exit_code_says_so(here):
    frame = table(TRAIN + VALIDATION, NEW, 2)
    new(here, línea=frame["línea"].replace("Ω", "Ω2"))
    code, found = run(here, "new.csv", "--window", "1D")
    assert (code, found["retrain"]) == (4, "yes")
    assert run(here, "new.csv", "--exit-zero") == (0, found)
    assert {"unseen", "drift"} <= {alarm["kind"] for alarm in found["alarms"] if alarm["column"] == "línea"}
    assert found["since"] == found["windows"][0]["name"]


def test_a_fault_is_no_reason_to_retrain_and_rows_that_break_the_contract_are_named(here):
    frame = table(TRAIN + VALIDATION, NEW, 2)
    late = frame["day"] >= frame["day"].max().normalize() - pd.Timedelta(days=3)
    new(here, noise=frame["noise"].mask(late, 99))
    code, found = run(here, "new.csv")
    assert (code, found["retrain"]) == (3, "undecided")
    (contract,) = [alarm for alarm in found["alarms"] if alarm["kind"] == "contract"]
    assert (contract["column"], contract["value"], contract["windows"]) == ("noise", 1, 4)
    assert found["broken"] == {"noise": int(late.sum())}
    assert found["suspects"][0]["columns"] == ["noise"]
    assert all(not window["alarm"] for window in found["windows"][:6])


def test_a_text_among_numbers_and_a_row_without_a_time_are_counted_and_lose_nothing(here):
    made = new(here).astype({"noise": object, "day": str})
    made.loc[7, "noise"], made.loc[9, "day"] = "much", None
    made.to_csv(here / "new.csv", index=False)
    code, found = run(here, "new.csv")
    assert (code, found["broken"]) == (0, {"noise": 1, "day": 1})
    assert sum(window["rows"] for window in found["windows"]) == found["rows"] == len(made)
    assert found["suspects"] == [
        {"row": 7, "window": found["windows"][0]["name"], "columns": ["noise"]},
        {"row": 9, "window": found["windows"][0]["name"], "columns": ["day"]},
    ]


def test_a_model_that_became_worse_is_known_by_its_labels_alone(here):
    rng = np.random.default_rng(0)
    new(here, late=rng.permutation(table(TRAIN + VALIDATION, NEW, 2)["late"]))
    code, found = run(here, "new.csv")
    assert (code, [reason["cause"] for reason in found["reasons"]]) == (4, ["score"])
    assert not found["alarms"] and found["stretches"][-1]["change"]["high"] < 0
    assert abs(found["stretches"][-1]["estimate"] - found["baseline"]["estimate"]) < 0.02
    assert found["backtest"]["worst_error"] > 0.3


@pytest.mark.slow
def test_predictions_and_labels_that_arrive_later_give_the_same_scores_and_their_delay(here):
    frame = new(here)
    frame.drop(columns=["late", "class", "delay"]).to_csv(here / "unlabelled.csv", index=False)
    assert main(["predict", "unlabelled.csv", "-o", "scored.parquet", "--keep", "id,day,load,línea"]) == 0
    arrived = (
        frame[["id", "late"]].assign(at=frame["day"] + pd.Timedelta("30h")).sample(frac=1, random_state=0)
    )
    arrived[arrived["id"] < frame["id"].max() - 3 * PER_DAY].to_csv(here / "labels.csv", index=False)
    whole = run(here, "new.csv")[1]
    code, found = run(here, "scored.parquet", "--labels", "labels.csv", "--id", "id", "--known-at", "at")
    assert (code, found["kind"]) == (0, "predictions")
    assert not found["broken"] and not found["alarms"]
    assert found["stretches"][0]["estimate"] == whole["stretches"][0]["estimate"]
    assert found["delay"]["median_hours"] == found["delay"]["worst_hours"] == 30
    assert found["delay"]["behind_hours"] == pytest.approx(72, abs=0.5)
    assert sorted(found["not_measured"]) == ["night", "noise", "stop"]
    late = run(here, "scored.parquet", "--labels", "labels.csv", "--id", "id", "--labels-within", "2D")
    assert (late[0], [reason["cause"] for reason in late[1]["reasons"]]) == (3, ["labels"])


def test_the_log_of_the_service_gives_the_windows_and_scores_of_the_rows_that_it_answered(here):
    frame = new(here)
    served = load_model(str(here / "models/model"), "flag")
    features = list(served.fields)
    rows = frame[features].astype(object).where(frame[features].notna(), None).to_dict("records")
    scores = Predictor(served.package).rows(rows).scores
    entries = [
        Entry(
            served,
            at.timestamp(),
            str(key),
            [row],
            {"probability": [score], "decision": [score > 0.5], "expected_saving": [0.0]},
            [],
        )
        for at, key, row, score in zip(
            frame["day"].dt.tz_localize("UTC"), frame["id"], rows, scores, strict=True
        )
    ]
    for part in (entries[1000:], entries[:1000]):
        write_segment(as_table(part), here / "log")
    frame[["id", "late"]].rename(columns={"id": "request_id"}).to_csv(here / "answers.csv", index=False)
    whole = run(here, "new.csv")[1]
    code, found = run(here, "log", "--labels", "answers.csv", "--id", "request_id")
    assert (code, found["kind"], found["rows"]) == (0, "log", len(frame))
    assert [one["ratio"] for one in found["windows"]] == pytest.approx(
        [one["ratio"] for one in whole["windows"]], rel=1e-4
    )
    assert found["stretches"][0]["scores"] == whole["stretches"][0]["scores"]


@pytest.mark.slow
def test_rows_are_read_as_data_load_says_and_an_argument_may_differ(tmp_path, capsys):
    root = build(tmp_path, load={"_target_": "pandas.read_csv", "sep": ";"})
    made = new(root)
    os.chdir(root)
    assert main(["monitor", "new.csv", "--load", "sep=;"]) == 1
    assert "no column" in capsys.readouterr().err
    code, found = run(root, "new.csv", "--load", "sep=,")
    assert (code, found["rows"], found["calibration"]["windows"]) == (0, len(made), TRAIN)
    made.to_parquet(root / "new.parquet")
    assert run(root, "new.parquet")[1]["windows"] == found["windows"]
    os.chdir(root)
    assert main(["monitor", "new.parquet", "--load", "sep=,"]) == 1
    assert "by its extension, not by data.load" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(("task", "primary"), [("multiclass", "log_loss"), ("regression", "rmse")])
def test_other_tasks_without_a_time_have_windows_of_rows(task, primary, tmp_path):
    root = build(tmp_path, task, time=None)
    frame = new(root).drop(columns="day")
    frame.to_csv(root / "new.csv", index=False)
    code, found = run(root, "new.csv", "--window", "200rows")
    assert (code, found["primary"], found["backtest"]) == (0, primary, None)
    assert [window["name"] for window in found["windows"][:2]] == ["row 0", "row 200"]
    scores = found["stretches"][-1]["scores"][primary]
    assert scores["low"] < scores["value"] < scores["high"]
    frame[synthetic.TARGETS[task]] = frame[synthetic.TARGETS[task]].sample(frac=1, random_state=0).to_numpy()
    frame.to_csv(root / "new.csv", index=False)
    code, found = run(root, "new.csv", "--window", "200rows")
    assert (code, [reason["cause"] for reason in found["reasons"]]) == (4, ["score"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no source given"),
        (["new.cvs"], "new.cvs: no such file or folder"),
        (["new.csv", "--window", "soon"], "--window: 'soon' is not a length"),
        (["new.csv", "--window", "9D"], "the reference has 8 windows, and 20 are needed"),
        (["new.csv", "--votes", "3/2"], "--votes: '3/2' is not N/M"),
        (["new.csv", "--time", "dya"], "no column dya"),
        (["new.csv", "--labels", "new.csv"], "--labels and --id belong together"),
        (["new.csv", "--known-at", "x"], "--known-at needs --labels"),
        (["new.csv", "--labels", "new.csv", "--id", "idd"], "new.csv: no column idd; did you mean 'id'?"),
        (["new.csv", "--labels-within", "soon"], "--labels-within: 'soon' is not a duration"),
        (["empty.csv"], "empty.csv"),
        (["other.csv"], "other.csv: no column load"),
        (["empty"], "an empty folder"),
        (["damaged.parquet"], "damaged.parquet: cannot be read as parquet"),
    ],
)
def test_what_is_wrong_is_one_line(words, said, here, capsys):
    new(here)
    (here / "empty").mkdir(exist_ok=True)
    (here / "empty.csv").write_text("")
    (here / "damaged.parquet").write_bytes(b"PAR1 no")
    (here / "other.csv").write_text("a,b\n1,2\n")
    assert main(["monitor", *words]) == 1
    error = capsys.readouterr().err
    assert error.startswith("cairn monitor: ") and error.count("\n") == 1 and said in error


def test_codes_are_those_of_the_help(capsys):
    assert main(["monitor", "--help"]) == 0
    said = capsys.readouterr().out
    for verdict, code in command.CODES.items():
        assert f"{code} {verdict}" in said
    assert parse_yaml(PARAMS, "x") and Path(command.PAGE).suffix == ".html"
