"""Real servers on loopback, in temporary folders, on free ports; they end with the tests."""

import socket
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path


def free_ports(count: int) -> list[int]:
    """Find ports that are free on loopback now, all different."""
    sockets = [socket.socket() for _ in range(count)]
    for found in sockets:
        found.bind(("127.0.0.1", 0))
    ports = [found.getsockname()[1] for found in sockets]
    for found in sockets:
        found.close()
    return ports


def wait_until(true: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for something to become true; fail when it does not."""
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit, f"still not true after {seconds} s"
        time.sleep(0.1)


def ended(workers, seconds: float = 60.0) -> list[int]:
    """Wait until all workers have ended; return their exit codes."""
    wait_until(lambda: None not in workers.poll(), seconds)
    return workers.poll()


@contextmanager
def daemon(command: list[str], log: Path) -> Generator[subprocess.Popen]:
    """Run a program in the foreground for as long as the block lasts."""
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
