"""Where the recorded version of a file and the one that is here differ, if the recorded one is at hand."""

import io
import json
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from cairn.reproduction.artifacts import artifact
from cairn.reproduction.judge import Compared, StageResult
from cairn.reproduction.lock import Tree
from cairn.storage.store import content_name

AROUND = 30
"""Characters shown on each side of a difference."""
FOLDER = ".dir"


def with_differences(result: StageResult, here: Tree, record: Tree, cache: Path) -> StageResult:
    """Add to the outputs and the changed inputs what git has under their paths, and where they differ.

    Args:
        result: the stage.
        here: the files of now.
        record: the commit that has the record.
        cache: the DVC cache of the main repository.
    """
    outputs, changed = (
        [_with_difference(one, here, record, cache) for one in some]
        for some in (result.outputs, result.changed)
    )
    return replace(result, outputs=outputs, changed=changed)


def _with_difference(one: Compared, here: Tree, record: Tree, cache: Path) -> Compared:
    committed = record.digest(one.path)
    file = here.root / one.path
    found = None
    if one.recorded and one.found and one.recorded != one.found and file.exists():
        if file.is_dir() and one.recorded.endswith(FOLDER):
            found = _of_folders(one, here, record, cache, is_committed=committed == one.recorded)
        elif file.is_file():
            old = record.read(one.path) if committed == one.recorded else _cached(cache, one.recorded)
            found = None if old is None else difference(one.path, old, file.read_bytes())
    return replace(one, committed=committed, difference=found)


def _of_folders(
    one: Compared, here: Tree, record: Tree, cache: Path, *, is_committed: bool
) -> dict[str, Any] | None:
    """Return the files of a folder that differ, and where the first of them does."""
    assert one.recorded is not None
    if is_committed:
        names = record.files(one.path)
        before = {name.removeprefix(f"{one.path}/"): record.digest(name) for name in names}
    elif listing := _cached(cache, one.recorded):
        before = {entry["relpath"]: entry["md5"] for entry in json.loads(listing)}
    else:
        return None
    now = {
        member.path.removeprefix(f"{one.path}/"): member.dvc for member in artifact(here, one.path).members
    }
    names = sorted(name for name in {**before, **now} if before.get(name) != now.get(name))
    for name in names:
        path, digest = f"{one.path}/{name}", before.get(name)
        if digest and name in now:
            old = record.read(path) if is_committed else _cached(cache, digest)
            if old is not None:
                return {"files": names, **difference(path, old, (here.root / path).read_bytes())}
    return {"files": names}


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
    numbers = [
        name
        for name in columns
        if all(
            pd.api.types.is_numeric_dtype(table[name]) and table[name].dtype != bool
            for table in (before, now)
        )
    ]
    largest = max((float((before[name] - now[name]).abs().max()) for name in numbers), default=None)
    return {"columns": columns, "largest": largest}


def _cached(cache: Path, digest: str) -> bytes | None:
    """Return the content of an object of DVC's cache, None if it is not there or is another one."""
    file = cache / "files/md5" / digest[:2] / digest[2:]
    content = file.read_bytes() if file.is_file() else None
    return content if content is not None and content_name(content) == digest.removesuffix(FOLDER) else None
