"""Are the tags what they were, and the bytes of their models still there?"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from cairn.errors import UserError
from cairn.experiments.history import MODEL, History, MissingOutputError, Revision
from cairn.experiments.refs import git
from cairn.experiments.versions import Registry, Tag
from cairn.registry.tags import local_tags, remote_tags
from cairn.storage.objects import Needed
from cairn.storage.transfer import check, open_storage
from cairn.storage.verify import Damage

Kind = Literal[
    "ignored", "moved", "differs", "no model", "other model", "damaged", "unreachable", "behind", "ahead"
]
HARMLESS = ("behind", "ahead")
"""What a fetch or a push settles."""


@dataclass(frozen=True)
class Problem:
    """What is wrong with a tag or with the model of its commit.

    Attributes:
        kind: ignored: it has no message of its own; moved: it points to another commit than its message says;
            differs: the remote has another one; no model: dvc.lock of the commit has none; other model: nor
            is its hash the one in the message; damaged: bytes are neither in the cache nor on the remote;
            unreachable: the remote of git does not answer; behind, ahead: only the remote, or only this
            clone, has it.
        name: of the tag.
        detail: hashes, a file and its state, the remote, or the message of git.
    """

    kind: Kind
    name: str
    detail: str = ""


def model_of(history: History, commit: str, name: str) -> Needed:
    """Return the folder of a commit's model.

    Raises:
        MissingOutputError: dvc.lock of the commit has none.
    """
    digest = history.digest(Revision(name, commit), MODEL)
    return Needed(digest, MODEL, "", rebuilt=True, revision=commit)


def damaged(root: Path, models: Iterable[Needed], *, on_remote: bool = False) -> list[Damage]:
    """Return what of the models is right neither in the cache nor on the remote, or not on the remote.

    Every byte of a model is read, in the cache, and on the remote only if that is not enough.

    Raises:
        UserError: it has to be on the remote, and there is none, or it does not answer.
    """
    models = list(models)
    storage = replace(open_storage(root, None, all_commits=False, offline=True), needed=models)
    (cached,) = check(storage, only_needed=True)
    if not cached.damages and not on_remote:
        return []
    try:
        storage = replace(open_storage(root, None, all_commits=False), needed=models)
        cached, stored = check(storage, deep=True, only_needed=True)
    except UserError:
        if on_remote:
            raise
        return cached.damages
    bad = stored.bad if on_remote else stored.bad & cached.bad
    return [damage for damage in stored.damages if damage.oid in bad]


def problems(root: Path, registry: Registry) -> list[Problem]:
    """Check every version and every tag of a stage, against the commit, the stores and the remote of git."""
    tags = [*registry.versions.values(), *registry.history]
    return [
        *(Problem("ignored", name) for name in registry.ignored),
        *_moved(tags),
        *_without_model(root, tags),
        *_against_remotes(root),
    ]


def _moved(tags: list[Tag]) -> Iterator[Problem]:
    for tag in tags:
        if tag.is_moved:
            yield Problem("moved", tag.name, f"{tag.commit[:7]} {tag.made_for[:7]}")


def _without_model(root: Path, tags: list[Tag]) -> Iterator[Problem]:
    history = History(root)
    needed: dict[str, tuple[Tag, Needed]] = {}
    for tag in tags:
        if tag.is_moved:
            continue
        try:
            model = model_of(history, tag.commit, tag.name)
        except MissingOutputError:
            yield Problem("no model", tag.name, tag.commit[:7])
            continue
        if tag.record.get("model", model.oid) != model.oid:
            yield Problem("other model", tag.name, f"{model.oid} {tag.record['model']}")
        needed.setdefault(model.oid, (tag, model))
    names = {model.revision: tag.name for tag, model in needed.values()}
    for damage in damaged(root, [model for _, model in needed.values()]) if needed else []:
        assert damage.needed is not None
        yield Problem("damaged", names[damage.needed.revision], f"{damage.needed.path} {damage.state}")


def _against_remotes(root: Path) -> Iterator[Problem]:
    ours = local_tags(root)
    for remote in git(root, "remote").splitlines():
        try:
            theirs = remote_tags(root, remote)
        except UserError as error:
            yield Problem("unreachable", remote, str(error))
            continue
        for name in sorted({*ours, *theirs}):
            if ours.get(name) != theirs.get(name):
                kind: Kind = "ahead" if name not in theirs else "behind" if name not in ours else "differs"
                yield Problem(kind, name, remote)
