"""Workers as jobs of a SLURM cluster, submitted by submitit.

Partition, time, memory and account are set by the variables that sbatch reads, such as SBATCH_PARTITION and
SBATCH_TIMELIMIT; they take precedence over what is set here.
"""

import io
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from cairn.errors import UserError

QUEUE_SECONDS = 2.0
FILE_SYSTEM_SECONDS = 15.0


class SlurmWorkers:
    """One job array with a task for each worker; it is queued again if preempted or if its node fails."""

    def __init__(
        self, commands: Sequence[Sequence[str]], logs: Sequence[Path], threads: int, gpus: int
    ) -> None:
        """Submit the jobs.

        Raises:
            UserError: submitit is not installed, there is no SLURM, or it refuses the jobs.
        """
        try:
            import submitit
            from submitit.core.utils import FailedJobError, FailedSubmissionError
        except ImportError as error:
            raise UserError("--on slurm needs submitit: run `make scale`") from error
        if shutil.which("sbatch") is None:
            raise UserError(
                "--on slurm: no sbatch on the PATH: run this on a node from which jobs are submitted"
            )
        executor = submitit.SlurmExecutor(folder=logs[0].parent / "slurm")
        # submitit's own default would end every job after five minutes: None leaves it to the partition.
        executor.update_parameters(
            job_name="cairn",
            time=None,
            cpus_per_task=threads,
            gpus_per_node=gpus or None,
            use_srun=False,
            additional_parameters={"requeue": True},
        )
        run = _runner()
        errors = io.StringIO()
        try:
            with redirect_stderr(errors):
                self._jobs: list[Any] = executor.map_array(run, [list(c) for c in commands], map(str, logs))
        except (FailedJobError, FailedSubmissionError) as error:
            reason = (errors.getvalue() or str(error)).strip().splitlines()
            raise UserError(f"--on slurm: {reason[-1] if reason else 'sbatch failed'}") from error
        self._codes: list[int | None] = [None] * len(self._jobs)
        self._gone_since: dict[int, float] = {}
        self._looked = -QUEUE_SECONDS

    def poll(self) -> list[int | None]:
        """See cairn.experiments.pool.Workers; a job that SLURM ended itself counts as ended by SIGTERM."""
        self._collect()
        if None in self._codes and time.monotonic() - self._looked >= QUEUE_SECONDS:
            self._look_for_lost()
            self._looked = time.monotonic()
        return list(self._codes)

    def cancel(self) -> None:
        """See cairn.experiments.pool.Workers."""
        self._collect()
        ids = [job.job_id for job, code in zip(self._jobs, self._codes, strict=True) if code is None]
        if ids:
            subprocess.run(["scancel", "--quiet", *ids], check=False)
        self._codes = [-signal.SIGTERM if code is None else code for code in self._codes]

    def _collect(self) -> None:
        for k, job in enumerate(self._jobs):
            if self._codes[k] is None and job.paths.result_pickle.exists():
                self._codes[k] = 1 if job.exception() else job.result()

    def _look_for_lost(self) -> None:
        """Find jobs that left the queue without a result; its file may appear late on this node.

        submitit would ask sacct, which answers only where SLURM's accounting database is set up.
        """
        queue = subprocess.run(
            ["squeue", "--noheader", "--array", "--format=%i", "--me"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if queue.returncode != 0:
            return
        queued, now = set(queue.stdout.split()), time.monotonic()
        for k, job in enumerate(self._jobs):
            if self._codes[k] is not None or job.job_id in queued:
                self._gone_since.pop(k, None)
            elif now - self._gone_since.setdefault(k, now) > FILE_SYSTEM_SECONDS:
                self._codes[k] = -signal.SIGTERM


def _runner() -> Any:
    """Return what a job runs; a nested function is pickled whole, so that nodes need not import cairn."""

    def run(command: list[str], log: str) -> int:
        with Path(log).open("ab") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        ending = []

        def end(*_: object) -> None:
            ending.append(True)
            process.terminate()

        signal.signal(signal.SIGTERM, end)
        code = process.wait()
        if ending or code == -signal.SIGTERM:
            # SLURM ends the job: cancelled, out of time, or preempted. A preempted job runs again, so it
            # must not leave a result.
            os._exit(128 + signal.SIGTERM)
        return code

    return run
