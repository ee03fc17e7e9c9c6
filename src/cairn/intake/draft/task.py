"""The task that a target asks for, and whether the table has enough rows of each class for it."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from cairn.errors import UserError, did_you_mean
from cairn.intake.draft.columns import share, shown
from cairn.settings.data import Task
from cairn.settings.expressions import names_in

FEWEST_ROWS = 50
FEWEST_OF_A_CLASS = 10
RARE_CLASS = 5
MOST_OF_THE_ROWS = 0.5
MOST_CODES = 10
MOST_CLASSES = 100
EVENTS = (
    *("true", "yes", "y", "1", "t", "positive", "pos", "bad", "fraud", "churned", "late"),
    *("default", "sick", "ja", "oui", "si"),
)
LONG_TAIL = 10.0
SCALES = (
    ("very low", "low", "medium", "high", "very high"),
    ("low", "moderate", "high"),
    ("low", "mid", "high"),
    ("small", "medium", "large"),
    ("xs", "s", "m", "l", "xl", "xxl"),
    ("never", "rarely", "sometimes", "often", "always"),
    ("none", "mild", "moderate", "severe"),
    ("bad", "poor", "fair", "average", "good", "very good", "excellent"),
    ("unacc", "acc", "good", "vgood"),
    ("strongly disagree", "disagree", "neutral", "agree", "strongly agree"),
    ("first", "second", "third"),
)
"""Words of scales, from the least to the most."""


@dataclass(frozen=True)
class Question:
    """The task, the event of a binary one, and why; `rare` classes have too few rows and are left out."""

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
        raise UserError(f"{name}: every row has the same value ({shown(counts.index)})")
    numeric = types.is_numeric_dtype(there) and not types.is_bool_dtype(there)
    if numeric and (endless := int(np.isinf(there.to_numpy(dtype=np.float64)).sum())):
        raise UserError(f"{name}: the target has infinite values ({endless:,} rows); leave these cells empty")
    whole = numeric and bool((there % 1 == 0).all())
    task = wanted or _task(len(counts), numeric, whole)
    kept = counts[counts >= RARE_CLASS]
    most = kept.sum() >= MOST_OF_THE_ROWS * len(there)
    if task != "regression" and most and len(counts) > len(kept) == 2 and (whole or not numeric):
        rare = tuple(plain(value) for value in counts.index[counts < RARE_CLASS])
        return replace(_binary(there[there.isin(kept.index)], kept, positive), rare=rare)
    if positive is not None and task != "binary":
        raise UserError(f"--positive {positive}: only a binary task has a positive class; this is {task}")
    if task == "regression":
        return _regression(there, numeric, len(counts))
    if numeric and not whole:
        raise UserError(f"{name}: fractions cannot be classes; derive them: --target 'high = `{name}` > 1'")
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
    labels = [plain(value) for value in counts.index]
    if len(labels) != 2:
        raise UserError(f"{there.name}: a binary task needs two values, not {len(labels)} ({shown(labels)})")
    by_word = {str(label).strip().lower(): label for label in labels}
    if wanted is not None:
        exact = {str(label).strip(): label for label in labels}
        if wanted.strip() not in exact and wanted.strip().lower() not in by_word:
            raise UserError(f"--positive {wanted}: {there.name} holds {shown(labels)}")
        positive = exact.get(wanted.strip(), by_word.get(wanted.strip().lower()))
        why = "as requested"
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
    return Question(
        "binary", f"two values{_alike(labels)}", positive, f"{share(rate)} of the rows; {why}", rate
    )


def _multiclass(there: pd.Series, counts: pd.Series) -> Question:
    rare = tuple(plain(value) for value in counts.index[counts < RARE_CLASS])
    kept = counts[counts >= RARE_CLASS]
    if len(kept) < 2:
        raise UserError(f"{there.name}: almost every value is unique; these are not classes")
    if kept.sum() < MOST_OF_THE_ROWS * len(there):
        raise UserError(
            f"{there.name}: {1 - kept.sum() / len(there):.0%} of the rows belong to classes with fewer than"
            f" {RARE_CLASS} rows ({len(rare):,} such classes), too few to learn from"
        )
    if len(kept) > MOST_CLASSES:
        raise UserError(f"{there.name}: {len(kept):,} classes; the limit is {MOST_CLASSES}")
    alike = _alike([plain(value) for value in kept.index])
    return Question("multiclass", f"{len(kept)} classes, mostly {shown(kept.index)}{alike}", rare=rare)


def in_order(labels: Sequence[Any], known: Sequence[Any] | None) -> list[Any] | None:
    """Return classes from the least to the most, by the order of their file or as words of one scale."""
    if known is not None:
        return list(known)
    plain = {str(label).strip().lower().replace("_", " ").replace("-", " "): label for label in labels}
    different = len(plain) == len(labels) > 2
    scale = next((scale for scale in SCALES if different and {*plain} <= {*scale}), None)
    return scale and [plain[word] for word in scale if word in plain]


def _alike(labels: list[Any]) -> str:
    """Say which labels differ only in case, or in how their signs are encoded."""
    first: dict[str, str] = {}
    for label in map(str, labels):
        other = first.setdefault(unicodedata.normalize("NFKC", label).casefold(), label)
        if other != label:
            what = "case" if other.casefold() == label.casefold() else "how accents are encoded"
            return (
                f"; {other!r} and {label!r} differ only in {what}: two classes, unless you write them alike"
            )
    return ""


def plain(value: Any) -> Any:
    """Return a Python scalar; a whole number stored as a float (beside missing values) becomes an int."""
    value = value.item() if hasattr(value, "item") else value
    return int(value) if isinstance(value, float) and value.is_integer() else value


DERIVED = re.compile(r"\s*(`[^`]+`|\w+)\s*=(?!=)\s*(.+)", re.DOTALL)
UNWRITABLE = re.compile(r"\$\{|`|^\?\?\?$")
MOST_SHOWN = 8


@dataclass(frozen=True)
class Request:
    """What the user asked for, besides the file: None is to be inferred, "" means no such column."""

    target: str
    task: Task | None = None
    positive: str | None = None
    time: str | None = None
    group: str | None = None
    keep: tuple[str, ...] = ()


def target_of(request: Request, table: pd.DataFrame) -> tuple[str, str | None]:
    """Return the target's name, and its expression where it is derived.

    Raises:
        UserError: a table without proper columns, or a requested column that does not exist.
    """
    _refuse_bad_columns(table)
    for given in filter(None, [request.time, request.group, *request.keep]):
        _known(given, table)
    if request.target in table.columns:
        return request.target, None
    found = DERIVED.fullmatch(request.target)
    if not found:
        _known(request.target, table)
    name, expression = (found[1].strip("`"), found[2].strip()) if found else ("", "")
    if name in table.columns:
        raise UserError(f"--target: the table has a column '{name}' already; take another name")
    used = names_in(expression)
    if not used:
        raise UserError(f"--target: '{expression}' is not an expression, such as late = delay > 15")
    for column in used:
        _known(column, table)
    return name, expression


def _refuse_bad_columns(table: pd.DataFrame) -> None:
    names = [str(name) for name in table]
    twice = [str(name) for name in table.columns[table.columns.duplicated()].unique()]
    if twice:
        raise UserError(f"duplicate column names: {', '.join(twice[:5])}; rename them")
    if len(names) < 2:
        raise UserError(f"found only one column ({', '.join(names)}); check --separator")
    if table.empty:
        raise UserError("the table has column names but no rows")
    if "row_id" in names:
        raise UserError("the column name row_id is reserved: rename the column")
    if odd := [name for name in names if UNWRITABLE.search(name)]:
        raise UserError(f"the column name {odd[0]!r} cannot be written in YAML or pandas: rename the column")


def _known(name: str, table: pd.DataFrame) -> None:
    if name not in table.columns:
        names = [str(column) for column in table]
        if re.search(r"[=<>]", name):
            raise UserError(f"'{name}': give what it computes a name, as in 'late = delay > 15'")
        shown = ", ".join(names[:MOST_SHOWN]) + (", …" if len(names) > MOST_SHOWN else "")
        raise UserError(f"no column '{name}'{did_you_mean(name, names)} (columns: {shown})")
