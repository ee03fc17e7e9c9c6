"""How fast `cairn verify --cache` is, against reading the same files, and against MD5 alone.

    python benchmarks/verify_speed.py [FOLDER]      writes 2 GB there, or among the temporary files

All use as many threads. Cold: the files are taken out of the memory of the system first, so that they come
from the disk. Warm: they come from memory. MD5 alone hashes as many bytes that the process has already: no
verification of names that are MD5 is faster on this machine. CPU seconds do not depend on other programs.
"""

import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cairn.storage.transfer import open_storage
from cairn.storage.verify import THREADS, verify

FILES, SIZE, ROUNDS = 64, 16 << 20, 3
CHUNK = 1 << 20


def main(parent: str | None) -> None:
    """Print the rates of both and their ratio, cold and warm."""
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        root = Path(folder)
        make(root)
        storage = open_storage(root, None, all_commits=False, offline=True)
        contents = storage.cache.contents()
        paths = [Path(stored.path) for stored in contents.objects.values()]
        total = sum(stored.size for stored in contents.objects.values())

        def verified() -> None:
            assert not verify(storage.cache, contents, {}).damages

        print(f"{len(paths)} files, {total / 1e6:,.0f} MB, {os.cpu_count()} cores, median of {ROUNDS} rounds")
        for name, before in (("cold", lambda: forget(paths)), ("warm", lambda: read(paths))):
            works = (lambda: read(paths), verified, lambda: hash_bytes(len(paths)))
            rounds = [[timed(work, before) for work in works] for _ in range(ROUNDS)]
            by_work = [
                [statistics.median(each) for each in zip(*of, strict=True)]
                for of in zip(*rounds, strict=True)
            ]
            rates = [total / 1e6 / wall for wall, _ in by_work]
            reading, verifying, hashing = rates
            said = f"reading {reading:6,.0f} MB/s  MD5 {hashing:5,.0f} MB/s  verify {verifying:5,.0f} MB/s"
            print(
                f"{name}: {said}  verify / reading {verifying / reading:.2f}, / MD5 {verifying / hashing:.2f}"
            )
            cpu = [f"{spent / total * 1e9:.2f}" for _, spent in by_work]
            print(f"{name}: CPU s per GB: reading {cpu[0]}, MD5 {cpu[1]}, verify {cpu[2]}", flush=True)


def make(root: Path) -> None:
    """Make a repository whose cache holds a folder of random files."""
    (root / "data").mkdir()
    for number in range(FILES):
        (root / f"data/{number}").write_bytes(os.urandom(SIZE))
    for words in (("git", "init", "--quiet"), ("dvc", "init", "--quiet"), ("dvc", "add", "--quiet", "data")):
        subprocess.run(words, cwd=root, check=True)
    os.sync()


def read(paths: list[Path]) -> None:
    """Read every file to its end."""

    def one(path: Path) -> None:
        with path.open("rb", buffering=0) as file:
            while file.read(CHUNK):
                pass

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(one, paths))


def hash_bytes(count: int) -> None:
    """Compute the MD5 of as many bytes as the files have."""
    content = bytes(SIZE)
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda _: hashlib.md5(content, usedforsecurity=False), range(count)))


def forget(paths: list[Path]) -> None:
    """Take files out of the memory of the system."""
    for path in paths:
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def timed(work: Callable[[], None], before: Callable[[], None]) -> tuple[float, float]:
    """Return the seconds of a work after its preparation, by the clock and of the processors."""
    before()
    start, spent = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - spent


if __name__ == "__main__":
    main(*(sys.argv[1:] or [None]))
