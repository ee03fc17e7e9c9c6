"""The inputs of a stage: which of them are missing or damaged, and which stage creates them."""

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from cairn.errors import UserError
from cairn.settings.yaml_text import read_yaml

PIPELINES = ("dvc.yaml", "data/dvc.yaml")
ENDS = {".json": b"\n", ".csv": b"\n", ".svg": b"</svg>\n", ".txt": b"\n"}
"""The last bytes of every text file that a stage writes: one that was cut has others."""
STARTS = {".parquet": b"PAR1", ".skops": b"PK\x03\x04", ".npy": b"\x93NUMPY"}
ARCHIVE_END = b"PK\x05\x06"
PIECE = 1 << 20
"""Bytes read at a time."""


class Creator(NamedTuple):
    """The stage that creates a file, and the dvc.yaml it is in."""

    pipeline: str
    stage: str


def stop_on_damaged_inputs(root: Path, stage: str, deps: list[str]) -> None:
    """Raise UserError if an input is missing, empty or cut; only the ends of large files are read.

    Args:
        root: folder of dvc.yaml.
        stage: that reads them.
        deps: paths below root.
    """
    for dep, creator in _creators(root, deps).items():
        path = root / dep
        if not path.exists():
            raise UserError(f"{dep} does not exist; {_cure(root, stage, dep, creator)}")
        if creator is None and path.is_dir():
            continue
        for file in files_of(path):
            if why := _cut(file) if creator else _empty(file):
                name = file.relative_to(root).as_posix()
                raise UserError(f"{name} is damaged ({why}); {_cure(root, stage, dep, creator)}")


def stop_on_cause(root: Path, stage: str, deps: list[str], error: Exception) -> None:
    """Raise UserError if an input is to blame for an exception of a stage; every byte of them is read.

    It is to blame if it cannot be read, or if dvc.lock says that the stage which creates it made another one
    from the same inputs and params.
    """
    absent = getattr(error, "filename", None) if isinstance(error, FileNotFoundError) else None
    creators = _creators(root, deps)
    for dep, creator in creators.items():
        cure = _cure(root, stage, dep, creator)
        if absent is not None and (root / str(absent)).is_relative_to(root / dep):
            raise UserError(f"{absent} does not exist; {cure}") from error
        for file in files_of(root / dep):
            if why := _unreadable(file):
                raise UserError(f"{file.relative_to(root).as_posix()} is damaged ({why}); {cure}") from error
    for dep, creator in creators.items():
        if creator and _is_another(root, dep, *creator):
            said = f"{dep} is damaged: dvc.lock records another file ({_in_one_line(error)})"
            raise UserError(f"{said}; {_cure(root, stage, dep, creator)}") from error


def files_of(path: Path) -> list[Path]:
    """Return the files of an input, sorted."""
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _creators(root: Path, deps: list[str]) -> dict[str, Creator | None]:
    """Return for each path the stage that creates it; None where git or a .dvc file keeps it."""
    outs = {
        next(iter(out)) if isinstance(out, dict) else out: Creator(pipeline, name)
        for pipeline in PIPELINES
        for name, stage in _stages(root / pipeline).items()
        for out in stage.get("outs", [])
    }
    return {
        dep: next((outs[str(path)] for path in (Path(dep), *Path(dep).parents) if str(path) in outs), None)
        for dep in deps
    }


def _stages(file: Path) -> dict[str, Any]:
    with suppress(FileNotFoundError):
        found = read_yaml(file)
        return found.get("stages", {}) if isinstance(found, dict) else {}
    return {}


def _cure(root: Path, stage: str, dep: str, creator: Creator | None) -> str:
    """Return how to get an input back: from the stage that creates it, from git, or from the cache."""
    if creator:
        pipeline, name = creator
        target = name if pipeline == PIPELINES[0] else f"{pipeline}:{name}"
        return f"run `dvc repro {target}`, the stage that creates it, or `dvc pull`"
    if (root / f"{dep}.dvc").exists():
        return f"run `dvc checkout --force {dep}` or `dvc pull`"
    if Path(dep).suffix in (".txt", ".yaml"):
        return f"run `git checkout {dep}`"
    return f"run `dvc repro {stage}` or `dvc pull`"


def _empty(file: Path) -> str | None:
    return None if file.stat().st_size else "empty"


def _cut(file: Path) -> str | None:
    """Return why a file cannot be whole, by its first and last bytes."""
    # Weights are of another library, which may end a file in its own way.
    if (empty := _empty(file)) or file.parent.name == "weights":
        return empty
    start, end = STARTS.get(file.suffix, b""), ENDS.get(file.suffix, b"")
    with file.open("rb") as opened:
        first = opened.read(len(start))
        opened.seek(-min(file.stat().st_size, 22), 2)
        last = opened.read()
    if first != start:
        return f"not a {file.suffix} file"
    whole = {".parquet": last.endswith(start), ".skops": last.startswith(ARCHIVE_END)}
    if not (last.endswith(end) and whole.get(file.suffix, True)):
        return "cut off at the end"
    return _unreadable(file) if file.suffix in (".json", ".npy") else None


def _unreadable(file: Path) -> str | None:
    """Return why a file of a known kind cannot be read to its end."""
    reader = READERS.get(file.suffix)
    try:
        return reader(file) if reader else None
    except Exception as error:  # each library has exceptions of its own, and some raise any
        return _in_one_line(error)


def _not_json(file: Path) -> str | None:
    try:
        json.loads(file.read_bytes())
    except ValueError as error:
        return f"not JSON: {_in_one_line(error)}"
    return None


def _broken_table(file: Path) -> str | None:
    from cairn.data.tables import read_table

    read_table(file)
    return None


def _broken_array(file: Path) -> str | None:
    import numpy as np

    np.load(file, allow_pickle=False)
    return None


def _broken_archive(file: Path) -> str | None:
    member = zipfile.ZipFile(file).testzip()
    return member and f"{member} has another checksum"


def _not_text(file: Path) -> str | None:
    file.read_text(encoding="utf-8")
    return None


READERS: dict[str, Callable[[Path], str | None]] = {
    ".csv": _not_text,
    ".json": _not_json,
    ".npy": _broken_array,
    ".parquet": _broken_table,
    ".skops": _broken_archive,
    ".svg": _not_text,
    ".zip": _broken_archive,
}


def _is_another(root: Path, path: str, pipeline: str, stage: str) -> bool:
    """Whether dvc.lock records another file for this path, made of the present inputs and params."""
    lock = (root / pipeline).with_suffix(".lock")
    try:
        entry = _stages(lock)[stage]
        folder = lock.parent if pipeline == PIPELINES[0] else root
        recorded = {out["path"]: out["md5"] for out in entry["outs"]}
        known = recorded.get(path)
        return bool(known) and dvc_md5(folder / path) != known and _is_current(root, folder, entry)
    except (UserError, OSError, LookupError, TypeError):  # the lock is damaged too, or an input is missing
        return False


def _is_current(root: Path, folder: Path, entry: dict[str, Any]) -> bool:
    """Whether inputs and params equal an entry of dvc.lock."""
    for file, sections in entry.get("params", {}).items():
        values = read_yaml(root / file)
        if any(values.get(name) != section for name, section in sections.items()):
            return False
    return all(dvc_md5(folder / dep["path"]) == dep["md5"] for dep in entry.get("deps", []))


def dvc_md5(path: Path) -> str:
    """Return the hash by which DVC knows a file; for a folder, the hash of the list of its files."""
    if not path.is_dir():
        digest = hashlib.md5(usedforsecurity=False)
        for piece in _pieces(path):
            digest.update(piece)
        return digest.hexdigest()
    listed = sorted((file.relative_to(path).as_posix(), dvc_md5(file)) for file in files_of(path))
    text = json.dumps([{"md5": digest, "relpath": name} for name, digest in listed])
    return f"{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}.dir"


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def _in_one_line(error: Exception) -> str:
    """Return the class and the message of an exception, at most 200 characters."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200].removesuffix(": ")
