"""What the dvc.lock files of a commit or a folder record: the stages, with digests of all they read."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from cairn.experiments.refs import git, read_file
from cairn.settings.yaml_text import parse_yaml
from cairn.storage.objects import listing_of
from cairn.storage.store import content_name

MAIN = "dvc.lock"
"""The lock of the pipeline that `dvc repro` runs; other folders may have one too."""
DIGESTS = ("md5", "etag", "checksum")


@dataclass(frozen=True)
class Stage:
    """A stage in a lock; paths are relative to the root, digests are DVC's.

    Attributes:
        name: as `dvc repro` takes it in the root.
        cmd: the command, or several.
        deps: digest of every file and folder that it reads.
        params: value of every parameter that it reads, as FILE: KEY.
        outs: digest of every file and folder that it writes.
    """

    name: str
    cmd: str
    deps: dict[str, str]
    params: dict[str, Any]
    outs: dict[str, str]

    @property
    def is_main(self) -> bool:
        """Whether it is a stage of dvc.yaml in the root."""
        return ":" not in self.name


@dataclass(frozen=True)
class Tree:
    """The files of git in a repository: at a commit, or in its working tree if the commit is None."""

    root: Path
    commit: str | None

    def files(self, *below: str) -> list[str]:
        """Return the paths that git tracks, all of them or those below some folders."""
        names = _files(self.root, self.commit)
        return [name for name in names if not below or any(is_part(name, folder) for folder in below)]

    def read(self, path: str) -> bytes | None:
        """Return the content of a file, None where it is not there."""
        if self.commit:
            return read_file(self.root, self.commit, path)
        file = self.root / path
        return file.read_bytes() if file.is_file() else None

    def yaml(self, path: str) -> Any:
        """Return the content of a file of YAML, an empty mapping where it is not there."""
        return parse_yaml((self.read(path) or b"").decode("utf-8"), path) or {}

    def digest(self, path: str) -> str | None:
        """Return the digest that DVC gives to a file or folder of git; None where git has none."""
        names = self.files(path)
        if names == [path]:
            return content_name(self.read(path) or b"")
        if not names:
            return None
        entries = [
            {"md5": content_name(self.read(name) or b""), "relpath": name.removeprefix(f"{path}/")}
            for name in names
        ]
        return f"{content_name(_listing(entries))}.dir"


@cache
def _files(root: Path, commit: str | None) -> list[str]:
    words = ["ls-tree", "-r", "--name-only", commit] if commit else ["ls-files", "--cached"]
    return [name for name in git(root, *words, "-z").split("\0") if name]


def stages_of(tree: Tree) -> dict[str, Stage]:
    """Return the stages of every dvc.lock, by name; none where nothing was ever run."""
    # DVC has written the files of a working tree, which git may not know.
    names = {MAIN, *(name for name in tree.files() if PurePosixPath(name).name == MAIN)}
    found = (stage for name in sorted(names) for stage in _stages(tree, PurePosixPath(name).parent))
    return {stage.name: stage for stage in found}


def raw_data(tree: Tree) -> list[str]:
    """Return what .dvc files and the pipelines of other folders track: data that dvc.yaml only reads."""
    found = [path for stage in stages_of(tree).values() if not stage.is_main for path in stage.outs]
    for name in tree.files():
        if name.endswith(".dvc"):
            content = tree.yaml(name)
            folder = PurePosixPath(name).parent / content.get("wdir", ".")
            found += [_path(folder, out["path"]) for out in content.get("outs", [])]
    return found


def makers(stages: Iterable[Stage], path: str) -> Iterator[str]:
    """Yield the stages that write a path, something in it, or a folder that it is in."""
    for stage in stages:
        if any(is_part(path, out) or is_part(out, path) for out in stage.outs):
            yield stage.name


def is_part(path: str, whole: str) -> bool:
    """Return whether a path is another one or inside of it."""
    return PurePosixPath(path).is_relative_to(whole)


def listing(files: Path, members: list[str]) -> bytes:
    """Return DVC's listing of a folder; of its files that git tracks, if there are any."""
    if not members:
        return listing_of(files)
    entries = [{"md5": content_name((files / name).read_bytes()), "relpath": name} for name in members]
    return _listing(entries)


def _listing(entries: list[dict[str, str]]) -> bytes:
    return json.dumps(sorted(entries, key=lambda one: one["relpath"]), sort_keys=True).encode()


def _stages(tree: Tree, folder: PurePosixPath) -> Iterator[Stage]:
    pipeline = tree.yaml(str(folder / "dvc.yaml")).get("stages", {})
    for name, locked in tree.yaml(str(folder / MAIN)).get("stages", {}).items():
        body = pipeline.get(name) or pipeline.get(name.partition("@")[0]) or {}
        wdir = folder / body.get("do", body).get("wdir", ".")
        yield Stage(
            name if str(folder) == "." else f"{folder}/dvc.yaml:{name}",
            str(locked.get("cmd")),
            _digests(wdir, locked.get("deps", [])),
            {
                f"{_path(wdir, file)}: {key}": value
                for file, values in locked.get("params", {}).items()
                for key, value in values.items()
            },
            _digests(wdir, locked.get("outs", [])),
        )


def _digests(wdir: PurePosixPath, entries: list[dict[str, Any]]) -> dict[str, str]:
    found = {}
    for entry in entries:
        digest = next((str(entry[key]) for key in DIGESTS if key in entry), None)
        if digest is not None:
            found[_path(wdir, entry["path"])] = digest
    return found


def _path(folder: PurePosixPath, path: str) -> str:
    return PurePosixPath(os.path.normpath(folder / path)).as_posix()
