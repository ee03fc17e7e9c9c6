"""Which split, metric, rules and model suit a table, each with the reason that stands beside it in conf/."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from cairn.intake.draft.columns import Finding, share
from cairn.intake.draft.task import Question

RARE_EVENT = 0.05
SMALL = 1_000
MANY_BLOCKS = 20
MANY_COPIES = 0.05
FEW_VALUES = 50
MOST_SLICES = 3
SLICE_LEVELS = (2, 12)
RULE_LEVELS = (2, 254)
TEST_SHARE = 0.15


@dataclass(frozen=True)
class Choice:
    """A value of a key, and why it was chosen."""

    value: Any
    why: str


@dataclass(frozen=True)
class Choices:
    """What the written files say beside the contract."""

    split: Choice
    model: Choice
    primary: Choice
    block: Choice
    slices: Choice
    min_slice_rows: Choice
    rules: dict[str, Choice] = field(default_factory=dict)


def choose(
    table: pd.DataFrame,
    findings: Mapping[str, Finding],
    question: Question,
    *,
    time: str | None,
    group: str | None,
    alone: Mapping[str, float],
    copies: int,
) -> Choices:
    """Choose from what was found.

    Args:
        table: the rows, dates read.
        findings: by column.
        question: the task.
        time: column that orders the rows, if any.
        group: column whose rows stay together, if any.
        alone: score of each feature by itself.
        copies: rows that repeat an earlier one.
    """
    return Choices(
        split=_split(time, group, _alike(len(table), findings, copies)),
        model=_model(len(table)),
        primary=_primary(question),
        block=_block(table, time),
        slices=_slices(table, findings, alone),
        min_slice_rows=Choice(*_min_slice_rows(len(table))),
        rules=_rules(findings, alone),
    )


def _alike(rows: int, findings: Mapping[str, Finding], copies: int) -> bool:
    """Whether equal rows are likely different cases: there are many, and no feature takes many values."""
    values = [finding.distinct for finding in findings.values() if finding.role == "feature"]
    return copies > MANY_COPIES * rows and max(values, default=0) <= max(FEW_VALUES, rows * MANY_COPIES)


def _split(time: str | None, group: str | None, alike: bool) -> Choice:
    if time is not None:
        return Choice("time", f"by '{time}': it is judged on rows later than those it learnt from, as in use")
    if group is not None:
        return Choice("group", f"'{group}' has several rows: all of one land in the same part")
    if alike:
        return Choice("random_rows", "equal rows are different cases here: the columns take few values")
    return Choice("random", "no column orders the rows in time, none repeats an owner")


def _model(rows: int) -> Choice:
    if rows < SMALL:
        return Choice("hist_gbdt_small", f"boosting for {rows:,} rows: small leaves, a fixed number of trees")
    return Choice("hist_gbdt_general", "boosting that has seen no tuning yet")


def _primary(question: Question) -> Choice:
    match question.task:
        case "binary" if question.rate is not None and question.rate < RARE_EVENT:
            return Choice(
                "pr_auc",
                f"the event is rare ({share(question.rate)}): precision over recall shows what roc_auc hides",
            )
        case "binary":
            return Choice("roc_auc", "how often an event is ranked above another row, whatever the threshold")
        case "multiclass":
            return Choice("log_loss", "judges the probability of every class, not only the first choice")
    if question.long_tail:
        return Choice("mae", "a few huge values would decide rmse")
    return Choice("rmse", "large errors count more than small ones")


def _block(table: pd.DataFrame, time: str | None) -> Choice:
    if time is None:
        return Choice(None, "rows are drawn one by one")
    late = table[time].sort_values().iloc[int(len(table) * (1 - TEST_SHARE)) :]
    for span, name in (("1D", "days"), ("1h", "hours")):
        blocks = late.dt.floor(span).nunique()
        if MANY_BLOCKS <= blocks < len(late):
            return Choice(span, f"{name} are drawn whole: rows of one are not independent")
    return Choice(None, "rows are drawn one by one: hardly any share a day, or all do")


def _min_slice_rows(rows: int) -> tuple[int, str]:
    in_test = int(rows * TEST_SHARE)
    return max(
        10, min(200, in_test // 10)
    ), f"rows; smaller slices are left out of about {in_test:,} test rows"


def _slices(table: pd.DataFrame, findings: Mapping[str, Finding], alone: Mapping[str, float]) -> Choice:
    names = _with_levels(findings, alone, *SLICE_LEVELS)
    return Choice(names[:MOST_SLICES], "columns known before; every value of each is scored on its own")


def _rules(findings: Mapping[str, Finding], alone: Mapping[str, float]) -> dict[str, Choice]:
    names = _with_levels(findings, alone, *RULE_LEVELS)
    if not names:
        return {}
    name = names[0]
    said = f"what somebody with a list of averages would say: of the categories {name} tells most"
    return {"best_category": Choice(name, said)}


def _with_levels(
    findings: Mapping[str, Finding], alone: Mapping[str, float], least: int, most: int
) -> list[str]:
    names = [
        name
        for name, finding in findings.items()
        if finding.role == "feature"
        and finding.column.kind in ("categorical", "boolean")
        and least <= finding.distinct <= most
    ]
    return sorted(names, key=lambda name: -alone.get(name, 0.0))
