"""The board says what the records say, fits its terminal, and its page loads nothing."""

import csv
import json
import re
from dataclasses import replace

import pytest
from board_history import OTHER_TABLE, START, many_runs, run_of
from card_inputs import Page, record_of

from cairn.metrics.evaluation import Evaluation, Score
from cairn.report.board.page import board_page, coded, content
from cairn.report.board.table import (
    age,
    board_csv,
    board_record,
    board_text,
    changes,
    comparable,
    left_out,
    not_run,
)

NOW = START + 86_400
RUNS = [
    run_of(1, 0.70, names=["main"], goal={"measure": "roc_auc", "value": 0.75}),
    run_of(2, 0.77, names=["sweep-of-learning-rates-and-depths-1f"], settings={"model.params.depth": 12}),
    run_of(3, 0.64, settings={"model.name": "mlp", "split.gap": "36h", "evaluate.resamples": 100}),
]


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_the_board_fits_the_terminal_and_no_number_is_cut(width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    text = board_text(RUNS, RUNS[0], NOW, columns=["log_loss"] if width > 80 else [])
    assert max(map(len, text.splitlines())) <= width
    whole = " ".join(text.split())
    for low in ("0.690", "0.760", "0.630"):
        assert f"[{low}," in whole


@pytest.mark.parametrize(("width", "settings"), [(160, True), (80, False), (60, False)])
def test_a_board_of_several_tasks_has_one_line_per_run(width, settings, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    price = replace(
        run_of(4, names=["houses"], settings={"data.name": "houses"}, table=OTHER_TABLE),
        record=Evaluation.model_validate(record_of("regression")),
    )
    runs = [RUNS[0], RUNS[2], price]
    _, _, header, *lines = board_text(runs, runs[0], NOW, columns=["rows"]).splitlines()
    below = [line for line in lines if line.startswith("    ")]
    assert ("settings" in header) == settings
    assert bool(below) != settings
    lines = [line for line in lines if line not in below]
    assert [line.split()[0] for line in lines[:4] if line] == ["main*", runs[1].name, price.name]
    assert ("seed=4" in lines[2]) == settings
    assert settings or "seed=4 data=houses" in below[-1]
    assert "rows" in header, "asked for"
    assert "[0.690, 0.710]" in lines[0]
    assert "[0.688, 0.712]" in lines[2], "rounded by its own interval"


def test_the_board_shows_score_money_age_and_what_differs(monkeypatch):
    monkeypatch.setenv("COLUMNS", "170")
    text = board_text(RUNS, RUNS[0], NOW, pair=comparable(RUNS))
    head, _, header, first, second, third, *rest = text.splitlines()
    assert head == "3 runs; forest; ROC AUC; data flights aaaaaaa; saving in EUR per 1,000 rows"
    assert header.split() == ["run", "age", "score", "saving", "goal", "settings"]
    assert first.split("  ")[0] == "main*"
    assert "missed" in first
    assert "22h" in second
    assert "0.77 [0.76, 0.78]" in " ".join(second.split()) or "0.770 [0.760, 0.780]" in second
    assert "23,456 [22,656 to 24,256]" in second
    assert "seed=2 model.params.depth=12" in second
    assert "seed=3 model=mlp" in third
    assert f"next: cairn compare main {RUNS[1].name}" in rest


def test_runs_on_other_data_are_told_apart_and_not_suggested():
    other = run_of(4, 0.9, table=OTHER_TABLE, names=["tiny"])
    text = " ".join(board_text([RUNS[0], other], RUNS[0], NOW).split())
    assert "bbbbbbb" in text
    assert f"`cairn board --where 'data~{RUNS[0].version}'` lists the runs on the data of main" in text
    assert comparable([RUNS[0], other]) is None
    same = run_of(9, 0.70)
    assert comparable([RUNS[0], same]) is None, "the same scores"
    kpi = same.record.kpi.model_copy(update={"savings_of_model": {}})
    same = replace(same, record=same.record.model_copy(update={"kpi": kpi, "gains": {}}))
    assert comparable([RUNS[0], same]) is None, "only the baselines differ"


def test_runs_that_cannot_be_read_are_named_with_a_command_that_shows_one(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    said = left_out(["v1", "a1be404"])
    assert "v1 and a1be404" in " ".join(said.split())
    assert "`git show v1:metrics/test.json`" in said
    assert max(map(len, said.splitlines())) <= 80


def test_a_run_is_written_as_the_overrides_that_make_it():
    assert changes(RUNS[2], RUNS[0]) == "seed=3 model=mlp split.gap=36h evaluate.resamples=100"


def test_settings_without_room_are_below_the_run_and_counted_not_cut(monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    said = 'it\'s "x" and y'
    many = {f"evaluate.a_long_name_{i}": i for i in range(9)}
    runs = [RUNS[0], run_of(5, settings={"data.where": said, "model.params.depth": 12} | many)]
    lines = board_text(runs, runs[0], NOW).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("    "))
    assert "0.690" in lines[at - 1]
    below = " ".join(line.strip() for line in lines[at : at + 2])
    assert below.startswith("seed=5 model.params.depth=12")
    assert int(below.rpartition("+")[2]) + below.count("=") == 12
    assert max(map(len, lines)) <= 70
    assert "+N: N more" in " ".join(" ".join(lines).split())
    monkeypatch.setenv("COLUMNS", "140")
    assert f"seed=5 model.params.depth=12 data.where={said}" in board_text(runs, runs[0], NOW)


def test_settings_that_have_not_run_are_said_on_every_board():
    line = not_run({"data.name": "houses", "model.params.depth": None}, "main")
    assert line == (
        "params.yaml was changed after main ran: data=houses model.params.depth=null; `dvc repro` runs it."
    )
    assert line in " ".join(board_text(RUNS, RUNS[0], NOW, waiting=line).split())
    assert line in Page(page_of(RUNS, waiting=line)).text
    assert not_run({}, "main") == ""


def test_an_age_has_one_unit():
    seconds = [3, 60, 7200, *(86_400 * days for days in (6, 20, 100, 800))]
    assert [age(each) for each in seconds] == ["now", "1min", "2h", "6d", "2w", "3mo", "2y"]


def test_csv_and_json_hold_every_number_of_the_records():
    rows = list(csv.DictReader(board_csv(RUNS, RUNS[0]).splitlines()))
    assert [row["run"] for row in rows] == [run.name for run in RUNS]
    assert [float(row["roc_auc_high"]) for row in rows] == pytest.approx([0.71, 0.78, 0.65])
    assert [row["model.params.depth"] for row in rows] == ["3", "12", "3"]
    assert rows[0]["goal"] == "missed"
    record = json.loads(json.dumps(board_record(RUNS, RUNS[0])))
    assert record[1]["differs"] == {"seed": 2, "model.params.depth": 12}
    assert record[1]["saving"]["low"] == 22_656
    assert record[2]["settings"]["split.gap"] == "36h"


def page_of(runs, **more):
    return board_page(runs, runs[0], more.pop("links", {}), [False] * len(runs), **more)


def test_the_page_loads_nothing_runs_only_its_own_script_and_is_the_same_each_time():
    html = page_of(RUNS)
    page = Page(html)
    assert [address for address in page.loads if address != "data:,"] == []
    assert len(page.ids) == len(set(page.ids))
    assert "3 runs" in page.text
    assert "Will it be late?" in page.text
    assert re.search(r"script-src 'sha256-[\w+/=]+'[;\"]", html)
    assert "style=" not in html
    assert page_of(RUNS) == html


def test_what_the_script_reads_is_what_the_records_say():
    board = content(RUNS, RUNS[0], {1: "cards/x.html"}, [True, False, False])
    assert board["scores"]["roc_auc"] == [[0.7, 0.77, 0.64], [0.69, 0.76, 0.63], [0.71, 0.78, 0.65]]
    assert set(board["settings"]) == {"seed", "model.params.depth", "model.name", *ADDED}
    assert read(board["settings"]["model.params.depth"]) == [3, 12, 3]
    assert board["base"] == {"data.name": "flights"}
    facts = {name: read(column) for name, column in board["facts"].items()}
    assert facts["card"] == [None, "cards/x.html", None]
    assert facts["names"] == [list(run.names) for run in RUNS]
    assert (facts["goal"][0], facts["cached"]) == ("missed", [True, False, False])


ADDED = ("split.gap", "evaluate.resamples")
"""Settings that only the third run has."""


def read(column):
    """Return the values of a column, as the script does."""
    return [column["levels"][at] for at in column["at"]]


@pytest.mark.parametrize(
    "values",
    [[1, True, 1.0, "1", None], [[1, 2], [1, 2], {"b": 1, "a": [None]}, []], ["x"] * 3, []],
)
def test_a_column_keeps_every_value_and_its_type(values):
    column = json.loads(json.dumps(coded(values)))
    assert [json.dumps(value) for value in read(column)] == [
        json.dumps(value, sort_keys=True) for value in values
    ]
    assert len(column["levels"]) == len({json.dumps(value, sort_keys=True) for value in values})


def test_a_number_is_rounded_finer_than_its_interval_shows_it():
    numbers = {"value": 0.7834567891, "low": 0.7612345678, "high": 0.8056789123}
    record = RUNS[0].record
    scores = record.scores | {"model": record.scores["model"] | {"roc_auc": Score(**numbers)}}
    run = replace(RUNS[0], record=record.model_copy(update={"scores": scores}))
    board = content([run], run, {}, [False])
    assert board["scores"]["roc_auc"] == [[0.78346], [0.76123], [0.80568]]


def test_names_that_look_like_markup_stay_text():
    html = page_of([run_of(1, names=["</script><b>x"])])
    assert "</script><b>" not in html


def test_the_board_of_three_thousand_runs_has_at_most_two_megabytes():
    runs = many_runs(3000)
    assert len(page_of(runs).encode()) < 2_000_000
