"""Workers as processes of this machine."""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

GRACE_SECONDS = 5.0


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
        """See cairn.experiments.pool.Workers; who does not heed SIGTERM within 5 s gets SIGKILL."""
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
