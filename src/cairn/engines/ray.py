"""Workers as tasks of a Ray cluster that is already up; RAY_ADDRESS says where, as everywhere in Ray."""

import logging
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cairn.config.base import ConfigError


class RayWorkers:
    """One Ray task for each worker, each on as many CPUs as it has threads."""

    def __init__(self, commands: Sequence[Sequence[str]], logs: Sequence[Path], threads: int) -> None:
        """Connect and submit.

        Raises:
            ConfigError: Ray is not installed, or no cluster answers.
        """
        # Ray reads it when it is imported.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError as error:
            raise ConfigError("ray needs ray: make scale") from error
        try:
            ray.init(address="auto", logging_level=logging.ERROR, log_to_driver=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise ConfigError("ray: no cluster: `ray start --head`, or set RAY_ADDRESS") from error
        self._ray = ray
        task = ray.remote(num_cpus=threads, max_retries=-1)(_runner())
        environment, folder = dict(os.environ), str(Path.cwd())
        self._tasks: list[Any] = [
            task.remote(list(command), str(log), folder, environment)
            for command, log in zip(commands, logs, strict=True)
        ]
        self._codes: list[int | None] = [None] * len(self._tasks)

    def poll(self) -> list[int | None]:
        """See cairn.engines.start.Workers."""
        for k, task in enumerate(self._tasks):
            if self._codes[k] is None and self._ray.wait([task], timeout=0)[0]:
                self._codes[k] = self._code(task)
        return list(self._codes)

    def cancel(self) -> None:
        """See cairn.engines.start.Workers."""
        running = [task for task, code in zip(self._tasks, self.poll(), strict=True) if code is None]
        for task in running:
            self._ray.cancel(task)
        if running:
            self._ray.wait(running, num_returns=len(running), timeout=10)
        self._codes = [-signal.SIGTERM if code is None else code for code in self._codes]

    def _code(self, task: Any) -> int:
        from ray.exceptions import RayError

        try:
            return self._ray.get(task)
        except RayError:
            return 1


def _runner() -> Any:
    """Return what a task runs. A nested function travels whole, so that nodes import nothing of ours."""

    def run(command: list[str], log: str, folder: str, environment: dict[str, str]) -> int:
        # What Ray says about this node (its name, its GPUs) outranks what the driver's machine says.
        here = {name: value for name, value in os.environ.items() if name.startswith(("RAY_", "CUDA_"))}
        with open(log, "ab") as output:  # noqa: PTH123
            process = subprocess.Popen(
                command, cwd=folder, env=environment | here, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        try:
            return process.wait()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)

    return run
