"""Workers as jobs of a SLURM cluster, submitted by submitit."""

from collections.abc import Sequence
from pathlib import Path

from cairn.config.base import ConfigError


class SlurmWorkers:
    """One job array with a task for each worker."""

    def __init__(self, commands: Sequence[Sequence[str]], logs: Sequence[Path], threads: int) -> None:
        try:
            import submitit
        except ImportError as error:
            raise ConfigError("slurm needs submitit: make scale") from error

    def poll(self) -> list[int | None]:
        """See cairn.engines.start.Workers."""
        return []

    def cancel(self) -> None:
        """See cairn.engines.start.Workers."""
