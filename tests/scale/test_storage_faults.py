"""Servers that fail, disks that are full, processes that are killed: never silent, and nothing is lost."""

import contextlib
import http.client
import http.server
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from storage_faults import FILES, contents, is_right
from storage_servers import SERVERS
from toy_storage import Toy, damage

from cairn.errors import UserError
from cairn.storage import transfer
from cairn.storage.transfer import check, open_storage, pull, push
from cairn.storage.verify import lost

pytestmark = pytest.mark.scale
QUIET = {"timeout": 120, "progress": lambda count: None}
MANY = 400


@dataclass
class Proxy:
    """Stands before a server, and fails as it is told."""

    address: str
    fault: str = ""


@pytest.fixture
def proxy(tmp_path) -> Iterator[tuple[Proxy, dict[str, str]]]:
    """A WebDAV server behind a proxy, and the options of a remote there."""
    (tmp_path / "server").mkdir()
    with SERVERS["webdav"](tmp_path / "server") as served:
        behind = urlsplit(served.url).netloc
        found = Proxy("")

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *words: object) -> None:
                pass

            def forward(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length) if length else None
                if "chunked" in self.headers.get("Transfer-Encoding", ""):
                    body = b"".join(iter(self.chunk, b""))
                is_object = self.command == "GET" and "/files/md5/" in self.path
                if found.fault == "stalls":
                    time.sleep(60)
                    return
                if found.fault == "500" or (found.fault == "500 for PUT" and self.command == "PUT"):
                    self.answer(500, {}, b"")
                    return
                kept = {
                    k: v for k, v in self.headers.items() if k.lower() not in ("transfer-encoding", "host")
                }
                connection = http.client.HTTPConnection(behind)
                connection.request(self.command, self.path, body, kept | {"Host": behind})
                said = connection.getresponse()
                content = said.read()
                if is_object and content and found.fault == "wrong bytes":
                    content = bytes([content[0] ^ 1]) + content[1:]
                if is_object and found.fault == "half":
                    content = content[: len(content) // 2]
                headers = {
                    k: v for k, v in said.getheaders() if k.lower() not in ("content-length", "connection")
                }
                self.answer(said.status, headers, content, said.getheader("Content-Length"))

            def chunk(self) -> bytes:
                content = self.rfile.read(int(self.rfile.readline(), 16))
                self.rfile.readline()
                return content

            def answer(self, status: int, headers: dict[str, str], content: bytes, length: str | None = None):
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() != "transfer-encoding":
                        self.send_header(name, value)
                declared = length if self.command == "HEAD" and length else str(len(content))
                self.send_header("Content-Length", declared)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

        for method in ("GET", "HEAD", "PUT", "DELETE", "PROPFIND", "MKCOL", "MOVE", "OPTIONS", "COPY"):
            setattr(Handler, f"do_{method}", Handler.forward)
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            found.address = f"127.0.0.1:{server.server_port}"
            assert served.folder is not None
            served.folder.mkdir(parents=True)
            url = served.url.replace(behind, found.address)
            yield found, {"url": url, **served.options, **served.secrets}
            server.shutdown()


@pytest.fixture
def behind(toy_storage, proxy, monkeypatch) -> tuple[Toy, Proxy]:
    """The repository with the server as its remote, pushed through the proxy."""
    found, options = proxy
    for name, value in options.items():
        toy_storage.checkout.dvc("remote", "modify", "--local", "store", name, value)
    push(toy_storage.open(), all_commits=False, **QUIET)
    monkeypatch.setattr(transfer, "PATIENCE", 8)
    return toy_storage, found


@pytest.mark.parametrize("fault", ["500", "stalls", "wrong bytes", "half"])
def test_pull_from_a_server_that_fails_takes_nothing_wrong_and_continues_when_it_works(behind, fault):
    toy, found = behind
    root = toy.checkout.path
    before = contents(root)
    shutil.rmtree(root / ".dvc/cache")
    for name in FILES:
        (root / name).unlink()
    found.fault = fault
    with contextlib.suppress(UserError):
        (cache,) = pull(toy.open(), **QUIET)
        assert cache.bad  # an exit code that is not 0
    assert contents(root).items() <= before.items()
    found.fault = ""
    (cache,) = pull(toy.open(), **QUIET)
    assert not cache.bad and contents(root) == before


@pytest.mark.parametrize("fault", ["500", "500 for PUT", "stalls"])
def test_push_to_a_server_that_fails_is_one_line_and_continues_when_it_works(behind, fault):
    toy, found = behind
    (toy.checkout.path / "data/new.csv").write_text("a\n1\n", encoding="utf-8")
    toy.checkout.dvc("add", "--quiet", "data/new.csv")
    found.fault = fault
    with pytest.raises(UserError) as error:
        push(toy.open(), all_commits=False, **QUIET)
    assert "\n" not in str(error.value) and "store" in str(error.value)
    found.fault = ""
    _, remote = push(toy.open(), all_commits=False, **QUIET)
    assert not remote.bad and remote.by_size == 7
    _, deep = check(toy.open(), deep=True)
    assert not deep.damages


@contextlib.contextmanager
def tiny_disk(folder: Path, size: str) -> Iterator[None]:
    """Mount a disk of this size on a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def grow(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=4m", folder], check=True)


def test_a_full_disk_of_the_remote_is_one_line_and_the_push_continues_on_a_larger_one(toy_storage):
    store = toy_storage.checkout.path.parent / "store"
    shutil.rmtree(store)
    with tiny_disk(store, "8k"):
        with pytest.raises(UserError, match="space") as error:
            push(toy_storage.open(), all_commits=False, **QUIET)
        assert "\n" not in str(error.value)
        assert all(is_right(f) for f in (store / "files").rglob("*") if f.is_file() and f.suffix != ".tmp")
        grow(store)
        _, remote = push(toy_storage.open(), all_commits=False, **QUIET)
        assert not remote.bad and remote.objects == 6


def test_a_full_disk_of_the_cache_is_told_and_the_pull_continues_on_a_larger_one(toy_storage):
    root = toy_storage.checkout.path
    before = contents(root)
    clone = toy_storage.checkout.clone(root.parent / "clone", share_cache=False)
    with tiny_disk(clone.path / ".dvc/cache", "8k"):
        storage = open_storage(clone.path, None, all_commits=False)
        with contextlib.suppress(UserError):
            (cache,) = pull(storage, **QUIET)
            assert cache.bad
        assert contents(clone.path).items() <= before.items()
        grow(clone.path / ".dvc/cache")
        (cache,) = pull(open_storage(clone.path, None, all_commits=False), **QUIET)
        assert not cache.bad and contents(clone.path) == before


@pytest.mark.parametrize("command", ["push", "pull", "verify"])
def test_a_damaged_cache_that_cannot_be_written_is_one_line(toy_storage, command):
    cache = toy_storage.checkout.path / ".dvc/cache"
    toy_storage.cairn("verify")
    damage(toy_storage.file("cache", "file"), "flipped")
    subprocess.run(["mount", "--bind", cache, cache], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", cache], check=True)
    try:
        words = [command, "--repair"] if command == "verify" else [command]
        said = toy_storage.cairn(*words, fails=True).strip().splitlines()
    finally:
        subprocess.run(["umount", "--lazy", cache], check=True)
    assert said[-1].startswith(f"cairn {command}: the cache does not work: "), said
    assert "Traceback" not in "".join(said)
    assert is_right(toy_storage.file("remote", "file"))
    pull(toy_storage.open(), **QUIET)
    assert is_right(toy_storage.file("cache", "file"))


@pytest.fixture
def many(toy_storage) -> Toy:
    """The repository with a folder of many files, which the remote does not have yet."""
    folder = toy_storage.checkout.path / "data/many"
    folder.mkdir()
    for number in range(MANY):
        (folder / f"{number}.bin").write_bytes(str(number).encode() * 5000)
    toy_storage.checkout.dvc("add", "--quiet", "data/many")
    toy_storage.checkout.git("add", "--all")
    toy_storage.checkout.git("commit", "--quiet", "--message=many")
    toy_storage.cairn("verify", "--cache")
    return toy_storage


def started(root: Path, *words: str) -> subprocess.Popen:
    """Start a command of Cairn, or DVC's, in a group of its own."""
    command = ["dvc", *words[1:]] if words[0] == "dvc" else [sys.executable, "src/cairn", *words]
    return subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def killed_at(root: Path, word: str, store: Path, count: int) -> None:
    """Kill a command and what it started as soon as a store has so many objects, and before it has all.

    The transfer takes half a second: where it ends before the kill, the store is emptied and the command
    runs again.
    """
    for _ in range(20):
        process = started(root, word)
        wait_for_files(store, count, process)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() in (0, -signal.SIGKILL)
        if all_right(store) < MANY + 7:
            return
        shutil.rmtree(store / "files")
    pytest.fail(f"cairn {word} was always faster than its kill")


def wait_for_files(store: Path, count: int, process: subprocess.Popen) -> None:
    """Look all the time whether a store has so many files, or the command has ended."""
    end = time.monotonic() + 60
    while sum(1 for file in store.rglob("*") if file.is_file()) < count and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.002)


def all_right(store: Path) -> int:
    """Return how many objects a store has; fail where one is not right."""
    files = [f for f in (store / "files/md5").rglob("*") if f.is_file() and f.suffix != ".tmp"]
    assert [f for f in files if not is_right(f)] == []
    return len(files)


@pytest.mark.parametrize("count", [7, 150])
def test_a_killed_push_leaves_nothing_wrong_and_continues(many, count):
    root = many.checkout.path
    killed_at(root, "push", root.parent / "store", count)
    _, remote = push(many.open(), all_commits=False, **QUIET)
    assert not remote.bad and all_right(root.parent / "store") == MANY + 7


@pytest.mark.parametrize("count", [1, 150])
def test_a_killed_pull_leaves_nothing_wrong_and_continues(many, count):
    root = many.checkout.path
    push(many.open(), all_commits=False, **QUIET)
    clone = many.checkout.clone(root.parent / "clone", share_cache=False)
    shutil.copytree(root / "src", clone.path / "src")
    (clone.path / ".dvc/cache").mkdir()
    killed_at(clone.path, "pull", clone.path / ".dvc/cache", count)
    (cache,) = pull(open_storage(clone.path, None, all_commits=False), **QUIET)
    assert not cache.bad and contents(clone.path) == contents(root)
    assert len(list((clone.path / "data/many").iterdir())) == MANY


@pytest.mark.parametrize(
    "other", [("push",), ("dvc", "push"), ("dvc", "gc", "--workspace", "--force"), ("verify", "--repair")]
)
def test_a_push_beside_another_command_harms_nothing(many, other):
    root = many.checkout.path
    both = [started(root, "push"), started(root, *other)]
    for process in both:
        said, _ = process.communicate(timeout=120)
        assert "Traceback" not in said
        assert process.returncode == 0 or "lock" in said or "running" in said or "missing" in said, said
    assert contents(root)
    _, remote = push(many.open(), all_commits=False, **QUIET)
    assert not remote.bad
    assert all_right(root.parent / "store") == all_right(root / ".dvc/cache") == MANY + 7


def test_a_server_killed_in_a_push_loses_nothing(many, tmp_path):
    (tmp_path / "server").mkdir()
    with SERVERS["webdav"](tmp_path / "server") as served:
        assert served.folder is not None
        served.folder.mkdir(parents=True)
        checkout = many.checkout
        for name, value in {"url": served.url, **served.options, **served.secrets}.items():
            checkout.dvc("remote", "modify", "--local", "store", name, value)
        process = started(checkout.path, "push", "--timeout", "60")
        wait_for_files(served.folder, 60, process)
        served.process.kill()
        served.process.wait()
        said, _ = process.communicate(timeout=200)
        assert process.returncode == 1 and said.strip().splitlines()[-1].startswith("cairn push: "), said
        served.again()
        _, remote = push(many.open(), all_commits=False, **QUIET)
        assert not remote.bad
        _, deep = check(many.open(), deep=True)
        assert deep.damages == [] and deep.objects == MANY + 7


def test_credentials_that_are_no_longer_valid_are_one_line_and_the_push_continues_with_new_ones(
    toy_storage, tmp_path
):
    with SERVERS["ssh"](tmp_path) as served:
        checkout = toy_storage.checkout
        for name, value in {"url": served.url, **served.options}.items():
            checkout.dvc("remote", "modify", "--local", "store", name, value)
        push(toy_storage.open(), all_commits=False, **QUIET)
        (checkout.path / "data/new.csv").write_text("a\n1\n", encoding="utf-8")
        checkout.dvc("add", "--quiet", "data/new.csv")
        key = tmp_path / "user.pub"
        key.rename(tmp_path / "taken.pub")
        for command in ("push", "pull", "verify"):
            (said,) = toy_storage.cairn(command, fails=True).strip().splitlines()
            assert said.startswith(f"cairn {command}: remote 'store' does not work: Permission"), said
        (tmp_path / "taken.pub").rename(key)
        _, remote = push(toy_storage.open(), all_commits=False, **QUIET)
        assert not remote.bad and remote.objects == 7


def test_of_two_repros_at_once_one_may_have_to_wait_and_neither_does_harm(toy_storage):
    root = toy_storage.checkout.path
    table = root / "data/table.csv"
    table.chmod(0o644)
    table.write_text("a,b\n" + "1,5\n" * 50_000, encoding="utf-8")
    both = [started(root, "dvc", "repro") for _ in range(2)]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert 0 in [process.returncode for process in both]
    assert all(one.returncode == 0 or "lock" in text for one, text in zip(both, said, strict=True)), said
    assert "up to date" in toy_storage.checkout.dvc("repro")
    assert (root / "data/edited.csv").read_text(encoding="utf-8") == "a,b\n" + "2,5\n" * 50_000
    (cache,) = check(open_storage(root, None, all_commits=False, offline=True))
    assert not cache.bad


def test_what_no_store_has_is_lost_and_named(toy_storage):
    for where in ("cache", "remote"):
        damage(toy_storage.file(where, "file"), "truncated")
    (toy_storage.checkout.path / "data/table.csv").unlink()
    (cache,) = pull(toy_storage.open(), **QUIET)
    assert [one.path for one in lost([cache])] == ["data/table.csv"]
