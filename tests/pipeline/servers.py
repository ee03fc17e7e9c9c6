"""Real servers on this machine alone: PostgreSQL, an S3 store, a web server."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SECONDS_TO_START = 60


def program(name: str) -> str:
    """Find a server's program; without it the test is skipped, or fails where all servers must be there."""
    places = [*Path("/usr/lib/postgresql").glob("*/bin"), Path(sys.executable).parent]
    found = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *map(str, places)]))
    if found is None:
        message = f"{name} is not installed: .ci/run says how"
        if os.environ.get("REQUIRE_SERVERS"):
            pytest.fail(message)
        pytest.skip(message)
    return found


def free_ports(count: int) -> list[int]:
    """Return ports of which each, and the one 10,000 above it, is free; SeaweedFS takes both."""
    found: list[int] = []
    for port in range(20000 + os.getpid() % 5000, 50000):
        with contextlib.ExitStack() as stack:
            try:
                for wanted in (port, port + 10000):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", wanted))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise OSError("no free ports")


def wait_until(ready, process: subprocess.Popen, what: str) -> None:
    """Ask until the server answers; fail with its words when it has ended or takes too long."""
    for _ in range(SECONDS_TO_START * 5):
        if process.poll() is not None:
            break
        with contextlib.suppress(Exception):
            ready()
            return
        time.sleep(0.2)
    raise AssertionError(f"{what} did not start")


@dataclass(frozen=True)
class Database:
    """A PostgreSQL server of the tests' own."""

    url: str

    def execute(self, *statements: str) -> None:
        """Run statements as its owner."""
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Database]:
    pytest.importorskip("psycopg", reason="psycopg is not installed: make scale")
    initdb, postgres = program("initdb"), program("postgres")
    # PostgreSQL does not run as root, and pytest's own folders are closed to anybody else.
    user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="cairn-postgresql-"))
    (folder / "password").write_text("s3cr3t", encoding="utf-8")
    if user:
        for path in (folder, folder / "password"):
            shutil.chown(path, "postgres", "postgres")
    (port,) = free_ports(1)
    options = ["--auth=scram-sha-256", "--username=ada", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
    subprocess.run(
        [initdb, f"--pgdata={folder / 'data'}", f"--pwfile={folder / 'password'}", *options],
        check=True, capture_output=True, cwd=folder, **user,
    )  # fmt: skip
    settings = [
        "listen_addresses=127.0.0.1",
        f"unix_socket_directories={folder}",
        f"port={port}",
        "fsync=off",
    ]
    server = subprocess.Popen(
        [postgres, "-D", str(folder / "data"), *(word for each in settings for word in ("-c", each))],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **user,
    )  # fmt: skip
    database = Database(f"postgresql://ada:s3cr3t@127.0.0.1:{port}/postgres")
    try:
        wait_until(lambda: database.execute("SELECT 1"), server, "PostgreSQL")
        yield database
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder)
