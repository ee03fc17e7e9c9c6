"""Start workers on this machine, on SLURM (by submitit) or on a running Ray cluster (RAY_ADDRESS).

A worker is a command line that finds by itself what is left to do and can be started again at any time. So
an engine gets nothing but the command line, and one machine and a hundred differ in its name only.

Partition, time, memory and account of SLURM are set by the variables that sbatch reads, such as
SBATCH_PARTITION and SBATCH_TIMELIMIT; they take precedence over what is set here.
"""

import io
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import redirect_stderr, suppress
from pathlib import Path
from typing import Any

from cairn.errors import UserError
from cairn.experiments.pool import Workers
from cairn.experiments.ray_cluster import connected, cpus_of_nodes

GRACE_SECONDS = 5.0
CANCEL_SECONDS = 10.0
QUEUE_SECONDS = 2.0
FILE_SYSTEM_SECONDS = 15.0


def crew_size(asked: int | None, engine: str, threads: int) -> int:
    """Return how many workers to start: as many as asked, or as there are cores for the threads of each.

    Prints a warning if they need more cores than this machine has.
    """
    from joblib import cpu_count

    cores = cpu_count()
    if asked is None and engine != "local":
        raise UserError(f"--on {engine} needs --workers N; each worker uses {threads} cores (threads)")
    workers = asked or max(1, cores // threads)
    if engine == "local" and workers * threads > cores:
        print(
            f"{workers} workers of {threads} threads on {cores} cores: each will be slower"
            " (threads affects results, so it is not reduced)"
        )
    return workers


def start(
    engine: str, commands: Sequence[Sequence[str]], *, folder: Path, threads: int, gpus: int = 0
) -> Workers:
    """Start one worker for each command line, in the current folder and with the current environment.

    Call `cancel()` in a `finally`: workers do not see the Ctrl-C of the driver's terminal. After kill -9 of
    the driver, workers on this machine and on SLURM keep running; Ray ends them.

    Args:
        engine: local, slurm or ray.
        commands: programs with their arguments. On a cluster the current folder and the programs must lie on
            a file system that all nodes share.
        folder: made if missing; takes the output of worker k as `worker-k.log`, appended to what is there.
        threads: CPU cores that SLURM or Ray sets aside for each worker.
        gpus: the same for GPUs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    logs = [(folder / f"worker-{k}.log").resolve() for k in range(len(commands))]
    if engine == "local":
        return LocalWorkers(commands, logs)
    if engine == "slurm":
        return SlurmWorkers(commands, logs, threads, gpus)
    return RayWorkers(commands, logs, threads, gpus)


class LocalWorkers:
    """One process group for each worker, so that ending a worker ends what it has started as well."""

    def __init__(self, commands: Sequence[Sequence[str]], logs: Sequence[Path]) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []
        try:
            for command, log in zip(commands, logs, strict=True):
                with log.open("ab") as output:
                    self._processes.append(
                        subprocess.Popen(
                            command,
                            stdin=subprocess.DEVNULL,
                            stdout=output,
                            stderr=subprocess.STDOUT,
                            start_new_session=True,
                        )
                    )
        except BaseException:
            self.cancel()
            raise

    def poll(self) -> list[int | None]:
        """See cairn.experiments.pool.Workers."""
        return [process.poll() for process in self._processes]

    def cancel(self) -> None:
        """See cairn.experiments.pool.Workers; SIGKILL follows SIGTERM after 5 s."""
        running = [process for process in self._processes if process.poll() is None]
        for process in running:
            _signal(process, signal.SIGTERM)
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS)
            _signal(process, signal.SIGKILL)
            process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send to the whole group, which may be gone."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


class _Cluster:
    """Workers on a cluster: exit codes that stay once they are known."""

    _codes: list[int | None]

    def poll(self) -> list[int | None]:
        """See cairn.experiments.pool.Workers."""
        raise NotImplementedError

    def cancel(self) -> None:
        """See cairn.experiments.pool.Workers."""
        running = [k for k, code in enumerate(self.poll()) if code is None]
        if running:
            self._end(running)
        self._codes = [-signal.SIGTERM if code is None else code for code in self._codes]

    def _end(self, running: list[int]) -> None:
        raise NotImplementedError


class RayWorkers(_Cluster):
    """One Ray task for each worker; if its node fails, the task starts again on another."""

    def __init__(
        self, commands: Sequence[Sequence[str]], logs: Sequence[Path], threads: int, gpus: int
    ) -> None:
        environment, folder = dict(os.environ), str(Path.cwd())
        ray = connected()
        largest = max(cpus_of_nodes(ray), default=0)
        if threads > largest:
            raise UserError(
                f"--on ray: a worker needs {threads} CPUs (threads) and the largest node has {largest:g}:"
                " add a larger node, or set threads in conf/config.yaml"
            )
        self._ray = ray
        task = ray.remote(num_cpus=threads, num_gpus=gpus, max_retries=-1)(_ray_runner())
        self._tasks: list[Any] = [
            task.remote(list(command), str(log), folder, environment)
            for command, log in zip(commands, logs, strict=True)
        ]
        self._codes: list[int | None] = [None] * len(self._tasks)

    def poll(self) -> list[int | None]:
        """See cairn.experiments.pool.Workers."""
        for k, task in enumerate(self._tasks):
            if self._codes[k] is None and self._ray.wait([task], timeout=0)[0]:
                self._codes[k] = self._code(task)
        return list(self._codes)

    def _end(self, running: list[int]) -> None:
        tasks = [self._tasks[k] for k in running]
        for task in tasks:
            self._ray.cancel(task)
        self._ray.wait(tasks, num_returns=len(tasks), timeout=CANCEL_SECONDS)

    def _code(self, task: Any) -> int:
        from ray.exceptions import RayError

        try:
            return self._ray.get(task)
        except RayError:
            return 1


def _ray_runner() -> Any:
    """Return what a task runs; a nested function is pickled whole, so that nodes need not import cairn."""

    def run(command: list[str], log: str, folder: str, environment: dict[str, str]) -> int:
        # Ray cancels by SIGINT, which a cluster that a script started in the background ignores.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        devices = {k: v for k, v in os.environ.items() if k.endswith("_VISIBLE_DEVICES")}
        process = None
        try:
            with Path(log).open("ab") as output:
                process = subprocess.Popen(
                    command, cwd=folder, env=environment | devices, start_new_session=True,
                    stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                )  # fmt: skip
            # Ray cancels by an exception that cannot interrupt a longer wait.
            while process.poll() is None:
                time.sleep(0.2)
            return process.returncode
        finally:
            if process is not None and process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)

    return run


class SlurmWorkers(_Cluster):
    """One job array with a task for each worker; it is queued again if preempted or if its node fails."""

    def __init__(
        self, commands: Sequence[Sequence[str]], logs: Sequence[Path], threads: int, gpus: int
    ) -> None:
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
        run = _slurm_runner()
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
        for k, job in enumerate(self._jobs):
            if self._codes[k] is None and job.paths.result_pickle.exists():
                self._codes[k] = 1 if job.exception() else job.result()
        if None in self._codes and time.monotonic() - self._looked >= QUEUE_SECONDS:
            self._look_for_lost()
            self._looked = time.monotonic()
        return list(self._codes)

    def _end(self, running: list[int]) -> None:
        subprocess.run(["scancel", "--quiet", *(self._jobs[k].job_id for k in running)], check=False)

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


def _slurm_runner() -> Any:
    """Return what a job runs; nested for the same reason."""

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
