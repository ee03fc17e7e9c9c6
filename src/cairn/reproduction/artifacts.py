"""The bytes that a reproduction read and wrote: their hashes, and the place where two versions differ."""

import hashlib
import io
import json
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from cairn.reproduction.lock import Tree, listing
from cairn.storage.store import content_name

AROUND = 30
"""Characters shown on each side of a difference."""


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


def difference(path: str, old: bytes, new: bytes) -> dict[str, Any]:
    """Return the first place where two versions of a file differ, or the columns of a table that do."""
    if path.endswith(".parquet"):
        return _of_tables(old, new)
    try:
        before, now = old.decode("utf-8").split("\n"), new.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        pairs = enumerate(zip_longest(old, new))
        return {"byte": next((at for at, (a, b) in pairs if a != b), 0)}
    for number, (a, b) in enumerate(zip_longest(before, now, fillvalue=""), start=1):
        if a != b:
            at = next(at for at, (x, y) in enumerate(zip_longest(a, b)) if x != y)
            near = slice(max(at - AROUND, 0), at + AROUND)
            return {"line": number, "recorded": a[near].strip(), "found": b[near].strip()}
    return {}


def _of_tables(old: bytes, new: bytes) -> dict[str, Any]:
    import pandas as pd

    before, now = (pd.read_parquet(io.BytesIO(content)) for content in (old, new))
    if len(before) != len(now) or list(before.columns) != list(now.columns):
        sizes = {"recorded": list(before.shape), "found": list(now.shape)}
        return {**sizes, "columns": sorted({*before.columns} ^ {*now.columns})}
    columns = [str(name) for name in now.columns if not before[name].equals(now[name])]
    numbers = [name for name in columns if pd.api.types.is_float_dtype(now[name])]
    largest = max((float((before[name] - now[name]).abs().max()) for name in numbers), default=None)
    return {"columns": columns, "largest": largest}


def cached(cache: Path, digest: str) -> bytes | None:
    """Return the content of an object of DVC's cache, None if it is not there or is another one."""
    file = cache / "files/md5" / digest[:2] / digest[2:]
    content = file.read_bytes() if file.is_file() else None
    return content if content is not None and content_name(content) == digest.removesuffix(".dir") else None
