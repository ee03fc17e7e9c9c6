"""Faults of single objects, and what a tool makes of each: Cairn, or DVC alone.

A fault is one object (file, member or listing of a folder, output of a stage), one kind of damage, one place:

    remote         the cache is right; the command is push, and a fresh clone pulls afterwards
    cache          the remote is right, the file is gone from the workspace; the command is pull
    before a push  the remote is empty, the workspace is right; the command is push, and a fresh clone pulls
"""

import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from toy_storage import Toy, damage

from cairn.errors import UserError
from cairn.report.storage import lines
from cairn.storage.transfer import open_storage, pull, push
from cairn.storage.verify import Verified

FILES = ("data/table.csv", "data/edited.csv", "data/parts/x.csv", "data/parts/y.csv", "data/parts/z.csv")
SAYS = re.compile(
    r"corrupt|damag|mismatch|fail|missing|error|warn|truncat|lost|repaired|flipped|empty", re.IGNORECASE
)
"""Any word with which a tool may tell of a fault."""


@dataclass(frozen=True)
class Fault:
    """What is done to which object where."""

    place: str
    target: str
    kind: str

    def __str__(self) -> str:
        """Name the fault."""
        return f"{self.place}: {self.target} {self.kind}"


@dataclass(frozen=True)
class Outcome:
    """What a tool made of a fault.

    Attributes:
        mended: the place is right after the command that meets the fault.
        said: that command ended with an error, or told of the fault.
        lost: the right bytes cannot be had by the next pull.
    """

    mended: bool
    said: bool
    lost: bool

    @property
    def silent(self) -> bool:
        """Whether the fault stays, and nobody is told."""
        return not (self.mended or self.said)


FAULTS = [
    Fault(*each)
    for each in product(
        ("remote", "cache", "before a push"),
        ("file", "member", "listing", "output"),
        ("deleted", "emptied", "truncated", "flipped", "swapped"),
    )
]
Tool = Callable[[str, Path], tuple[bool, str]]
"""Takes push or pull and the root of a repository; returns whether it ended well, and what it said."""


def with_dvc(command: str, root: Path) -> tuple[bool, str]:
    """Push or pull with DVC alone."""
    done = subprocess.run(["dvc", command], cwd=root, capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout + done.stderr


def with_cairn(command: str, root: Path) -> tuple[bool, str]:
    """Push or pull with Cairn."""
    quiet = {"timeout": 120, "progress": lambda count: None}
    damaged: list[Verified] = []
    try:
        storage = open_storage(root, None, all_commits=False)
        if command == "push":
            found = push(storage, all_commits=False, **quiet)
        else:
            found = pull(storage, tell=damaged.extend, **quiet)
    except UserError as error:
        return False, str(error)
    said = [line for line in lines([*damaged, *found]) if not line.endswith("; 0 damaged or missing")]
    return not any(verified.bad for verified in found), "\n".join(said)


TOOLS: dict[str, Tool] = {"dvc": with_dvc, "cairn": with_cairn}


def meet(fault: Fault, toy: Toy, tool: Tool) -> Outcome:
    """Inject a fault into a repository, use a tool there, and look at what is left."""
    root = toy.checkout.path
    before = contents(root)
    if fault.place == "before a push":
        shutil.rmtree(root.parent / "store")
    where = "remote" if fault.place == "remote" else "cache"
    other = toy.file(where, "output" if fault.target != "output" else "file")
    damage(toy.file(where, fault.target), fault.kind, other.read_bytes() if other.exists() else b"")
    if fault.place == "cache":
        for name in before:
            (root / name).unlink()
        ended, said = tool("pull", root)
        right = contents(root) == before
        return Outcome(
            right and is_right(toy.file("cache", fault.target)),
            not ended or bool(SAYS.search(said)),
            not right,
        )
    ended, said = tool("push", root)
    clone = toy.checkout.clone(root.parent / "clone", share_cache=False)
    tool("pull", clone.path)
    return Outcome(
        is_right(toy.file("remote", fault.target)),
        not ended or bool(SAYS.search(said)),
        contents(clone.path) != before,
    )


def contents(root: Path, names: Sequence[str] = FILES) -> dict[str, bytes]:
    """Return the content of the files that exist."""
    return {name: (root / name).read_bytes() for name in names if (root / name).exists()}


def is_right(file: Path) -> bool:
    """Whether an object has the content that its name says."""
    name = (file.parent.name + file.name).removesuffix(".dir")
    return file.exists() and hashlib.md5(file.read_bytes()).hexdigest() == name
