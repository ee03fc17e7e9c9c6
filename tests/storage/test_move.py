"""A move takes the whole history along or changes nothing, and no secret reaches git."""

import configparser
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy_storage import Toy, damage

from cairn.errors import UserError
from cairn.storage.move import move, secrets_of
from cairn.storage.remote_config import JOURNAL, Place, configure, known_remotes

pytestmark = pytest.mark.slow

SECRET = "correct-horse-battery"
KILLED = """\
import os, signal, sys
from pathlib import Path
from cairn.experiments import pool
from cairn.storage.move import move
from cairn.storage.remote_config import Place
from dvc.config import Config

writes, last = 0, int(sys.argv[1])


def counted(write):
    def written(*args, **options):
        global writes
        done = write(*args, **options)
        writes += 1
        if writes == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return done
    return written


Config._save_config = counted(Config._save_config)
pool.write_in_one_step = counted(pool.write_in_one_step)
move(Path(), Place("team", "../new"), incomplete=False, timeout=120, progress=lambda count: None)
print("writes", writes)
"""
"""Moves, and kills itself after so many writes of the config or of the journal."""
FILES = ("data/table.csv", "data/edited.csv", "data/parts/x.csv", "data/parts/y.csv", "data/parts/z.csv")


@pytest.fixture(scope="module")
def with_history(made_storage, tmp_path_factory) -> Toy:
    """A repository with a second commit: the first content of a file is only history."""
    made = made_storage.copied(tmp_path_factory.mktemp("history"))
    checkout = made.checkout
    (checkout.path / "data/table.csv").write_text("a,b\n7,7\n", encoding="utf-8")
    checkout.dvc("add", "--quiet", "data/table.csv")
    checkout.dvc("repro", "--quiet")
    checkout.git("commit", "--quiet", "--all", "--message=second")
    checkout.dvc("push", "--quiet")
    return made


@pytest.fixture
def toy(with_history, tmp_path, monkeypatch) -> Toy:
    """A copy of it, in which a command runs."""
    copy = with_history.copied(tmp_path)
    monkeypatch.chdir(copy.checkout.path)
    return copy


def moved(toy, place, **options):
    how = {"incomplete": False, "timeout": 120, "progress": lambda count: None}
    return move(toy.checkout.path, place, **how | options)


def configs(toy):
    """The text of both files of DVC's config; empty where there is none."""
    files = [toy.checkout.path / name for name in (".dvc/config", ".dvc/config.local")]
    return [file.read_text(encoding="utf-8") if file.exists() else "" for file in files]


def shared(toy):
    parser = configparser.ConfigParser()
    parser.read_string("\n".join(line.strip() for line in configs(toy)[0].splitlines()))
    return parser


def objects(folder: Path):
    return {file.parent.name + file.name: file.read_bytes() for file in (folder / "files").rglob("*/*/*")}


def test_everything_any_commit_needs_is_moved_and_a_new_clone_pulls_it(toy, tmp_path):
    root, old, new = toy.checkout.path, toy.checkout.path.parent / "store", toy.checkout.path.parent / "new"
    shutil.rmtree(root / ".dvc/cache")  # the history is on the old remote alone
    done = moved(toy, Place("team", "../new"))
    assert (done.before, done.lost) == ("store", [])
    assert objects(new) == objects(old) != {}
    config = shared(toy)
    assert config["core"]["remote"] == "team"
    remote = config["'remote \"team\"'"]
    assert (remote["url"], remote["verify"]) == ("../../new", "True")

    shutil.rmtree(old)
    toy.checkout.git("commit", "--quiet", "--all", "--message=moved")
    for revision, first in (("HEAD", "7,7"), ("HEAD~2", "1,2")):
        clone = toy.checkout.clone(root.parent / f"clone{first}", share_cache=False)
        clone.git("checkout", "--quiet", revision)
        clone.dvc("config", "--local", "remote.team.url", str(new))
        clone.dvc("pull", "--remote", "team")
        assert clone.read("data/table.csv").splitlines()[1] == first


def test_going_back_takes_along_what_is_new(toy):
    root = toy.checkout.path
    moved(toy, Place("team", "../new"))
    before = configs(toy)[0]
    (root / "data/table.csv").write_text("a,b\n8,8\n", encoding="utf-8")
    toy.checkout.dvc("add", "--quiet", "data/table.csv")
    toy.checkout.git("commit", "--quiet", "--all", "--message=third")
    toy.checkout.dvc("push", "--quiet")
    done = moved(toy, Place("store"))
    assert done.before == "team"
    assert objects(root.parent / "store") == objects(root.parent / "new")
    assert configs(toy)[0].replace("remote = store", "remote = team") == before


def test_a_move_of_one_clone_leaves_the_shared_config_alone(toy):
    before = configs(toy)[0]
    moved(toy, Place("mine", "../new", local=True))
    assert configs(toy)[0] == before
    assert toy.checkout.dvc("config", "core.remote").strip() == "mine"
    moved(toy, Place("team", "../team"))
    assert "remote = team" in configs(toy)[0]
    assert moved(toy, Place("mine")).before == "team"
    assert "remote = team" in configs(toy)[0]
    assert toy.checkout.dvc("config", "core.remote").strip() == "mine"


def test_an_object_damaged_on_the_way_is_mended_and_one_lost_before_is_named(toy):
    damage(toy.file("remote", "member"), "flipped")
    damage(toy.file("cache", "listing"), "truncated")
    first = "data/parts/x.csv"
    done = moved(toy, Place("team", "../new"))
    assert done.lost == []
    assert objects(toy.checkout.path.parent / "new").keys() >= {*toy.oids.values()}

    for where in ("cache", "remote"):
        damage(toy.file(where, "member"), "emptied")
    (toy.checkout.path / first).unlink()
    for file in (toy.checkout.path.parent / "new/files/md5").rglob(toy.oids["member"][2:]):
        file.chmod(0o644)
        file.unlink()
    with pytest.raises(UserError, match=first):
        moved(toy, Place("store"))
    assert moved(toy, Place("store"), incomplete=True).lost == [first]


def test_a_right_copy_that_only_the_remote_has_to_which_it_goes_back_is_not_lost(toy):
    moved(toy, Place("team", "../new"))
    toy.file("cache", "output").unlink()
    oid = toy.oids["output"]
    damage(toy.checkout.path.parent / f"new/files/md5/{oid[:2]}/{oid[2:]}", "flipped")
    (toy.checkout.path / "data/edited.csv").unlink()
    done = moved(toy, Place("store"))
    assert (done.before, done.lost) == ("team", [])
    assert [(one.oid, one.outcome) for one in done.stores[0].damages] == [(oid, "repaired")]


def test_a_remote_that_does_not_answer_is_named_before_anything_is_fetched(toy):
    shutil.rmtree(toy.checkout.path / ".dvc/cache")
    with pytest.raises(UserError, match="team"):
        moved(toy, Place("team", "/proc/none/store"))
    assert not (toy.checkout.path / ".dvc/cache").exists()


@pytest.mark.parametrize("local", [False, True])
def test_no_secret_is_in_a_file_that_git_has(toy, monkeypatch, local):
    monkeypatch.setenv("STORE_PASSWORD", SECRET)
    secrets = secrets_of({"password": "STORE_PASSWORD"})
    configure(toy.checkout.path, Place("team", "webdavs://host/x", {"user": "me"}, secrets, local))
    toy.checkout.git("add", "--all")
    assert SECRET not in toy.checkout.git("diff", "--cached")
    assert toy.checkout.run("git", "grep", "--cached", SECRET, fails=True) == ""
    assert SECRET in configs(toy)[1]
    assert ("team" in configs(toy)[0]) != local


@pytest.mark.parametrize(
    ("place", "says"),
    [
        (Place("team", "s3://me:pass@bucket/x"), "password in it"),
        (Place("team", "webdavs://me@host/x"), "user"),
        (Place("team", "../new", {"password": SECRET}), "--secret password="),
        (Place("team", "../new", {"secret_access_key": SECRET}), "--secret secret_access_key="),
        (Place("team", "../new", {"access_key_id": SECRET}), "--secret access_key_id="),
        (Place("team", "../new", {"no_such_option": "1"}), "no_such_option"),
        (Place("store", "../new"), "choose another --name"),
        (Place("team"), "give a URL or a folder"),
        (Place("team", "https://example.org/x"), "http has no listing"),
        (Place("team", "oss://bucket/x"), "uv pip install 'dvc[oss]'"),
        (Place("team", "/proc/none/store"), "does not work"),
    ],
)
def test_a_move_that_cannot_be_leaves_the_config_as_it_was(toy, place, says):
    (toy.checkout.path / ".dvc/config.local").write_text("[core]\n    autostage = true\n", encoding="utf-8")
    before = configs(toy)
    with pytest.raises(UserError) as error:
        moved(toy, place)
    assert says in str(error.value)
    assert SECRET not in str(error.value)
    assert configs(toy) == before


def test_a_secret_is_refused_where_git_would_keep_the_file(toy):
    (toy.checkout.path / ".dvc/.gitignore").write_text("/cache\n/tmp\n", encoding="utf-8")
    with pytest.raises(UserError, match="git does not ignore it"):
        moved(toy, Place("team", "../new", {}, {"password": SECRET}))
    assert SECRET not in "".join(configs(toy))


def test_a_variable_that_is_not_set_is_named(monkeypatch):
    monkeypatch.delenv("NO_SUCH", raising=False)
    with pytest.raises(UserError, match="NO_SUCH is not set"):
        secrets_of({"password": "NO_SUCH"})


def test_what_the_cache_has_is_moved_where_the_old_remote_is_gone(toy):
    shutil.rmtree(toy.checkout.path.parent / "store")
    assert moved(toy, Place("team", "../new")).lost == []
    assert len(objects(toy.checkout.path.parent / "new")) == 7


def killed_move(toy, writes):
    """Move in a process that is killed after so many writes; return whether it came to its end instead."""
    command = [sys.executable, "-c", KILLED, str(writes)]
    done = subprocess.run(command, cwd=toy.checkout.path, capture_output=True, text=True, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode == 0


@pytest.mark.slow
def test_a_move_killed_at_any_write_leaves_nothing_and_the_next_one_ends_as_if_it_was_the_first(
    with_history, tmp_path, monkeypatch
):
    ends = None
    for writes in range(1, 20):
        toy = with_history.copied(tmp_path / str(writes))
        monkeypatch.chdir(toy.checkout.path)
        local = toy.checkout.path / ".dvc/config.local"
        local.write_text("[core]\n    autostage = true # mine\n", encoding="utf-8")
        local.chmod(0o600)
        before = configs(toy)
        ended = killed_move(toy, writes)
        if not ended:
            assert known_remotes(toy.checkout.path) == ["store"]
            assert configs(toy) == before
            moved(toy, Place("team", "../new"))
        assert local.stat().st_mode & 0o777 == 0o600
        assert not (toy.checkout.path / JOURNAL).exists()
        ends = ends or configs(toy)
        assert configs(toy) == ends
        if ended:
            break
    assert writes > 6


@pytest.mark.slow
def test_a_move_killed_while_it_copies_keeps_what_you_wrote_to_the_config_since(toy):
    command = [sys.executable, "-c", KILLED, "0"]
    process = subprocess.Popen(
        command, cwd=toy.checkout.path, stderr=subprocess.DEVNULL, start_new_session=True
    )
    journal, limit = toy.checkout.path / JOURNAL, time.monotonic() + 60
    while not (journal.exists() and '"written": null' not in journal.read_text(encoding="utf-8")):
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.01)
    with pytest.raises(UserError, match="another `cairn remote`"):
        moved(toy, Place("other", "../other"))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert "team" in configs(toy)[1]
    toy.checkout.dvc("config", "--local", "core.autostage", "true")
    before = configs(toy)[0]
    assert known_remotes(toy.checkout.path) == ["store"]
    assert "autostage = true" in configs(toy)[1] and "team" not in configs(toy)[1]
    assert configs(toy)[0] == before
    assert moved(toy, Place("team", "../new")).before == "store"
    assert "autostage = true" in configs(toy)[1]


def test_a_file_with_a_secret_is_for_its_user_alone(toy):
    (toy.checkout.path / ".dvc/config.local").write_text("", encoding="utf-8")
    configure(toy.checkout.path, Place("team", "webdavs://host/x", {"user": "me"}, {"password": SECRET}))
    assert (toy.checkout.path / ".dvc/config.local").stat().st_mode & 0o777 == 0o600
