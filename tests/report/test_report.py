"""The model card: what it is given follows from the records, and the page shows it.

Sentences are compared as a whole with the pages in golden/, one per task. After a change of wording, write
these again and review their diff:

    CAIRN_GOLDEN=1 pytest tests/report -k golden
"""

import base64
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from card_inputs import (
    PARTS,
    Page,
    card_of,
    explanation_of,
    parts_of,
    record_of,
    same_as_golden,
    sections,
    write_inputs,
)
from hypothesis import given
from hypothesis import strategies as st
from repository import ROOT

from cairn.metrics.evaluation import Evaluation
from cairn.pipeline import report
from cairn.report.card.words import best_other_policy, summary
from cairn.report.numbers import number
from cairn.report.page import render
from cairn.report.plots.canvas import to_svg
from cairn.report.plots.figures import roc_figure, training_figure

CARD = Path("reports/model_card.html")
AWKWARD = '<b>&"'
FOLDS = [{"fit": 2000, "rows": 500, "roc_auc": value} for value in (0.70, 0.74, 0.78)]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def page_of(record, task, *, priced=False, target="late", **inputs):
    """Run the stage on written inputs, and read its page."""
    write_inputs(record, target=target, **inputs)
    report.main(**sections(task, target=target, priced=priced))
    return Page(CARD.read_text(encoding="utf-8"))


def lines_of(record, parts=PARTS):
    """Return the lines on the terminal by their subject."""
    lines = summary(Evaluation.model_validate(record), parts, "flights", "page.html")
    return dict(re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in lines[1:])


# The page


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_page_of_a_task_is_the_golden_one(task):
    page_of(record_of(task, priced=task == "binary"), task, priced=task == "binary", folds=FOLDS)
    html = CARD.read_text(encoding="utf-8")
    # Pictures are those of matplotlib, and the settings those of conf/.
    same_as_golden(html, f"{task}.html", without=("head", "script", "figure", "pre"))


@pytest.mark.parametrize(
    ("task", "priced"), [("binary", True), ("binary", False), ("multiclass", False), ("regression", False)]
)
def test_the_page_has_balanced_tags_and_unique_ids_and_loads_nothing(task, priced):
    curve = pd.DataFrame({"fpr": [0.0, 1.0], "tpr": [0.0, 1.0]})
    Path("plots/images").mkdir(parents=True)
    Path("plots/images/roc.svg").write_text(to_svg(roc_figure({"forest": curve}, {"forest": 0.5})))
    Path("plots/images/confusion.svg").write_text(to_svg(training_figure([0.1, 0.2], [])))
    page = page_of(record_of(task, priced=priced), task, priced=priced)
    assert len(page.ids) == len(set(page.ids))
    assert all(load.startswith(("#", "data:")) for load in page.loads)
    text = CARD.read_text(encoding="utf-8")
    assert all(address.startswith("#") for address in re.findall(r"url\(([^)]*)\)", text))
    assert "@import" not in text
    assert page.tags.count("figure") == 3
    assert ("EUR" in page.text) == priced
    assert CARD.stat().st_size < 1_000_000


def test_every_anchor_of_the_page_leads_to_a_section():
    page = page_of(record_of("binary", priced=True), "binary", priced=True, folds=FOLDS)
    anchors = {
        load[1:] for load in page.loads if load.startswith("#") and not load[1:].startswith("training-")
    }
    assert {"scores", "money", "slices", "folds", "identity"} <= anchors <= set(page.ids)


def test_the_page_shows_what_the_card_holds():
    record = record_of("binary", priced=True)
    page = page_of(record, "binary", priced=True, folds=FOLDS)
    card = card_of(record, "binary", priced=True, folds=FOLDS)
    cells = [row["score"] for row in card.predictors] + [row["saving"] for row in card.policies]
    assert all(f"{cell['value']} {cell['span']}" in page.text for cell in cells)
    assert all(f"{subject} {sentence}" in page.text for subject, sentence in card.limits)
    assert all(line in page.text for line in (card.question, card.verdict.headline, card.verdict.money))
    assert f'<div class="verdict {card.verdict.tone}">' in CARD.read_text(encoding="utf-8")
    assert set(card.settings) == sections("binary").keys() - {"seed", "threads"}
    assert "max_single_score: 0.9" in card.settings["data"]


def test_names_that_look_like_markup_are_escaped():
    record = record_of("binary")
    record["target"] = AWKWARD
    record["model"] = "<script>alert(1)</script>"
    record["slices"][0]["level"] = AWKWARD
    page = page_of(record, "binary", target=AWKWARD)
    assert page.text.count(AWKWARD) >= 5
    assert "b" not in page.tags
    assert page.tags.count("script") == 3  # of the frame, the curve of the threshold as JSON, and its script


def test_an_undefined_value_is_a_dash():
    record = record_of("binary", priced=True)
    nothing = {"value": None, "low": None, "high": None}
    record["kpi"]["policies"]["nothing"] = {**record["kpi"]["policies"]["nothing"], "roi": nothing}
    record["scores"]["prior"]["roc_auc"] = nothing
    record["gains"]["prior"]["roc_auc"] = {**nothing, "p": None}
    record["slices"][1] |= {"value": None, "gain": None, "low": None, "high": None}
    text = page_of(record, "binary", priced=True).text
    assert "– [–, –]" in text
    assert "nan" not in text.lower().split()
    assert "None" not in text


@pytest.mark.slow
def test_two_processes_write_the_same_bytes(tmp_path):
    write_inputs(record_of("binary", priced=True))
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import card_inputs as c;"
        "c.report.main(**c.sections('binary', priced=True))"
    )
    written = []
    for seed in ("1", "2"):
        environment = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": str(ROOT / "src"),
            "TZ": f"Etc/GMT+{seed}",
        }
        command = [sys.executable, "-c", program, str(ROOT / "tests")]
        subprocess.run(command, check=True, env=environment, cwd=tmp_path, capture_output=True)
        written.append(CARD.read_bytes())
    assert written[0] == written[1]
    assert str(tmp_path).encode() not in written[0]


# Scores and verdict


def test_the_numbers_of_the_card_are_those_of_the_record():
    record = record_of("binary", priced=True)
    card = card_of(record, "binary", priced=True)
    assert card.record == Evaluation.model_validate(record)
    for row in card.predictors:
        e = record["scores"][row["key"]]["roc_auc"]
        assert row["score"] == {"value": f"{e['value']:.3f}", "span": f"[{e['low']:.3f}, {e['high']:.3f}]"}
    assert card.predictors[0]["gain"] == {"value": "0.021", "span": "[0.016, 0.026]"}
    (ours,) = (row for row in card.policies if row["key"] == "model")
    assert ours["saving"] == {"value": "23,456", "span": "[22,656 to 24,256]"}
    assert ours["validation"] == "23,567"
    for amount in ("23,456 EUR [22,956 to 23,956]", "−150 EUR [−650, 350]"):
        assert amount in card.verdict.money
    (weak,) = (row for row in card.slices if row["level"] == "HA")
    assert (weak["rows"], weak["mean"], weak["value"], weak["reference"]) == (
        "900",
        "20.0%",
        "0.531",
        "0.680",
    )
    assert weak["gain"]["value"] == "−0.040"


@pytest.mark.parametrize(("gain", "tone"), [(0.0213, "better"), (0.0013, "unclear"), (-0.0213, "worse")])
def test_the_verdict_follows_the_interval_of_the_gain_and_not_its_value(gain, tone):
    card = card_of(record_of("binary", gain=gain), "binary")
    assert card.verdict.tone == tone
    assert ("Evidence" in dict(card.limits)) == (tone != "better")


@pytest.mark.parametrize(
    ("kind", "until", "seen"),
    [
        ("random", "2021-06-30 00:00:00", True),
        ("group", "2021-06-30 00:00:00", True),
        ("random", "2021-01-01 00:00:00", False),
        ("time", "2020-12-31 00:00:00", False),
    ],
)
def test_a_split_that_ignores_time_is_never_green_and_heads_the_limits(kind, until, seen):
    parts = parts_of(kind, train=(None, until), test=("2021-01-01 00:00:00", until))
    card = card_of(record_of("binary"), "binary", parts=parts)
    assert card.verdict.tone == ("unclear" if seen else "better")
    assert (card.limits[0][0] == "Future") == seen
    assert ("caution" in lines_of(record_of("binary"), parts)) == seen
    if seen:
        assert all(word in card.limits[0][1] for word in (f"split.kind={kind}", until, "2021-01-01 00:00:00"))


def test_a_model_named_like_a_baseline_is_told_apart():
    record = record_of("binary") | {"model": "logistic"}
    names = {row["key"]: row["name"] for row in card_of(record, "binary").predictors}
    assert (names["model"], names["logistic"]) == ("logistic (model)", "logistic")


def test_a_model_that_equals_the_best_baseline_is_not_compared_with_it():
    record = record_of("binary", priced=True)
    nought = dict.fromkeys(("value", "low", "high"), 0.0)
    record |= {"model": "logistic", "same_as": ["logistic"]}
    record["scores"]["model"] = record["scores"]["logistic"]
    record["gains"]["logistic"] = {metric: {**nought, "p": 1.0} for metric in record["better"]}
    record["kpi"]["policies"]["logistic"] = record["kpi"]["policies"]["model"]
    record["kpi"]["savings_of_model"]["logistic"] = nought
    for row in record["slices"]:
        row |= {"gain": 0.0, "low": 0.0, "high": 0.0}
    card = card_of(record, "binary", priced=True)
    assert card.verdict.tone == "unclear"
    assert "significant" not in f"{card.verdict.headline} {card.verdict.score} {card.verdict.money}"
    assert {row["key"] for row in card.predictors if row["same"]} == {"logistic"}
    assert all(row["gain"] is None for row in card.predictors if row["same"])
    found = Evaluation.model_validate(record)
    assert best_other_policy(found, found.kpi) == "rule"
    assert "Evidence" in dict(card.limits)
    assert "significant" not in dict(card.limits)["Slices"]
    lines = lines_of(record)
    assert lines["model equals"].startswith("logistic")
    assert not {"gain over logistic", "saves against logistic"} & lines.keys()


def test_the_best_value_of_a_metric_is_marked_whichever_direction_is_better():
    card = card_of(record_of("binary"), "binary")
    marked = [[cell["value"] for cell in row["cells"] if cell["top"]] for row in card.metrics]
    assert marked == [["1.000"], ["0.710"], ["0.720"]]


# Limits


def test_metrics_in_which_the_baseline_is_better_are_named_beside_those_in_which_the_model_is():
    record = record_of("binary")
    assert "Other metrics" not in dict(card_of(record, "binary").limits)
    gains = record["gains"]["logistic"]
    gains["ece"] = {"value": -0.07, "low": -0.09, "high": -0.05, "p": 0.01}
    theirs, _, ours = dict(card_of(record, "binary").limits)["Other metrics"].partition(";")
    assert "calibration error (gain −0.070 [−0.090, −0.050])" in theirs
    assert "log loss (gain 0.021 [0.016, 0.026])" in ours
    gains["log_loss"] = {"value": 0.0, "low": -0.1, "high": 0.1, "p": 1.0}
    assert "log loss" not in dict(card_of(record, "binary").limits)["Other metrics"]


def test_groups_in_more_than_one_part_are_among_the_limits():
    assert "Groups" not in dict(card_of(record_of("binary"), "binary").limits)
    parts = PARTS | {"shared": PARTS["shared"] | {"groups": 18}}
    assert "18 groups" in dict(card_of(record_of("binary"), "binary", parts=parts).limits)["Groups"]


def test_slices_where_the_baseline_is_better_are_named():
    sentence = dict(card_of(record_of("binary"), "binary").limits)["Slices"]
    better, unclear, worse = re.search(r"([^.]*), ([^,]*), ([^,]*HA)\.", sentence).groups()
    assert "2 of 4 slices" in better
    assert unclear.endswith("carrier = UA")
    assert worse == "worse in carrier = HA"


def test_slices_too_small_to_be_scored_are_counted_in_the_limits_and_below_the_table():
    record = record_of("binary")
    assert card_of(record, "binary").small_slices == ""
    record["small_slices"] = {"emp": {"levels": 11, "rows": 1543}, "b": {"levels": 1, "rows": 7}}
    card = card_of(record, "binary")
    assert "11 of emp (1,543 rows), 1 of b (7 rows)" in card.small_slices
    assert dict(card.limits)["Slices"].endswith(card.small_slices)
    assert dict(card_of(record | {"slices": []}, "binary").limits)["Slices"] == card.small_slices


@pytest.mark.parametrize(("task", "weak"), [("binary", {"HA", "AA"}), ("regression", {"DL", "UA"})])
def test_a_slice_is_weak_by_the_direction_of_its_metric(task, weak):
    assert {row["level"] for row in card_of(record_of(task), task).slices if row["worst"]} == weak


@pytest.mark.parametrize(("slices", "weak"), [(1, []), (2, ["AA"]), (3, ["HA"]), (4, ["HA", "AA"])])
def test_at_most_half_of_the_slices_are_marked_as_weak(slices, weak):
    record = record_of("binary")
    record["slices"] = [row for row in record["slices"] if row["level"] != "HA" or slices > 2][:slices]
    card = card_of(record, "binary")
    assert {row["level"] for row in card.slices if row["worst"]} == set(weak)
    named = re.search(r"ROC AUC is worst in (.*?\))\.", dict(card.limits)["Slices"])
    assert re.findall(r"carrier = (\w+)", named[1] if named else "") == weak


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-3.1, "too low by 3.10 [2.85, 3.35]"),
        (3.1, "too high by 3.10 [2.85, 3.35]"),
        (0.1, "0.10 [−0.15, 0.35]"),
    ],
)
def test_the_mean_error_of_a_regression_is_among_the_limits_and_on_the_terminal(value, text):
    record = record_of("regression")
    record["mean_error"] = {"value": value, "low": value - 0.25, "high": value + 0.25}
    limit = dict(card_of(record, "regression").limits)["Bias"]
    assert text in limit
    assert ("24.8%" in limit) == (value != 0.1)
    assert text.replace("−", "-") in lines_of(record)["bias"]


def test_the_class_with_the_lowest_recall_is_named():
    assert "a: 60.0% of its 100" in dict(card_of(record_of("multiclass"), "multiclass").limits)["Classes"]


# Data, settings and files


def test_the_event_is_called_by_its_name():
    assert card_of(record_of("binary"), "binary").event == "late"
    given = sections("binary")
    report.main(**given | {"data": given["data"].model_copy(update={"positive": "bad"})})
    text = Page(CARD.read_text(encoding="utf-8")).text
    assert "20.0% late = bad" in text
    assert "rate of late = bad" in text


def test_the_contract_says_which_columns_the_model_takes():
    card = card_of(record_of("binary"), "binary")
    parts = {row["name"]: row["part"] for row in card.columns}
    assert parts == {"row": "key", "carrier": "schedule", "gust": "not used", "late": "target"}
    (gust,) = (row for row in card.columns if row["name"] == "gust")
    assert (gust["missing"], gust["holds"], gust["column"].unit) == (0.81, "from 0", "mph")
    assert [(g["name"], g["columns"], g["used"]) for g in card.groups] == [
        ("schedule", 1, 1),
        ("weather", 1, 0),
    ]
    assert card.data["dropped"]["cancelled"] == 321


def test_folds_are_shown_with_their_mean_and_standard_deviation():
    _, rows = card_of(record_of("binary"), "binary", folds=FOLDS).folds
    assert rows[0] == ["1", "2,000", "500", "0.700"]
    assert [(row[0], row[-1]) for row in rows[-2:]] == [("mean", "0.740"), ("standard deviation", "0.040")]


def test_the_explanation_is_that_of_the_record():
    card = card_of(record_of("binary"), "binary").explanation
    assert [row["name"] for row in card["groups"]] == ["schedule", "weather"]
    assert card["groups"][0]["gain"] == {"value": "0.123", "span": "[0.112, 0.134]"}
    assert [row["mark"]["tone"] for row in card["groups"]] == ["better", "unclear"]
    assert (len(card["columns"]), card["left_out"]) == (12, 2)
    assert "#explanation" in page_of(record_of("binary"), "binary").loads


def treated(level, measure, gap, width=0.02):
    return {"column": "sex", "level": level, "rows": 300, "measure": measure} | {
        "estimate": {"value": 0.3, "low": 0.25, "high": 0.35},
        "gap": {"value": gap, "low": gap - width, "high": gap + width},
    }


def test_a_gap_whose_interval_excludes_0_is_a_limit():
    record = record_of("binary")
    assert "Fairness" not in dict(card_of(record, "binary").limits)
    record["fairness"] = [treated("f", "selection_rate", -0.11), treated("f", "calibration", 0.01)]
    card = card_of(record, "binary")
    limit = dict(card.limits)["Fairness"]
    assert "sex = f: selection rate 0.30 [0.25, 0.35], below the other rows by 0.110" in limit
    assert "predicted minus observed" not in limit
    assert [row["level"] for row in card.fairness] == ["sex = f", "sex = f"]
    assert card.fairness[0]["gain"]["value"] == "−0.110"
    assert {"#fairness"} <= set(page_of(record, "binary").loads)
    record["fairness"] = [treated("f", "selection_rate", 0.01)]
    assert "No evidence" in dict(card_of(record, "binary").limits)["Fairness"]


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_partial_dependence_is_drawn_once_for_each_column(task):
    classes = ["a", "b"] if task == "multiclass" else ["late"]
    at = {"gust": (True, [0.0, 10.0, 20.0]), "carrier": (False, ["AA", "HA", AWKWARD])}
    curves = [
        {"name": name, "group": "g", "numeric": numeric, "at": values}
        | {"predictions": {label: [0.1, 0.2, 0.4] for label in classes}}
        for name, (numeric, values) in at.items()
    ]
    explanation = explanation_of("roc_auc") | {"dependence": curves}
    record = record_of(task)
    figures = card_of(record, task, explanation=explanation).explanation["figures"]
    assert [figure["caption"] for figure in figures] == ["gust", "carrier: airline"]
    assert "gust (mph)" in figures[0]["svg"]
    page = page_of(record, task, explanation=explanation)
    assert page.tags.count("figure") == 3
    assert len(page.ids) == len(set(page.ids))
    assert all(level in page.text for level in ("AA", AWKWARD, "airline"))


def test_a_model_without_a_training_curve_has_no_figure_of_it():
    write_inputs(record_of("binary"))
    Path("plots/training.csv").write_text("iteration,train,validation\n0,,\n")
    report.main(**sections("binary"))
    assert "figure" not in Page(CARD.read_text(encoding="utf-8")).tags


def test_the_commits_of_a_model_are_found_by_the_hash_that_dvc_gives_it(tmp_path):
    from dvc.repo import Repo

    card = card_of(record_of("binary"), "binary")
    repo = Repo.init(tmp_path, no_scm=True)
    (output,) = repo.add("models/model")[0].outs
    assert card.model_md5 == output.hash_info.value
    assert f"git log --all -S {card.model_md5} -- dvc.lock" in page_of(record_of("binary"), "binary").text


def test_the_groups_that_drive_the_model_are_named_at_the_top():
    record = record_of("binary")
    assert "feature groups drive the model most (loss of ROC AUC when shuffled): schedule 0.123" in (
        page_of(record, "binary").text
    )
    explanation = explanation_of("roc_auc")
    explanation["groups"] = explanation["groups"][1:]
    assert "carrier 0.123" in page_of(record, "binary", explanation=explanation).text
    explanation["columns"] = explanation["columns"][1:]
    assert "No column alone drives" in page_of(record, "binary", explanation=explanation).text


def test_the_hashes_are_those_of_the_files():
    found = {row["path"]: row for row in card_of(record_of("binary"), "binary").files}
    for name in ("models/model/model.skops", "metrics/evaluation.json", "data/prepared/contract.json"):
        content = Path(name).read_bytes()
        assert found[name]["size"] == len(content)
        assert found[name]["sha256"] == hashlib.sha256(content).hexdigest()


# The terminal, and numbers in words


def test_the_terminal_gets_a_few_plain_lines_with_intervals_and_where_to_look_next(capsys):
    record = record_of("binary", priced=True)
    page_of(record, "binary", priced=True)
    lines = capsys.readouterr().out.splitlines()
    assert 6 <= len(lines) <= 16
    assert all(line.isascii() and line.isprintable() and len(line) <= 100 for line in lines)
    said = lines_of(record)
    assert said["roc_auc"].startswith("0.700 [0.688, 0.712]")
    assert said["best baseline"] == "logistic, 1.000 [0.988, 1.012]"
    assert said["gain over logistic"].startswith("0.021 [0.016, 0.026] (better")
    assert said["saves against doing nothing"] == "23,456 [22,956 to 23,956]"
    assert said["saves against logistic"] == "-150 [-650, 350] (EUR per 1,000 rows)"
    assert lines[-2].endswith("reports/model_card.html")


@given(st.floats(-1e9, 1e9), st.integers(0, 9))
def test_a_number_in_words_reads_back_as_the_rounded_number(value, digits):
    text = number(value, digits)
    assert float(text.replace(",", "").replace("−", "-")) == pytest.approx(
        value, rel=1e-14, abs=0.51 * 10**-digits
    )
    assert not re.fullmatch(r"−0(\.0*)?", text)


def test_only_the_scripts_of_the_template_may_run(tmp_path):
    """A script that gets into a page past the escaping has no hash in its policy."""
    (tmp_path / "page.html.j2").write_text(
        '{% extends "frame.html.j2" %}{% block body %}{{ text }}{{ raw | safe }}{% endblock %}'
    )
    page = render(tmp_path / "page.html.j2", text="<script>1</script>", raw="<script>alert(1)</script>")
    (policy,) = re.findall(r"script-src ([^;\"]*)", page)
    plain, ours = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert plain == "alert(1)"
    digest = base64.b64encode(hashlib.sha256(ours.encode()).digest()).decode()
    assert policy == f"'sha256-{digest}'"


def test_style_attributes_become_rules_of_the_one_style_sheet_that_the_policy_names(tmp_path):
    (tmp_path / "page.html.j2").write_text(
        '{% extends "frame.html.j2" %}{% block body %}'
        '<p style="left: 1%" class="bar">{{ text }}</p><b style="left: 1%"></b><i style="top: 2%"/>'
        "{% endblock %}"
    )
    page = render(tmp_path / "page.html.j2", text='<p style="color: red">')
    (policy,) = re.findall(r"style-src ([^;\"]*)", page)
    (sheet,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert policy == f"'sha256-{base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()}'"
    elements = dict(re.findall(r"<([pbi]) class=\"([^\"]*)\"", page))
    assert elements["p"].split() == [elements["b"], "bar"] and elements["i"] != elements["b"]
    rules = dict(re.findall(r"^\.(\w+)\.\w+\.\w+\{(.*)\}$", sheet, re.MULTILINE))
    assert rules == {elements["b"]: "left: 1%", elements["i"]: "top: 2%"}
    assert ' style="' not in page and "&lt;p style=" in page
