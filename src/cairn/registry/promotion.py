"""Put a model into a stage, if a comparison justifies it, and take it out again."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cairn.errors import UserError
from cairn.experiments.history import MODEL, SETTINGS, History, MissingOutputError, Revision
from cairn.experiments.refs import git, uncommitted
from cairn.experiments.versions import (
    ARTIFACT,
    REGISTERS,
    STAGE,
    VERSION,
    Registry,
    Tag,
    is_shallow,
    numbers,
)
from cairn.metrics.paired import Decision, decision
from cairn.registry.integrity import damaged, model_of
from cairn.registry.record import Record, compared, facts
from cairn.registry.tags import Draft, author
from cairn.studies.compare.comparison import Comparison, compare
from cairn.studies.compare.evidence import NotComparableError
from cairn.studies.retrain.retraining import tries

PART = "validation"
"""A promotion chooses between two models, and nothing is chosen by its score on test."""
HASH = re.compile(r"[0-9a-f]{40}")
EXACT = re.compile(rf"{HASH.pattern}|{STAGE.pattern}|{VERSION.pattern}|{ARTIFACT}@v.*")
"""Names of a commit that do not mean the workspace too, as HEAD and a branch may."""
WRITTEN = ("dvc.lock", SETTINGS, "metrics")
"""What a run writes and git holds."""


@dataclass(frozen=True)
class Plan:
    """What is to become of a stage.

    Attributes:
        before: the version that is in the stage; None for none.
        comparison: with that version; None without a version to compare with, or where it was not possible.
        decision: of the comparison.
        obstacle: why a comparison is missing, although a model to compare with exists.
        withdrawn: the tag of the last rollback that took this version out of the stage.
        drafts: tags to write; none if the model is in the stage already, or may not be put there.
        at: their time.
    """

    stage: str
    version: str
    commit: str
    before: str | None
    comparison: Comparison | None
    decision: Decision | None
    obstacle: str
    withdrawn: Tag | None
    drafts: list[Draft]
    at: int

    @property
    def is_refused(self) -> bool:
        """Whether the model is not promoted because no comparison justifies it."""
        return not self.drafts and (self.comparison is not None or bool(self.obstacle))


def plan_promotion(
    root: Path,
    registry: Registry,
    name: str,
    stage: str,
    *,
    decides: str | None = None,
    reason: str | None = None,
    force: bool = False,
    on_remote: bool = False,
) -> Plan:
    """Return the tags that register the model of a revision and put it into a stage.

    Args:
        root: of the repository.
        registry: its tags.
        name: of the revision.
        stage: to put it into.
        decides: the quantity that the comparison is about, None for evaluate.primary of the current model.
        reason: in the user's words.
        force: write them whatever the comparison shows, and where none is possible.
        on_remote: the model has to be on the remote of DVC, not only in the cache.

    Raises:
        UserError: no such revision, not a commit, no model in it, or a shallow clone.
    """
    _stop_if_shallow(root)
    history = History(root)
    commit = _commit(root, history, name)
    current = registry.current(stage)
    before = registry.named(current) if current else None
    other = current if current and current.commit != commit else None
    comparison, verdict, obstacle = None, None, ""
    if other is not None:
        _stop_if_moved(other)
        try:
            comparison, verdict = _compare(root, registry, other, Revision(name, commit), decides)
        except (NotComparableError, MissingOutputError) as error:
            if isinstance(error, MissingOutputError) and not force:
                raise
            obstacle = str(error)
    version = registry.version_of(commit)
    person, at = author(root, registry)
    drafts: list[Draft] = []
    if current is None or (other and (force or verdict == "promote")):
        known = _known(root, history, Revision(name, commit), person, at, on_remote=on_remote)
        if version is None and commit in registry.deregistered:
            old = registry.deregistered[commit]
            raise UserError(
                f"{name}: {old} of this commit was deregistered, and GTO allows a commit one version; name"
                f" another commit, or take that back: `git tag --delete {ARTIFACT}@{old}!`"
            )
        if version is None:
            version = _next(registry)
            drafts.append(Draft(f"{ARTIFACT}@{version}", Record(action="register", version=version, **known)))
        record = Record(
            action="promote",
            version=version,
            stage=stage,
            replaces=before,
            reason=reason,
            forced=other is not None and verdict != "promote",
            comparison=(
                compared(comparison, verdict, str(before), other.commit)
                if comparison and verdict and other
                else None
            ),
            **known,
        )
        drafts.append(Draft(_next_tag(registry, stage), record))
    called = version or commit[:7]
    back = _rollback_from(registry, stage, called)
    return Plan(stage, called, commit, before, comparison, verdict, obstacle, back, drafts, at)


def plan_rollback(
    root: Path, registry: Registry, stage: str, *, reason: str | None = None, on_remote: bool = False
) -> Plan:
    """Return the tag that puts the version before the current one into a stage again.

    GTO refuses that without force (gto#199) because the version has been in the stage; a new tag says it.

    Raises:
        UserError: there is none before, its model is not there, or the clone is shallow.
    """
    _stop_if_shallow(root)
    assigned = registry.stages.get(stage, [])
    if len(assigned) < 2:
        first = (
            f"{registry.named(assigned[0])} is the first version in it" if assigned else "no model is there"
        )
        raise UserError(f"--stage {stage}: {first}; `git fetch --tags` gets the tags of the remote")
    current, restored = assigned[-1], assigned[-2]
    _stop_if_moved(restored)
    before, version = registry.named(current), registry.named(restored)
    person, at = author(root, registry)
    record = Record(
        action="rollback",
        version=version,
        stage=stage,
        replaces=before,
        restores=restored.name,
        reason=reason,
        **_known(root, History(root), Revision(version, restored.commit), person, at, on_remote=on_remote),
    )
    drafts = [Draft(_next_tag(registry, stage), record)]
    return Plan(stage, version, restored.commit, before, None, None, "", None, drafts, at)


def _known(
    root: Path, history: History, revision: Revision, person: str, at: int, *, on_remote: bool
) -> dict[str, Any]:
    """Return what each record of a commit says, after checking that the bytes of its model can be had."""
    found = damaged(root, [model_of(history, str(revision.commit), revision.name)], on_remote=on_remote)
    if found:
        paths = sorted({damage.needed.path for damage in found if damage.needed})
        where = "on the remote" if on_remote else "in the cache or on the remote"
        raise UserError(
            f"{revision.name}: {', '.join(paths)}: not {where} of DVC, or damaged there;"
            " run `cairn push --all-commits` in the clone that computed it"
        )
    time = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"by": person, "at": time, **facts(history, revision)}


def _commit(root: Path, history: History, name: str) -> str:
    commit = history.resolve(name).commit
    if commit is None:
        raise UserError("workspace: only a commit can be promoted: `git commit` first, then name it")
    if not EXACT.fullmatch(name) and commit == git(root, "rev-parse", "HEAD"):
        written = git(root, "status", "--porcelain", "-uno", "--", *WRITTEN).splitlines()
        changed = [*uncommitted(root), *(line[3:] for line in written)]
        if changed:
            raise UserError(
                f"{name}: the workspace differs from this commit ({', '.join(changed[:3])}): commit the"
                f" changes, or name the commit in full to promote it without them: {commit}"
            )
    return commit


def _stop_if_moved(tag: Tag) -> None:
    if tag.is_moved:
        raise UserError(f"{tag.name}: it {tag.moved}: run `cairn models --verify` for details")


def _stop_if_shallow(root: Path) -> None:
    if is_shallow(root):
        raise UserError(
            "this clone is shallow: it lacks tags and commits, so the stage may hold a different model than"
            " it appears to; `git fetch --unshallow --tags` first"
        )


def _compare(
    root: Path, registry: Registry, current: Tag, candidate: Revision, decides: str | None
) -> tuple[Comparison, Decision]:
    """Compare with the current model: as `cairn retrain` did, on the newest rows, or else on validation.

    Raises:
        UserError: they cannot be compared.
    """
    history = History(root)
    models = model_of(history, current.commit, current.name).oid, history.digest(candidate, MODEL)
    same = [
        found
        for found in tries(root)
        if found.models == models and decides in (None, found.comparison.decides)
    ]
    if same:
        newest = max(same, key=lambda found: found.challenger.test.last)
        return newest.comparison, newest.verdict
    version = registry.version_of(current.commit)
    reference = f"{ARTIFACT}@{version}" if version else current.name
    name = candidate.name[:12] if HASH.fullmatch(candidate.name) else candidate.name
    found = compare(root, [reference, name], part=PART, decides=decides)
    return found, decision(found.candidates[0].differences, found.decides, found.level)


def _rollback_from(registry: Registry, stage: str, version: str) -> Tag | None:
    def withdraws(record: Mapping[str, Any]) -> bool:
        done = (record.get("action"), record.get("stage"), record.get("replaces"))
        return done == ("rollback", stage, version)

    return next((tag for tag in reversed(registry.history) if withdraws(tag.record)), None)


def _next(registry: Registry) -> str:
    ignored = [match[1] for name in registry.ignored if (match := REGISTERS.fullmatch(name))]
    used = [*registry.versions, *registry.deregistered.values(), *ignored]
    major, minor, patch = max(map(numbers, used), default=(0, 0, 0))
    return f"v{major}.{minor}.{patch + 1}"


def _next_tag(registry: Registry, stage: str) -> str:
    return f"{ARTIFACT}#{stage}#{registry.last.get(stage, 0) + 1}"
