"""The objects that revisions need: named by the hash of their content, with the file and its stage.

DVC stores a file under the MD5 of its content, and a folder as a listing in JSON under MD5.dir.
"""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cairn.errors import UserError
from cairn.experiments.refs import git
from cairn.storage.store import md5_of

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import Stage

LISTING = ".dir"
WORKSPACE = "workspace"
READ_BY_DVC = ("dvc.yaml", "dvc.lock", "params.yaml", ".dvc")


@dataclass(frozen=True)
class Needed:
    """An object that a revision needs.

    Attributes:
        oid: MD5 of its content in hexadecimal, with `.dir` for the listing of a folder.
        path: of the file or folder, relative to the repository.
        stage: that writes it, as `dvc repro` takes it; the .dvc file of data without a stage.
        rebuilt: whether `dvc repro` can write it again.
        revision: `workspace` or a commit.
        size: in bytes, where it is recorded.
    """

    oid: str
    path: str
    stage: str
    rebuilt: bool
    revision: str
    size: int | None = None


def needed_objects(repo: "Repo", *, all_commits: bool) -> list[Needed]:
    """Return what the workspace needs, or the workspace and every commit of every branch, tag and experiment.

    The members of folders are not in it, see `members`; neither are files that git holds.

    Raises:
        UserError: a .dvc file of the workspace names no data: DVC would take its data for unneeded.
    """
    for stage in repo.index.stages:
        if not stage.outs and stage.path.endswith(".dvc"):
            file = _relative(stage.path, stage)
            raise UserError(f"{file}: names no data, it may be truncated: git restore {file}")
    revisions = distinct_commits(Path(repo.root_dir)) if all_commits else []
    found: dict[tuple[str, str], Needed] = {}
    for name in repo.brancher(revs=revisions) if revisions else [""]:
        for stage in repo.index.stages:
            for one in _outputs(stage, name or WORKSPACE):
                found.setdefault((one.oid, one.path), one)
    return list(found.values())


def _outputs(stage: "Stage", revision: str) -> Iterator[Needed]:
    stage_name = _name(stage)
    for out in stage.outs:
        if out.use_cache and out.hash_info and out.hash_info.name == "md5":
            path = _relative(out.fs_path, stage)
            size = None if out.hash_info.isdir or out.meta is None else out.meta.size
            yield Needed(str(out.hash_info.value), path, stage_name, bool(stage.cmd), revision, size)


def _name(stage: "Stage") -> str:
    """Return what `dvc repro` in the root takes for a stage; the file of one without a name."""
    file, name = _relative(stage.path, stage), getattr(stage, "name", None)
    if name is None:
        return file
    return name if file == "dvc.yaml" else f"{file}:{name}"


def _relative(path: str, stage: "Stage") -> str:
    return stage.repo.fs.relpath(path, stage.repo.root_dir).replace(os.sep, "/")


def distinct_commits(root: Path) -> list[str]:
    """Return one commit, the newest, for each different content of the files that DVC reads."""
    newest: dict[str, str] = {}
    for commit in git(root, "rev-list", "--all").split():
        files = git(root, "ls-tree", "-r", "--full-tree", commit).splitlines()
        content = "\n".join(line for line in files if line.endswith(READ_BY_DVC))
        if content:
            newest.setdefault(content, commit)
    return list(newest.values())


def members(listing: bytes, folder: Needed) -> list[Needed]:
    """Return the files of a folder, from its listing.

    Raises:
        ValueError: it is not a listing.
    """
    try:
        return [
            Needed(
                entry["md5"],
                f"{folder.path}/{entry['relpath']}",
                folder.stage,
                folder.rebuilt,
                folder.revision,
            )
            for entry in json.loads(listing)
        ]
    except (TypeError, KeyError) as error:
        raise ValueError(f"{folder.path}: not the listing of a folder") from error


def listing_of(folder: Path) -> bytes:
    """Return the listing of a folder as DVC writes it, where nothing in it is ignored by .dvcignore."""
    entries = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        with file.open("rb") as opened:
            entries.append({"md5": md5_of(opened), "relpath": file.relative_to(folder).as_posix()})
    return json.dumps(sorted(entries, key=lambda one: one["relpath"]), sort_keys=True).encode()


def by_oid(needed: Iterable[Needed]) -> dict[str, Needed]:
    """Return the first that needs each object, with the size if any of them records it."""
    found: dict[str, Needed] = {}
    for one in needed:
        known = found.setdefault(one.oid, one)
        if known.size is None and one.size is not None:
            found[one.oid] = one
    return found
