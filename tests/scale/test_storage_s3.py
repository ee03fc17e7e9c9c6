"""Damage in a bucket of a real S3 server is found from the listing alone, and mended by a push."""

import shutil

import pytest

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
