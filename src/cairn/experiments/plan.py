"""A sweep as files: driver and workers on any node agree, and a new driver finds what an old one left.

FOLDER/plan.json        what to run, written by the driver that is at work
FOLDER/driver.lock      held by it
FOLDER/jobs/NAME.lock   held by the worker that runs this job
FOLDER/jobs/NAME.log    all that the job printed
FOLDER/jobs/NAME.failed one line on why it failed
FOLDER/clones/          see cairn.experiments.slots
FOLDER/workers/         what the workers themselves printed

That a job is done is written nowhere: its experiment exists in git.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SWEEPS = Path(".dvc/tmp/sweeps")


@dataclass(frozen=True)
class Job:
    """One experiment to run.

    Attributes:
        name: of the experiment, unique within its sweep.
        overrides: what `dvc exp run -S` takes, each of one value.
    """

    name: str
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What the workers of a sweep are to do.

    Attributes:
        folder: of the sweep, absolute.
        root: the repository to which the experiments go, absolute.
        revision: full hash of the commit that they start from.
        cache: DVC's cache folder, absolute.
        driver: differs for each driver, so that workers of a killed one end when another takes over.
        jobs: in the order in which they are begun.
    """

    folder: Path
    root: Path
    revision: str
    cache: Path
    driver: str
    jobs: tuple[Job, ...]

    def log(self, job: Job) -> Path:
        """Return where all that a job prints goes."""
        return self.folder / "jobs" / f"{job.name}.log"

    def lock(self, job: Job) -> Path:
        """Return the file that the worker which runs a job holds locked."""
        return self.folder / "jobs" / f"{job.name}.lock"

    def failure(self, job: Job) -> Path:
        """Return the file that says in one line why a job failed; none while it did not."""
        return self.folder / "jobs" / f"{job.name}.failed"

    def error(self, job: Job) -> str | None:
        """Return in one line why a job failed, None where it did not."""
        file = self.failure(job)
        return file.read_text(encoding="utf-8") if file.exists() else None


def write_plan(plan: Plan) -> None:
    """Write plan.json, and the folders the workers use."""
    (plan.folder / "jobs").mkdir(parents=True, exist_ok=True)
    (plan.folder / "clones").mkdir(exist_ok=True)
    values = {
        "root": str(plan.root),
        "revision": plan.revision,
        "cache": str(plan.cache),
        "driver": plan.driver,
        "jobs": [{"name": job.name, "overrides": list(job.overrides)} for job in plan.jobs],
    }
    write_in_one_step(plan.folder / "plan.json", json.dumps(values, indent=1))


def read_plan(folder: Path) -> Plan:
    """Read plan.json as it is now."""
    values: dict[str, Any] = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    jobs = tuple(Job(job["name"], tuple(job["overrides"])) for job in values["jobs"])
    return Plan(
        folder, Path(values["root"]), values["revision"], Path(values["cache"]), values["driver"], jobs
    )


def write_in_one_step(path: Path, text: str) -> None:
    """Write a file so that a kill leaves the old content or the new, never a part."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)
