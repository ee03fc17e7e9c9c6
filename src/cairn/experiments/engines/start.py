"""Start workers on this machine, on SLURM or on Ray.

A worker is a command line that finds by itself what is left to do and can be started again at any time. So
an engine gets nothing but the command line, and one machine and a hundred differ in its name only.
"""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cairn.errors import UserError, did_you_mean
from cairn.experiments.pool import Workers

ENGINES = ("local", "slurm", "ray")
GRACE_SECONDS = 5.0


def crew_size(asked: int | None, engine: str, threads: int) -> int:
    """Return how many workers to start; print a warning if they need more cores than this machine has.

    Args:
        asked: how many, or None: as many as there are cores for their threads.
        engine: one of ENGINES.
        threads: of each worker.

    Raises:
        UserError: less than one, or None for a cluster.
    """
    from joblib import cpu_count

    cores = cpu_count()
    if asked is None and engine != "local":
        raise UserError(f"--on {engine} needs --workers N; each worker uses {threads} cores (threads)")
    if asked is not None and asked < 1:
        raise UserError(f"--workers {asked}: at least 1")
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
        engine: one of ENGINES.
        commands: programs with their arguments. On a cluster the current folder and the programs must lie on
            a file system that all nodes share.
        folder: made if missing; takes the output of worker k as `worker-k.log`, appended to what is there.
        threads: CPU cores that SLURM or Ray sets aside for each worker.
        gpus: GPUs that SLURM or Ray sets aside for each worker.

    Raises:
        UserError: no such engine, its library is not installed, or there is no cluster.
    """
    folder.mkdir(parents=True, exist_ok=True)
    logs = [(folder / f"worker-{k}.log").resolve() for k in range(len(commands))]
    if engine == "local":
        return LocalWorkers(commands, logs)
    if engine == "slurm":
        from cairn.experiments.engines.slurm import SlurmWorkers

        return SlurmWorkers(commands, logs, threads, gpus)
    if engine == "ray":
        from cairn.experiments.engines.ray import RayWorkers

        return RayWorkers(commands, logs, threads, gpus)
    raise UserError(f"no engine '{engine}'{did_you_mean(engine, ENGINES)} ({', '.join(ENGINES)})")


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
