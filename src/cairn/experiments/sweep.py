"""A sweep: jobs that run as DVC experiments, side by side, in clones of the repository.

FOLDER is .dvc/tmp/sweeps/NAME; see cairn.experiments.pool and cairn.experiments.clone, and

FOLDER/jobs/NAME.lock    held by the worker that runs this job
FOLDER/jobs/NAME.log     what the job printed
FOLDER/jobs/NAME.failed  one line on why it failed
FOLDER/clones/           in which jobs run

No file records that a job is done: its experiment exists in git. A worker whose driver is gone finishes its
job and ends.
"""

import hashlib
import json
import re
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

import cairn
from cairn.compose.overrides import key_of
from cairn.compose.params_file import from_conf, recorded_in
from cairn.errors import UserError
from cairn.experiments import pool
from cairn.experiments.clone import (
    Slot,
    jobs_in,
    make_clone,
    message_of,
    publish,
    remove_clones,
    reset,
    run_experiment,
    slot_for,
)
from cairn.experiments.combinations import Combination
from cairn.experiments.engines.start import start
from cairn.experiments.refs import commit_of, experiments_of, read_file
from cairn.metrics.scores import METRICS

SWEEPS = Path(".dvc/tmp/sweeps")
VALIDATION = "metrics/validation.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
NOT_THE_CAUSE = ("ERROR: failed to reproduce", "Running stage ", "> ")
"""How lines of DVC begin that say which stage began or failed; the cause is what the stage printed."""


@dataclass(frozen=True)
class Job:
    """One experiment to run: its name, unique within its sweep, and overrides of one value each."""

    name: str
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        job: as it was given.
        sha: commit of its experiment; None if there is none.
        error: why there is none, in one line.
        log: what DVC and the stages printed; it may not exist.
    """

    job: Job
    sha: str | None
    error: str | None
    log: Path


@dataclass(frozen=True, kw_only=True)
class SweepPlan(pool.Plan):
    """What the workers of a sweep run.

    Attributes:
        root: the repository that the experiments are pushed to, absolute.
        revision: full hash of the commit that they start from.
        jobs: in the order in which they begin.
    """

    root: Path
    revision: str
    jobs: tuple[Job, ...]

    def file(self, job: Job, kind: str) -> Path:
        """Return a job's file: its `lock`, its `log`, or `failed`."""
        return self.folder / "jobs" / f"{job.name}.{kind}"

    def outcomes(self) -> list[Outcome]:
        """Return the state of each job: done, failed, or neither."""
        done = experiments_of(self.root, self.revision)
        found = []
        for job in self.jobs:
            sha, failed = done[job.name].sha if job.name in done else None, self.file(job, "failed")
            error = failed.read_text(encoding="utf-8") if not sha and failed.exists() else None
            found.append(Outcome(job, sha, error, self.file(job, "log")))
        return found

    def open_jobs(self) -> list[Job]:
        """Return the jobs that have neither succeeded nor failed."""
        return [outcome.job for outcome in self.outcomes() if not (outcome.sha or outcome.error)]


def job_of(combination: Combination, sweep: str, revision: str) -> Job:
    """Return the job of a combination; its name follows from the sweep, the commit and the settings.

    So the same command finds what it has run, and other overrides under the same name add to it.

    Raises:
        UserError: a name that DVC or a file system would not accept.
    """
    if not NAME.fullmatch(sweep):
        raise UserError(f"--name {sweep}: use letters, digits, _ and -")
    digest = hashlib.sha256(f"{revision} {combination.digest}".encode()).hexdigest()[:7]
    return Job(f"{sweep}-{digest}", combination.overrides)


def starts_from(root: Path, revision: str, listed: Sequence[tuple[str, ...]]) -> str:
    """Return the line that says which settings all combinations share, and which of params.yaml they lack.

    As in `dvc exp run`, combinations start from conf/, and not from params.yaml.
    """
    shared = [override for override in listed[0] if all(override in other for other in listed)]
    keys = {key_of(override) for override in listed[0]}
    applied = [each for each in recorded_in(root / "params.yaml") if key_of(each) not in keys]
    line = f"settings: {from_conf(shared, f'conf/ of commit {revision[:10]}')}"
    if applied:
        line += f"; without {' '.join(applied)} of params.yaml: to use it, add -S {' -S '.join(applied)}"
    return line


def refuse_other_settings(root: Path, jobs: Sequence[Job], revision: str) -> None:
    """Stop if an experiment of a job's name exists with other settings.

    Raises:
        UserError: one line for each of them.
    """
    existing = experiments_of(root, revision)
    taken = [
        f"experiment {job.name} exists with {existing[job.name].message}, not {message_of(job.overrides)};"
        f" choose another name, or `dvc exp remove {job.name}`"
        for job in jobs
        if job.name in existing and existing[job.name].message != message_of(job.overrides)
    ]
    if taken:
        raise UserError("\n".join(taken))


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
        name: of the sweep.
        workers: how many run side by side.
        engine: what starts them, see cairn.experiments.engines.
        revision: the commit from which the experiments start.
        threads: CPU cores of each worker.
        gpus: GPUs of each worker.

    Returns:
        How each job ended, in the order given.

    Raises:
        UserError: another driver is running this sweep, or the engine cannot start.
    """
    root = root.resolve()
    plan = SweepPlan(
        folder=root / SWEEPS / name,
        root=root,
        revision=commit_of(root, revision),
        jobs=tuple(jobs),
    )
    for folder in ("jobs", "clones"):
        (plan.folder / folder).mkdir(parents=True, exist_ok=True)
    with pool.driving(plan.folder, "sweep"):
        pool.write_plan(plan)
        for job in plan.jobs:
            plan.file(job, "failed").unlink(missing_ok=True)
        left = plan.open_jobs()
        if left:
            command = [sys.executable, str(Path(cairn.__path__[0])), "sweep", "--worker", str(plan.folder)]
            crew = [command] * min(workers, len(left))
            started = start(engine, crew, folder=plan.folder / pool.WORKERS, threads=threads, gpus=gpus)
            pool.drive(plan, started, _progress(plan, left), total=len(left), unit="experiment")
        outcomes = plan.outcomes()
        remove_clones(plan.folder / "clones", keep={each.job.name for each in outcomes if not each.sha})
    ended_early = f"all workers ended before it did, see {plan.folder.name}/{pool.WORKERS}"
    return [each if each.sha or each.error else replace(each, error=ended_early) for each in outcomes]


def work(folder: Path) -> None:
    """Run those jobs of a sweep that no other worker runs, one after the other.

    `python src/cairn sweep --worker FOLDER` is all that an engine has to start, on this machine or on another
    that shares the file system.
    """
    signal.signal(signal.SIGTERM, _end)
    plan = pool.read_plan(SweepPlan, folder)
    pool.work(
        plan,
        is_over=lambda: not plan.open_jobs(),
        run_next=lambda: any(_run(plan, job) for job in plan.open_jobs()),
    )


def scores_of(root: Path, outcome: Outcome) -> dict[str, float]:
    """Return an experiment's scores on validation, by `val_METRIC`; none where it has no such file."""
    content = read_file(root, outcome.sha, VALIDATION) if outcome.sha else None
    return json.loads(content) if content else {}


def best_of(scores: Mapping[str, Mapping[str, float]]) -> str:
    """Return the name of the best by the first metric of the first; the first if it has none."""
    first = next(iter(scores))
    if not scores[first]:
        return first
    key = next(iter(scores[first]))
    metric = METRICS.get(key.removeprefix("val_"))
    sign = 1 if metric is None or metric.greater_is_better else -1
    return max((name for name in scores if key in scores[name]), key=lambda name: sign * scores[name][key])


def _progress(plan: SweepPlan, jobs: Sequence[Job]) -> Iterator[pool.Progress]:
    """Look how far the jobs are, and report each of them once."""
    left = {job.name for job in jobs}
    failed = 0
    while True:
        lines = []
        for outcome in plan.outcomes():
            name = outcome.job.name
            if name in left and (outcome.sha or outcome.error):
                left.remove(name)
                failed += not outcome.sha
                state = "done" if outcome.sha else f"failed: {outcome.error}"
                lines.append(f"{name}  {message_of(outcome.job.overrides)}: {state}")
        note = f"running={len(jobs_in(plan.folder / 'clones') & left)}, failed={failed}"
        yield pool.Progress(len(jobs) - len(left), note, tuple(lines))


def _end(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _run(plan: SweepPlan, job: Job) -> bool:
    """Run one job, unless others run it or have run it; return whether it ran."""
    try:
        with FileLock(plan.file(job, "lock"), timeout=0), slot_for(plan.folder / "clones", job.name) as slot:
            if slot is None or job not in plan.open_jobs():
                return False
            slot.assign(job.name)
            print(f"{job.name}: in {slot.clone.name}", flush=True)
            error = _attempt(plan, job, slot)
            if error:
                pool.write_in_one_step(plan.file(job, "failed"), error)
            if not error or not slot.has_snapshot:
                slot.free()
            print(f"{job.name}: {error or 'done'}", flush=True)
            return True
    except Timeout:
        return False


def _attempt(plan: SweepPlan, job: Job, slot: Slot) -> str | None:
    """Run a job to its end and publish it; return in one line why it failed."""
    try:
        if not _finished_in(slot.clone, plan, job):
            if slot.clone.exists():
                reset(slot.clone, plan.revision)
            else:
                make_clone(slot.clone, plan.root, plan.revision)
            log = plan.file(job, "log")
            log.write_bytes(b"")
            code = run_experiment(slot.clone, job.name, job.overrides, log=log, held=slot.held)
            if code:
                return _cause(log, code)
        publish(slot.clone, plan.root, plan.revision, job.name)
    except (UserError, OSError) as error:
        return " ".join(str(error).split())
    return None


def _finished_in(clone: Path, plan: SweepPlan, job: Job) -> bool:
    """Whether DVC finished a job in a clone after its worker was killed."""
    found = experiments_of(clone, plan.revision).get(job.name) if clone.exists() else None
    return found is not None and found.message == message_of(job.overrides)


def _cause(log: Path, code: int) -> str:
    """Return the last line of a log that says what went wrong."""
    if code < 0:
        return f"DVC was ended by {signal.Signals(-code).name}"
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    lines = [line for line in lines if line]
    causes = [line for line in lines if not line.startswith(NOT_THE_CAUSE)]
    return (causes or lines or [f"dvc exited with {code}"])[-1]
