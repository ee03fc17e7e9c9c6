"""What Cairn writes into the message of a tag, and what it decides from a comparison."""

from dataclasses import asdict
from typing import Any, Literal

from cairn.data.records import rounded
from cairn.experiments.history import MODEL, TABLE, History, MissingOutputError, Revision
from cairn.experiments.versions import ARTIFACT
from cairn.metrics.evaluation import Evaluation, Frozen, Number, Score
from cairn.metrics.paired import Decision
from cairn.settings.search import SAVING
from cairn.studies.compare.comparison import Comparison
from cairn.studies.compare.evidence import RECORD

COPIED = ("part", "decides", "currency", "rows", "units", "block", "confidence", "resamples", "seed")


class Quantity(Frozen):
    """A quantity of both models on the same rows, see cairn.metrics.paired.Difference."""

    reference: Number
    value: Number
    difference: Number
    low: Number
    high: Number
    error: Number
    p: Number
    corrected: Number


class Compared(Frozen):
    """The comparison that a promotion rests on, with the model that was in the stage.

    Attributes:
        with_version, with_commit: that model.
        part: of the data whose rows both were judged on.
        decides: the quantity that the outcome is about.
        quantities: that one, and the saving if there is one.
        currency: of the saving; None without one.
        units: how many blocks, or rows, were drawn.
    """

    with_version: str
    with_commit: str
    part: str
    decides: str
    outcome: str
    decision: Decision
    quantities: dict[str, Quantity]
    currency: str | None = None
    rows: int
    units: int
    block: str | None
    confidence: float
    resamples: int
    seed: int


class Headline(Score):
    """The primary metric on test, as the model card gives it."""

    metric: str


class Record(Frozen):
    """The message of a tag.

    Attributes:
        action: register for a version; the others for a stage.
        replaces: the version that was in the stage.
        restores: of a rollback, the tag that it returns to.
        reason: in the words of who did it.
        forced: whether the comparison did not justify it.
        comparison: None for the first model of a stage, for a rollback, and where none was possible.
        model: hash of its folder, as dvc.lock has it.
        data: hash of the prepared table; None if the revision has none.
        inputs: hash of each table, source and file of pins that the stages read.
        config: its params.yaml.
    """

    artifact: str = ARTIFACT
    action: Literal["register", "promote", "rollback"]
    version: str
    stage: str | None = None
    commit: str
    by: str
    at: str
    replaces: str | None = None
    restores: str | None = None
    reason: str | None = None
    forced: bool = False
    comparison: Compared | None = None
    headline: Headline | None
    model: str
    data: str | None
    inputs: dict[str, str]
    config: dict[str, Any]


def compared(comparison: Comparison, decision: Decision, version: str, commit: str) -> Compared:
    """Return what is kept of a comparison of one candidate with the current model."""
    (candidate,) = comparison.candidates
    quantities = {
        name: Quantity(**rounded(asdict(one)))
        for name, one in candidate.differences.items()
        if name in (comparison.decides, SAVING)
    }
    return Compared(
        with_version=version,
        with_commit=commit,
        outcome=candidate.outcome,
        decision=decision,
        quantities=quantities,
        **{name: getattr(comparison, name) for name in COPIED},
    )


def facts(history: History, revision: Revision) -> dict[str, Any]:
    """Return what a record says of the model of a commit.

    Raises:
        MissingOutputError: there is none.
    """
    return {
        "commit": revision.commit,
        "headline": headline(history, revision),
        "model": history.digest(revision, MODEL),
        "data": table_of(history, revision),
        "inputs": history.inputs(revision),
        "config": history.settings(revision),
    }


def headline(history: History, revision: Revision) -> Headline | None:
    """Return the primary metric of a revision on test; None if no version of `evaluate` wrote it so."""
    try:
        found = Evaluation.model_validate_json(history.text(revision, RECORD) or "")
    except ValueError:
        return None
    return Headline(metric=found.primary, **found.score.model_dump())


def table_of(history: History, revision: Revision) -> str | None:
    """Return the hash of the prepared table of a revision; None if it has none."""
    try:
        return history.digest(revision, TABLE)
    except MissingOutputError:
        return None
