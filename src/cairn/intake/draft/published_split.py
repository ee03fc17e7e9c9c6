"""A column that says which part a row belongs to: a published split, or the numbers of folds.

A flag called `test` may be the result of a medical test. That tells the target; the flag of a split does not.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api import types

from cairn.intake.draft.columns import Finding, shown
from cairn.intake.draft.names import words
from cairn.intake.draft.task import plain

PARTS = {
    "train": frozenset({"train", "training", "trn", "tr", "learn", "learning"}),
    "validation": frozenset({"validation", "valid", "val", "dev", "development", "tune", "tuning"}),
    "test": frozenset({"test", "testing", "tst", "holdout", "hold-out", "eval", "evaluation"}),
}
FOLDS = (3, 20)
FLAG = frozenset({"is", "in", "set", "row", "flag", "split", "data"})
TELLS = 0.1
"""Correlation of a flag with the target, or three standard errors of it if that is more."""
Label = str | int | bool


@dataclass(frozen=True)
class Published:
    """A column that names the part of each row, with its labels by part, and what it is."""

    column: str
    labels: dict[str, list[Label]]
    why: str


def find(
    table: pd.DataFrame, findings: Mapping[str, Finding], target: str
) -> tuple[list[Published], dict[str, str]]:
    """Return the columns that name the part of each row, and by column why a flag is not taken for one."""
    found, doubts = [], {}
    for name, finding in findings.items():
        if name == target or finding.column.known != "before" or not 2 <= finding.distinct <= FOLDS[1]:
            continue
        each = _of(name, [plain(value) for value in table[name].dropna().unique()])
        if each is None:
            continue
        if _is_flag(each) and _tells(table[name], table[target]):
            doubts[name] = (
                "it tells the target, so it is not a published split; split.kind: column makes it one"
            )
        else:
            found.append(each)
    return found, doubts


def _is_flag(found: Published) -> bool:
    """Whether a column is called test or the like, and no word says that this means a part of the table."""
    labels = {label for of_part in found.labels.values() for label in of_part}
    return labels == {0, 1} and not FLAG & {*words(found.column)}


def _tells(flag: pd.Series, target: pd.Series) -> bool:
    there = flag.notna()
    if types.is_numeric_dtype(target) and target.nunique() > FOLDS[1]:
        outcomes = target[there].rank().to_frame()
    else:
        outcomes = pd.get_dummies(target[there])
    with np.errstate(invalid="ignore"):
        found = outcomes.astype("float64").corrwith(flag[there].astype("float64")).abs().max()
    return bool(found > max(TELLS, 3 / np.sqrt(len(outcomes))))


def _of(name: str, values: list[Label]) -> Published | None:
    said = {part: sorted(v for v in values if str(v).strip().lower() in PARTS[part]) for part in PARTS}
    if len([v for found in said.values() for v in found]) == len(values) and said["train"]:
        if not said["test"]:
            said = said | {"validation": [], "test": said["validation"]}
        return Published(name, said, f"a published split ({shown(values)})") if said["test"] else None
    spoken = [word for word in words(name) if word not in FLAG]
    if set(values) == {0, 1} and len(spoken) == 1 and spoken[0] in ("train", "training", "test", "testing"):
        trains = spoken[0].startswith("train")
        first, second = ([v for v in values if bool(v) == wanted] for wanted in (trains, not trains))
        why = f"a published split; --keep {name} makes it a feature"
        return Published(name, {"train": first, "validation": [], "test": second}, why)
    if {"fold", "folds", "kfold"} & set(words(name)) and len(values) >= FOLDS[0]:
        *train, validation, test = _in_order(values)
        labels = {"train": train, "validation": [validation], "test": [test]}
        return Published(name, labels, f"the numbers of {len(values)} folds; the last one is for test")
    return None


def _in_order(values: Iterable[Label]) -> list[Label]:
    return sorted(values, key=lambda v: (0, v, "") if types.is_number(v) else (1, len(str(v)), str(v)))
