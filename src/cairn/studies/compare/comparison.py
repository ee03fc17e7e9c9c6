"""The whole comparison: one reference, one or more candidates, and what the differences show.

One quantity decides, chosen beforehand: evaluate.primary of the reference, or the one asked for.
Three families of tests are corrected by Holm's method, each by itself: the deciding quantity over all
candidates, the other quantities over all candidates, the slices over all candidates.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cairn.errors import UserError
from cairn.experiments.history import History, Revision
from cairn.metrics.paired import (
    Difference,
    Predictor,
    Slice,
    corrected,
    differences,
    judged,
    quantities,
    slice_differences,
)
from cairn.settings.kpi import CostKpi
from cairn.settings.search import SAVING
from cairn.studies.compare.evidence import (
    Evidence,
    Part,
    aligned,
    changed_settings,
    read_evidence,
    read_terms,
)


@dataclass(frozen=True)
class Candidate:
    """One revision against the reference.

    Attributes:
        settings: what differs from the reference: key, the reference's value, its own.
        inputs: code, pins and data behind the result that differ, as dvc.lock recorded them.
        differences: by quantity, corrected.
        slices: of the deciding quantity, corrected.
        outcome: what the deciding quantity shows; same where the predictions are equal, row by row.
    """

    name: str
    commit: str
    model: str
    settings: list[tuple[str, Any, Any]]
    inputs: list[str]
    differences: dict[str, Difference]
    slices: list[Slice]
    outcome: Literal["better", "worse", "unclear", "same"]


@dataclass(frozen=True)
class Comparison:
    """Revisions compared on the same rows; commit and model describe the reference.

    Attributes:
        units: how many blocks, or rows, are drawn.
        block: length of a block of time; None where rows are drawn one by one.
        decides: the quantity that decides.
        confidence: of the intervals; what is left of 1 is the level of the tests.
        resamples: bootstrap draws.
        currency: of the saving; None without one.
        other_prices: candidates with another cost model; all savings use the reference's.
    """

    reference: str
    commit: str
    model: str
    part: Part
    target: str
    rows: int
    units: int
    block: str | None
    decides: str
    confidence: float
    resamples: int
    seed: int
    currency: str | None
    other_prices: list[str]
    candidates: list[Candidate]

    @property
    def level(self) -> float:
        """The chance of a false alarm that a family of tests is held to."""
        return 1 - self.confidence


def compare(
    root: Path,
    names: Sequence[str],
    *,
    part: Part = "test",
    metrics: Iterable[str] | None = None,
    decides: str | None = None,
    resamples: int | None = None,
    seed: int | None = None,
) -> Comparison:
    """Compare revisions with the first of them.

    Names are git revisions, DVC experiments, or `workspace`. None stands for every metric of the
    task and the saving, and for evaluate.primary, evaluate.resamples and seed of the reference.
    """
    history = History(root)
    revisions = [history.resolve(name) for name in names]
    reference, *others = [read_evidence(history, revision, part) for revision in revisions]
    return compare_evidence(
        history,
        reference,
        others,
        rows_of=reference.revision,
        part=part,
        metrics=metrics,
        decides=decides,
        resamples=resamples,
        seed=seed,
    )


def compare_evidence(
    history: History,
    reference: Evidence,
    others: Sequence[Evidence],
    *,
    rows_of: Revision,
    part: Part = "test",
    metrics: Iterable[str] | None = None,
    decides: str | None = None,
    resamples: int | None = None,
    seed: int | None = None,
) -> Comparison:
    """Compare what was predicted for a part of the split of one revision, `rows_of`; see `compare`."""
    others = [aligned(reference, other, part) for other in others]
    rows, evaluate, columns = read_terms(history, reference, part, rows_of)
    rows = replace(rows, resamples=resamples or rows.resamples, seed=rows.seed if seed is None else seed)
    decides = decides or evaluate.primary_of(reference.task)
    asked = _asked(reference, rows.costs, metrics, decides)
    ours, *theirs = [Predictor(one.prediction, one.threshold) for one in (reference, *others)]
    found = _by_family(differences(rows, ours, theirs, asked), decides)
    slices = slice_differences(
        rows, ours, theirs, columns, quantity=decides, min_rows=evaluate.min_slice_rows
    )
    tests = iter(corrected([one.difference for parts in slices for one in parts]))
    slices = [[replace(one, difference=next(tests)) for one in parts] for parts in slices]
    return Comparison(
        reference=reference.revision.name,
        commit=reference.revision.short,
        model=reference.model,
        part=part,
        target=reference.target,
        rows=len(reference.table),
        units=rows.units,
        block=evaluate.block if rows.blocks is not None else None,
        decides=decides,
        confidence=rows.confidence,
        resamples=rows.resamples,
        seed=rows.seed,
        currency=rows.costs.currency if rows.costs and SAVING in asked else None,
        other_prices=[
            other.revision.name
            for other in others
            if SAVING in asked and other.settings.get("kpi") != reference.settings.get("kpi")
        ],
        candidates=[
            _candidate(history, reference, other, mine, parts, decides=decides, level=1 - rows.confidence)
            for other, mine, parts in zip(others, found, slices, strict=True)
        ],
    )


def _asked(
    reference: Evidence, costs: CostKpi | None, metrics: Iterable[str] | None, decides: str
) -> list[str]:
    """The quantities to report, the deciding one first."""
    wanted = None if metrics is None else dict.fromkeys([decides, *metrics])
    try:
        listed = quantities(reference.task, costs, wanted)
        if decides not in listed:
            quantities(reference.task, costs, [decides])
    except ValueError as error:
        raise UserError(f"{error}; `{SAVING}` is possible too") from error
    if decides not in listed or (metrics is not None and SAVING in set(metrics) - set(listed)):
        raise UserError(
            f"no saving to compare: {reference.revision.name} has kpi=none, or its task is not binary;"
            " choose a metric, or give the reference a cost model (conf/kpi)"
        )
    return [decides, *(name for name in listed if name != decides)]


def _by_family(found: Sequence[dict[str, Difference]], decides: str) -> list[dict[str, Difference]]:
    """Correct the deciding quantity over all candidates, and so the others."""
    deciding = iter(corrected([mine[decides] for mine in found]))
    others = iter(corrected([mine[name] for mine in found for name in mine if name != decides]))
    return [{name: next(deciding if name == decides else others) for name in mine} for mine in found]


def _candidate(
    history: History,
    reference: Evidence,
    other: Evidence,
    found: dict[str, Difference],
    slices: list[Slice],
    *,
    decides: str,
    level: float,
) -> Candidate:
    ours, theirs = history.inputs(reference.revision), history.inputs(other.revision)
    same = reference.threshold == other.threshold and np.array_equal(reference.prediction, other.prediction)
    return Candidate(
        name=other.revision.name,
        commit=other.revision.short,
        model=other.model,
        settings=changed_settings(reference, other),
        inputs=sorted(path for path in {*ours, *theirs} if ours.get(path) != theirs.get(path)),
        differences=found,
        slices=[] if same else slices,
        outcome="same" if same else judged(found[decides], decides, level),
    )
