"""A real S3 server: damage is found from the listing alone and mended by a push; a move there and back."""

import shutil

import pytest
from toy_storage import damage

from cairn.errors import UserError
from cairn.storage.move import move, secrets_of
from cairn.storage.remote_config import Place
from cairn.storage.transfer import check, pull, push

pytestmark = pytest.mark.scale


def test_a_bucket_is_verified_without_a_download_and_mended(toy_storage, bucket, monkeypatch):
    for name, value in bucket.environment.items():
        monkeypatch.setenv(name, value)
    root = toy_storage.checkout.path
    toy_storage.checkout.replace(".dvc/config", "url = ../../store", f"url = {bucket.url}/storage")
    options = {"timeout": 120, "progress": lambda count: None}
    _, remote = push(toy_storage.open(), all_commits=False, **options)
    assert not remote.bad

    def key(target):
        oid = toy_storage.oids[target]
        return f"storage/files/md5/{oid[:2]}/{oid[2:]}"

    whole = toy_storage.file("cache", "file").read_bytes()
    bucket.put(key("file"), whole[:-1] + b"x")
    bucket.put(key("member"), b"")
    bucket.put(key("listing"), b"[]")
    _, found = check(toy_storage.open())
    assert {one.oid: one.state for one in found.damages} == {
        toy_storage.oids["file"]: "flipped",
        toy_storage.oids["member"]: "empty",
        toy_storage.oids["listing"]: "truncated",
    }
    assert (found.bytes, found.by_size) == (0, 0)
    _, mended = push(toy_storage.open(), all_commits=False, **options)
    assert {one.outcome for one in mended.damages} == {"repaired"}
    _, deep = check(toy_storage.open(), deep=True)
    assert deep.damages == [] and deep.bytes > 0

    shutil.rmtree(root / ".dvc/cache")
    (root / "data/table.csv").unlink()
    (cache,) = pull(toy_storage.open(), **options)
    assert cache.damages == [] and (root / "data/table.csv").read_bytes() == whole


def test_a_repository_moves_to_a_bucket_and_back_and_its_keys_stay_out_of_git(
    toy_storage, bucket, monkeypatch
):
    checkout, how = (
        toy_storage.checkout,
        {"incomplete": False, "timeout": 120, "progress": lambda count: None},
    )
    monkeypatch.chdir(checkout.path)
    variables = {"access_key_id": "AWS_ACCESS_KEY_ID", "secret_access_key": "AWS_SECRET_ACCESS_KEY"}
    for variable in variables.values():
        monkeypatch.setenv(variable, bucket.environment[variable])
    secrets = secrets_of(variables)
    for variable in variables.values():
        monkeypatch.delenv(variable)
    options = {"endpointurl": bucket.environment["AWS_ENDPOINT_URL"]}
    place = Place("bucket", f"{bucket.url}/moved", options, secrets)
    damage(toy_storage.file("remote", "member"), "flipped")
    assert move(checkout.path, place, **how).lost == []
    checkout.git("add", "--all")
    held = checkout.git("ls-files", "-s") and checkout.git("diff", "--cached")
    assert "bucket" in held and not any(secret in held for secret in secrets.values())

    (cache, remote) = check(toy_storage.open())
    assert (remote.store, remote.damages, cache.damages) == ("bucket", [], [])
    oid = toy_storage.oids["file"]
    bucket.put(f"moved/files/md5/{oid[:2]}/{oid[2:]}", b"")
    shutil.rmtree(checkout.path.parent / "store")
    back = move(checkout.path, Place("store"), **how)
    assert (back.before, back.lost) == ("bucket", [])
    assert [verified.damages for verified in check(toy_storage.open())] == [[], []]

    wrong = Place("other", f"{bucket.url}/x", {"endpointurl": "http://127.0.0.1:9"}, secrets)
    before = checkout.read(".dvc/config"), checkout.read(".dvc/config.local")
    with pytest.raises(UserError, match="other"):
        move(checkout.path, wrong, **how)
    assert (checkout.read(".dvc/config"), checkout.read(".dvc/config.local")) == before
