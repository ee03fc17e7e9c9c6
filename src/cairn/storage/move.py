"""Move a repository to another remote: all of its history is there and verified before it is the default."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from cairn.errors import UserError
from cairn.settings.secrets import in_address, is_secret
from cairn.storage.remote_config import (
    Place,
    is_shared,
    moving,
    read_config,
    replaced,
    stop_unless_ignored,
)
from cairn.storage.transfer import DAMAGED, Storage, locked, open_storage, probe, push, run_dvc, with_remote
from cairn.storage.verify import Progress, Verified, lost, repair, verify

SHOWN = 5


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
    if in_address(place.url or "") or (parts.username and parts.scheme not in ("ssh", "sftp")):
        raise UserError(
            "the URL has a user or a password in it; use --option user=NAME, and --secret password=VARIABLE"
        )
    for key in place.options:
        if is_secret(key):
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
        stop_unless_ignored(root)
    with moving(root):
        storage = open_storage(root, None, all_commits=True, offline=True)
        before = storage.repo.config["core"].get("remote")
        with replaced(root, place):
            storage.repo.config.load()
            storage = with_remote(storage, place.name)
            assert storage.remote is not None
            probe(storage.remote, create=True)
            collected = _collect(storage, before, incomplete, timeout, progress)
            missing = {one.oid: one for one in lost([collected])}
            if missing and not incomplete:
                said = "; ".join(f"{one.path} of {one.revision[:9]}" for one in [*missing.values()][:SHOWN])
                count = f"{len(missing)} {'file' if len(missing) == 1 else 'files'} of the history"
                raise UserError(f"LOST: {count}: {said}; --incomplete moves the others")
            stores = push(storage, all_commits=True, timeout=timeout, progress=progress)
            if behind := len(stores[-1].bad - missing.keys()):
                said = f"remote '{place.name}': {behind} of the objects did not arrive; nothing was changed"
                raise UserError(said)
        shared = is_shared(read_config(root), place)
    mended = [one for one in collected.damages if one.outcome == "repaired"]
    stores[0] = replace(stores[0], damages=[*mended, *stores[0].damages])
    return Moved(before, stores, sorted(one.path for one in missing.values()), shared)


def _collect(
    storage: Storage, before: str | None, incomplete: bool, timeout: float, progress: Progress
) -> Verified:
    """Fetch the whole history from the old remote into the cache; return what it lacked, and what is lost.

    The new remote may have what the old one lacks: it may be one that was moved away from.

    Raises:
        UserError: the old remote cannot be read, unless `incomplete` allows it.
    """
    assert storage.remote is not None
    root, sources = storage.root, [storage.remote]
    if before is not None:
        try:
            old = with_remote(storage, before).remote
            assert old is not None
            probe(old, write=False)
            run_dvc(root, ["fetch", "--all-commits", "--remote", before], timeout)
            sources.insert(0, old)
        except UserError as error:
            if not incomplete:
                raise UserError(f"{error}; --incomplete moves what the cache has") from error
    needed, cached, stored = replace(storage, remote=sources[0]).objects()
    found = verify(storage.cache, cached, needed, other=stored, only_needed=True, progress=progress)
    with locked(storage.repo):
        for source in sources:
            found = repair(found, storage.cache, source, workspace=root, keep=root / DAMAGED)
    return found
