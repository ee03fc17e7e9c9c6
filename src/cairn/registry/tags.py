"""Write tags of the registry, and exchange them with the remote of git."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cairn.errors import UserError
from cairn.experiments.refs import git
from cairn.experiments.versions import PATTERNS, Registry, read_registry
from cairn.registry.record import Record

REFSPECS = [f"{pattern}:{pattern}" for pattern in PATTERNS]


@dataclass(frozen=True)
class Draft:
    """A tag to be written."""

    name: str
    record: Record


def author(root: Path, registry: Registry) -> tuple[str, int]:
    """Return who writes a tag, and its time: later than the time of every other tag.

    Raises:
        UserError: git does not know who it is.
    """
    try:
        person, _, rest = git(root, "var", "GIT_COMMITTER_IDENT").rpartition("> ")
    except UserError as error:
        raise UserError(
            "git does not know who promotes: `git config user.name NAME` and `git config user.email ADDRESS`"
        ) from error
    return f"{person}>", max(int(rest.split()[0]), registry.latest + 1)


def open_registry(root: Path, *, push: bool) -> tuple[Registry, str | None]:
    """Read the tags, and where to push them; before a push, fetch the remote's.

    Raises:
        UserError: see remote_of and fetch_tags.
    """
    remote = remote_of(root) if push else None
    if remote:
        fetch_tags(root, remote)
    return read_registry(root), remote


def publish(
    root: Path, drafts: Sequence[Draft], at: int, message: Callable[[Record], str], remote: str | None
) -> None:
    """Write annotated tags and push them, if there is a remote to push to: all of them or none.

    Raises:
        UserError: a tag of this name is here already or on the remote: another promotion was faster.
    """
    _write(root, drafts, at, message)
    if remote:
        _push(root, remote, [draft.name for draft in drafts])


def _write(root: Path, drafts: Sequence[Draft], at: int, message: Callable[[Record], str]) -> None:
    written: list[str] = []
    for draft in drafts:
        words = ("tag", "--annotate", "--cleanup=verbatim", "--file=-", draft.name, draft.record.commit)
        try:
            git(root, *words, given=message(draft.record), GIT_COMMITTER_DATE=f"{at} +0000")
        except UserError as error:
            _remove(root, written)
            if "already exists" in str(error):
                raise UserError(
                    f"{draft.name}: another promotion has just taken this name; run the command again, so"
                    " that it compares with the model that is in the stage now"
                ) from error
            raise
        written.append(draft.name)


def _remove(root: Path, names: list[str]) -> None:
    if names:
        git(root, "tag", "--delete", *names)


def remote_of(root: Path) -> str:
    """Return the remote to push to: origin, or the only one.

    Raises:
        UserError: there is none, or several without an origin.
    """
    found = git(root, "remote").splitlines()
    if "origin" in found or len(found) == 1:
        return "origin" if "origin" in found else found[0]
    raise UserError(
        "--push: no remote of git is called origin: `git remote add origin URL`"
        + (f", or `git remote rename {found[0]} origin`" if found else "")
    )


def fetch_tags(root: Path, remote: str) -> None:
    """Get the tags of the registry that the remote has; none is replaced.

    Raises:
        UserError: the remote does not answer, or has another tag of the same name.
    """
    try:
        git(root, "fetch", "--quiet", "--no-tags", remote, *REFSPECS)
    except UserError as error:
        if differing := differing_tags(root, remote):
            raise UserError(_says_differing(differing, remote)) from error
        raise


def _push(root: Path, remote: str, new: list[str]) -> None:
    """Push every tag of the registry that the remote lacks; if one is refused, remove the new ones here."""
    try:
        git(root, "push", "--quiet", "--atomic", remote, *REFSPECS)
    except UserError as error:
        try:
            differing = differing_tags(root, remote)
        except UserError:
            differing = []
        _remove(root, new)
        older = [name for name in differing if name not in new]
        if older:
            raise UserError(_says_differing(older, remote)) from error
        if differing:
            raise UserError(
                f"another promotion reached {remote} first ({', '.join(differing)}); nothing was changed:"
                " run the command again, so that it compares with the model that is in the stage now"
            ) from error
        raise UserError(f"{error}; nothing was changed") from error


def remote_tags(root: Path, remote: str) -> dict[str, str]:
    """Return the tags of the registry on the remote, with their own hashes.

    Raises:
        UserError: it does not answer.
    """
    lines = [line.split("\t") for line in git(root, "ls-remote", "--refs", remote, *PATTERNS).splitlines()]
    return {ref.removeprefix("refs/tags/"): sha for sha, ref in lines}


def local_tags(root: Path) -> dict[str, str]:
    """Return the same of this clone."""
    form = "--format=%(objectname) %(refname:strip=2)"
    lines = [line.split(" ", 1) for line in git(root, "for-each-ref", form, *PATTERNS).splitlines()]
    return {name: sha for sha, name in lines}


def differing_tags(root: Path, remote: str) -> list[str]:
    """Return the names of tags that are others on the remote than here."""
    ours, theirs = local_tags(root), remote_tags(root, remote)
    return sorted(name for name, sha in ours.items() if theirs.get(name, sha) != sha)


def _says_differing(names: list[str], remote: str) -> str:
    listed = " ".join(names)
    return (
        f"{listed}: not the same tag here and on {remote}: one was moved, or two people promoted at once;"
        f" to take theirs: `git tag --delete {listed} && git fetch --tags {remote}`"
    )
