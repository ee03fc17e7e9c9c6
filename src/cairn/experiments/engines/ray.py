"""Workers as tasks of a running Ray cluster, whose address is in RAY_ADDRESS, as everywhere in Ray."""

import logging
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cairn.errors import UserError

CONNECT_SECONDS = 5.0
CANCEL_SECONDS = 10.0


class RayWorkers:
    """One Ray task for each worker; if its node fails, the task starts again on another."""

    def __init__(
        self, commands: Sequence[Sequence[str]], logs: Sequence[Path], threads: int, gpus: int
    ) -> None:
        """Connect and submit.

        Raises:
            UserError: Ray is not installed, no cluster answers, or no node is large enough.
        """
        environment, folder = dict(os.environ), str(Path.cwd())
        # Ray reads it when it is imported.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError as error:
            raise UserError("--on ray needs the `ray` extra: run `make scale`") from error
        if not ray.is_initialized():
            try:
                _reach(os.environ.get("RAY_ADDRESS", ""))
                ray.init(address="auto", logging_level=logging.ERROR, log_to_driver=False)
            except (OSError, ValueError, RuntimeError) as error:
                raise UserError(
                    "--on ray: no cluster answers: set RAY_ADDRESS=HOST:PORT, or run `ray start --head` here"
                ) from error
        largest = max((node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]), default=0)
        if threads > largest:
            raise UserError(
                f"--on ray: a worker needs {threads} CPUs (threads) and the largest node has {largest:g}:"
                " add a larger node, or set threads in conf/config.yaml"
            )
        self._ray = ray
        task = ray.remote(num_cpus=threads, num_gpus=gpus, max_retries=-1)(_runner())
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

    def cancel(self) -> None:
        """See cairn.experiments.pool.Workers."""
        running = [task for task, code in zip(self._tasks, self.poll(), strict=True) if code is None]
        for task in running:
            self._ray.cancel(task)
        if running:
            self._ray.wait(running, num_returns=len(running), timeout=CANCEL_SECONDS)
        self._codes = [-signal.SIGTERM if code is None else code for code in self._codes]

    def _code(self, task: Any) -> int:
        from ray.exceptions import RayError

        try:
            return self._ray.get(task)
        except RayError:
            return 1


def _reach(address: str) -> None:
    """Raise OSError if nothing listens there: Ray itself tries for two minutes and then ends the process."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()


def _runner() -> Any:
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
