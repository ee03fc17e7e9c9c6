"""Start command lines side by side: on this machine, on SLURM or on Ray, by one word.

Work for one machine and work for a hundred differ in this word only: a worker is a command line that finds
by itself what is left to do (in a study, in git) and can be started again at any time. What runs it is an
engine that exists already; nothing is sent to it but the command line.
"""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from cairn.errors import UserError

ENGINES = ("local", "slurm", "ray")


class Workers(Protocol):
    """Command lines under way, in the order in which they were given."""

    def poll(self) -> list[int | None]:
        """Return each worker's exit code (minus the signal that ended it), None while it runs or waits."""
        ...

    def cancel(self) -> None:
        """End the workers that still run or wait, with the processes they started; safe to call again."""
        ...


def crew_size(asked: int | None, engine: str, threads: int) -> int:
    """Return how many workers to start, and say so if they would crowd this machine.

    Args:
        asked: as many, or None: as many as there are cores for their threads.
        engine: one of ENGINES.
        threads: of each worker.

    Raises:
        UserError: less than one, or none is said for a cluster.
    """
    from joblib import cpu_count

    cores = cpu_count()
    if asked is None and engine != "local":
        raise UserError(f"--on {engine}: say how many --workers to start, each of threads={threads} cores")
    if asked is not None and asked < 1:
        raise UserError(f"--workers {asked}: at least 1")
    workers = asked or max(1, cores // threads)
    if engine == "local" and workers * threads > cores:
        print(
            f"{workers} workers of {threads} threads on {cores} cores: each will be slower;"
            " threads is part of the seed and stays as conf/ has it"
        )
    return workers


def start(
    engine: str, commands: Sequence[Sequence[str]], *, folder: Path, threads: int, gpus: int = 0
) -> Workers:
    """Start one worker for each command line, in the current folder and with the current environment.

    Call `cancel()` in a `finally`: workers do not see the Ctrl-C of the driver's terminal. After kill -9 of
    the driver, workers here and on SLURM go on to their end; Ray ends them.

    Args:
        engine: one of ENGINES.
        commands: programs with their arguments. On a cluster the current folder and the programs must lie on
            a file system that all nodes share.
        folder: made if missing; takes the output of worker k as `worker-k.log`, appended to what is there.
        threads: CPU cores that SLURM or Ray sets aside for each worker.
        gpus: GPUs likewise.

    Raises:
        UserError: no such engine, its library is not installed, or there is no cluster.
    """
    folder.mkdir(parents=True, exist_ok=True)
    logs = [(folder / f"worker-{k}.log").resolve() for k in range(len(commands))]
    if engine == "local":
        from cairn.experiments.engines.local import LocalWorkers

        return LocalWorkers(commands, logs)
    if engine == "slurm":
        from cairn.experiments.engines.slurm import SlurmWorkers

        return SlurmWorkers(commands, logs, threads, gpus)
    if engine == "ray":
        from cairn.experiments.engines.ray import RayWorkers

        return RayWorkers(commands, logs, threads, gpus)
    near = difflib.get_close_matches(engine, ENGINES, n=1)
    hint = f", did you mean {near[0]}?" if near else ""
    raise UserError(f"no engine '{engine}'{hint} ({', '.join(ENGINES)})")
