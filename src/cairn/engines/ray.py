"""Workers as jobs of a Ray cluster."""

from collections.abc import Sequence
from pathlib import Path

from cairn.config.base import ConfigError


class RayWorkers:
    """One task of Ray for each worker."""

    def __init__(self, commands: Sequence[Sequence[str]], logs: Sequence[Path], threads: int) -> None:
        try:
            import ray
        except ImportError as error:
            raise ConfigError("ray needs ray: make scale") from error

    def poll(self) -> list[int | None]:
        """See cairn.engines.start.Workers."""
        return []

    def cancel(self) -> None:
        """See cairn.engines.start.Workers."""
