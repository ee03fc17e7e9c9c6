"""The running Ray cluster that RAY_ADDRESS names."""

import logging
import os
import socket
from typing import Any

from cairn.errors import UserError

CONNECT_SECONDS = 5.0


def connected() -> Any:
    """Connect this process to the cluster, if it is not connected yet; return the module ray.

    Raises:
        UserError: Ray is not installed, or no cluster answers.
    """
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
    return ray


def cpus_of_nodes(ray: Any) -> list[float]:
    """Return the CPUs of each node that is alive."""
    return [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]


def _reach(address: str) -> None:
    """Raise OSError if nothing listens there: Ray itself tries for two minutes and then ends the process."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
