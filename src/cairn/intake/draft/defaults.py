"""The split, metric, rules and model that suit a table, each with the reason for its comment in conf/."""

from collections.abc import Mapping
from dataclasses import dataclass
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
SLICE_LEVELS = 12
RULE_LEVELS = 254
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
    rules: dict[str, Default]


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
    """Choose the settings of a new data set; `alone` is the score of each feature by itself."""
    rows = len(table)
    in_test = int(rows * TEST_SHARE)
    categories = sorted(
        (
            name
            for name, finding in findings.items()
            if finding.role == "feature"
            and finding.column.kind in ("categorical", "boolean")
            and 2 <= finding.distinct <= RULE_LEVELS
        ),
        key=lambda name: -alone.get(name, 0.0),
    )
    sliced = [name for name in categories if findings[name].distinct <= SLICE_LEVELS][:MOST_SLICES]
    small = f"gradient boosting for {rows:,} rows: small leaves, a fixed number of trees"
    best = f"a list of averages would predict this; {''.join(categories[:1])} is the most predictive category"
    return Defaults(
        split=_split(time, group, _alike(rows, findings, copies)),
        model=Default("hist_gbdt_small", small)
        if rows < SMALL
        else Default("hist_gbdt_general", "gradient boosting before any tuning"),
        primary=_primary(question),
        block=_block(table, time),
        slices=Default(sliced, "columns known before; every value of each is scored on its own"),
        min_slice_rows=Default(
            max(10, min(200, in_test // 10)),
            f"rows; smaller slices of the {in_test:,} or so test rows are left out",
        ),
        rules={"best_category": Default(categories[0], best)} if categories else {},
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
        return Default("group", f"the rows of one '{group}' stay in one part")
    if alike:
        return Default("random_rows", "equal rows are different cases: the columns take few values")
    return Default("random", "no column orders the rows in time or groups them")


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
