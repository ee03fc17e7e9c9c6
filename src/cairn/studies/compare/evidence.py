"""What each revision predicted for the same rows."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from cairn.compose.conf import leaves
from cairn.data.predictions import SEPARATOR, from_columns
from cairn.data.tables import read_table
from cairn.errors import UserError
from cairn.experiments.history import PREDICTIONS, SETTINGS, History, MissingOutputError, Revision
from cairn.metrics.evaluation import MODEL, Evaluated, row_weights, time_blocks
from cairn.metrics.paired import EvaluationSet
from cairn.models.package import target_values
from cairn.settings.data import Task
from cairn.settings.evaluate import EvaluateConfig
from cairn.settings.kpi import CostKpi, KpiConfig
from cairn.settings.purpose import PURPOSE

Part = Literal["validation", "test"]
RECORD = "metrics/evaluation.json"
# Beside the stages that score it, only a comparison of finished revisions looks at the test part: at the
# columns that say which slice and which block of time a row belongs to.
ROWS: dict[Part, str] = {"validation": "data/splits/validation.parquet", "test": "data/splits/test.parquet"}


class NotComparableError(UserError):
    """Two revisions were not evaluated on the same rows."""


@dataclass(frozen=True)
class Evidence:
    """One revision's predictions of a part.

    Attributes:
        settings: those it was run with.
        target: name of the predicted column.
        threshold: above which it decides for the event.
        classes: names in the order of the predicted columns; empty where the task is not multiclass.
        table: row_id, target and the predicted columns, one row per example.
    """

    revision: Revision
    settings: dict[str, Any]
    task: Task
    target: str
    model: str
    threshold: float
    classes: list[str]
    table: pd.DataFrame

    @property
    def y(self) -> NDArray[Any]:
        """The target as metrics take it, shape (n,); of a binary task 1 is the event, as prepare wrote it."""
        target = self.table["target"]
        if self.task == "binary":
            return target.to_numpy(dtype=np.int64)
        return target_values(target.map(str) if self.classes else target, self.task, [*self.classes])

    @property
    def prediction(self) -> NDArray[np.float64]:
        """The prediction as metrics take it, shape (n,), or (n, k) for k classes."""
        return from_columns(self.table, MODEL, self.task, self.classes)


def comparable(history: History, one: Revision, other: Revision) -> bool:
    """Tell, from what dvc.lock recorded, whether two revisions predicted the same test rows and kept it."""
    try:
        rows = {history.digest(each, ROWS["test"]) for each in (one, other)}
        kept = [history.stored(history.digest(each, PREDICTIONS)) for each in (one, other)]
    except MissingOutputError:
        return False
    return len(rows) == 1 and None not in kept


def read_evidence(history: History, revision: Revision, part: Part) -> Evidence:
    """Read what a revision predicted for the rows of a part."""
    text, settings = history.text(revision, RECORD), history.settings_run(revision)
    if text is None or not settings:
        raise UserError(
            f"{revision.name}: has no {RECORD if text is None else SETTINGS}: it is older than the stage"
            " evaluate, or that never ran there; name a later revision"
        )
    try:
        evaluated = Evaluated.model_validate_json(text)
    except ValidationError as error:
        wrong = ", ".join(".".join(map(str, one["loc"])) for one in error.errors())
        raise UserError(f"{revision.name}: {RECORD} does not say {wrong}: name a later revision") from error
    table = read_table(history.tracked(revision, PREDICTIONS))
    table = table[table["part"] == part].reset_index(drop=True)
    names = [name for name in table if str(name).startswith(f"{MODEL}{SEPARATOR}")]
    return Evidence(
        revision=revision,
        settings=settings,
        task=evaluated.task,
        target=evaluated.target,
        model=evaluated.model,
        threshold=evaluated.thresholds[MODEL],
        classes=[str(name).removeprefix(f"{MODEL}{SEPARATOR}") for name in names],
        table=table,
    )


def read_terms(
    history: History, reference: Evidence, part: Part, rows_of: Revision
) -> tuple[EvaluationSet, EvaluateConfig, pd.DataFrame]:
    """Read how the reference judges n rows of a part: the rows, its settings, the columns to slice by.

    The rows come from the split of `rows_of`.
    """
    name, settings = reference.revision.name, reference.settings
    try:
        evaluate = TypeAdapter(EvaluateConfig).validate_python(settings.get("evaluate"))
        kpi: KpiConfig = TypeAdapter(KpiConfig).validate_python(settings.get("kpi"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(
            f"{name}: {SETTINGS}: {error.title} {where}: {first['msg']}; use a newer reference"
        ) from error
    time = settings["data"]["time"]
    named = [name for name in (time, evaluate.weight) if name]
    wanted = list(dict.fromkeys(["row_id", *evaluate.slices, *named]))
    rows = read_table(history.tracked(rows_of, ROWS[part]), columns=wanted)
    if rows["row_id"].tolist() != reference.table["row_id"].tolist():
        raise UserError(
            f"{name}: {PREDICTIONS} has other rows than {ROWS[part]}; run `dvc repro` in that revision"
        )
    judged = EvaluationSet(
        task=reference.task,
        y=reference.y,
        blocks=time_blocks(rows[time] if time else None, evaluate.block),
        costs=kpi if isinstance(kpi, CostKpi) else None,
        resamples=evaluate.resamples,
        seed=settings["seed"],
        confidence=evaluate.confidence,
        weights=row_weights(rows, evaluate.weight),
    )
    return judged, evaluate, rows[evaluate.slices]


def aligned(reference: Evidence, other: Evidence, part: Part) -> Evidence:
    """Return the other's evidence with its rows in the order of the reference.

    Raises:
        NotComparableError: another task, target or classes, or not the same rows with the same target.
    """
    a, b = reference.revision.name, other.revision.name
    for what in ("task", "target", "classes"):
        ours, theirs = getattr(reference, what), getattr(other, what)
        # Predictions have a column for each class: the order does not matter.
        if ours != theirs and (what != "classes" or sorted(ours) != sorted(theirs)):
            raise NotComparableError(f"{b}: {what} is {theirs}, in {a} it is {ours}: they cannot be compared")
    ids, other_ids = pd.Index(reference.table["row_id"]), pd.Index(other.table["row_id"])
    only_a, only_b = len(ids.difference(other_ids)), len(other_ids.difference(ids))
    cure = f"{_why_other_rows(reference, other)}; run both on the same data and split, then compare"
    if only_a or only_b:
        raise NotComparableError(
            f"{PREDICTIONS}: other {part} rows: {only_a:,} of the {len(ids):,} of {a} are not in {b},"
            f" {only_b:,} of the {len(other_ids):,} of {b} not in {a}; {cure}"
        )
    if not ids.equals(other_ids):
        other = replace(other, table=other.table.set_index("row_id").loc[ids].reset_index())
    differ = int((reference.table["target"] != other.table["target"]).sum())
    if differ:
        raise NotComparableError(
            f"{PREDICTIONS}: '{reference.target}' differs in {differ:,} of {len(ids):,} {part} rows of {a}"
            f" and {b}; {cure}"
        )
    return replace(other, classes=reference.classes)


def _why_other_rows(one: Evidence, other: Evidence) -> str:
    changed = [
        f"{key} is {ours} in {one.revision.name}, {theirs} in {other.revision.name}"
        for key, ours, theirs in changed_settings(one, other)
        if key.startswith(("data.", "split."))
    ]
    return ", ".join(changed[:3]) or "their data and split settings agree, so the raw data or the code differ"


def changed_settings(one: Evidence, other: Evidence) -> list[tuple[str, Any, Any]]:
    """List the settings that differ: dotted key, its value in one, its value in the other; None for none.

    `purpose` is for people: no result depends on it.
    """
    ours, theirs = (
        leaves({name: section for name, section in side.settings.items() if name != PURPOSE})
        for side in (one, other)
    )
    keys = dict.fromkeys([*ours, *theirs])
    return [
        (".".join(map(str, key)), ours.get(key), theirs.get(key))
        for key in keys
        if ours.get(key) != theirs.get(key)
    ]
