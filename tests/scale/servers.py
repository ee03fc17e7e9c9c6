"""Real servers on loopback, in temporary folders, on free ports; they end with the block that needs them."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
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
def daemon(command: list[str], log: Path, user: str | None = None) -> Generator[subprocess.Popen]:
    """Run a program in the foreground for as long as the block lasts."""
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, user=user)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def postgresql() -> Generator[str]:
    """Run a PostgreSQL server; yield the URL of an empty database. The server refuses to run as root."""
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="postgresql"))
    if user is not None:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    (programs,) = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:]
    (port,) = free_ports(1)
    initdb = [str(programs / "initdb"), "--auth=trust", "--username=cairn", str(folder / "data")]
    subprocess.run(initdb, user=user, cwd=folder, check=True, capture_output=True)
    server = [str(programs / "postgres"), "-D", str(folder / "data"), "-k", str(folder), "-p", str(port)]
    ready = [str(programs / "pg_isready"), "--host=127.0.0.1", f"--port={port}"]
    with daemon(server, folder / "out", user=user):
        wait_until(lambda: subprocess.run(ready, capture_output=True, check=False).returncode == 0)
        yield f"postgresql+psycopg://cairn@127.0.0.1:{port}/postgres"
    shutil.rmtree(folder)
