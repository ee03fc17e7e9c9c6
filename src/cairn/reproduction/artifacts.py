"""The bytes that a reproduction read and wrote, and their hashes."""

import hashlib
import json
from dataclasses import dataclass, field

from cairn.reproduction.lock import Tree, listing
from cairn.storage.store import content_name


@dataclass(frozen=True)
class Artifact:
    """A file or folder.

    Attributes:
        path: relative to the root.
        sha256: of the content; of DVC's listing for a folder.
        dvc: digest as DVC has it, the MD5 of the same; with `.dir` for a folder.
        size: in bytes, the sum for a folder.
        source: where an input comes from: `git`, `remote`; None for an output.
        members: the files of a folder.
    """

    path: str
    sha256: str
    dvc: str
    size: int
    source: str | None = None
    members: list["Artifact"] = field(default_factory=list)


def artifact(tree: Tree, path: str, source: str | None = None) -> Artifact:
    """Hash a file or folder of a working tree; of a folder of git only what git tracks."""
    file = tree.root / path
    if file.is_file():
        content = file.read_bytes()
        return Artifact(
            path, hashlib.sha256(content).hexdigest(), content_name(content), len(content), source
        )
    tracked = tree.files(path) if source == "git" else []
    content = listing(file, [name.removeprefix(f"{path}/") for name in tracked])
    members = [artifact(tree, f"{path}/{entry['relpath']}", source) for entry in json.loads(content)]
    size = sum(member.size for member in members)
    return Artifact(
        path, hashlib.sha256(content).hexdigest(), f"{content_name(content)}.dir", size, source, members
    )
