"""Move a repository to another remote: all of its history is there and verified before it is the default."""

import contextlib
import os
import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cairn.errors import UserError
from cairn.experiments.refs import git
from cairn.storage.objects import Needed
from cairn.storage.transfer import DAMAGED, locked, open_storage, probe, push, run_dvc
from cairn.storage.verify import Progress, Verified, lost, repair, verify

if TYPE_CHECKING:
    from dvc.config import Config

SHARED, PRIVATE = Path(".dvc/config"), Path(".dvc/config.local")
SECRET = re.compile(r"pass(word|phrase)|secret|token|key(_id)?$|connection_string|credential", re.IGNORECASE)
"""Names of DVC's options of remotes whose values open a store."""
SHOWN = 5
NO_SECRET = {"keyfile", "credentialpath", "configpath"}
"""Paths of files that hold one."""


@dataclass(frozen=True)
class Place:
    """Where a remote is, and how it is opened.

    Attributes:
        name: of the remote in DVC's config.
        url: a folder or a URL that DVC knows; None for a remote that is in the config already.
        options: of the remote, as `dvc remote modify` takes them, such as endpointurl.
        secrets: other options, written to .dvc/config.local, which git ignores.
        local: whether everything is written there.
    """

    name: str
    url: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    local: bool = False


@dataclass(frozen=True)
class Moved:
    """What a move did.

    Attributes:
        before: the remote that was the default; None if there was none.
        stores: the cache and the new remote, verified.
        lost: files of the history that neither the cache nor the old remote had a right copy of.
        is_shared: whether .dvc/config, which git has, names the new remote.
    """

    before: str | None
    stores: list[Verified]
    lost: list[str]
    is_shared: bool


def stop_on_secrets(place: Place) -> None:
    """Raise UserError where git would keep a secret."""
    parts = urlsplit(place.url or "")
    if parts.password or (parts.username and parts.scheme not in ("ssh", "sftp")):
        raise UserError(
            "the URL has a user or a password in it; use --option user=NAME, and --secret password=VARIABLE"
        )
    for key in place.options:
        if SECRET.search(key) and key not in NO_SECRET:
            way = f"--secret {key}=VARIABLE takes it from the environment"
            raise UserError(f"--option {key}: git would keep a secret; {way}")


def secrets_of(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the value of each option's environment variable.

    Raises:
        UserError: a variable is not set.
    """
    for key, variable in variables.items():
        if not os.environ.get(variable):
            raise UserError(f"--secret {key}={variable}: the environment variable {variable} is not set")
    return {key: os.environ[variable] for key, variable in variables.items()}


def move(root: Path, place: Place, *, incomplete: bool, timeout: float, progress: Progress) -> Moved:
    """Make a place the default remote, after every object of the history was copied there and verified.

    Whatever fails, DVC's config is as it was before, and the same command continues.

    Args:
        root: of the repository.
        place: the new remote.
        incomplete: move although the old remote cannot be read, or files of the history are lost.
        timeout: seconds that a command of DVC may take.
        progress: see Progress.

    Raises:
        UserError: a secret that git would keep; a library that is not installed; a remote that does not
            answer; objects that are lost or did not arrive.
    """
    stop_on_secrets(place)
    if place.secrets:
        _stop_unless_ignored(root)
    before, missing = _collect(root, incomplete, timeout, progress)
    with _restored_on_failure(root) as restore:
        # In a commit that knows no such remote DVC takes config.local alone; without it `dvc push` leaves out
        # the files of the commit, with a warning.
        configure(root, replace(place, local=True))
        storage = open_storage(root, place.name, all_commits=True)
        assert storage.remote is not None
        probe(storage.remote)
        stores = push(storage, all_commits=True, timeout=timeout, progress=progress)
        if behind := len(stores[-1].bad - missing.keys()):
            raise UserError(f"remote '{place.name}': {behind} objects did not arrive; nothing was changed")
        restore()
        is_shared = _make_default(configure(root, place), place)
    return Moved(before, stores, sorted(one.path for one in missing.values()), is_shared)


def _stop_unless_ignored(root: Path) -> None:
    try:
        git(root, "check-ignore", "--quiet", PRIVATE.as_posix())
    except UserError as error:
        raise UserError(f"{PRIVATE.as_posix()}: git does not ignore it; restore .dvc/.gitignore") from error


def _collect(
    root: Path, incomplete: bool, timeout: float, progress: Progress
) -> tuple[str | None, dict[str, Needed]]:
    """Fetch the whole history into the cache; return the old remote, and the objects that cannot be had.

    Raises:
        UserError: the old remote cannot be read, or there are such objects, unless `incomplete` allows it.
    """
    storage = open_storage(root, None, all_commits=True, offline=True)
    before = storage.repo.config["core"].get("remote")
    if before is not None:
        try:
            storage = open_storage(root, None, all_commits=True)
            assert storage.remote is not None
            probe(storage.remote, write=False)
            run_dvc(root, ["fetch", "--all-commits", "--remote", before], timeout)
        except UserError as error:
            if not incomplete:
                raise UserError(f"{error}; --incomplete moves what the cache has") from error
            storage = replace(storage, remote=None)
    needed, cached, stored = storage.objects()
    found = verify(storage.cache, cached, needed, other=stored, only_needed=True, progress=progress)
    with locked(storage.repo):
        found = repair(found, storage.cache, storage.remote, workspace=root, keep=root / DAMAGED)
    missing = {one.oid: one for one in lost([found])}
    if missing and not incomplete:
        said = "; ".join(f"{one.path} of {one.revision[:9]}" for one in list(missing.values())[:SHOWN])
        raise UserError(
            f"{len(missing)} files of the history are LOST: {said}; --incomplete moves the others"
        )
    return before, missing


def configure(root: Path, place: Place) -> "Config":
    """Write the remote into DVC's config, and return that.

    Raises:
        UserError: another remote has the name; no remote has it and there is no URL; an unknown option.
    """
    from dvc.config import ConfigError
    from dvc.repo import Repo

    config = Repo(str(root)).config
    known = config["remote"].get(place.name)
    if known is None and place.url is None:
        raise UserError(f"no remote '{place.name}' in {SHARED.as_posix()}: give a URL or a folder")
    if known is not None and place.url is not None and not _same(known["url"], place.url):
        raise UserError(f"a remote '{place.name}' exists: {known['url']}; choose another --name")
    shared: dict[str, Any] = {**(known or {})} if place.local else {}
    if known is None:
        shared = {"url": place.url, "verify": True}
    shared |= place.options
    # In a commit that knows no such remote DVC refuses one without a URL.
    private = {"url": place.url or (known or {})["url"], **place.secrets} if place.secrets else {}
    try:
        for level, values in (("local" if place.local else "repo", shared), ("local", private)):
            if values:
                with config.edit(level) as written:
                    written["remote"].setdefault(place.name, {}).update(values)
    except ConfigError as error:
        raise UserError(f"remote '{place.name}': {' '.join(str(error).split())}") from error
    return config


def _same(url: str, other: str) -> bool:
    is_folder = not urlsplit(other).scheme
    return Path(url).resolve() == Path(other).resolve() if is_folder else url.rstrip("/") == other.rstrip("/")


def _make_default(config: "Config", place: Place) -> bool:
    """Make the remote the default; return whether it is that of all clones."""
    # A remote that only config.local knows cannot be the default of others.
    is_shared = not place.local and place.name in config.load_one("repo").get("remote", {})
    with config.edit("local") as written:
        written["core"].pop("remote", None)  # it would hide the one that is shared
        if not is_shared:
            written["core"]["remote"] = place.name
    if is_shared:
        with config.edit("repo") as written:
            written["core"]["remote"] = place.name
    return is_shared


@contextlib.contextmanager
def _restored_on_failure(root: Path) -> Generator[Callable[[], None]]:
    """Put both files of DVC's config back as they were, unless the block ends well; yield what does it."""
    before = {file: file.read_bytes() if file.exists() else None for file in (root / SHARED, root / PRIVATE)}

    def restore() -> None:
        for file, content in before.items():
            file.unlink(missing_ok=True)
            if content is not None:
                file.write_bytes(content)

    try:
        yield restore
    except BaseException:
        restore()
        raise
