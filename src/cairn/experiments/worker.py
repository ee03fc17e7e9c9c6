"""A worker of a sweep: takes one job after the other until none is left or the driver is gone.

`python src/cairn sweep --worker FOLDER` is all that an engine has to start, on this machine or on another
that shares the file system. A job is claimed by a lock of the operating system: a killed process keeps none.
"""

import signal
import time
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

from cairn.errors import UserError
from cairn.experiments.clone import make_clone, message_of, publish, reset, run_experiment
from cairn.experiments.plan import Job, Plan, read_plan, write_in_one_step
from cairn.experiments.refs import experiments_of
from cairn.experiments.slots import Slot, slot_for

PAUSE_SECONDS = 0.5
NOT_THE_CAUSE = ("ERROR: failed to reproduce", "Running stage ", "> ")
"""How lines begin by which DVC says that a stage failed or began; the cause is what the stage said."""


def work(folder: Path) -> None:
    """Run the jobs of a sweep that nobody else runs, one after the other.

    Args:
        folder: of the sweep, where the driver has written its plan.
    """
    signal.signal(signal.SIGTERM, _end)
    plan = read_plan(folder)
    while (open_jobs := _open_jobs(plan)) and _driven(plan):
        if not any(_run(plan, job) for job in open_jobs):
            time.sleep(PAUSE_SECONDS)


def _end(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _open_jobs(plan: Plan) -> list[Job]:
    """Return the jobs that neither succeeded nor failed."""
    done = experiments_of(plan.root, plan.revision)
    return [job for job in plan.jobs if job.name not in done and plan.error(job) is None]


def _driven(plan: Plan) -> bool:
    """Whether the driver that started this worker is still there, wherever it runs."""
    if read_plan(plan.folder).driver != plan.driver:
        return False
    try:
        with FileLock(plan.folder / "driver.lock", timeout=0):
            return False
    except Timeout:
        return True


def _run(plan: Plan, job: Job) -> bool:
    """Run one job, unless others run it or have run it; return whether this took time."""
    try:
        with FileLock(plan.lock(job), timeout=0), slot_for(plan.folder / "clones", job.name) as slot:
            if slot is None or job not in _open_jobs(plan):
                return False
            slot.assign(job.name)
            print(f"{job.name}: in {slot.clone.name}", flush=True)
            error = _attempt(plan, job, slot)
            if error:
                write_in_one_step(plan.failure(job), error)
            if not error or not _has_snapshot(slot.clone):
                slot.free()
            print(f"{job.name}: {error or 'done'}", flush=True)
            return True
    except Timeout:
        return False


def _attempt(plan: Plan, job: Job, slot: Slot) -> str | None:
    """Run a job to its end and publish it; return in one line why it failed."""
    try:
        if not _finished_in(slot.clone, plan, job):
            if slot.clone.exists():
                reset(slot.clone, plan.revision)
            else:
                make_clone(slot.clone, plan.root, plan.revision, plan.cache)
            log = plan.log(job)
            log.write_bytes(b"")
            code = run_experiment(slot.clone, job.name, job.overrides, log=log, held=slot.held)
            if code:
                return _cause(log, code)
        publish(slot.clone, plan.root, plan.revision, job.name)
    except (UserError, OSError) as error:
        return " ".join(str(error).split())
    return None


def _finished_in(clone: Path, plan: Plan, job: Job) -> bool:
    """Whether DVC finished a job in a clone after its worker was killed."""
    found = experiments_of(clone, plan.revision).get(job.name) if clone.exists() else None
    return found is not None and found.message == message_of(job.overrides)


def _cause(log: Path, code: int) -> str:
    """Return the last line of a log that says what went wrong."""
    if code < 0:
        return f"DVC was ended by {signal.Signals(-code).name}"
    said = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    said = [line for line in said if line]
    causes = [line for line in said if not line.startswith(NOT_THE_CAUSE)]
    return (causes or said or [f"dvc exited with {code}"])[-1]


def _has_snapshot(clone: Path) -> bool:
    """Whether a training that did not end left something to go on from."""
    return any(path.is_file() for path in (clone / ".dvc/tmp/resume").glob("*/*"))
