"""A pool: one driver and any number of workers that share a folder, on this machine or on several.

FOLDER/plan.json    what to do: written by the driver, read by the workers
FOLDER/driver.lock  held by the driver while it lives
FOLDER/workers/     what the workers print

What a job is, and which jobs are done, a sweep reads from git and a search from its study. Every lock is the
operating system's, so a killed process holds none: kill any process, and the same command resumes.
"""

import json
import os
import re
import sys
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from filelock import FileLock, Timeout
from pydantic import TypeAdapter
from tqdm import tqdm

from cairn.errors import UserError

PLAN, DRIVER, WORKERS = "plan.json", "driver.lock", "workers"
POLL_SECONDS = 0.5
PAUSE_SECONDS = 0.5


class Workers(Protocol):
    """Started command lines, in the order in which they were given. See cairn.experiments.engines."""

    def poll(self) -> list[int | None]:
        """Return each worker's exit code (minus the signal that ended it), None while it runs or waits."""
        ...

    def cancel(self) -> None:
        """End the workers that still run or wait, with the processes they started; safe to call again."""
        ...


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the driver and the workers of a pool agree on; a sweep and a search add their own fields.

    driver differs for each driver: workers of a killed one end when another takes over.
    """

    folder: Path
    driver: str = field(default_factory=lambda: uuid.uuid4().hex)


AnyPlan = TypeVar("AnyPlan", bound=Plan)


@dataclass(frozen=True)
class Progress:
    """How many jobs have ended, a note beside the progress bar, and lines to print above it."""

    done: int
    note: str = ""
    lines: tuple[str, ...] = ()


def write_plan(plan: Plan) -> None:
    """Write plan.json, for this user only: the URL of a storage may hold a password."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    write_in_one_step(plan.folder / PLAN, json.dumps(asdict(plan), default=str, indent=1), mode=0o600)


def read_plan(kind: type[AnyPlan], folder: Path) -> AnyPlan:
    """Read plan.json."""
    path = folder / PLAN
    if not path.exists():
        raise UserError(f"{path}: no such file; a driver writes it before it starts workers")
    return TypeAdapter(kind).validate_python(json.loads(path.read_text(encoding="utf-8")))


def checked(name: str) -> str:
    """Return the name of a pool if DVC, git and file systems accept it, else raise UserError."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise UserError(f"--name {name}: use letters, digits, _ and -")
    return name


def write_in_one_step(path: Path, text: str, mode: int = 0o666) -> None:
    """Write a file so that a kill leaves the old content or the new, never a part."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)


def is_held(lock: Path) -> bool:
    """Whether a living process holds this lock."""
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


@contextmanager
def driving(folder: Path, what: str) -> Generator[None]:
    """Be the only driver of a pool, or raise UserError; `what` is sweep or search, for the message."""
    folder.mkdir(parents=True, exist_ok=True)
    # A worker that checks whether its driver lives has this lock for an instant: hence the timeout.
    lock = FileLock(folder / DRIVER, timeout=3)
    try:
        lock.acquire()
    except Timeout as error:
        raise UserError(
            f"{what} {folder.name} is running in another process: wait for it, or choose another --name"
        ) from error
    with lock:
        yield


def drive(plan: Plan, workers: Workers, progress: Iterator[Progress], *, total: int, unit: str) -> None:
    """Show the progress until all jobs or all workers have ended; leave no worker behind."""
    ended: set[int] = set()
    now = Progress(0)
    try:
        with tqdm(total=total, desc=plan.folder.name, unit=unit, disable=None, dynamic_ncols=True) as bar:
            while True:
                codes = workers.poll()
                news = {k: code for k, code in enumerate(codes) if code is not None and k not in ended}
                ended |= news.keys()
                left = len(codes) - len(ended)
                lost = [_lost(plan, k, code, left) for k, code in news.items() if code]
                now = next(progress)
                for line in (*lost, *now.lines):
                    bar.write(line, file=sys.stderr)
                bar.set_postfix_str(now.note, refresh=False)
                bar.update(now.done - bar.n)
                bar.refresh()
                if now.done >= total or not left:
                    return
                time.sleep(POLL_SECONDS)
    except KeyboardInterrupt as error:
        raise UserError(
            f"stopped with {now.done} of {total} {unit}s finished; the same command resumes"
        ) from error
    finally:
        workers.cancel()


def work(plan: Plan, *, is_over: Callable[[], bool], run_next: Callable[[], bool]) -> None:
    """Run one job after another, until all have ended or the driver that started this worker is gone.

    While other workers run the last jobs, `run_next` returns False: one of these workers may be killed.
    """
    while not is_over() and _has_driver(plan):
        if not run_next():
            time.sleep(PAUSE_SECONDS)


def _has_driver(plan: Plan) -> bool:
    return read_plan(type(plan), plan.folder).driver == plan.driver and is_held(plan.folder / DRIVER)


def _lost(plan: Plan, worker: int, code: int, left: int) -> str:
    why = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    log = plan.folder / WORKERS / f"worker-{worker}.log"
    return f"worker {worker} {why} (log: {log}); workers left: {left}"
