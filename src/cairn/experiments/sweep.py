"""A sweep: combinations of settings that run as DVC experiments, side by side, in clones of the repository.

Combinations are listed from `-S model=a,b`, then composed and validated before any of them runs.

FOLDER is .dvc/tmp/sweeps/NAME; see cairn.experiments.pool and cairn.experiments.clone, and

FOLDER/jobs/NAME.lock    held by the worker that runs this job
FOLDER/jobs/NAME.log     what the job printed
FOLDER/jobs/NAME.failed  one line on why it failed
FOLDER/clones/           in which jobs run

No file records that a job is done: its experiment exists in git. A worker whose driver is gone finishes its
job and ends.
"""

import hashlib
import io
import json
import signal
import subprocess
import sys
import zipfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from tqdm import tqdm

import cairn
from cairn.compose import params_file
from cairn.compose.conf import compose
from cairn.compose.overrides import key_of
from cairn.compose.params_file import from_conf, recorded_in
from cairn.compose.validate import Origin, read_config, traps
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
from cairn.experiments.engines import start
from cairn.experiments.refs import commit_of, experiments_of, git, read_file
from cairn.metrics.scores import METRICS
from cairn.settings.config import Config

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

SWEEPS = Path(".dvc/tmp/sweeps")
VALIDATION = "metrics/validation.json"
NOT_THE_CAUSE = ("ERROR: failed to reproduce", "Running stage ", "> ")
"""How lines of DVC begin that say which stage began or failed; the cause is what the stage printed."""


@dataclass(frozen=True)
class Combination:
    """Overrides of one value each, the config they compose to, and a digest of its values."""

    overrides: tuple[str, ...]
    config: Config
    digest: str


@dataclass(frozen=True)
class Job:
    """One experiment to run: its name, unique within its sweep, and overrides of one value each."""

    name: str
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """How a job ended: the commit of its experiment, or why there is none; its log may not exist."""

    job: Job
    sha: str | None
    error: str | None
    log: Path


@dataclass(frozen=True, kw_only=True)
class SweepPlan(pool.Plan):
    """What the workers of a sweep run: jobs that start from a commit, whose results are pushed to root."""

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


def combinations(overrides: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the Cartesian product of the values, the first one slowest, as `dvc exp run --queue -S` does.

    Of two overrides of the same key the later one counts, as in Hydra.
    """
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import ValueType
    from hydra.errors import HydraException

    wrong: list[str] = []
    read: list[Override] = []
    for text in overrides:
        try:
            override = OverridesParser.create().parse_override(text)
        except HydraException:
            wrong.append(f"-S {text}: cannot be read; put quotes around values other than words and numbers")
            continue
        if override.value_type is ValueType.INTERVAL_SWEEP:
            wrong.append(f"-S {text}: a sweep needs a list of values, not an interval; see `cairn search`")
        elif override.value_type is ValueType.GLOB_CHOICE_SWEEP:
            wrong.append(f"-S {text}: a sweep needs a list of values, not a pattern: key=a,b")
        read.append(override)
    if wrong:
        raise UserError("\n".join(wrong))
    # Hydra's sweeper makes `~key=null` of `~key`, which deletes a key only where it holds null.
    deletions = tuple(text for text, override in zip(overrides, read, strict=True) if _deletes(override))
    others = [override for override in read if not _deletes(override)]
    return [(*product, *deletions) for product in BasicSweeper.split_arguments(others, None)[0]]


def check_combinations(root: Path, revision: str, listed: Sequence[tuple[str, ...]]) -> list[Combination]:
    """Compose every combination with the conf/ of a commit, or raise UserError with a line for each error."""
    wrong: list[str] = []
    valid: list[Combination] = []
    with _files_of(root, revision) as checkout:
        conf = checkout / "conf"
        wrong += traps(conf)
        for overrides in tqdm(listed, desc="check", unit="combination", delay=1, disable=None, leave=False):
            try:
                composed = compose(conf, overrides)
                config = read_config(composed.values, checkout, Origin(conf, composed, "-S {}").of)
            except UserError as error:
                wrong += [f"{message_of(overrides)}: {line}" for line in str(error).splitlines()]
            else:
                valid.append(Combination(overrides, config, params_file.digest(composed.values)))
    if wrong:
        raise UserError("\n".join(dict.fromkeys(wrong)))
    return valid


def without_repeats(listed: Sequence[Combination]) -> tuple[list[Combination], list[str]]:
    """Return the combinations without those equal to an earlier one, and a line for each of these."""
    first: dict[str, Combination] = {}
    dropped = []
    for combination in listed:
        same = first.setdefault(combination.digest, combination)
        if same is not combination:
            repeat, before = message_of(combination.overrides), message_of(same.overrides)
            dropped.append(f"{repeat}: the same settings as {before}; runs once")
    return list(first.values()), dropped


def _deletes(override: "Override") -> bool:
    return override.is_delete() and "=" not in (override.input_line or "")


@contextmanager
def _files_of(root: Path, revision: str) -> Generator[Path]:
    if not git(root, "ls-tree", revision, "conf"):
        raise UserError(f"commit {revision[:10]} has no conf/")
    command = ["git", "archive", "--format=zip", revision]
    packed = subprocess.run(command, cwd=root, capture_output=True, check=True)
    with TemporaryDirectory() as folder, zipfile.ZipFile(io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder)
        yield Path(folder)


def job_of(combination: Combination, sweep: str, revision: str) -> Job:
    """Return the job of a combination; its name follows from the sweep, the commit and the settings.

    So the same command finds what it has run, and other overrides under the same name add to it.
    """
    digest = hashlib.sha256(f"{revision} {combination.digest}".encode()).hexdigest()[:7]
    return Job(f"{pool.checked(sweep)}-{digest}", combination.overrides)


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
    """Raise UserError if an experiment of a job's name exists with other settings."""
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
    """Run jobs as DVC experiments in worker clones; return how each ended, in the order given.

    Experiments start from the commit `revision`; those that exist are not run again. The repository's
    workspace, branch, index and stash stay as they are; it gains a ref for each experiment. threads and gpus
    are those of each worker.
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

    `python src/cairn sweep --worker FOLDER` is all that an engine has to start.
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
    sign = -1 if metric and not metric.greater_is_better else 1
    return max((name for name in scores if key in scores[name]), key=lambda name: sign * scores[name][key])


def _progress(plan: SweepPlan, jobs: Sequence[Job]) -> Iterator[pool.Progress]:
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
