"""The driver of a sweep: writes the plan, has an engine start workers, shows how far they are.

It can be killed, as can any worker: the same call goes on. What is done is in git, what runs holds a lock,
and workers whose driver is gone finish the job they are at and end.
"""

import sys
import time
import uuid
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from tqdm import tqdm

import cairn
from cairn.errors import UserError
from cairn.experiments.clone import cache_of, message_of
from cairn.experiments.engines.start import Workers, start
from cairn.experiments.plan import SWEEPS, Job, Plan, write_plan
from cairn.experiments.refs import Experiment, commit_of, experiments_of
from cairn.experiments.slots import jobs_in, remove_clones

POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        job: as it was given.
        sha: commit of its experiment; None if there is none.
        error: why, in one line; None if there is an experiment.
        log: what DVC and the stages printed; it may not exist.
    """

    job: Job
    sha: str | None
    error: str | None
    log: Path


def run_sweep(
    root: Path,
    jobs: Sequence[Job],
    *,
    name: str,
    workers: int,
    engine: str = "local",
    revision: str = "HEAD",
    threads: int = 1,
    gpus: int = 0,
) -> list[Outcome]:
    """Run jobs as DVC experiments in worker clones; those whose experiment exists are not run again.

    Args:
        root: the repository. Its workspace, branch, index and stash stay as they are; it gains a ref for
            each experiment.
        jobs: of different names.
        name: of the sweep: the folder below .dvc/tmp/sweeps for its logs and clones.
        workers: how many run side by side.
        engine: what starts them, see cairn.engines.
        revision: the commit from which the experiments start.
        threads: that each worker uses, for engines that deal out cores.
        gpus: likewise.

    Returns:
        What became of each job, in the order given.

    Raises:
        UserError: another driver is at work on this sweep, or the engine cannot start.
    """
    root = root.resolve()
    plan = Plan(
        folder=root / SWEEPS / name,
        root=root,
        revision=commit_of(root, revision),
        cache=cache_of(root),
        driver=uuid.uuid4().hex,
        jobs=tuple(jobs),
    )
    plan.folder.mkdir(parents=True, exist_ok=True)
    with _only_driver(plan.folder):
        write_plan(plan)
        for job in plan.jobs:
            plan.failure(job).unlink(missing_ok=True)
        done = experiments_of(root, plan.revision)
        left = [job for job in plan.jobs if job.name not in done]
        if left:
            _drive(plan, left, workers, engine, threads=threads, gpus=gpus)
            done = experiments_of(root, plan.revision)
        remove_clones(plan.folder / "clones", keep={job.name for job in left if job.name not in done})
    return [_outcome(plan, job, done) for job in plan.jobs]


def refuse_other_settings(root: Path, jobs: Sequence[Job], revision: str) -> None:
    """Stop where a name does not tell the settings and an experiment of that name has others.

    Args:
        root: the repository.
        jobs: that are to run.
        revision: full hash of the commit they start from.

    Raises:
        UserError: one line for each of them.
    """
    there = experiments_of(root, revision)
    taken = [
        f"experiment {job.name} exists with {there[job.name].message} instead of {message_of(job.overrides)};"
        f" choose another name, or `dvc exp remove {job.name}`"
        for job in jobs
        if job.name in there and there[job.name].message != message_of(job.overrides)
    ]
    if taken:
        raise UserError("\n".join(taken))


@contextmanager
def _only_driver(folder: Path) -> Generator[None]:
    """Hold the sweep. A worker that looks whether its driver lives has this lock for an instant only."""
    lock = FileLock(folder / "driver.lock", timeout=3)
    try:
        lock.acquire()
    except Timeout as error:
        raise UserError(
            f"sweep {folder.name} is under way in another process: wait for it, or choose another --name"
        ) from error
    with lock:
        yield


def _drive(plan: Plan, jobs: Sequence[Job], workers: int, engine: str, **demand: int) -> None:
    """Have workers run the jobs, show how far they are, and leave none behind."""
    command = [sys.executable, str(Path(cairn.__path__[0])), "sweep", "--worker", str(plan.folder)]
    crew = [command] * min(workers, len(jobs))
    started = start(engine, crew, folder=plan.folder / "workers", **demand)
    try:
        with tqdm(total=len(jobs), desc=plan.folder.name, unit="experiment", disable=None) as bar:
            _watch(plan, {job.name: job for job in jobs}, started, bar)
    finally:
        started.cancel()


def _watch(plan: Plan, left: dict[str, Job], started: Workers, bar: tqdm) -> None:
    failed = 0
    while left:
        ended = all(code is not None for code in started.poll())
        done = experiments_of(plan.root, plan.revision)
        for job in list(left.values()):
            error = plan.error(job)
            if job.name in done or error:
                del left[job.name]
                failed += job.name not in done
                said = "done" if job.name in done else f"failed: {error}"
                bar.write(f"{job.name}  {message_of(job.overrides)}: {said}", file=sys.stderr)
                bar.update()
        bar.set_postfix(running=len(jobs_in(plan.folder / "clones") & left.keys()), failed=failed)
        if ended:
            return
        time.sleep(POLL_SECONDS)


def _outcome(plan: Plan, job: Job, done: Mapping[str, Experiment]) -> Outcome:
    if job.name in done:
        return Outcome(job, done[job.name].sha, None, plan.log(job))
    ended_early = "the workers ended before it did; see workers/ two folders above this log"
    return Outcome(job, None, plan.error(job) or ended_early, plan.log(job))
