"""The verdict: what follows from alarms, scores and labels."""

from datetime import timedelta

import pytest

from cairn.metrics.evaluation import Score
from cairn.monitor.record import Alarm, Delay, Stretch
from cairn.monitor.verdict import Evidence, decide_verdict

WINDOWS = [f"row {at}" for at in range(0, 12000, 1000)]
LABELS = Delay(labelled=1000, behind_hours=30, median_hours=None, worst_hours=None)


def alarm(kind, column, usual=0.1, since=WINDOWS[3]):
    return Alarm(kind=kind, column=column, group="g", since=since, windows=2, value=1, usual=usual, ratio=3)


def stretch(first, change):
    score = None if change is None else Score(value=sum(change) / 2, low=change[0], high=change[1])
    return Stretch(
        first=first,
        last=first,
        rows=1,
        labelled=1,
        scores={} if change is None else {"roc_auc": Score(value=0.7)},
        change=score,
        estimate=None,
        predicted=None,
        observed=None,
        saving=None,
    )


def judged(*alarms, changes=(), within=None, windows=10, delay=LABELS):
    stretches = [stretch(WINDOWS[at], change) for at, change in enumerate(changes)]
    return decide_verdict(Evidence(list(alarms), stretches, delay, within, windows, WINDOWS))


@pytest.mark.parametrize(
    ("alarms", "retrain", "cause"),
    [
        ([], "no", None),
        ([alarm("drift", "a")], "yes", "drift"),
        ([alarm("unseen", "a", usual=0.0)], "yes", "drift"),
        ([alarm("drift", "a", usual=0.6)], "undecided", "unstable"),
        ([alarm("missing", "a")], "undecided", "fault"),
        ([alarm("stuck", "a"), alarm("drift", "a")], "undecided", "fault"),
        ([alarm("relation", "a"), alarm("outliers", "a")], "undecided", "fault"),
        ([alarm("contract", "a")], "undecided", "fault"),
        ([alarm("rows", "")], "undecided", "rows"),
    ],
)
def test_a_stable_column_that_moves_is_a_reason_to_retrain_and_a_fault_is_not(alarms, retrain, cause):
    found = judged(*alarms)
    assert found.retrain == retrain
    assert {reason.cause for reason in found.reasons} == ({cause} if cause else set())


@pytest.mark.parametrize(
    ("fault", "retrain"),
    [("contract", "undecided"), ("missing", "undecided"), ("stuck", "undecided"), ("relation", "yes")],
)
def test_a_fault_of_one_column_does_not_excuse_another_but_broken_data_is_repaired_first(fault, retrain):
    found = judged(alarm(fault, "a"), alarm("drift", "a"), alarm("drift", "b", since=WINDOWS[2]))
    assert found.retrain == retrain
    assert judged(alarm(fault, "a"), changes=[(-0.1, -0.01)]).retrain == retrain
    assert {reason.cause: (reason.columns, reason.since) for reason in found.reasons} == {
        "fault": (["a"], WINDOWS[3]),
        "drift": (["b"], WINDOWS[2]),
    }


def test_the_beginning_is_the_first_window_and_not_the_first_name():
    found = judged(alarm("drift", "a", since=WINDOWS[10]), alarm("drift", "b", since=WINDOWS[2]))
    assert found.reasons[0].since == "row 2000"


@pytest.mark.parametrize(
    ("changes", "retrain", "since"),
    [
        ([(-0.1, -0.01)], "yes", WINDOWS[0]),
        ([(-0.1, 0.01), (-0.1, -0.01), (-0.1, -0.01)], "yes", WINDOWS[1]),
        ([(-0.1, -0.01), (-0.1, 0.01)], "no", None),
        ([(-0.1, -0.01), None], "yes", WINDOWS[0]),
        ([(0.01, 0.1)], "no", None),
        ([], "no", None),
    ],
)
def test_labels_decide_where_they_show_a_change_beyond_its_interval(changes, retrain, since):
    found = judged(changes=changes)
    assert found.retrain == retrain
    assert [reason.since for reason in found.reasons] == ([since] if since else [])


@pytest.mark.parametrize(
    ("within", "delay", "late"),
    [
        (None, LABELS, False),
        (timedelta(days=2), LABELS, False),
        (timedelta(days=1), LABELS, True),
        (timedelta(days=1), Delay(labelled=0, behind_hours=None, median_hours=None, worst_hours=None), True),
    ],
)
def test_labels_that_are_later_than_agreed_are_a_reason_to_look(within, delay, late):
    found = judged(within=within, delay=delay)
    assert (found.retrain, [reason.cause for reason in found.reasons]) == (
        ("undecided", ["labels"]) if late else ("no", [])
    )


def test_without_a_complete_window_nothing_is_decided():
    assert judged(windows=0).retrain == "undecided"
