"""The windows of a challenger, the decision, and what is written to conf/; toy_retrain runs the whole."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from checkouts import Checkout, start_repository
from filelock import FileLock
from toy_conf import edit, make_toy_conf

from cairn.commands.app import run
from cairn.commands.retrain import LOCK
from cairn.compose.conf import compose
from cairn.data.records import write_json
from cairn.errors import UserError
from cairn.metrics.paired import Difference, decision
from cairn.settings.split import TimeSplit
from cairn.studies.retrain.applying import write_windows
from cairn.studies.retrain.retraining import Request, plan_retraining
from cairn.studies.retrain.windows import NothingNewError, advance, parts_of, seen_by, stop_in_cool_down

DATES = {"validation_from": "2013-05-01", "test_from": "2013-07-01"}
SHARES = {"validation_from": 0.5, "test_from": 0.75}
PARTS = {
    "train": {"rows": 100, "from": "2013-01-01 05:00:00", "until": "2013-04-29 23:00:00"},
    "validation": {"rows": 50, "from": "2013-05-01 06:00:00", "until": "2013-06-29 23:59:00"},
    "test": {"rows": 50, "from": "2013-07-01 04:00:00", "until": "2013-08-30 23:58:00"},
}


def seen(boundaries, train_from=None):
    split = TimeSplit(kind="time", train_from=train_from, test_until=None, gap="1D", **boundaries)
    return seen_by(split, parts_of({"parts": PARTS}))


def settings(newest, boundaries=DATES, train_from=None, **options):
    found = advance(seen(boundaries, train_from), pd.Timestamp(newest), block="1D", **options).settings()
    return found["train_from"], found["validation_from"], found["test_from"]


@pytest.mark.parametrize("boundaries", [DATES, SHARES])
def test_all_windows_move_by_the_span_of_the_new_rows(boundaries):
    # 123 days from 30 August to 31 December, as from 1 May to 1 September and from 1 July to 1 November.
    assert settings("2013-12-31 10:00", boundaries) == (None, "2013-09-01", "2013-11-01")
    assert settings("2013-12-31", boundaries, window="sliding") == ("2013-05-04", "2013-09-01", "2013-11-01")
    assert settings("2013-09-02", boundaries, "2013-02-01", window="sliding")[0] == "2013-02-04"
    assert settings("2013-09-02", boundaries, "2013-02-01")[0] == "2013-02-01"


@pytest.mark.parametrize("boundaries", [DATES, SHARES])
def test_dates_of_settings_are_of_the_clock_of_the_column(boundaries):
    ends = ("from", "until")
    zoned = {name: part | {end: f"{part[end]}-05:00" for end in ends} for name, part in PARTS.items()}
    split = TimeSplit(kind="time", train_from="2013-02-01", test_until=None, gap="1D", **boundaries)
    seen = seen_by(split, parts_of({"parts": zoned}))
    found = advance(seen, pd.Timestamp("2013-12-31 10:00-05:00"), block="1D").settings()
    assert (found["train_from"], found["validation_from"], found["test_from"]) == settings(
        "2013-12-31 10:00", boundaries, "2013-02-01"
    )
    with pytest.raises(UserError, match="--holdout"):
        advance(seen, pd.Timestamp("2013-12-31 00:00-05:00"), block="1D", holdout=timedelta(days=300))


def test_without_blocks_windows_move_to_the_second():
    moved = advance(seen(SHARES), pd.Timestamp("2013-08-31 00:00:30"))
    assert moved.settings() == {
        "train_from": None,
        "validation_from": "2013-05-01 06:02:30",
        "test_from": "2013-07-01 04:02:30",
        "test_until": None,
    }


def test_the_held_out_rows_end_with_the_newest_and_begin_after_those_of_the_champions_fit():
    assert settings("2013-12-31", holdout=timedelta(days=31)) == (None, "2013-10-01", "2013-12-01")
    longest = timedelta(days=185)
    assert settings("2013-12-31", holdout=longest)[2] == "2013-06-30"
    for too_long in ({"holdout": longest + timedelta(days=1)}, {"holdout": longest, "gap": "1D"}):
        with pytest.raises(UserError, match=r"--holdout: .* fitted on rows up to 2013-06-29 23:59:00, with"):
            settings("2013-12-31", **too_long)


def test_too_few_new_rows_are_nothing_to_do():
    with pytest.raises(NothingNewError, match="after 2013-08-30 23:58:00"):
        settings("2013-08-30 23:59")
    week, tried = timedelta(days=7), ["2013-09-08 12:00:00", "2013-09-01"]
    for newest, before, since in (("2013-09-05", [], "2013-08-30"), ("2013-09-10", tried, "2013-09-08 12")):
        with pytest.raises(NothingNewError, match=f"after {since}.*cool-down"):
            stop_in_cool_down(seen(DATES), pd.Timestamp(newest), before, week)
    stop_in_cool_down(seen(DATES), pd.Timestamp("2013-09-16"), tried, week)
    stop_in_cool_down(seen(DATES), pd.Timestamp("2013-09-10"), tried, None)


def difference(low, high, p=None):
    middle = (low + high) / 2
    p = p if p is not None else (0.01 if low > 0 or high < 0 else 0.5)
    return Difference(1.0, 1.0 + middle, middle, low, high, 0.1, p, p)


WIDE, UP, DOWN = difference(-0.02, 0.03), difference(0.01, 0.03), difference(-0.03, -0.01)


@pytest.mark.parametrize(
    ("decides", "found", "min_gain", "verdict"),
    [
        ("roc_auc", {"roc_auc": UP}, 0.0, "promote"),
        ("roc_auc", {"roc_auc": UP, "saving": WIDE}, 0.0, "promote"),
        ("roc_auc", {"roc_auc": UP, "saving": DOWN}, 0.0, "keep"),
        ("saving", {"roc_auc": DOWN, "saving": UP}, 0.0, "promote"),
        ("log_loss", {"log_loss": DOWN}, 0.0, "promote"),
        ("log_loss", {"log_loss": UP}, 0.0, "keep"),
        ("roc_auc", {"roc_auc": WIDE}, 0.0, "undecided"),
        ("roc_auc", {"roc_auc": WIDE}, 0.03, "keep"),
        ("roc_auc", {"roc_auc": UP}, 0.02, "undecided"),
        ("roc_auc", {"roc_auc": UP}, 0.005, "promote"),
        ("log_loss", {"log_loss": DOWN}, 0.04, "keep"),
        ("roc_auc", {"roc_auc": difference(0.0, 0.0, p=1.0)}, 0.0, "keep"),
        ("roc_auc", {"roc_auc": difference(0.01, 0.03, p=0.2)}, 0.0, "undecided"),
        ("roc_auc", {"roc_auc": difference(np.nan, np.nan, p=np.nan)}, 0.0, "undecided"),
    ],
)
def test_a_challenger_is_promoted_if_it_is_better_and_costs_nothing(decides, found, min_gain, verdict):
    assert decision(found, decides, 0.05, min_gain) == verdict


WANTED = {"train_from": "2024-01-01", "validation_from": "2024-03-01", "test_from": "2024-05-01 06:00:00"}
SECTION = "split: # mine\n  gap: 2D # stays\n  test_from: 0.8 # too\n  validation_from: 0.7"


@pytest.mark.parametrize(
    ("section", "train_from"),
    [("", "2024-01-01"), (f"{SECTION}\nseed: 4", None)],
)
def test_windows_are_written_to_the_file_of_the_data_set(tmp_path, section, train_from):
    conf = make_toy_conf(tmp_path)
    file = conf / "data/visits.yaml"
    edit(file, "# @package _global_\n", "# @package _global_\ndefaults: [{override /split: time}, _self_]\n")
    file.write_text(f"{file.read_text(encoding='utf-8')}\n{section}\n", encoding="utf-8")
    before, others = file.read_text(encoding="utf-8"), {p: p.read_text("utf-8") for p in conf.rglob("*.yaml")}
    now = compose(conf)
    wanted = now.values["split"] | WANTED | {"train_from": train_from}
    write_windows(conf, now, wanted)
    assert compose(conf).values["split"] == wanted
    after = file.read_text(encoding="utf-8")
    assert all(comment in after for comment in ("# stays", "# too", "# mine") if comment in before)
    assert {p for p, text in others.items() if p.read_text("utf-8") != text} == {file}


def test_a_data_set_that_another_one_extends_keeps_its_windows(tmp_path):
    conf = make_toy_conf(tmp_path)
    edit(conf / "data/visits.yaml", "data:\n", "defaults: [{override /split: time}]\ndata:\n")
    own = "# @package _global_\ndefaults: [visits, _self_]\ndata: {name: later}\n"
    (conf / "data/later.yaml").write_text(own, encoding="utf-8")
    composed, visits = compose(conf, ["data=later"]), compose(conf).values
    write_windows(conf, composed, composed.values["split"] | WANTED)
    assert compose(conf).values == visits
    assert compose(conf, ["data=later"]).values["split"] == composed.values["split"] | WANTED


@pytest.mark.parametrize(("verdict", "code"), [("no", 0), ("undecided", 3)])
def test_only_a_monitor_that_says_yes_lets_a_challenger_be_trained(
    tmp_path, monkeypatch, capsys, verdict, code
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^metrics/monitor\.json: no such file; run `cairn monitor SOURCE`"):
        run("retrain", "--only-if-monitor")
    write_json({"retrain": verdict}, tmp_path / "metrics/monitor.json")
    with pytest.raises(SystemExit) as ended:
        run("retrain", "--only-if-monitor")
    assert ended.value.code == code
    assert capsys.readouterr().out == f"nothing to do: metrics/monitor.json says retrain: {verdict}\n"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"retrain"'])
def test_a_damaged_record_of_the_monitor_is_one_line(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics/monitor.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"^metrics/monitor\.json: damaged; run `cairn monitor SOURCE` again"):
        run("retrain", "--only-if-monitor")


def test_two_at_once_are_one_too_many(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / LOCK.parent).mkdir(parents=True)
    with (
        FileLock(LOCK),
        pytest.raises(UserError, match=r"^another `cairn retrain` is running in this checkout"),
    ):
        run("retrain")


@pytest.mark.parametrize(
    ("kind", "champion", "said"),
    [
        ("time", "workspace", "--champion workspace: name a commit"),
        (None, "HEAD", "HEAD: no metrics/split.json"),
        ("random", "HEAD", "HEAD: split.kind: random: only a split by time"),
    ],
)
def test_a_champion_that_cannot_be_challenged_is_one_line(tmp_path, kind, champion, said):
    checkout = Checkout(tmp_path / "toy")
    start_repository(checkout, "", "stages: {}\n")
    (checkout.path / "params.yaml").write_text(f"split: {{kind: {kind}}}\n", encoding="utf-8")
    if kind:
        write_json({"parts": PARTS}, checkout.path / "metrics/split.json")
    checkout.git("add", "--all")
    checkout.git("commit", "--quiet", "--message=toy")
    with pytest.raises(UserError) as caught:
        plan_retraining(checkout.path, Request(champion=champion))
    assert str(caught.value).startswith(said) and "\n" not in str(caught.value)
