"""What is detected on the flights: planted faults, and no false alarms where nothing is wrong.

The reference is January to August 2013. Every fault is planted at four dates. The table
prints with `pytest -m slow -s tests/monitor/test_detection.py`.
"""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from monitor.conftest import Flights
from monitor.faults import faults

from cairn.monitor.alarms import largest_ratio
from cairn.monitor.monitoring import Subject, monitor
from cairn.monitor.statistics import measure
from cairn.monitor.windows import windows_of

pytestmark = pytest.mark.slow
STARTS = [pd.Timestamp(day) for day in ("2013-09-09", "2013-10-07", "2013-11-04", "2013-12-02")]
DAYS = {"slow drift": 28}
"""How long a fault lasts, if it is not five days."""
SUBJECT = Subject("flights", "planted", "rows")
FOUND = {
    "live feed missing": 4,
    "live feed zero": 4,
    "live feed stuck": 4,
    "weather missing": 4,
    "weather stuck": 4,
    "weather five hours late": 4,
    "Celsius everywhere": 4,
    "Celsius at one airport": 4,
    "wind in m/s": 4,
    "airline renamed": 4,
    "hour plus one": 4,
    "hhmm for minutes": 4,
    "slow drift": 4,
}
"""Starts out of four whose fault alarms by vote while it lasts: at least so many."""


def judged(flights: Flights, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return which days alarm, which do by vote, and their names."""
    rows = flights.rows(table)
    windows = windows_of(rows.time, len(rows), flights.settings.length)
    measured = measure(rows.frame, windows, flights.known.reference, rows.broken)
    scale = flights.known.scale
    alarms = largest_ratio(scale.ratios(measured, windows.months)) > scale.threshold
    return alarms, flights.settings.votes.count(alarms), windows.names


def planted(flights: Flights, name: str, start: pd.Timestamp) -> pd.DataFrame:
    before = flights.between(start - pd.Timedelta("2D"), start)
    rows = flights.between(start, start + pd.Timedelta(days=DAYS.get(name, 5)))
    return faults(flights.contract)[name](rows, before)


@pytest.mark.parametrize("name", FOUND)
def test_a_planted_fault_is_detected_as_often_as_documented(name, flights):
    days, rows, found = [], [], 0
    for start in STARTS:
        table = planted(flights, name, start)
        alarms, voted, _ = judged(flights, table)
        found += bool(voted.any())
        if voted.any():
            day = int(np.argmax(alarms))
            days.append(int(np.argmax(voted)) + 1)
            last = start + pd.Timedelta(days=day + 1)
            rows.append(int((table["sched_dep_local"] < last).sum()))
    median = f"{np.median(rows):,.0f} rows to the first alarm, day {max(days)} by vote" if rows else ""
    print(f"\n| {name} | {found} of 4 | {median} |")
    assert found >= FOUND[name]


@pytest.mark.parametrize("start", STARTS)
def test_labels_that_stop_are_late_and_those_that_arrive_are_not(start, flights):
    rows = flights.rows(flights.between(start, start + pd.Timedelta("5D")))
    settings = replace(flights.settings, labels_within=timedelta(days=2))
    for days, late in ((2, True), (4, False)):
        known = rows.frame["sched_dep_local"] < start + pd.Timedelta(days=days)
        labelled = replace(rows, y=rows.frame["late"].astype("float64").where(known).to_numpy())
        found = monitor(labelled, flights.known, None, settings, SUBJECT)
        assert ("labels" in {reason.cause for reason in found.reasons}) == late
        assert found.retrain == "undecided" or not late


def test_days_without_a_fault_alarm_at_most_at_the_rate_that_is_documented(flights):
    """September to December 2013: at most 2 % of the days by vote."""
    table = flights.between(pd.Timestamp("2013-09-01"), pd.Timestamp("2014-01-01"))
    alarms, voted, names = judged(flights, table)
    print(f"\n{alarms.sum()} of {len(alarms)} days alarm, {voted.sum()} by vote", end=": ")
    print([name for name, alarm in zip(names, alarms, strict=True) if alarm])
    assert len(alarms) == 122
    assert voted.mean() <= 0.02
    assert "2013-12-31" in [name for name, alarm in zip(names, alarms, strict=True) if alarm]


@pytest.mark.parametrize(
    ("name", "cause", "retrain", "since"),
    [
        ("live feed missing", "fault", "undecided", 7),
        ("weather stuck", "fault", "undecided", 7),
        ("weather five hours late", "fault", "undecided", 9),
        ("wind in m/s", "fault", "undecided", 7),
        ("hhmm for minutes", "fault", "undecided", 7),
        ("airline renamed", "drift", "yes", 7),
    ],
)
def test_a_fault_of_the_data_is_no_reason_to_retrain_and_a_new_category_is(
    name, cause, retrain, since, flights
):
    found = monitor(
        flights.rows(planted(flights, name, STARTS[1])), flights.known, None, flights.settings, SUBJECT
    )
    assert found.retrain == retrain
    assert cause in {reason.cause for reason in found.reasons}
    assert found.since == f"2013-10-{since:02}"
