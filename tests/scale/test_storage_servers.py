"""Real servers: the history moves there and back, damage is found and mended, a stranger gets one line."""

import shutil

import pytest
from storage_servers import SERVERS, ssh

from cairn.storage.move import move, secrets_of
from cairn.storage.remote_config import Place
from cairn.storage.transfer import check, open_storage, pull

pytestmark = pytest.mark.scale
FILES = ("data/table.csv", "data/edited.csv", "data/parts/x.csv", "data/parts/y.csv", "data/parts/z.csv")
QUIET = {"timeout": 120, "progress": lambda count: None}
KEEPS_MD5 = ("azure", "gs", "ssh")
"""Stores that keep the MD5 of every object in the listing, or compute it."""


@pytest.fixture(scope="module", params=SERVERS)
def running(request, tmp_path_factory):
    with SERVERS[request.param](tmp_path_factory.mktemp(request.param)) as found:
        yield found


@pytest.fixture
def served(running, monkeypatch):
    for name, value in running.environment.items():
        monkeypatch.setenv(name, value)
    return running


def write(toy, served, oid, content):
    """Replace an object behind DVC's back: in the folder of the server, or through its own protocol."""
    if served.folder is not None:
        file = served.folder / f"files/md5/{oid[:2]}/{oid[2:]}"
        file.chmod(0o644)
        file.unlink() if content is None else file.write_bytes(content)
        return
    odb = toy.open().remote.odb
    path = odb.oid_to_path(oid)
    odb.fs.fs.rm_file(path) if content is None else odb.fs.fs.pipe_file(path, content)


def test_a_repository_moves_to_a_server_is_mended_there_and_moves_back(
    toy_storage, served, tmp_path, monkeypatch
):
    toy, checkout, kind = toy_storage, toy_storage.checkout, served.url.partition(":")[0]
    monkeypatch.chdir(checkout.path)
    before = {name: (checkout.path / name).read_bytes() for name in FILES}
    for name, value in served.secrets.items():
        monkeypatch.setenv(f"SECRET_{name}", value)
    secrets = secrets_of({name: f"SECRET_{name}" for name in served.secrets})
    place = Place("server", served.url, served.options, secrets)
    assert move(checkout.path, place, incomplete=False, **QUIET).lost == []
    checkout.git("add", "--all")
    held = checkout.git("diff", "--cached")
    assert "server" in held and not any(secret in held for secret in secrets.values())
    checkout.git("commit", "--quiet", "--message=moved")

    content = {target: toy.file("cache", target).read_bytes() for target in toy.oids}
    flipped = bytes([content["output"][0] ^ 1]) + content["output"][1:]
    write(toy, served, toy.oids["file"], content["file"][:-1])
    write(toy, served, toy.oids["output"], flipped)
    write(toy, served, toy.oids["member"], None)
    write(toy, served, toy.oids["listing"], b"")
    states = {"file": "truncated", "member": "missing", "listing": "empty"}
    _, found = check(toy.open())
    seen = states | ({"output": "flipped"} if kind in KEEPS_MD5 else {})
    assert {one.oid: one.state for one in found.damages} == {toy.oids[k]: state for k, state in seen.items()}
    assert (found.bytes == 0 and found.by_size == 0) == (kind in KEEPS_MD5)
    _, deep = check(toy.open(), deep=True)
    states |= {"output": "flipped"}
    assert {one.oid: one.state for one in deep.damages} == {toy.oids[k]: state for k, state in states.items()}
    _, mended = check(toy.open(), deep=True, with_repair=True)
    assert [one.outcome for one in mended.damages] == ["repaired"] * 4
    _, after = check(toy.open(), deep=True)
    assert (after.damages, after.objects) == ([], 6)

    clone = checkout.clone(tmp_path / "clone", share_cache=False)
    shutil.copy(checkout.path / ".dvc/config.local", clone.path / ".dvc/config.local")
    (cache,) = pull(open_storage(clone.path, None, all_commits=False), **QUIET)
    assert cache.damages == []
    assert {name: (clone.path / name).read_bytes() for name in FILES} == before

    shutil.rmtree(checkout.path.parent / "store")
    shutil.rmtree(checkout.path / ".dvc/cache")
    back = move(checkout.path, Place("store"), incomplete=False, **QUIET)
    assert (back.before, back.lost) == ("server", [])
    assert [verified.damages for verified in check(toy.open())] == [[], []]


@pytest.mark.parametrize("words", [("push",), ("pull",), ("verify",), ("remote", "other")])
def test_a_stranger_is_refused_in_one_line(toy_storage, served, words):
    checkout = toy_storage.checkout
    checkout.dvc("remote", "add", "--quiet", "other", served.url)
    for name, value in {**served.options, **served.secrets, **served.wrong}.items():
        checkout.dvc("remote", "modify", "--local", "other", name, value)
    config = checkout.read(".dvc/config")
    if words[0] != "remote":
        words = (*words, "--remote", "other")
    said = toy_storage.cairn(*words, fails=True).strip().splitlines()
    assert len(said) == 1 and said[0].startswith(f"cairn {words[0]}: ") and "other" in said[0], said
    assert not any(secret in said[0] for secret in served.secrets.values())
    assert checkout.read(".dvc/config") == config


def test_of_an_account_that_may_only_transfer_files_the_sizes_are_compared(toy_storage, tmp_path):
    with ssh(tmp_path, ForceCommand="internal-sftp") as served:
        toy_storage.checkout.dvc("remote", "add", "--quiet", "other", served.url)
        for name, value in served.options.items():
            toy_storage.checkout.dvc("remote", "modify", "--local", "other", name, value)
        toy_storage.checkout.dvc("push", "--quiet", "--remote", "other")
        storage = open_storage(toy_storage.checkout.path, "other", all_commits=False)
        _, found = check(storage)
        assert (found.damages, found.objects, found.by_size) == ([], 0, 6)
        _, deep = check(storage, deep=True)
        assert (deep.damages, deep.objects) == ([], 6)
