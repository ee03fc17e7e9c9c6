"""From alarms and scores to one word: does retraining pay, may it, or has something else to be done first?"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from cairn.monitor.record import Alarm, Cause, Delay, Reason, Retrain, Stretch

STABLE = 0.25
"""Largest distance of a window of the reference, up to which a column counts as one that hardly varies."""
BROKEN = ("contract", "missing", "stuck")
"""What only a repair cures: a model trained on such rows would learn the fault."""
FAULTS = (*BROKEN, "grid", "relation", "outliers", "clock")


@dataclass(frozen=True)
class Evidence:
    """What the verdict is made from.

    Attributes:
        alarms: of the latest window.
        stretches: in the order of time.
        delay: of labels.
        labels_within: how far the newest label may be behind; None for any.
        judged: windows that were judged.
        windows: names, in the order of time.
    """

    alarms: list[Alarm]
    stretches: list[Stretch]
    delay: Delay
    labels_within: timedelta | None
    judged: int
    windows: list[str]


@dataclass(frozen=True)
class Verdict:
    """The verdict and why."""

    retrain: Retrain
    reasons: list[Reason]


def decide_verdict(evidence: Evidence) -> Verdict:
    """Return the verdict.

    yes: labels show that the model has become worse, or a column that hardly varies in the reference has
    moved and shows no fault. undecided: values are missing, stuck or break the contract, which has to be
    repaired before anything else can be judged; or what alarms may be a fault of the data, a column that
    varies anyway, or late labels. no: nothing alarms. Whether a new model is better is decided by comparing
    it with the old one on the same rows, not here.
    """
    reasons = [*_worse(evidence.stretches), *_by_group(evidence.alarms, evidence.windows), *_labels(evidence)]
    if not evidence.judged:
        reasons.append(Reason(cause="rows", group="", columns=[], kinds=[], since=evidence.windows[-1]))
    causes = {reason.cause for reason in reasons}
    broken = any(alarm.kind in BROKEN for alarm in evidence.alarms)
    if causes & {"score", "drift"} and not broken:
        return Verdict("yes", reasons)
    return Verdict("undecided" if causes else "no", reasons)


def _worse(stretches: list[Stretch]) -> Iterable[Reason]:
    """Return the reason that the latest scored stretch is worse than validation beyond its interval."""
    since = None
    for stretch in reversed([one for one in stretches if one.change is not None]):
        change = stretch.change
        if change is None or change.high is None or change.high >= 0:
            break
        since = stretch.first
    if since is not None:
        yield Reason(cause="score", group="", columns=[], kinds=[], since=since)


def cause_of(alarm: Alarm, faulty: set[str]) -> Cause:
    """Return what an alarm means; a column with a fault moves because of it."""
    if alarm.kind == "rows":
        return "rows"
    if alarm.kind in FAULTS or alarm.column in faulty:
        return "fault"
    stable = alarm.kind == "unseen" or (alarm.usual is not None and alarm.usual <= STABLE)
    return "drift" if stable else "unstable"


def _by_group(alarms: list[Alarm], windows: list[str]) -> list[Reason]:
    """Return one reason for each cause and group of columns, in the order of the largest ratio."""
    faulty = {alarm.column for alarm in alarms if alarm.kind in FAULTS}
    found: dict[tuple[Cause, str], list[Alarm]] = {}
    for alarm in alarms:
        found.setdefault((cause_of(alarm, faulty), alarm.group), []).append(alarm)
    return [
        Reason(
            cause=cause,
            group=group,
            columns=list(dict.fromkeys(alarm.column for alarm in same if alarm.column)),
            kinds=list(dict.fromkeys(alarm.kind for alarm in same)),
            since=min((alarm.since for alarm in same), key=windows.index),
        )
        for (cause, group), same in found.items()
    ]


def _labels(evidence: Evidence) -> Iterable[Reason]:
    allowed, behind = evidence.labels_within, evidence.delay.behind_hours
    if allowed is not None and (behind is None or behind > allowed / timedelta(hours=1)):
        yield Reason(cause="labels", group="", columns=[], kinds=[], since=evidence.windows[-1])
