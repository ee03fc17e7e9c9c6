"""The goal of section `purpose`, compared with what the model reached on test."""

from dataclasses import dataclass

from cairn.metrics.evaluation import MODEL, Evaluation, Score
from cairn.metrics.kpi import PER_ROWS
from cairn.report.card.words import Tone, metric_name
from cairn.report.numbers import estimate, short
from cairn.settings.purpose import Goal
from cairn.settings.search import SAVING

VERDICT: dict[Tone, str] = {"better": "reached", "unclear": "not proven", "worse": "missed"}
GOAL_MEANS = (
    "reached if the whole interval on test is as good as the goal of conf/, missed if all of it is worse,"
    " otherwise not proven"
)


@dataclass(frozen=True)
class Reached:
    """A goal in words, such as `saving of at least 10,000 USD per 1,000 rows`, and what the test set says."""

    goal: str
    tone: Tone
    verdict: str
    score: str = ""


def reached(goal: Goal, record: Evaluation) -> Reached | None:
    """Compare a goal with the interval on test, all of which has to be as good; None without a goal."""
    if goal.measure is None or goal.value is None:
        return None
    in_money = goal.measure == SAVING
    higher = in_money or record.higher_is_better(goal.measure)
    unit = f" {record.kpi.currency} per {PER_ROWS:,} rows" if in_money and record.kpi else ""
    name = SAVING if in_money else metric_name(goal.measure)
    wanted = f"{name} of at {'least' if higher else 'most'} {short(goal.value)}{unit}"
    found = _on_test(goal.measure, record)
    if found is None:
        return Reached(wanted, "unclear", "not measured")
    tone = _tone(found, goal.value, higher)
    return Reached(wanted, tone, VERDICT[tone], estimate(found))


def _on_test(measure: str, record: Evaluation) -> Score | None:
    if measure == SAVING:
        return record.kpi.policies[MODEL].saving if record.kpi else None
    return record.scores[MODEL].get(measure)


def _tone(found: Score, wanted: float, higher: bool) -> Tone:
    if found.low is None or found.high is None:
        return "unclear"
    worst, best = (found.low, found.high) if higher else (-found.high, -found.low)
    bound = wanted if higher else -wanted
    return "better" if worst >= bound else "worse" if best < bound else "unclear"
