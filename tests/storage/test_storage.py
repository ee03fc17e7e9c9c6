"""Every fault of an object is found, and mended from a right copy, which is never given up."""

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from toy_storage import Toy, damage

from cairn.errors import UserError
from cairn.report.storage import lines
from cairn.storage.objects import needed_objects
from cairn.storage.transfer import DAMAGED, SEEN, check, open_storage, pull, push, remove_strays
from cairn.storage.verify import Damage, Verified, lost

TARGETS = ("file", "member", "listing", "output")
KINDS = ("deleted", "emptied", "truncated", "flipped", "swapped")
STATES = {"deleted": "missing", "emptied": "empty"}
FILES = ("data/table.csv", "data/edited.csv", "data/parts/x.csv", "data/parts/y.csv", "data/parts/z.csv")


@pytest.fixture
def toy(toy_storage) -> Toy:
    return toy_storage


def content_of(toy):
    return {name: (toy.checkout.path / name).read_bytes() for name in FILES}


def objects_of(folder: Path):
    """The objects of a store by name; md5sum decides whether each is right."""
    files = [path for path in (folder / "files/md5").rglob("*") if path.is_file()]
    for path in files:
        digest = subprocess.run(["md5sum", path], capture_output=True, text=True, check=True).stdout.split()[
            0
        ]
        assert (path.parent.name + path.name).removesuffix(".dir") == digest, path
    return {path.parent.name + path.name for path in files}


def hurt(toy, where, target, kind):
    other = toy.file(where, "output" if target != "output" else "file").read_bytes()
    damage(toy.file(where, target), kind, other)


def test_what_is_right_is_verified_and_nothing_is_written(toy):
    before = {path: path.stat().st_mtime_ns for path in toy.checkout.path.parent.rglob("*") if path.is_file()}
    cache, remote = check(toy.open())
    assert (cache.damages, remote.damages) == ([], [])
    assert cache.objects == remote.objects == 6
    files = [file for file in (toy.checkout.path / ".dvc/cache/files").rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    assert cache.bytes == remote.bytes == size
    after = {path: path.stat().st_mtime_ns for path in before}
    assert {p.name for p in before if before[p] != after[p]} <= {"lock", "rwlock", "rwlock.lock", "btime"}


def empty_workspace(toy):
    for name in FILES:
        (toy.checkout.path / name).unlink()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("where", ["cache", "remote"])
def test_a_fault_in_one_store_is_found_and_mended_from_the_other(toy, where, target, kind):
    hurt(toy, where, target, kind)
    found = {verified.store: verified for verified in check(toy.open())}
    bad, good = ("cache", "store") if where == "cache" else ("store", "cache")
    (damaged,) = found[bad].damages
    assert (damaged.oid, damaged.state) == (toy.oids[target], STATES.get(kind, kind))
    stages = {"output": "edit", "file": "data/table.csv.dvc"}
    assert damaged.needed.stage == stages.get(target, "data/parts.dvc")
    assert found[good].damages == []

    mended = {verified.store: verified for verified in check(toy.open(), with_repair=True)}
    assert [one.outcome for one in mended[bad].damages] == ["repaired"]
    assert all(not verified.damages for verified in check(toy.open()))
    root = toy.checkout.path
    assert objects_of(root / ".dvc/cache") == objects_of(root.parent / "store")


def put_no_file(file: Path, kind: str) -> None:
    """Put something in the place of an object that is no file."""
    file.unlink()
    match kind:
        case "pipe":
            os.mkfifo(file)
        case "link to itself":
            file.symlink_to(file.name)
        case "link to nowhere":
            file.symlink_to("nowhere")
        case _:
            file.mkdir()
            (file / "mine").write_text("a\n", encoding="utf-8")


@pytest.mark.parametrize("kind", ["pipe", "link to itself", "link to nowhere", "folder"])
@pytest.mark.parametrize("target", ["file", "listing"])
@pytest.mark.parametrize("where", ["cache", "remote"])
def test_what_is_no_file_is_found_and_mended_without_being_read(toy, where, target, kind):
    put_no_file(toy.file(where, target), kind)
    found = {verified.store: verified for verified in check(toy.open())}
    bad, good = ("cache", "store") if where == "cache" else ("store", "cache")
    assert [(one.oid, one.state) for one in found[bad].damages] == [(toy.oids[target], "no file")]
    assert found[good].damages == []
    assert "is not a file" in "".join(lines(found.values()))
    check(toy.open(), with_repair=True)
    assert all(not verified.damages for verified in check(toy.open()))
    if kind == "folder":  # nobody knows what it holds
        root = toy.checkout.path
        assert [*root.parent.rglob("mine")]


def test_an_emptied_dvc_file_is_named_for_dvc_would_take_its_data_for_unneeded(toy):
    (toy.checkout.path / "data/table.csv.dvc").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match=r"^data/table\.csv\.dvc: .*git restore data/table\.csv\.dvc$"):
        toy.open()


@pytest.mark.parametrize("content", [None, b"[core\n", b"\xff"])
def test_a_config_that_cannot_be_read_is_one_line(toy, content):
    file = toy.checkout.path / ".dvc/config.local"
    file.mkdir() if content is None else file.write_bytes(content)
    with pytest.raises(UserError, match=r"^\.dvc/config or \.dvc/config\.local: .+$"):
        toy.open()


@pytest.mark.parametrize("where", ["cache", "remote"])
def test_a_file_in_the_place_of_a_folder_of_the_store_is_no_obstacle(toy, where):
    folder = toy.file(where, "file").parent
    shutil.rmtree(folder)
    folder.write_text("mine", encoding="utf-8")
    check(toy.open(), with_repair=True)
    found = check(toy.open())
    assert all(not verified.damages for verified in found)
    assert sum(len(verified.strays) for verified in found) == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_push_and_pull_mend_what_is_no_file(toy, kind):
    how = {"timeout": 60, "progress": lambda count: None}
    before = content_of(toy)
    put_no_file(toy.file("remote", "file"), kind)
    _, remote = push(toy.open(), all_commits=False, **how)
    assert not remote.bad
    put_no_file(toy.file("cache", "file"), kind)
    empty_workspace(toy)
    (cache,) = pull(toy.open(), **how)
    assert not cache.bad and content_of(toy) == before


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_right_nowhere_is_lost_with_its_file_stage_and_commit(toy, target):
    for where in ("cache", "remote"):
        hurt(toy, where, target, "flipped")
    empty_workspace(toy)
    found = check(toy.open(all_commits=True), with_repair=True)
    (gone,) = {one.oid: one for one in lost(found)}.values()
    assert gone.oid == toy.oids[target] and gone.rebuilt == (target == "output")
    (said,) = {line.partition(": ")[2] for line in lines(found) if "LOST" in line}
    assert gone.path in said and gone.stage in said
    kept = toy.checkout.path / DAMAGED / gone.oid
    assert kept.exists() and not toy.file("cache", target).exists() and toy.file("remote", target).exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "kind"), [("file", "truncated"), ("member", "deleted"), ("listing", "flipped")]
)
def test_push_mends_the_remote(toy, target, kind):
    hurt(toy, "remote", target, kind)
    _, remote = push(toy.open(), all_commits=False, timeout=120, progress=lambda count: None)
    assert [one.outcome for one in remote.damages if one.state != "missing"] in ([], ["repaired"])
    assert toy.oids[target] in objects_of(toy.checkout.path.parent / "store")


def test_push_never_publishes_a_damaged_file_and_says_what_is_lost(toy):
    shutil.rmtree(toy.checkout.path.parent / "store")
    hurt(toy, "cache", "file", "flipped")
    (toy.checkout.path / "data/table.csv").unlink()
    cache, remote = push(toy.open(), all_commits=False, timeout=120, progress=lambda count: None)
    assert [(one.oid, one.outcome) for one in cache.damages] == [(toy.oids["file"], "lost")]
    assert remote.bad == {toy.oids["file"]}
    assert toy.oids["file"] not in objects_of(toy.checkout.path.parent / "store")


@pytest.mark.parametrize("target", ["file", "member", "output"])
def test_a_file_that_only_the_workspace_has_right_is_not_lost(toy, target):
    for where in ("cache", "remote"):
        hurt(toy, where, target, "flipped")
    assert not list(lost(check(toy.open(), with_repair=True)))
    assert all(not verified.damages for verified in check(toy.open()))


@pytest.mark.slow
def test_push_from_a_clone_that_has_a_part_downloads_nothing(toy):
    toy.file("cache", "member").unlink()
    cache, remote = push(toy.open(), all_commits=False, timeout=120, progress=lambda count: None)
    assert (cache.damages, remote.damages) == ([], [])
    assert not toy.file("cache", "member").exists()


@pytest.mark.slow
def test_push_stops_where_the_folder_of_the_remote_has_disappeared(toy):
    store = toy.checkout.path.parent / "store"
    push(toy.open(), all_commits=False, timeout=120, progress=lambda count: None)
    store.rename(store.with_name("unmounted"))
    with pytest.raises(UserError, match=f"does not exist any more.*{SEEN}/store"):
        push(toy.open(), all_commits=False, timeout=120, progress=lambda count: None)
    assert not store.exists()


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_pull_brings_back_what_is_damaged_in_the_cache_and_the_workspace(toy, target):
    before = content_of(toy)
    hurt(toy, "cache", target, "flipped")
    empty_workspace(toy)
    (cache,) = pull(toy.open(), timeout=120, progress=lambda count: None)
    assert cache.damages == [] and content_of(toy) == before
    objects_of(toy.checkout.path / ".dvc/cache")


@pytest.mark.slow
def test_pull_into_an_empty_clone_never_takes_a_damaged_file(toy):
    before = content_of(toy)
    for target in ("file", "output"):
        hurt(toy, "remote", target, "truncated")
    shutil.rmtree(toy.checkout.path / ".dvc/cache")
    empty_workspace(toy)
    (cache,) = pull(toy.open(), timeout=120, progress=lambda count: None)
    assert {one.path for one in lost([cache])} == {"data/table.csv", "data/edited.csv"}
    assert not (toy.checkout.path / "data/table.csv").exists()
    for name in FILES[2:]:
        assert (toy.checkout.path / name).read_bytes() == before[name]


@pytest.mark.slow
def test_the_command_rebuilds_the_output_of_a_stage_that_no_store_has(toy):
    before = content_of(toy)
    for where in ("cache", "remote"):
        hurt(toy, where, "output", "flipped")
    (toy.checkout.path / "data/edited.csv").unlink()
    src = Path(__file__).resolve().parents[2] / "src/cairn"
    shutil.copytree(src, toy.checkout.path / "src/cairn", ignore=shutil.ignore_patterns("__pycache__"))
    said = toy.checkout.run("python", "src/cairn", "pull")
    assert "rebuild: dvc repro edit" in said
    assert content_of(toy) == before


def test_every_commit_is_looked_at_once_for_each_content(toy):
    root = toy.checkout.path
    old = toy.oids["file"]
    (root / "data/table.csv").unlink()
    (root / "data/table.csv").write_text("a,b\n5,6\n", encoding="utf-8")
    toy.checkout.dvc("add", "--quiet", "data/table.csv")
    toy.checkout.git("commit", "--quiet", "--all", "--message=changed")
    (root / "README").write_text("no data\n", encoding="utf-8")
    toy.checkout.git("add", "README")
    toy.checkout.git("commit", "--quiet", "--message=text")
    toy.file("cache", "file").chmod(0o644)
    damage(toy.file("cache", "file"), "emptied")
    now = {one.oid for one in needed_objects(toy.open().repo, all_commits=False)}
    ever = {one.oid: one for one in needed_objects(toy.open().repo, all_commits=True)}
    assert old not in now and ever[old].revision == toy.checkout.git("rev-parse", "HEAD~2").strip()
    (damaged,) = [one for one in check(toy.open(all_commits=True))[0].damages if one.oid == old]
    assert damaged.state == "empty" and damaged.needed.path == "data/table.csv"


def test_unfinished_transfers_are_counted_and_removed_on_request_alone(toy):
    stray = toy.file("remote", "file").with_name(".x7Yz.tmp")
    stray.write_bytes(b"x" * 1000)
    found = check(toy.open())
    assert [one.path for one in found[1].strays] == [str(stray)] and stray.exists()
    remove_strays(toy.open(), found)
    assert not stray.exists()
    assert objects_of(toy.checkout.path / ".dvc/cache") == objects_of(toy.checkout.path.parent / "store")


def test_a_listing_that_is_no_json_is_damage_and_not_an_error(toy):
    for where in ("cache", "remote"):
        file = toy.file(where, "listing")
        file.chmod(0o644)
        file.write_bytes(b"\xff[")
    cache, remote = check(toy.open())
    assert {one.oid for one in (*cache.damages, *remote.damages)} == {toy.oids["listing"]}


@pytest.mark.parametrize("words", [("--all-commits", "--json"), ("--cache", "--json")])
def test_the_command_prints_what_it_found_for_programs(toy, words):
    src = Path(__file__).resolve().parents[2] / "src/cairn"
    shutil.copytree(src, toy.checkout.path / "src/cairn", ignore=shutil.ignore_patterns("__pycache__"))
    hurt(toy, "cache", "member", "flipped")
    said = toy.checkout.run("python", "src/cairn", "verify", *words, fails=True)
    found = json.loads(said[: said.rindex("]") + 1])
    assert [one["store"] for one in found] == (["cache"] if "--cache" in words else ["cache", "store"])
    (damaged,) = found[0]["damages"]
    assert (damaged["state"], damaged["needed"]["path"]) == ("flipped", "data/parts/x.csv")


def test_a_remote_that_is_not_there_is_one_line(toy):
    with pytest.raises(UserError, match="remote"):
        open_storage(toy.checkout.path, "nowhere", all_commits=False)
    toy.checkout.replace(".dvc/config", "../../store", "/proc/nowhere")
    with pytest.raises(UserError, match=r"^remote 'store' does not work: ") as error:
        push(toy.open(), all_commits=False, timeout=60, progress=lambda count: None)
    assert "\n" not in str(error.value)


def test_the_md5_of_a_store_is_that_of_hashlib(toy):
    store = toy.open().cache
    for oid, stored in store.contents().objects.items():
        assert store.md5(stored) == hashlib.md5(Path(stored.path).read_bytes()).hexdigest()
        assert os.stat(stored.path).st_size == stored.size  # noqa: PTH116
        assert store.read(oid, stored) == Path(stored.path).read_bytes()


def test_a_store_that_is_still_empty_takes_one_line_and_another_a_line_for_each_object():
    lacking = [Damage("local", f"{number:032x}", "missing") for number in range(3)]
    assert list(lines([Verified("local", 0, 0, 0, lacking, [])])) == [
        "local: none of 3 objects is there yet: cairn push"
    ]
    assert list(lines([Verified("cache", 0, 0, 0, lacking, [])])) == [
        "cache: none of 3 objects is there yet: dvc repro, or cairn pull"
    ]
    assert len(list(lines([Verified("local", 1, 9, 0, lacking, [])]))) == 4
    lost = [replace(lacking[0], outcome="lost"), lacking[1]]
    assert len(list(lines([Verified("local", 0, 0, 0, lost, [])]))) == 3
