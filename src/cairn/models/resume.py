"""Where training keeps its snapshots: outside the outs that DVC removes, under a key of the run's inputs."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from cairn.models.package import Package, load, save

KEPT_SECONDS = 7 * 24 * 3600


def resume_key(paths: Iterable[Path], values: Mapping[str, Any]) -> str:
    """Hash everything that decides a run's result, in hexadecimal; only the same run resumes a snapshot.

    A file's content and name count, not its folder: a second checkout finds the snapshot of the first.

    Raises:
        FileNotFoundError: one of the files does not exist.
    """
    total = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
    for path in paths:
        with path.open("rb") as content:
            total.update(f"{path.name}:{hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def once(fit: Callable[[], Package], snapshot: Path | None, trust: Sequence[str]) -> Package:
    """Return what fit returns; where an interrupted run has finished it, that is loaded and not fitted again.

    Loaded is also what was just fitted: both runs then hold the same objects, and save the same bytes.
    Processes of torchrun train together, and none of them may skip what another one has to do.
    """
    if snapshot is None or "TORCHELASTIC_RUN_ID" in os.environ:
        return fit()
    finished = snapshot.with_suffix("")
    if not finished.exists():
        save(fit(), finished)
    return load(finished, trust)


def run_folder(key: str) -> AbstractContextManager[Path | None]:
    """Return the folder of a run's snapshots below .dvc/tmp, see snapshot_folder.

    torchrun starts several processes: only the first of them has the folder, the others get None.
    """
    if os.environ.get("RANK", "0") != "0" and "TORCHELASTIC_RUN_ID" in os.environ:
        return nullcontext()
    # DVC wipes the outs before; in a temporary folder DVC_ROOT is still the main checkout.
    return snapshot_folder(Path(os.environ.get("DVC_ROOT", ".")) / ".dvc/tmp/resume", key)


@contextmanager
def snapshot_folder(root: Path, key: str) -> Generator[Path]:
    """Lock the folder of one run's snapshots; it is removed if the run succeeds and kept if it fails.

    If the same run is in progress in another process (such as a queued experiment that differs only after
    the training), this one prints that it waits. The lock is the operating system's: a killed process leaves
    none. Folders that have not been used for seven days are removed.
    """
    root.mkdir(parents=True, exist_ok=True)
    _remove_stale(root, keep=key)
    lock = FileLock(root / f"{key}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"waiting for another process that trains the same (it holds {lock.lock_file})", flush=True)
        lock.acquire()
    try:
        folder = root / key
        folder.mkdir(exist_ok=True)
        yield folder
        shutil.rmtree(folder)
    finally:
        lock.release()


def _remove_stale(root: Path, keep: str) -> None:
    oldest = time.time() - KEPT_SECONDS
    for lock_file in root.glob("*.lock"):
        if lock_file.stem == keep or lock_file.stat().st_mtime > oldest:
            continue
        lock = FileLock(lock_file, timeout=0)
        try:
            with lock:
                shutil.rmtree(root / lock_file.stem, ignore_errors=True)
        except Timeout:
            continue
        lock_file.unlink(missing_ok=True)
