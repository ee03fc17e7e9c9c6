"""The model card says what the records say, loads nothing, and is the same bytes every time."""

import copy
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from card_inputs import PARTS, Page, parts_of, record_of, sections, write_inputs
from hypothesis import given
from hypothesis import strategies as st
from repository import ROOT
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import log_loss

from cairn.pipeline import report
from cairn.report.card.words import estimate as in_words
from cairn.report.numbers import number
from cairn.report.plots.canvas import to_svg
from cairn.report.plots.figures import roc_figure, training_figure

CARD = Path("reports/model_card.html")
AWKWARD = '<b>&"'


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Work in an empty folder, and fill it with what the stage reads."""
    monkeypatch.chdir(tmp_path)
    return write_inputs


def page_of(task, **options):
    report.main(**sections(task, **options))
    return Page(CARD.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("task", "priced"), [("binary", True), ("binary", False), ("multiclass", False), ("regression", False)]
)
def test_every_task_has_a_page_of_balanced_tags_and_unique_ids_that_loads_nothing(run, task, priced):
    run(record_of(task, priced=priced))
    curve = pd.DataFrame({"fpr": [0.0, 1.0], "tpr": [0.0, 1.0]})
    Path("plots/images/roc.svg").write_text(to_svg(roc_figure({"forest": curve})))
    Path("plots/images/confusion.svg").write_text(to_svg(training_figure([0.1, 0.2])))
    page = page_of(task, priced=priced)
    assert len(page.ids) == len(set(page.ids))
    assert all(load.startswith(("#", "data:")) for load in page.loads)
    text = CARD.read_text(encoding="utf-8")
    assert all(address.startswith("#") for address in re.findall(r"url\(([^)]*)\)", text))
    assert "@import" not in text
    assert page.tags.count("figure") == 3
    assert ("EUR" in page.text) == priced
    assert CARD.stat().st_size < 1_000_000


def test_the_anchors_of_the_page_lead_somewhere(run):
    run(record_of("binary", priced=True), folds=[{"fit": 10, "rows": 5, "roc_auc": 0.7}] * 2)
    page = page_of("binary", priced=True)
    anchors = {
        load[1:] for load in page.loads if load.startswith("#") and not load[1:].startswith("training-")
    }
    assert {"scores", "money", "slices", "folds", "identity"} <= anchors <= set(page.ids)


def test_the_numbers_of_the_page_are_those_of_the_record(run):
    record = record_of("binary", priced=True)
    run(record)
    text = page_of("binary", priced=True).text
    for name, scores in record["scores"].items():
        e = scores["roc_auc"]
        assert f"{e['value']:.3f} [{e['low']:.3f}, {e['high']:.3f}]" in text, name
    assert "The model is better by 0.021 [0.016, 0.026]." in text
    assert "23,456 EUR [22,956 to 23,956] against doing nothing" in text
    assert "−150 EUR [−650, 350] against the best other policy, logistic (may be chance)" in text
    assert "12,345" in text
    assert "cancelled 321 0.64%" in text
    assert "81.00%" in text
    assert "HA weak 900 20.0% 0.531 0.680 −0.040" in text


@pytest.mark.parametrize(
    ("gain", "tone", "words"),
    [
        (0.0213, "better", "Better than the best baseline, logistic."),
        (0.0013, "unclear", "Not shown to be better than the best baseline, logistic."),
        (-0.0213, "worse", "Worse than the best baseline, logistic."),
    ],
)
def test_the_verdict_follows_the_interval_of_the_gain_and_not_its_value(run, gain, tone, words):
    run(record_of("binary", gain=gain))
    text = page_of("binary").text
    assert words in text
    assert f'<div class="verdict {tone}">' in CARD.read_text(encoding="utf-8")
    assert ("these rows do not show" in text) == (tone != "better")


def test_groups_that_the_split_cuts_are_among_the_limits(run):
    run(record_of("binary"))
    assert "data.group" not in page_of("binary").text
    parts = Path("metrics/split.json")
    record = json.loads(parts.read_text(encoding="utf-8"))
    parts.write_text(json.dumps(record | {"shared": record["shared"] | {"groups": 18}}), encoding="utf-8")
    assert "18 groups of rows (data.group) are in more than one part" in page_of("binary").text


@pytest.mark.parametrize(
    ("kind", "until", "seen"),
    [
        ("random", "2021-06-30 00:00:00", True),
        ("group", "2021-06-30 00:00:00", True),
        ("random", "2021-01-01 00:00:00", False),
        ("time", "2020-12-31 00:00:00", False),
    ],
)
def test_a_split_that_ignores_time_takes_the_green_from_the_verdict_and_heads_the_limits(
    run, capsys, kind, until, seen
):
    run(record_of("binary"), parts=parts_of(kind, train=(None, until), test=("2021-01-01 00:00:00", until)))
    html, text = CARD, page_of("binary").text
    said = f"split.kind={kind} ignores it: train reaches until {until}, test begins at 2021-01-01 00:00:00"
    assert (said in text) == seen
    assert ("Limits What it is not good for, as far as these numbers can tell. Future" in text) == seen
    assert f'<div class="verdict {"unclear" if seen else "better"}">' in html.read_text(encoding="utf-8")
    assert ("logistic, but on rows whose future it has seen." in text) == seen
    assert ("set split=time" in capsys.readouterr().out) == seen


def test_metrics_in_which_the_baseline_is_better_stand_beside_those_in_which_the_model_is(run):
    record = record_of("binary")
    run(record)
    assert "Other metrics" not in page_of("binary").text
    gains = record["gains"]["logistic"]
    gains["ece"] = {"value": -0.07, "low": -0.09, "high": -0.05, "p": 0.01}
    run(record)
    said = "Other metrics logistic is better in calibration error (gain −0.070 [−0.090, −0.050])"
    assert f"{said}; the model in log loss (gain 0.021 [0.016, 0.026])." in page_of("binary").text
    gains["log_loss"] = {"value": 0.0, "low": -0.1, "high": 0.1, "p": 1.0}
    run(record)
    assert f"{said}. " in page_of("binary").text


def test_slices_where_the_baseline_is_better_are_named_among_the_limits(run):
    run(record_of("binary"))
    assert (
        "in 2 of 4 slices, not shown to be in carrier = UA, worse in carrier = HA." in page_of("binary").text
    )


def test_slices_too_small_to_be_scored_are_counted_in_the_limits_and_below_the_table(run):
    record = record_of("binary")
    said = "Smaller ones were not scored (evaluate.min_slice_rows): 11 of emp (1,543 rows), 1 of b (7 rows)."
    run(record)
    assert "Smaller ones" not in page_of("binary").text
    record["small_slices"] = {"emp": {"levels": 11, "rows": 1543}, "b": {"levels": 1, "rows": 7}}
    run(record)
    assert page_of("binary").text.count(said) == 2
    run(record | {"slices": []})
    assert f"Slices {said}" in page_of("binary").text


@pytest.mark.parametrize(
    ("task", "weak", "strong"), [("binary", "HA weak", "DL 900"), ("regression", "DL weak", "HA 900")]
)
def test_a_slice_is_weak_by_the_direction_of_its_metric(run, task, weak, strong):
    run(record_of(task))
    text = page_of(task).text
    assert weak in text
    assert strong in text


@pytest.mark.parametrize(("slices", "weak"), [(1, ""), (2, "AA"), (3, "HA"), (4, "HA AA")])
def test_no_more_than_half_of_the_slices_are_marked_as_weak(run, slices, weak):
    record = record_of("binary")
    record["slices"] = [row for row in record["slices"] if row["level"] != "HA" or slices > 2][:slices]
    run(record)
    text = page_of("binary").text
    assert set(re.findall(r"(\w+) weak 900", text)) == set(weak.split())
    weakest = re.search(r"ROC AUC is weakest in (.*?)\. The model is shown", text)
    assert re.findall(r"carrier = (\w+)", weakest[1] if weakest else "") == weak.split()


def test_the_best_value_of_a_metric_is_bold_whichever_direction_is_better(run):
    run(record_of("binary"))
    page_of("binary")
    rows = re.findall(r"<tr[^>]*><th>[^<]+ <span class=\"soft\">.*?</tr>", CARD.read_text(encoding="utf-8"))
    bold = [re.findall(r'class="stack top">([\d.]+) ', row) for row in rows]
    assert bold == [["1.000"], ["0.710"], ["0.720"]]


@pytest.mark.parametrize(
    ("value", "limit", "line"),
    [
        (
            -3.1,
            "too low by 3.10 [2.85, 3.35] on average, 24.8% of the mean of test",
            "too low by 3.10 [2.85, 3.35]",
        ),
        (3.1, "too high by 3.10 [2.85, 3.35] on average, 24.8%", "too high by 3.10 [2.85, 3.35]"),
        (
            0.1,
            "not shown to be too high or too low on average: predicted less actual is 0.10",
            "0.10 [-0.15, 0.35] on average (may be chance)",
        ),
    ],
)
def test_the_mean_error_of_a_regression_is_among_the_limits(run, capsys, value, limit, line):
    record = record_of("regression")
    record["mean_error"] = {"value": value, "low": value - 0.25, "high": value + 0.25}
    run(record)
    assert f"Bias Predictions are {limit}" in page_of("regression").text
    assert f" bias {line}" in " ".join(capsys.readouterr().out.split())


def test_the_event_is_called_by_its_name(run):
    run(record_of("binary"))
    assert "20.0% of them late" in page_of("binary").text
    given = sections("binary")
    report.main(**given | {"data": given["data"].model_copy(update={"positive": "bad"})})
    text = Page(CARD.read_text(encoding="utf-8")).text
    assert "20.0% of them late = bad" in text
    assert "part rows share rate of late = bad" in text


def test_the_class_found_least_often_is_named(run):
    run(record_of("multiclass"))
    assert "It finds a least often: 60.0% of its 100 test rows" in page_of("multiclass").text


def test_names_that_look_like_markup_are_shown_and_not_obeyed(run):
    record = record_of("binary")
    record["target"] = AWKWARD
    record["model"] = "<script>alert(1)</script>"
    record["slices"][0]["level"] = AWKWARD
    run(record, target=AWKWARD)
    page = page_of("binary", target=AWKWARD)
    assert page.text.count(AWKWARD) >= 5
    assert "b" not in page.tags
    assert page.tags.count("script") == 1


def test_a_value_that_is_undefined_is_a_dash(run):
    record = record_of("binary", priced=True)
    nothing = {"value": None, "low": None, "high": None}
    record["kpi"]["policies"]["nothing"] = {**record["kpi"]["policies"]["nothing"], "roi": nothing}
    record["scores"]["prior"]["roc_auc"] = nothing
    record["gains"]["prior"]["roc_auc"] = {**nothing, "p": None}
    record["slices"][1] |= {"value": None, "gain": None, "low": None, "high": None}
    run(record)
    text = page_of("binary", priced=True).text
    assert "– [–, –]" in text
    assert "nan" not in text.lower().split()
    assert "None" not in text


def test_a_model_named_like_a_baseline_is_told_apart(run):
    record = record_of("binary")
    record["model"] = "logistic"
    run(record)
    assert "logistic (model) reaches ROC AUC 0.700 [0.688, 0.712], logistic 1.000" in page_of("binary").text


def test_a_model_that_is_the_best_baseline_itself_is_called_so_and_nothing_is_said_of_chance(run, capsys):
    record = record_of("binary", priced=True)
    nought = dict.fromkeys(("value", "low", "high"), 0.0)
    record |= {"model": "logistic", "same_as": ["logistic"]}
    record["scores"]["model"] = record["scores"]["logistic"]
    record["gains"]["logistic"] = {metric: {**nought, "p": 1.0} for metric in record["better"]}
    record["kpi"]["policies"]["logistic"] = record["kpi"]["policies"]["model"]
    record["kpi"]["savings_of_model"]["logistic"] = nought
    for row in record["slices"]:
        row |= {"gain": 0.0, "low": 0.0, "high": 0.0}
    run(record)
    text = page_of("binary", priced=True).text
    assert "The model is the best baseline itself, logistic." in text
    assert "reaches ROC AUC 1.000 [0.988, 1.012], as logistic does: their predictions are equal." in text
    assert "logistic best baseline is the model" in text
    assert "Proof The model is logistic itself" in text
    assert "against the best other policy, rule" in text
    told = " ".join(capsys.readouterr().out.split())
    assert "the model is logistic itself: the same predictions, row by row" in told
    for said in (text, told):
        assert "may be chance" not in said
        assert "not shown to be" not in said.lower()
    assert "saves against logistic" not in told


def test_the_contract_says_which_columns_the_model_takes(run):
    run(record_of("binary"))
    text = page_of("binary").text
    assert "carrier schedule categorical before airline" in text
    assert "gust not used numeric mph before from 0 81.0%" in text
    assert "late target boolean after later than 15 minutes" in text
    assert "schedule 1 1 weather 1 0" in text


def test_folds_are_shown_with_their_mean_and_spread(run):
    folds = [{"fit": 2000, "rows": 500, "roc_auc": value} for value in (0.70, 0.74, 0.78)]
    run(record_of("binary"), folds=folds)
    text = page_of("binary").text
    assert "1 2,000 500 0.700" in text
    assert "mean 0.740" in text
    assert "standard deviation 0.040" in text


def test_a_model_without_a_training_curve_has_no_figure_of_it(run):
    run(record_of("binary"))
    Path("plots/training.csv").write_text("iteration,train,validation\n0,,\n")
    assert "figure" not in page_of("binary").tags


def shown_by_the_curve(page):
    """Return the label beside the vertical axis, which follows its ticks."""
    return re.search(r" iteration (?:−?[\d.]+ )+(.*?) best: 2 train validation", page.text)[1]


def with_model(given, **changes):
    return given | {"model": given["model"].model_copy(update=changes)}


def test_the_training_curve_says_what_its_score_is(run):
    for task, score in (("binary", "minus log loss"), ("regression", "minus half the squared error")):
        run(record_of(task))
        assert shown_by_the_curve(page_of(task)) == score
    given = sections("regression")
    ours = {"_target_": "cairn.models.mlp.MLPRegressor"}
    theirs = {"_target_": "lightgbm.LGBMRegressor"}
    for changes, score in (
        ({"params": {"loss": "absolute_error"}}, "minus absolute error"),
        ({"params": {"scoring": "r2"}}, "r2"),
        ({"regressor": ours}, "minus squared error"),
        ({"regressor": theirs}, "score"),
    ):
        report.main(**with_model(given, **changes))
        assert shown_by_the_curve(Page(CARD.read_text(encoding="utf-8"))) == score


def test_the_curve_of_a_regression_is_minus_half_the_squared_error_and_of_classes_minus_the_log_loss():
    x = np.random.default_rng(0).normal(size=(400, 2))
    fitted, held = slice(0, 300), slice(300, 400)
    y = x[:, 0] + 0.1 * x[:, 1]
    settings = {"max_iter": 5, "early_stopping": True}
    number = HistGradientBoostingRegressor(**settings).fit(x[fitted], y[fitted], X_val=x[held], y_val=y[held])
    half = np.mean((number.predict(x[held]) - y[held]) ** 2) / 2
    assert number.validation_score_[-1] == pytest.approx(-half)
    event = HistGradientBoostingClassifier(**settings).fit(
        x[fitted], y[fitted] > 0, X_val=x[held], y_val=y[held] > 0
    )
    assert event.validation_score_[-1] == pytest.approx(-log_loss(y[held] > 0, event.predict_proba(x[held])))


def test_the_hashes_are_those_of_the_files(run):
    run(record_of("binary"))
    text = page_of("binary").text
    for name in ("models/model/model.skops", "metrics/evaluation.json", "data/prepared/contract.json"):
        assert (
            f"{name} {Path(name).stat().st_size:,} {hashlib.sha256(Path(name).read_bytes()).hexdigest()}"
            in text
        )


def test_two_processes_write_the_same_bytes(run, tmp_path):
    record = record_of("binary", priced=True)
    run(record)
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


def test_the_terminal_gets_a_few_plain_lines_with_intervals_and_where_to_look_next(run, capsys):
    run(record_of("binary", priced=True))
    page_of("binary", priced=True)
    lines = capsys.readouterr().out.splitlines()
    assert 6 <= len(lines) <= 16
    assert all(line.isascii() and line.isprintable() and len(line) <= 100 for line in lines)
    said = " ".join(" ".join(lines).split())
    for told in (
        "roc_auc 0.700 [0.688, 0.712]",
        "best baseline logistic, 1.000 [0.988, 1.012]",
        "gain over logistic 0.021 [0.016, 0.026] (better",
        "saves against doing nothing 23,456 [22,956 to 23,956]",
        "saves against logistic -150 [-650, 350] (EUR per 1,000 rows)",
        "reports/model_card.html",
        "dvc exp show --only-changed",
    ):
        assert told in said


def test_the_record_is_read_and_never_changed():
    record = record_of("binary", priced=True)
    before = copy.deepcopy(record)
    report.predictor_rows(record), report.metric_rows(record), report.policy_rows(record)
    report.slice_rows(record), report.verdict(record, PARTS)
    assert record == before


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.7412, 0.7281, 0.7547, "0.741 [0.728, 0.755]"),
        (0.00104, -0.0009, 0.00298, "0.0010 [−0.0009, 0.0030]"),
        (32815.4, 27359.5, 38376.0, "32,815 [27,360 to 38,376]"),
        (-0.00001, -0.02, 0.02, "0.000 [−0.020, 0.020]"),
        (0.5, 0.5, 0.5, "0.500 [0.500, 0.500]"),
        (None, None, None, "– [–, –]"),
    ],
)
def test_an_interval_is_written_with_two_digits_of_its_width(value, low, high, text):
    assert in_words({"value": value, "low": low, "high": high}) == text


@given(st.floats(-1e9, 1e9), st.integers(0, 9))
def test_a_number_in_words_reads_back_as_the_rounded_number(value, digits):
    text = number(value, digits)
    assert float(text.replace(",", "").replace("−", "-")) == pytest.approx(
        value, rel=1e-14, abs=0.51 * 10**-digits
    )
    assert not re.fullmatch(r"−0(\.0*)?", text)
