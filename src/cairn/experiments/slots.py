"""Places for clones, used again from job to job so that unchanged data is neither copied nor hashed anew.

CLONES/N        the clone
CLONES/N.lock   held by all processes that run in it: the worker, DVC, the stages
CLONES/N.job    the name of the job that runs in it, or was left in it by a kill

A job that was left in a clone goes on there: what DVC finished is published, and a training that left a
snapshot (.dvc/tmp/resume of the clone) takes it up. It is theirs while processes of a killed worker run.
"""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import BinaryIO

from filelock import lock_descriptor

from cairn.experiments.plan import write_in_one_step


@dataclass(frozen=True)
class Slot:
    """A place for a clone, whose lock is held.

    Attributes:
        clone: where the clone is or is to be made.
        held: the locked file.
    """

    clone: Path
    held: BinaryIO

    def assign(self, job: str) -> None:
        """Note which job runs here."""
        write_in_one_step(self.clone.with_suffix(".job"), job)

    def free(self) -> None:
        """Let other jobs use the place."""
        self.clone.with_suffix(".job").unlink(missing_ok=True)


@contextmanager
def slot_for(clones: Path, job: str) -> Generator[Slot | None]:
    """Hold the place in which a job was left, or else a free one; None while others still run the job.

    The caller must hold the job's own lock.
    """
    left = [lock for lock in _locks(clones) if job_in(lock) == job]
    for lock in left or (clones / f"{number}.lock" for number in count()):
        with lock.open("ab+") as held:
            if lock_descriptor(held.fileno(), blocking=False) and (left or job_in(lock) is None):
                yield Slot(lock.with_suffix(""), held)
                return
    yield None


def jobs_in(clones: Path) -> set[str]:
    """Return the names of the jobs that run in clones or were left there."""
    return {job for lock in _locks(clones) if (job := job_in(lock))}


def remove_clones(clones: Path, keep: set[str]) -> None:
    """Remove the clones in which nothing runs, but for those in which one of the named jobs was left."""
    for lock in _locks(clones):
        with lock.open("ab+") as held:
            if lock_descriptor(held.fileno(), blocking=False) and job_in(lock) not in keep:
                for suffix in ("", ".new"):
                    shutil.rmtree(lock.with_suffix(suffix), ignore_errors=True)
                lock.with_suffix(".job").unlink(missing_ok=True)


def job_in(lock: Path) -> str | None:
    """Return the job that is noted beside a lock."""
    try:
        return lock.with_suffix(".job").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _locks(clones: Path) -> list[Path]:
    return sorted(clones.glob("*.lock"), key=lambda path: int(path.stem))
