"""Find a saved model: in a folder, or at a revision of this repository."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from cairn.errors import UserError

MODEL = "models/model"
FETCHED = Path(".dvc/tmp/models")
"""Where models of other revisions are kept, each in a folder with the name of its commit."""


@dataclass(frozen=True)
class Found:
    """A folder with a saved model, and the commit it is of; None if it is a folder that the user named."""

    folder: Path
    revision: str | None


def find_model(name: str) -> Found:
    """Return the model in a folder or, if there is no such folder, at a revision.

    Args:
        name: a folder that a model was saved in; or a branch, tag, commit or experiment.

    Raises:
        UserError: neither a folder nor a revision, or the revision's model is in neither cache nor remote.
    """
    if Path(name).is_dir():
        return Found(Path(name), None)
    commit = _commit(name)
    folder = FETCHED / commit
    if not folder.is_dir():
        _fetch(commit, name, folder)
    return Found(folder, commit)


def _commit(name: str) -> str:
    from dvc.exceptions import NotDvcRepoError
    from dvc.repo import Repo
    from dvc.scm import NoSCMError, RevError, resolve_rev

    try:
        return resolve_rev(Repo(".").scm, name)
    except (RevError, NoSCMError, NotDvcRepoError) as error:
        raise UserError(
            f"--model: '{name}' is neither a folder nor a branch, tag, commit or experiment"
        ) from error


def _fetch(commit: str, name: str, folder: Path) -> None:
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException

    fresh = folder.with_name(f".{commit}.new-{os.getpid()}")
    fresh.parent.mkdir(parents=True, exist_ok=True)
    try:
        files = DVCFileSystem(".", rev=commit)
        if not files.isdir(MODEL):
            raise UserError(f"--model: {name} has no {MODEL}")
        files.get(MODEL, str(fresh), recursive=True)
    except (DvcException, OSError) as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise UserError(
            f"--model: {MODEL} of {name} is in neither cache nor remote: never pushed, or garbage-collected"
        ) from error
    if folder.is_dir():  # another process was faster
        shutil.rmtree(fresh, ignore_errors=True)
    else:
        fresh.replace(folder)
