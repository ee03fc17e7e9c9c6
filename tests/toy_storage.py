"""A small repository with a file, a folder and a stage, pushed to a folder; and the faults of its objects."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from checkouts import Checkout, start_repository
from repository import ROOT

from cairn.storage.transfer import Storage, open_storage

CONFIG = """\
[core]
    remote = store
    analytics = false
['remote "store"']
    url = ../../store
    verify = true
"""
STAGES = """\
stages:
  edit:
    cmd: sed s/1,/2,/ data/table.csv > data/edited.csv
    deps: [data/table.csv]
    outs: [data/edited.csv]
"""


@dataclass(frozen=True)
class Toy:
    """The repository, and where each of its objects is in the cache and on the remote."""

    checkout: Checkout
    oids: dict[str, str]

    def file(self, where: str, target: str) -> Path:
        """Return the file of an object, in `cache` or `remote`."""
        oid = self.oids[target]
        root = self.checkout.path
        folder = root / ".dvc/cache/files/md5" if where == "cache" else root.parent / "store/files/md5"
        return folder / oid[:2] / oid[2:]

    def open(self, **options) -> Storage:
        """Open its storage."""
        return open_storage(self.checkout.path, None, **{"all_commits": False} | options)

    def cairn(self, *words: str, fails: bool = False) -> str:
        """Run a command of Cairn in it; return what it printed."""
        code = self.checkout.path / "src/cairn"
        if not code.exists():
            shutil.copytree(ROOT / "src/cairn", code, ignore=shutil.ignore_patterns("__pycache__"))
        return self.checkout.run("python", "src/cairn", *words, fails=fails)

    def copied(self, folder: Path) -> "Toy":
        """Return a copy of the repository and its remote."""
        shutil.copytree(self.checkout.path.parent, folder / "toy", symlinks=True)
        return Toy(Checkout(folder / "toy/repository"), dict(self.oids))


def make_toy(folder: Path) -> Toy:
    """Make the repository and push it."""
    root = folder / "repository"
    checkout = Checkout(root)
    start_repository(checkout, CONFIG, STAGES)
    (root / "data/parts").mkdir(parents=True)
    (root / "data/table.csv").write_text("a,b\n" + "1,2\n" * 500, encoding="utf-8")
    for name in "xyz":
        (root / f"data/parts/{name}.csv").write_text(f"{name}\n" + "3\n" * 300, encoding="utf-8")
    checkout.dvc("add", "--quiet", "data/table.csv", "data/parts")
    checkout.dvc("repro", "--quiet")
    checkout.git("add", "--all")
    checkout.git("commit", "--quiet", "--message=toy")
    checkout.dvc("push", "--quiet")
    found = {one.path: one.oid for one in open_storage(root, None, all_commits=False).objects()[0].values()}
    names = {
        "file": "data/table.csv",
        "member": "data/parts/x.csv",
        "listing": "data/parts",
        "output": "data/edited.csv",
    }
    return Toy(checkout, {target: found[path] for target, path in names.items()})


def damage(file: Path, kind: str, other: bytes = b"") -> None:
    """Damage a file as a disk, a full one or a wrong copy does; it stays as protected as DVC makes it."""
    content = bytearray(file.read_bytes())
    if kind == "deleted":
        file.unlink()
        return
    if kind == "flipped":
        content[len(content) // 2] ^= 1
    elif kind == "truncated":
        del content[len(content) // 2 :]
    elif kind == "emptied":
        content.clear()
    else:
        content[:] = other
    file.chmod(0o644)
    file.write_bytes(content)
    file.chmod(0o444)


@pytest.fixture(scope="session")
def made_storage(tmp_path_factory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("storage"))


@pytest.fixture
def toy_storage(made_storage, tmp_path) -> Toy:
    """A copy of the repository, to be damaged."""
    return made_storage.copied(tmp_path)
