"""The split, metric, rules and model that suit a table, each with the reason for its comment in conf/."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cairn.intake.draft.columns import Finding, share
from cairn.intake.draft.published_split import Published
from cairn.intake.draft.task import Question
from cairn.intake.draft.time_columns import can_be_cut, dates_to_cut_at

RARE_EVENT = 0.05
SMALL = 1_000
LARGE = 5_000_000
MANY_BLOCKS = 20
MANY_COPIES = 0.05
FEW_VALUES = 50
MOST_SLICES = 3
SLICE_LEVELS = 12
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
    split_values: dict[str, Default]
    model: Default
    primary: Default
    block: Default
    slices: Default
    min_slice_rows: Default
    rules: dict[str, Default]
    weight: Default | None = None
    refit: Default | None = None


def choose(
    table: pd.DataFrame,
    findings: Mapping[str, Finding],
    question: Question,
    *,
    time: str | None,
    group: str | None,
    alone: Mapping[str, float],
    copies: int,
    published: Published | None = None,
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
            and finding.distinct >= 2
        ),
        key=lambda name: -alone.get(name, 0.0),
    )
    sliced = [name for name in categories if findings[name].distinct <= SLICE_LEVELS][:MOST_SLICES]
    best = f"a list of averages would predict this; {''.join(categories[:1])} is the most predictive category"
    split = _split(time, group, _alike(rows, findings, copies), published)
    return Defaults(
        split=split,
        split_values=_labels(published) if published else _cuts(table, time),
        model=_model(rows),
        primary=_primary(question),
        block=_block(table, time),
        slices=Default(sliced, "columns known before; every value of each is scored on its own"),
        min_slice_rows=Default(
            max(10, min(200, in_test // 10)),
            f"rows; smaller slices of the {in_test:,} or so test rows are left out",
        ),
        rules={"best_category": Default(categories[0], best)} if categories else {},
        weight=_weight(findings),
        refit=_refit(rows, split.value),
    )


def _model(rows: int) -> Default:
    if rows < SMALL:
        return Default(
            "hist_gbdt_small", f"gradient boosting for {rows:,} rows: small leaves, a fixed number of trees"
        )
    if rows < LARGE:
        return Default("hist_gbdt_general", "gradient boosting before any tuning")
    return Default("hist_gbdt_large", f"gradient boosting for {rows:,} rows: fewer trees, larger steps")


def _refit(rows: int, split: str) -> Default | None:
    """Propose one fit where validation has nothing new: no rows later than train's or of other groups."""
    if rows < LARGE or split not in ("random", "random_rows"):
        return None
    return Default(
        "none", f"fitting again on {rows:,} rows would take time and add little, as the parts are random"
    )


def _weight(findings: Mapping[str, Finding]) -> Default | None:
    """Propose the first weight of a survey that every row has."""
    found = [name for name, finding in findings.items() if finding.role == "weight"]
    usable = [name for name in found if not findings[name].column.nullable]
    if not usable:
        return None
    others = [name for name in found if name != usable[0]]
    also = f"; other weights: {', '.join(others)}" if others else ""
    return Default(
        usable[0], f"all scores are weighted by it, training is not; null: rows count the same{also}"
    )


def _alike(rows: int, findings: Mapping[str, Finding], copies: int) -> bool:
    """Whether equal rows are probably different cases: there are many, and no feature has many values."""
    values = [finding.distinct for finding in findings.values() if finding.role == "feature"]
    return copies > MANY_COPIES * rows and max(values, default=0) <= max(FEW_VALUES, rows * MANY_COPIES)


def _split(time: str | None, group: str | None, alike: bool, published: Published | None) -> Default:
    if published is not None:
        why = f"'{published.column}' is {published.why}; --time '' or --group '' choose another split"
        return Default("column", why)
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


def _labels(published: Published) -> dict[str, Default]:
    carved = "" if published.labels["validation"] else "; none: a random share of train"
    parts = {
        f"{part}_labels": Default(labels, f"its values in {part}{carved if part == 'validation' else ''}")
        for part, labels in published.labels.items()
    }
    return {"column": Default(published.column, "the column that names the part of each row")} | parts


def _cuts(table: pd.DataFrame, time: str | None) -> dict[str, Default]:
    """Return the dates of a time split where the default shares of the rows would leave a part empty."""
    if time is None or can_be_cut(table[time]):
        return {}
    validation, test = dates_to_cut_at(table[time])
    why = "date; the rows have few different times, so shares of them would leave a part without rows"
    return {
        "validation_from": Default(validation, why),
        "test_from": Default(test, "date; later rows are test"),
    }


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
