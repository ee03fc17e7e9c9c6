"""Push and pull with the real DVC, and prove afterwards that everything has arrived."""

import contextlib
import logging
import queue
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cairn.errors import UserError
from cairn.storage.objects import Needed, needed_objects
from cairn.storage.remote_config import read_config
from cairn.storage.store import Contents, Store, explained
from cairn.storage.verify import Progress, Verified, expanded, lost, repair, set_aside, verify

if TYPE_CHECKING:
    from dvc.repo import Repo

PATIENCE = 60
"""Seconds in which a remote has to answer a probe."""
CHATTY = ("asyncio", "asyncssh", "azure", "gcsfs", "google")
"""Libraries that also log, with a traceback, what they raise."""
DAMAGED = Path(".dvc/tmp/damaged")
"""Where damaged files of the cache are kept."""
SEEN = Path(".dvc/tmp/pushed")
"""Holds a file for each folder that was pushed to, so that one that has disappeared is noticed."""


@dataclass
class Storage:
    """The cache of a repository, one of its remotes, and what revisions need of them."""

    root: Path
    repo: "Repo"
    cache: Store
    remote: Store | None
    needed: list[Needed]

    def objects(self) -> tuple[dict[str, Needed], Contents, Contents]:
        """Return what is needed, with the members of folders, and what is in the cache and on the remote."""
        cached = self.cache.contents()
        stored = self.remote.contents() if self.remote else Contents({}, [])
        pairs = [(self.cache, cached), *([(self.remote, stored)] if self.remote else [])]
        return expanded(self.needed, pairs, self.root), cached, stored


def open_storage(root: Path, remote: str | None, *, all_commits: bool, offline: bool = False) -> Storage:
    """Open the cache and a remote of a repository, the default one if no name is given.

    Raises:
        UserError: no such remote, its library is not installed, or a file of DVC cannot be read or is empty.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    for name in ("dvc", *CHATTY):
        logging.getLogger(name).setLevel(logging.ERROR if name == "dvc" else logging.CRITICAL)
    read_config(root)
    try:
        repo = Repo(str(root))
        storage = Storage(root, repo, Store("cache", repo.cache.local), None, [])
        if not offline:
            name = remote or repo.config["core"].get("remote")
            if not name:
                raise UserError("no remote: add one with `dvc remote add --default NAME URL`")
            storage = with_remote(storage, name)
        return replace(storage, needed=needed_objects(repo, all_commits=all_commits))
    except DvcException as error:
        raise UserError(" ".join(str(error).split())) from error


def with_remote(storage: Storage, name: str) -> Storage:
    """Return the same with another remote.

    Raises:
        UserError: no such remote, or its library is not installed.
    """
    from dvc.exceptions import DvcException

    try:
        with explained(name):
            store = _remote(storage.repo, name)
    except DvcException as error:
        raise UserError(" ".join(str(error).split())) from error
    if store.odb.fs.protocol in ("http", "https"):
        raise UserError(f"remote '{name}': http has no listing, so it cannot be verified; use `dvc pull`")
    return replace(storage, remote=store)


def _remote(repo: "Repo", name: str) -> Store:
    try:
        return Store(name, repo.cloud.get_remote_odb(name, "push"))
    except ImportError as error:
        scheme = repo.config["remote"][name]["url"].partition(":")[0]
        extra = {"webdavs": "webdav", "azure": "azure"}.get(scheme, scheme)
        raise UserError(f"remote '{name}': {error}: uv pip install 'dvc[{extra}]'") from error


def check(
    storage: Storage,
    *,
    deep: bool = False,
    with_repair: bool = False,
    only_needed: bool = False,
    progress: Progress = lambda count: None,
) -> list[Verified]:
    """Verify the cache and the remote; `with_repair`, repair each from the other.

    An object that only one of them has is missing in the other, and lost if it is right in neither.

    Raises:
        UserError: the remote does not answer, or a disk is full or cannot be read.
    """
    if storage.remote is not None and not storage.remote.is_folder:
        probe(storage.remote, write=False)
    needed, cached, stored = storage.objects()
    cache, remote = storage.cache, storage.remote
    how: dict[str, Any] = {"only_needed": only_needed, "progress": progress}
    found = [verify(cache, cached, needed, other=stored, **how)]
    if remote is not None:
        found.append(verify(remote, stored, needed, other=cached, deep=deep, **how))
    if not with_repair:
        return found
    with locked(storage.repo):
        return [
            repair(found[0], cache, remote, workspace=storage.root, keep=storage.root / DAMAGED),
            *(repair(one, remote, cache, workspace=storage.root) for one in found[1:] if remote),
        ]


@contextlib.contextmanager
def locked(repo: "Repo") -> Generator[None]:
    """Hold DVC's lock, so that no `dvc gc` or `dvc push` runs meanwhile.

    Raises:
        UserError: another process holds it.
    """
    from dvc.lock import LockError

    try:
        with repo.lock:
            yield
    except LockError as error:
        raise UserError("another DVC command is running in this repository; wait until it ends") from error


def push(storage: Storage, *, all_commits: bool, timeout: float, progress: Progress) -> list[Verified]:
    """Push what is right in the cache, then verify the remote and repair it from the cache.

    Damaged files of the cache are never pushed: they are replaced from the remote, or moved aside.

    Returns:
        The cache as it was found, and the remote as it is now.

    Raises:
        UserError: the remote does not answer, `dvc push` failed or took too long, or the folder has
            disappeared since the last push.
    """
    assert storage.remote is not None
    if said := gone(storage):
        raise UserError(said)
    probe(storage.remote)
    needed, cached, stored = storage.objects()
    before = verify(storage.cache, cached, needed, other=stored, only_needed=True, progress=progress)
    # What this clone never had, it need not push.
    present = replace(before, damages=[one for one in before.damages if one.state != "missing"])
    with locked(storage.repo):
        kept = storage.root / DAMAGED
        repaired = repair(present, storage.cache, storage.remote, workspace=storage.root, keep=kept)
        for one in stored.objects.values():
            if not one.is_file:  # DVC would wait for a pipe
                storage.remote.remove(one)
    command = ["push", "--remote", storage.remote.name, *(["--all-commits"] if all_commits else [])]
    pushed = run_dvc(storage.root, command, timeout)
    needed, cached, stored = storage.objects()
    after = verify(storage.remote, stored, needed, other=cached, only_needed=True, progress=progress)
    if after.damages:
        with locked(storage.repo):
            after = repair(after, storage.remote, storage.cache, workspace=storage.root)
    if not pushed and not after.damages and not repaired.bad:
        raise UserError("dvc push failed; its message is above")
    _remember(storage)
    return [repaired, after]


def pull(
    storage: Storage,
    *,
    timeout: float,
    progress: Progress,
    tell: Callable[[list[Verified]], object] = lambda found: None,
) -> list[Verified]:
    """Fetch what the workspace needs, verify it, and check it out.

    Args:
        storage: the cache and the remote.
        timeout: seconds that a command of DVC may take.
        progress: see Progress.
        tell: takes what is damaged in the cache, before it is replaced.

    Returns:
        The cache as it is now; what is lost is not in the workspace.

    Raises:
        UserError: the remote does not answer, or `dvc checkout` refuses to replace files.
    """
    assert storage.remote is not None
    probe(storage.remote, write=False)
    needed, cached, stored = storage.objects()
    before = verify(storage.cache, cached, needed, other=stored, only_needed=True, progress=progress)
    if damaged := [one for one in before.damages if one.state != "missing"]:
        tell([replace(before, damages=damaged)])
    with locked(storage.repo):
        for damage in before.damages:
            set_aside(storage.cache, cached.objects.get(damage.oid), damage.oid, storage.root / DAMAGED)
    if before.damages:
        # It also ends with an error where only one object cannot be had; what arrived is verified below.
        run_dvc(storage.root, ["fetch", "--remote", storage.remote.name], timeout)
    needed, cached, stored = storage.objects()
    after = verify(storage.cache, cached, needed, other=stored, only_needed=True, progress=progress)
    if after.damages:
        with locked(storage.repo):
            kept = storage.root / DAMAGED
            after = repair(after, storage.cache, storage.remote, workspace=storage.root, keep=kept)
    whole = [one.path for one in storage.needed if not any(_is_part(each, one) for each in lost([after]))]
    if whole and not run_dvc(storage.root, ["checkout", *whole], timeout):
        raise UserError("dvc checkout failed; its message is above")
    return [after]


def _is_part(one: Needed, whole: Needed) -> bool:
    return one.path == whole.path or one.path.startswith(f"{whole.path}/")


def probe(remote: Store, *, write: bool = True, create: bool = False) -> None:
    """Write, read and remove a small file on the remote, or only look whether it answers.

    Args:
        remote: the remote.
        write: whether to write to it.
        create: make the folder of the URL first, on servers where DVC does not.

    Raises:
        UserError: that fails, or takes longer than a minute.
    """
    name, content = f".cairn-probe-{uuid.uuid4().hex}", b"cairn"
    path = remote.odb.fs.join(remote.odb.path, name)

    def ask() -> bytes:
        if not write:
            with contextlib.suppress(FileNotFoundError):
                remote.odb.fs.fs.info(remote.odb.path)
            return content
        if create:
            remote.create()
        remote.odb.fs.makedirs(remote.odb.path, exist_ok=True)
        with remote.odb.fs.open(path, "wb") as file:
            file.write(content)
        with remote.odb.fs.open(path, "rb") as file:
            found = file.read()
        remote.odb.fs.remove(path)
        return found

    answers: queue.Queue[bytes | Exception] = queue.Queue()

    def answer() -> None:
        try:
            with explained(remote.name):
                answers.put(ask())
        except Exception as error:
            answers.put(error)

    threading.Thread(target=answer, daemon=True).start()  # a daemon does not keep the program from ending
    try:
        found = answers.get(timeout=PATIENCE)
    except queue.Empty:
        raise UserError(f"remote '{remote.name}': no answer in {PATIENCE} seconds") from None
    if isinstance(found, UserError):
        raise found
    if isinstance(found, Exception):
        why = f"{found}; a folder of its URL may not exist: `cairn remote` makes it"
        raise UserError(f"remote '{remote.name}' does not work: {why}") from found
    if found != content:
        raise UserError(f"remote '{remote.name}' returns other bytes than were written to it")


def run_dvc(root: Path, words: Sequence[str], timeout: float) -> bool:
    """Run a command of DVC, which shows its own progress and errors; return whether it ended well.

    Raises:
        UserError: it took longer than the timeout, in seconds.
    """
    command = [sys.executable, "-m", "dvc", *words]
    try:
        # Without input it does not ask whether it may replace a changed file: it refuses.
        done = subprocess.run(command, cwd=root, stdin=subprocess.DEVNULL, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        limit = f"{timeout:g} seconds (--timeout)"
        raise UserError(f"dvc {words[0]} did not end in {limit}; the same command continues") from None
    return done.returncode == 0


def _mark(storage: Storage) -> Path | None:
    """Return the file that says that the remote, a folder, has been pushed to."""
    if storage.remote is None or not storage.remote.is_folder:
        return None
    return storage.root / SEEN / storage.remote.name


def gone(storage: Storage) -> str:
    """Say that the remote is a folder that was pushed to and has disappeared; empty if it is not so."""
    mark = _mark(storage)
    if mark is None or storage.remote is None or not mark.exists():
        return ""
    path, name = storage.remote.odb.path, storage.remote.name
    if mark.read_text(encoding="utf-8") != path or Path(path).exists():
        return ""
    return (
        f"remote '{name}': {path} was pushed to before and does not exist any more: mount or restore it;"
        f" to push this clone's files to a new folder, delete {(SEEN / name).as_posix()}"
    )


def _remember(storage: Storage) -> None:
    if (mark := _mark(storage)) is not None and storage.remote is not None:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(storage.remote.odb.path, encoding="utf-8")


def remove_strays(storage: Storage, found: list[Verified]) -> list[Verified]:
    """Remove everything but objects from the cache and the remote; return the result without the strays."""
    stores = {store.name: store for store in (storage.cache, storage.remote) if store is not None}
    with locked(storage.repo):
        for verified in found:
            for stray in verified.strays:
                stores[verified.store].remove(stray)
    return [replace(verified, strays=[]) for verified in found]
