"""The split, metric, rules and model that suit a table, each with the reason for its comment in conf/."""

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
class Default:
    """A value of a key, and why it was chosen."""

    value: Any
    why: str


@dataclass(frozen=True)
class Defaults:
    """Settings of the data set besides the contract and section data."""

    split: Default
    model: Default
    primary: Default
    block: Default
    slices: Default
    min_slice_rows: Default
    rules: dict[str, Default] = field(default_factory=dict)


def choose(
    table: pd.DataFrame,
    findings: Mapping[str, Finding],
    question: Question,
    *,
    time: str | None,
    group: str | None,
    alone: Mapping[str, float],
    copies: int,
) -> Defaults:
    """Choose the settings of a new data set.

    Args:
        table: the rows, dates read.
        findings: by column.
        question: the task.
        time: column that orders the rows, if any.
        group: column whose rows stay together, if any.
        alone: score of each feature by itself.
        copies: rows that repeat an earlier one.
    """
    return Defaults(
        split=_split(time, group, _alike(len(table), findings, copies)),
        model=_model(len(table)),
        primary=_primary(question),
        block=_block(table, time),
        slices=_slices(table, findings, alone),
        min_slice_rows=Default(*_min_slice_rows(len(table))),
        rules=_rules(findings, alone),
    )


def _alike(rows: int, findings: Mapping[str, Finding], copies: int) -> bool:
    """Whether equal rows are probably different cases: there are many, and no feature has many values."""
    values = [finding.distinct for finding in findings.values() if finding.role == "feature"]
    return copies > MANY_COPIES * rows and max(values, default=0) <= max(FEW_VALUES, rows * MANY_COPIES)


def _split(time: str | None, group: str | None, alike: bool) -> Default:
    if time is not None:
        return Default(
            "time",
            f"by '{time}': the model is evaluated on later rows than it was trained on, as in production",
        )
    if group is not None:
        return Default("group", f"values of '{group}' have several rows, which stay in one part")
    if alike:
        return Default("random_rows", "equal rows are different cases: the columns take few values")
    return Default("random", "no column orders the rows in time or groups them")


def _model(rows: int) -> Default:
    if rows < SMALL:
        return Default(
            "hist_gbdt_small", f"gradient boosting for {rows:,} rows: small leaves, a fixed number of trees"
        )
    return Default("hist_gbdt_general", "gradient boosting before any tuning")


def _primary(question: Question) -> Default:
    match question.task:
        case "binary" if question.rate is not None and question.rate < RARE_EVENT:
            return Default(
                "pr_auc",
                f"the event is rare ({share(question.rate)}): precision over recall shows what roc_auc hides",
            )
        case "binary":
            return Default("roc_auc", "how well events are ranked above other rows, at any threshold")
        case "multiclass":
            return Default("log_loss", "scores the probabilities of all classes, not only the top one")
    if question.long_tail:
        return Default("mae", "a few huge values would dominate rmse")
    return Default("rmse", "large errors count more than small ones")


def _block(table: pd.DataFrame, time: str | None) -> Default:
    if time is None:
        return Default(None, "single rows are resampled")
    late = table[time].sort_values().iloc[int(len(table) * (1 - TEST_SHARE)) :]
    for span, name in (("1D", "days"), ("1h", "hours")):
        blocks = late.dt.floor(span).nunique()
        if MANY_BLOCKS <= blocks < len(late):
            return Default(span, f"{name} are resampled whole: rows of one are not independent")
    return Default(None, "single rows are resampled: almost none share a day, or all do")


def _min_slice_rows(rows: int) -> tuple[int, str]:
    in_test = int(rows * TEST_SHARE)
    return max(
        10, min(200, in_test // 10)
    ), f"rows; smaller slices of the {in_test:,} or so test rows are left out"


def _slices(table: pd.DataFrame, findings: Mapping[str, Finding], alone: Mapping[str, float]) -> Default:
    names = _with_levels(findings, alone, *SLICE_LEVELS)
    return Default(names[:MOST_SLICES], "columns known before; every value of each is scored on its own")


def _rules(findings: Mapping[str, Finding], alone: Mapping[str, float]) -> dict[str, Default]:
    names = _with_levels(findings, alone, *RULE_LEVELS)
    if not names:
        return {}
    name = names[0]
    said = f"a list of averages would predict this; {name} is the most predictive category"
    return {"best_category": Default(name, said)}


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
