"""What plain git and DVC do with a damaged file, and what a hook that calls `cairn push` does instead."""

import subprocess
from pathlib import Path

import pytest
from toy_storage import Toy, damage

from cairn.doctor import hooks

pytestmark = pytest.mark.slow
HOOK = "#!/bin/sh\nexec cairn push\n"


@pytest.fixture
def toy(toy_storage, tmp_path) -> Toy:
    """A clone with an origin, and a commit with a new file that neither remote has."""
    checkout = toy_storage.checkout
    subprocess.run(["git", "init", "--quiet", "--bare", tmp_path / "origin"], check=True)
    checkout.git("remote", "add", "origin", str(tmp_path / "origin"))
    checkout.git("push", "--quiet", "origin", "main")
    toy_storage.cairn("verify")  # brings src/cairn
    (checkout.path / "data/new.csv").write_text("a\n1\n2\n", encoding="utf-8")
    checkout.dvc("add", "--quiet", "data/new.csv")
    checkout.git("add", "data")
    checkout.git("commit", "--quiet", "--message=new")
    toy_storage.oids["new"] = checkout.read("data/new.csv.dvc").split("md5: ")[1][:32]
    damage(toy_storage.file("cache", "new"), "flipped")
    return toy_storage


def published(toy):
    """The commit of the origin, and whether the remote has the new file, right or not at all."""
    head, file = toy.checkout.git("ls-remote", "origin", "main").split()[0], toy.file("remote", "new")
    right = (toy.checkout.path.parent / "right").read_bytes() if file.exists() else b""
    return head, ("right" if file.read_bytes() == right else "damaged") if file.exists() else "none"


def use_cairn(toy):
    hook = toy.checkout.path / ".git/hooks/pre-push"
    hook.write_text(HOOK, encoding="utf-8")
    hook.chmod(0o755)


@pytest.mark.parametrize("has_copy", [True, False])
def test_git_push_publishes_no_damaged_file_where_the_hook_calls_cairn(toy, has_copy):
    content = (toy.checkout.path / "data/new.csv").read_bytes()
    (toy.checkout.path.parent / "right").write_bytes(content)
    before, head = published(toy)[0], toy.checkout.git("rev-parse", "HEAD").strip()
    toy.checkout.dvc("install")
    ((state, said),) = hooks(toy.checkout.path)
    assert state == "warn" and "cairn push" in said
    use_cairn(toy)
    assert [state for state, _ in hooks(toy.checkout.path)] == ["ok"]
    if has_copy:  # the workspace has the right bytes: the cache is mended and they are pushed
        toy.checkout.git("push", "origin", "main")
        assert published(toy) == (head, "right")
        return
    (toy.checkout.path / "data/new.csv").unlink()
    said = toy.checkout.run("git", "push", "origin", "main", fails=True)
    assert "LOST" in said and "data/new.csv" in said
    assert published(toy) == (before, "none")


def test_the_hook_of_dvc_install_publishes_a_damaged_file(toy):
    """Why the hook is replaced: if this fails, DVC sees it by itself, and the page may say so."""
    (toy.checkout.path.parent / "right").write_text("a\n1\n2\n", encoding="utf-8")
    toy.checkout.dvc("install")
    toy.checkout.git("push", "origin", "main")
    assert published(toy)[1] == "damaged"


def test_dvc_pull_takes_nothing_damaged_where_the_remote_verifies(toy, tmp_path):
    """The part of plain DVC that can be protected: `verify = true` in .dvc/config."""
    damage(toy.file("remote", "file"), "flipped")
    clone = toy.checkout.clone(toy.checkout.path.parent / "clone", share_cache=False)
    clone.dvc("pull", "data/table.csv", fails=True)
    assert not (clone.path / "data/table.csv").exists()
    oid = toy.oids["file"]
    assert not Path(clone.path, ".dvc/cache/files/md5", oid[:2], oid[2:]).exists()
