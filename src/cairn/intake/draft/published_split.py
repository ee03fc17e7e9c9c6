"""A column that says which part a row belongs to: a published split, or the numbers of folds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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
Label = str | int | bool


@dataclass(frozen=True)
class Published:
    """A column that names the part of each row, with its labels by part, and what it is."""

    column: str
    labels: dict[str, list[Label]]
    why: str


def find(table: pd.DataFrame, findings: Mapping[str, Finding], target: str) -> list[Published]:
    """Return the columns that name the part of each row."""
    return [
        found
        for name, finding in findings.items()
        if name != target
        and finding.column.known == "before"
        and 2 <= finding.distinct <= FOLDS[1]
        and (found := _of(name, [plain(value) for value in table[name].dropna().unique()]))
    ]


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
        return Published(name, {"train": first, "validation": [], "test": second}, "a published split")
    if {"fold", "folds", "kfold"} & set(words(name)) and len(values) >= FOLDS[0]:
        *train, validation, test = _in_order(values)
        labels = {"train": train, "validation": [validation], "test": [test]}
        return Published(name, labels, f"the numbers of {len(values)} folds; the last one is for test")
    return None


def _in_order(values: Iterable[Label]) -> list[Label]:
    return sorted(values, key=lambda v: (0, v, "") if types.is_number(v) else (1, len(str(v)), str(v)))
