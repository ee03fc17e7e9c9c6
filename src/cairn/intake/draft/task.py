"""The task that a target asks for, and whether the table has enough rows of each class for it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from cairn.errors import UserError
from cairn.intake.draft.columns import share, shown
from cairn.settings.data import Task

FEWEST_ROWS = 50
FEWEST_OF_A_CLASS = 10
RARE_CLASS = 5
MOST_OF_THE_ROWS = 0.5
MOST_CODES = 10
MOST_CLASSES = 100
EVENTS = (
    "true",
    "yes",
    "y",
    "1",
    "t",
    "positive",
    "pos",
    "bad",
    "fraud",
    "churned",
    "late",
    "default",
    "sick",
    "ja",
    "oui",
    "si",
)
LONG_TAIL = 10.0


@dataclass(frozen=True)
class Question:
    """The task, the event of a binary one, and why.

    Attributes:
        positive: value that is the event; None for true, and for the other tasks.
        rare: classes of so few rows that they are left out.
        long_tail: whether a few huge values would decide a squared error.
    """

    task: Task
    why: str
    positive: str | int | bool | None = None
    why_positive: str = ""
    rate: float | None = None
    rare: tuple[Any, ...] = ()
    long_tail: bool = False


def ask(target: pd.Series, wanted: Task | None, positive: str | None) -> Question:
    """Infer the task from the values of the target.

    Raises:
        UserError: too few rows, one value only, or values that do not fit the requested task.
    """
    there = target.dropna()
    name = target.name
    if len(there) < FEWEST_ROWS:
        known = f"with a known {name} " if len(there) < len(target) else ""
        raise UserError(f"{len(there)} rows {known}are too few; at least {FEWEST_ROWS} are needed")
    counts = there.value_counts()
    if len(counts) < 2:
        raise UserError(
            f"{name}: every row has the same value ({shown(counts.index)}); there is nothing to predict"
        )
    if types.is_datetime64_any_dtype(there):
        raise UserError(
            f"{name}: the target cannot be a date; derive a number: --target 'm = `{name}`.dt.month'"
        )
    numeric = types.is_numeric_dtype(there) and not types.is_bool_dtype(there)
    if numeric and (endless := int(np.isinf(there.to_numpy(dtype=np.float64)).sum())):
        raise UserError(f"{name}: the target has infinite values ({endless:,} rows); leave these cells empty")
    whole = numeric and bool((there % 1 == 0).all())
    task = wanted or _task(len(counts), numeric, whole)
    if positive is not None and task != "binary":
        raise UserError(
            f"--positive {positive}: only a binary task has a positive class, and this task is {task};"
            f" derive one: --target 'event = `{name}` == …'"
        )
    if task == "regression":
        return _regression(there, numeric, len(counts))
    if numeric and not whole:
        raise UserError(
            f"{name}: fractions cannot be classes; derive the classes: --target 'high = `{name}` > 1'"
        )
    if task == "binary":
        return _binary(there, counts, positive)
    return _multiclass(there, counts)


def _task(values: int, numeric: bool, whole: bool) -> Task:
    if values == 2 and (whole or not numeric):
        return "binary"
    if not numeric or (whole and values <= MOST_CODES):
        return "multiclass"
    return "regression"


def _regression(there: pd.Series, numeric: bool, distinct: int) -> Question:
    if not numeric:
        raise UserError(f"{there.name}: a regression needs numbers; the column holds {shown(there.unique())}")
    long_tail = float(there.kurt()) > LONG_TAIL
    return Question(
        "regression",
        f"{distinct:,} different numbers, from {there.min():.6g} to {there.max():.6g}",
        long_tail=long_tail,
    )


def _binary(there: pd.Series, counts: pd.Series, wanted: str | None) -> Question:
    labels = [_plain(value) for value in counts.index]
    if len(labels) != 2:
        raise UserError(
            f"{there.name}: a binary task needs two values; the column has {len(labels)} ({shown(labels)})"
        )
    by_word = {str(label).strip().lower(): label for label in labels}
    if wanted is not None:
        if wanted.strip().lower() not in by_word:
            raise UserError(f"--positive {wanted}: {there.name} holds {shown(labels)}")
        positive, why = by_word[wanted.strip().lower()], "as requested"
    elif word := next((word for word in EVENTS if word in by_word), None):
        positive, why = by_word[word], "named like a positive class"
    else:
        positive, why = labels[1], "the rarer value; check that it is the event you mean"
    rate = float((there == positive).mean())
    fewest = int(counts.min())
    if fewest < FEWEST_OF_A_CLASS:
        rarer = shown(counts.index[[-1]])
        raise UserError(
            f"{there.name}: only {fewest} rows are {rarer}; at least {FEWEST_OF_A_CLASS} are needed to train,"
            " validate and test"
        )
    return Question("binary", "two values", positive, f"{share(rate)} of the rows; {why}", rate)


def _multiclass(there: pd.Series, counts: pd.Series) -> Question:
    rare = tuple(_plain(value) for value in counts.index[counts < RARE_CLASS])
    kept = counts[counts >= RARE_CLASS]
    if len(kept) < 2:
        raise UserError(
            f"{there.name}: almost every value is unique ({len(counts):,} values in {len(there):,} rows);"
            " these are not classes"
        )
    if kept.sum() < MOST_OF_THE_ROWS * len(there):
        raise UserError(
            f"{there.name}: {1 - kept.sum() / len(there):.0%} of the rows belong to classes with fewer than"
            f" {RARE_CLASS} rows ({len(rare):,} such classes), too few to learn from"
        )
    if len(kept) > MOST_CLASSES:
        raise UserError(f"{there.name}: {len(kept):,} classes; the limit is {MOST_CLASSES}")
    return Question("multiclass", f"{len(kept)} classes, mostly {shown(kept.index)}", rare=rare)


def _plain(value: Any) -> Any:
    """Return a Python scalar; a whole number stored as a float (beside missing values) becomes an int."""
    value = value.item() if hasattr(value, "item") else value
    return int(value) if isinstance(value, float) and value.is_integer() else value
