"""Write a file in one step: a kill or a full disk leaves the old one or the new one, never a part of it."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """Yield a path beside this one to write to; then flush it to the disk and rename it.

    If what is inside fails, the file stays as it was. Folders above it are made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        yield unfinished
        flush(unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file, replacing an old one in one step."""
    with replacing(path) as unfinished:
        unfinished.write_bytes(content)


def flush(path: Path) -> None:
    """Wait until the content of a file is on the disk: without this a crash may leave an empty one."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())
