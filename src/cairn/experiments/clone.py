"""Clones of the repository, in which experiments run: the user's own workspace is never touched.

A clone borrows the objects of the main repository (`git clone --shared`) and uses its DVC cache with the run
cache. Code and conf/ come from the commit, libraries from the environment that runs the worker.

CLONES/N       a clone, reused from job to job, so that unchanged data is neither copied nor hashed again
CLONES/N.lock  held by all processes that run in it: the worker, DVC, the stages
CLONES/N.job   the name of the job that runs in it, or that a kill left in it

A job that was left in a clone resumes there: what DVC finished is published, and a training finds its
snapshot (.dvc/tmp/resume of the clone). While processes of a killed worker still run there, it is theirs.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import BinaryIO

from filelock import lock_descriptor

from cairn.errors import UserError
from cairn.experiments.pool import write_in_one_step
from cairn.experiments.refs import EXPERIMENTS, git, ref_of

NOT_FOR_STAGES = {
    *("DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"),  # set by DVC for a running stage
    *("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"),
}
"""Variables of the process that runs a sweep, which a stage in a clone sets for itself."""


@dataclass(frozen=True)
class Slot:
    """A place for a clone, which may not exist yet, and its locked file."""

    clone: Path
    held: BinaryIO

    def assign(self, job: str) -> None:
        """Note which job runs here."""
        write_in_one_step(self.clone.with_suffix(".job"), job)

    def free(self) -> None:
        """Let other jobs use the place."""
        self.clone.with_suffix(".job").unlink(missing_ok=True)

    @property
    def has_snapshot(self) -> bool:
        """Whether a training was cut short here and can resume."""
        return any(path.is_file() for path in (self.clone / ".dvc/tmp/resume").glob("*/*"))


@contextmanager
def slot_for(clones: Path, job: str) -> Generator[Slot | None]:
    """Hold the place in which a job was left, or else a free one; None while others still run the job.

    The caller must hold the job's own lock.
    """
    left = [lock for lock in _locks(clones) if _job_in(lock) == job]
    for lock in left or (clones / f"{number}.lock" for number in count()):
        with lock.open("ab+") as held:
            if lock_descriptor(held.fileno(), blocking=False) and (left or _job_in(lock) is None):
                yield Slot(lock.with_suffix(""), held)
                return
    yield None


def jobs_in(clones: Path) -> set[str]:
    """Return the names of the jobs that run in clones or were left there."""
    return {job for lock in _locks(clones) if (job := _job_in(lock))}


def remove_clones(clones: Path, keep: set[str]) -> None:
    """Remove the clones in which nothing runs, except those in which one of the named jobs was left."""
    for lock in _locks(clones):
        with lock.open("ab+") as held:
            if lock_descriptor(held.fileno(), blocking=False) and _job_in(lock) not in keep:
                for suffix in ("", ".new"):
                    shutil.rmtree(lock.with_suffix(suffix), ignore_errors=True)
                lock.with_suffix(".job").unlink(missing_ok=True)


def cache_of(root: Path) -> Path:
    """Return the folder of a repository's DVC cache."""
    from dvc.config import Config

    return Path(Config(str(root / ".dvc"))["cache"].get("dir", root / ".dvc/cache")).resolve()


def make_clone(path: Path, root: Path, revision: str) -> None:
    """Clone root to path at a commit, with its cache; a kill on the way leaves nothing at path."""
    new = path.with_name(f"{path.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    clone_commit(new, root, revision)
    _configure(new, root, site=path / ".dvc/tmp/site")
    new.rename(path)


def clone_commit(path: Path, root: Path, revision: str) -> None:
    """Clone root to path at a commit: the files of git alone."""
    git(root, "clone", "--quiet", "--shared", "--no-checkout", str(root), str(path))
    for key in ("user.name", "user.email"):
        with suppress(UserError):  # not set here: git finds it where it finds it for the main repository
            git(path, "config", key, git(root, "config", key))
    git(path, "checkout", "--quiet", "--detach", revision)


def reset(path: Path, revision: str) -> None:
    """Bring a clone back to a commit after an experiment, finished or killed; files that git ignores stay."""
    for lock in (*path.glob(".git/**/*.lock"), *path.glob(".dvc/tmp/*lock*")):
        lock.unlink(missing_ok=True)
    git(path, "checkout", "--quiet", "--force", "--detach", revision)
    git(path, "clean", "-fdq")
    for ref in git(path, "for-each-ref", "--format=%(refname)", EXPERIMENTS).splitlines():
        git(path, "update-ref", "--no-deref", "-d", ref)


def run_experiment(path: Path, name: str, overrides: tuple[str, ...], *, log: Path, held: BinaryIO) -> int:
    """Run `dvc exp run` in a clone.

    The locked file becomes the standard input of DVC and of every process below it: the lock is free when the
    last of them has ended, whichever was killed before.

    Returns:
        The exit code, or minus the number of the signal that ended DVC.
    """
    command = [sys.executable, "-m", "dvc", "exp", "run", "--name", name, "--message", message_of(overrides)]
    for override in overrides:
        command += ["--set-param", override]
    environment = {key: value for key, value in os.environ.items() if key not in NOT_FOR_STAGES}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    with log.open("ab") as output:
        # A process group of its own: when DVC is killed, the stage that it ran is killed too.
        process = subprocess.Popen(
            command, cwd=path, env=environment, stdin=held, stdout=output, stderr=output, process_group=0
        )
        try:
            return process.wait()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def message_of(overrides: tuple[str, ...]) -> str:
    """Return the message of an experiment's commit: what it sets, in one line."""
    return " ".join(" ".join(overrides).split()) or "conf/ without overrides"


def publish(path: Path, root: Path, revision: str, name: str) -> None:
    """Push an experiment from a clone to the main repository; its branches and workspace stay as they are."""
    ref = ref_of(revision, name)
    git(path, "push", "--quiet", "--no-verify", str(root), f"{ref}:{ref}")


def _configure(clone: Path, root: Path, site: Path) -> None:
    """Give a clone the main repository's local DVC settings, its cache, and a place for DVC's own files."""
    from dvc.config import Config, merge

    local = Config(str(root / ".dvc")).load_one("local")
    with Config(str(clone / ".dvc"), validate=False).edit("local") as settings:
        merge(settings, local)
        merge(settings, {"cache": {"dir": str(cache_of(root))}, "core": {"site_cache_dir": str(site)}})


def _job_in(lock: Path) -> str | None:
    """Return the job that is noted beside a lock."""
    try:
        return lock.with_suffix(".job").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _locks(clones: Path) -> list[Path]:
    return sorted(clones.glob("*.lock"), key=lambda path: int(path.stem))
