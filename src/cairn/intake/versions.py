"""Data files as they were in some revision, from DVC's cache or the default remote, and how they differ."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cairn.data.load import in_plain_types
from cairn.data.tables import read_raw
from cairn.errors import UserError
from cairn.intake.diff import Changes, changes

WORKSPACE = "workspace"
NAME_OF_KEY = b"cairn.key"
"""In the metadata of a snapshot's schema: the columns that name a row, separated by line ends."""


def bring(path: str, revision: str, folder: Path) -> Path:
    """Copy a file of a revision into a folder, keeping its name; a file of the workspace stays where it is.

    Raises:
        UserError: no such revision, no such file in it, or in neither cache nor remote.
    """
    if revision == WORKSPACE:
        if not Path(path).is_file():
            raise UserError(f"{path}: {_folder_or_nothing(Path(path).is_dir())}")
        return Path(path)
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import RevError, resolve_rev

    target = folder / Path(path).name
    try:
        # DVCFileSystem takes an unknown revision for an empty one.
        files = DVCFileSystem(".", rev=resolve_rev(Repo(".").scm, revision))
        if not files.isfile(path):
            raise UserError(f"{revision}: {path}: {_folder_or_nothing(files.isdir(path))}")
        files.get_file(path, str(target))
    except RevError as error:
        raise UserError(f"{revision}: no branch, tag, commit or experiment of this name") from error
    except (DvcException, OSError) as error:
        raise UserError(
            f"{revision}: {path} is in neither cache nor remote: never pushed, or garbage-collected"
            f" (`dvc push` on the machine that has it, or `dvc fetch --all-commits {path}`)"
        ) from error
    return target


def _folder_or_nothing(is_folder: bool) -> str:
    if is_folder:
        return "a folder; name a file in it with --path"
    return "no such file; `dvc checkout` or `dvc repro` brings tracked files"


def compare_versions(path: str, before: str, after: str, key: Sequence[str] = ()) -> Changes:
    """Compare a data file between two revisions.

    Args:
        path: of a file that DVC or git tracks.
        before: a revision, or WORKSPACE.
        after: same.
        key: columns that name a row; without any, those that both snapshots record.

    Raises:
        UserError: a revision or file that is not there, not a table, or a key that is not in it.
    """
    with tempfile.TemporaryDirectory() as folder:
        sides = [Path(folder, side) for side in ("before", "after")]
        for side in sides:
            side.mkdir()
        old, new = (bring(path, *pair) for pair in zip((before, after), sides, strict=True))
        own = _key_of(new) if _key_of(new) == _key_of(old) else ()
        return changes(_read(old), _read(new), key or own)


def _read(path: Path) -> pd.DataFrame:
    """Read a table, with decimals and days in types that can be compared, without the position of rows."""
    return in_plain_types(read_raw(path)).drop(columns="row_id", errors="ignore")


def _key_of(path: Path) -> tuple[str, ...]:
    """Return the columns that name a row, where the file is a snapshot that says so."""
    import pyarrow.parquet as pq

    if path.suffix != ".parquet":
        return ()
    written = (pq.read_schema(path).metadata or {}).get(NAME_OF_KEY)
    return tuple(written.decode().split("\n")) if written else ()
