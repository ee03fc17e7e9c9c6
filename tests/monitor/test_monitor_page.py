"""The page shows every field of the record, and escapes what came from the data."""

import re
from typing import get_args

import pytest
from chromium import violations

from cairn.metrics.evaluation import Score
from cairn.monitor.record import (
    Alarm,
    Calibration,
    Cause,
    Delay,
    Monitored,
    Reason,
    Replay,
    Slice,
    Stretch,
    Suspect,
    WindowRow,
)
from cairn.monitor.statistics import Kind
from cairn.report.monitor.page import monitor_page, summary

KINDS = get_args(Kind)
EVIL = "<script>alert(1)</script>"


def stretch(first, last, labelled=900):
    scores = {"roc_auc": Score(value=0.7123, low=0.7, high=0.72), "log_loss": Score(value=0.4)}
    return Stretch(
        first=first, last=last, rows=1000, labelled=labelled, scores=scores if labelled else {},
        change=Score(value=-0.05, low=-0.09, high=-0.01) if labelled else None, estimate=0.7654,
        predicted=0.2, observed=0.3, saving=Score(value=12345, low=12000, high=13000),
    )  # fmt: skip


@pytest.fixture(scope="module")
def found():
    windows = [
        WindowRow(
            name=f"day {at}",
            rows=100,
            open=at == 4,
            ratio=None if at == 4 else 2.0**at,
            alarm=at in (2, 3),
            voted=at == 3,
            most=["drift x"],
            labelled=50,
            broken=1,
        )
        for at in range(5)
    ]
    return Monitored(
        model="toy",
        source="new.csv",
        kind="rows",
        window="1D",
        primary="roc_auc",
        currency="USD",
        rows=500,
        retrain="yes",
        alarm=True,
        since="day 2",
        reasons=[
            Reason(
                cause=cause, group="g", columns=[f"column of {cause}", EVIL], kinds=["drift"], since="day 2"
            )
            for cause in get_args(Cause)
        ],
        alarms=[
            Alarm(
                kind=kind,
                column=f"{kind}_column",
                group="g",
                since="day 2",
                windows=2,
                value=0.5,
                usual=0.1,
                ratio=4.2,
            )
            for kind in KINDS
        ],
        calibration=Calibration(
            windows=240,
            warm_up=3,
            first="day -240",
            last="day -1",
            statistics=385,
            rate=0.02,
            threshold=1.57,
            validation=Replay(windows=60, alarms=2, voted=1),
            folds=Replay(windows=240, alarms=9, voted=4),
        ),
        votes="2 of 3",
        windows=windows,
        stretches=[stretch("day 0", "day 3"), stretch("day 4", "day 4", labelled=0)],
        baseline=stretch("", ""),
        backtest=None,
        slices=[
            Slice(
                column="k",
                level=EVIL,
                rows=300,
                protected=True,
                value=0.6,
                before=0.7,
                change=Score(value=-0.1, low=-0.2, high=-0.05),
            )
        ],
        delay=Delay(labelled=200, behind_hours=72.0, median_hours=30.0, worst_hours=31.0),
        broken={"noise": 3},
        suspects=[Suspect(row=17, window="day 3", columns=["noise"])],
        not_measured=["absent"],
        not_assessable=["winter"],
    )


def test_the_page_shows_what_the_record_holds_and_escapes_it(found):
    page = monitor_page(found)
    assert EVIL not in page and "&lt;script&gt;" in page
    assert len(re.findall("<figure>", page)) == 3
    shown = [f"{kind}_column" for kind in KINDS] + [f"column of {cause}" for cause in ("drift", "fault")]
    shown += [
        "0.712",
        "0.765",
        "k = ",
        "(protected)",
        "noise",
        "row 17",
        "absent",
        "winter",
        "3 days",
        "12,345",
    ]
    assert [text for text in shown if text not in page] == []
    assert monitor_page(found) == page


def test_the_terminal_shows_the_verdict_last_and_no_letter_that_is_not_ascii(found):
    said = summary(found)
    assert "Retrain: yes" in said and said.isascii()
    assert said.index("Alarms:") < said.index("Retrain: yes")


@pytest.mark.scale
def test_axe_finds_nothing_on_the_page(found, tmp_path):
    assert violations(monitor_page(found), tmp_path) == {}
