"""Checkouts of the working tree as it stands, in which the real DVC runs the real pipeline."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock
from repository import ROOT

BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Checkout:
    """A git repository with DVC, and a way to type commands in it."""

    path: Path

    def run(self, *command: str, fails: bool = False) -> str:
        """Run a command of the environment; return what it printed; fail loudly when it does otherwise."""
        others = ("DVC_", "CAIRN_", "OMP_", "COLUMNS")  # pytest-xdist sets 80 columns
        environment = {name: value for name, value in os.environ.items() if not name.startswith(others)}
        environment |= {"PATH": f"{BIN}{os.pathsep}{environment['PATH']}", "VIRTUAL_ENV": str(BIN.parent)}
        done = subprocess.run(
            command, cwd=self.path, env=environment, capture_output=True, text=True, check=False
        )
        said = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, f"{' '.join(command)} exited {done.returncode}:\n{said}"
        return said

    def dvc(self, *words: str, fails: bool = False) -> str:
        """Run a DVC command."""
        return self.run("dvc", *words, fails=fails)

    def git(self, *words: str) -> str:
        """Run a git command."""
        return self.run("git", *words)

    def read(self, name: str) -> str:
        """Return the text of a file."""
        return (self.path / name).read_text(encoding="utf-8")

    def replace(self, name: str, old: str, new: str) -> None:
        """Edit a file."""
        text = self.read(name)
        assert old in text, f"{name} does not hold {old!r}"
        (self.path / name).write_text(text.replace(old, new), encoding="utf-8")

    def clone(self, path: Path, *, share_cache: bool) -> "Checkout":
        """Clone the repository, with the cache of this one or with an empty one of its own."""
        subprocess.run(["git", "clone", "--quiet", str(self.path), str(path)], check=True)
        new = Checkout(path)
        new.git("config", "user.email", "test@example.org")
        new.git("config", "user.name", "test")
        if share_cache:
            new.dvc("cache", "dir", "--local", str(self.path / ".dvc/cache"))
        return new


def start_repository(checkout: Checkout, config: str, stages: str) -> None:
    """Make an empty git repository with DVC, its config and its stages; nothing is committed."""
    (checkout.path / ".dvc").mkdir(parents=True)
    checkout.git("init", "--quiet", "--initial-branch=main")
    checkout.git("config", "user.email", "test@example.org")
    checkout.git("config", "user.name", "test")
    for name, text in {
        ".dvc/config": config,
        ".dvc/.gitignore": "/cache\n/tmp\n/config.local\n",
        "dvc.yaml": stages,
    }.items():
        (checkout.path / name).write_text(text, encoding="utf-8")


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory) -> Checkout:
    """One commit that holds the working tree as it stands, with no cache and no data."""
    path = tmp_path_factory.mktemp("snapshot") / "repository"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, path / name)
    checkout = Checkout(path)
    for words in (
        ("init", "--quiet", "--initial-branch=main"),
        ("config", "user.email", "test@example.org"),
        ("config", "user.name", "test"),
        ("add", "--all"),
        ("commit", "--quiet", "--message=snapshot"),
    ):
        checkout.git(*words)
    return checkout


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that one process of pytest-xdist makes, and the others copy."""
    own = factory.mktemp(name, numbered=False) / name
    if "PYTEST_XDIST_WORKER" not in os.environ:
        make(own)
        return own
    made = factory.getbasetemp().parent / f"{name}-made"
    with FileLock(f"{made}.lock"):
        if not made.exists():
            make(own)
            shutil.copytree(own, f"{made}.part", symlinks=True)
            Path(f"{made}.part").rename(made)
            return own
    shutil.copytree(made, own, symlinks=True)
    return own


@pytest.fixture(scope="session")
def tiny(snapshot, tmp_path_factory) -> Checkout:
    """A clone in which the tiny preset has run as an experiment and is applied to the workspace."""

    def make(folder: Path) -> None:
        checkout = snapshot.clone(folder / "repository", share_cache=False)
        before = os.times()
        checkout.dvc("exp", "run", "-n", "tiny", "-S", "experiment=tiny")
        after = os.times()
        used = after.children_user + after.children_system - before.children_user - before.children_system
        (folder / "seconds").write_text(str(used), encoding="utf-8")

    return Checkout(made_once(tmp_path_factory, "tiny", make) / "repository")


@pytest.fixture(scope="session")
def seconds_of_tiny(tiny) -> float:
    """CPU seconds that the tiny preset took, which do not depend on what else the machine does."""
    return float((tiny.path.parent / "seconds").read_text(encoding="utf-8"))
