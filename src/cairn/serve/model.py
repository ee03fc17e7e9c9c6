"""A model by name: a folder, or a revision of the checkout, fetched from the cache or the remote."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cairn.errors import UserError
from cairn.experiments.history import MODEL, WORKSPACE, History, Revision
from cairn.models.package import RECORD, Package, load
from cairn.models.record import read_record


def checkout(folder: Path) -> Path | None:
    """Return the nearest folder with a pipeline, this one or one above it; None if there is none."""
    return next((one for one in (folder, *folder.parents) if (one / "dvc.yaml").exists()), None)


@dataclass(frozen=True)
class Found:
    """Where a model is.

    Attributes:
        folder: it was saved in.
        trust: types to accept when it is loaded.
        history: of the checkout it belongs to; None for a folder of its own.
        revision: it was made in; None for a folder of its own.
    """

    folder: Path
    trust: Sequence[str]
    history: History | None = None
    revision: Revision | None = None

    @property
    def commit(self) -> str | None:
        """The commit of its revision; None for the workspace and for a folder of its own."""
        return self.revision.commit if self.revision else None

    def text(self, path: str) -> str | None:
        """Return a file that git holds beside the model, or None if there is none."""
        return self.history.text(self.revision, path) if self.history and self.revision else None


def find_model(name: str, folder: Path, trust: Sequence[str] = ()) -> Found:
    """Find the model in a folder or, if the folder does not exist, in a revision of the checkout.

    Args:
        name: a folder with a saved model, or a revision: see History.resolve.
        folder: what paths are relative to; the checkout is this one or above it.
        trust: further types to accept, see cairn.models.package.load. For a revision and for the model of the
            checkout, the classes that its params.yaml names are accepted too.

    Raises:
        UserError: no such folder or revision, or its model cannot be fetched.
    """
    root = checkout(folder)
    path = folder / name
    if (path / RECORD).exists():
        if root is None or path.resolve() != (root / MODEL).resolve():
            return Found(path, trust)
        history, revision = History(root), Revision(WORKSPACE, None)
        return Found(path, (*trust, *history.trusted(revision)), history, revision)
    if path.exists():
        raise UserError(f"{name}: no saved model in this folder; run `dvc repro` or `dvc pull`")
    if root is None:
        raise UserError(f"{name}: no such folder, and no revision either: this is not a checkout of Cairn")
    history = History(root)
    revision = history.resolve(name)
    saved = history.tracked_folder(revision, MODEL)
    return Found(saved, (*trust, *history.trusted(revision)), history, revision)


def stop_without_model(name: str, folder: Path) -> None:
    """Check that there is a model for `find_model` to find, and that it is whole, as far as that is here.

    Raises:
        UserError: no such folder or revision, or the model in the folder was damaged.
    """
    root = checkout(folder)
    if root is None or (folder / name).exists():
        read_record(find_model(name, folder).folder)
    else:
        History(root).resolve(name)


def named_model(name: str, folder: Path, trust: Sequence[str] = ()) -> Package:
    """Load the model that `find_model` finds.

    Raises:
        UserError: no such folder or revision, or its model cannot be fetched or read.
    """
    found = find_model(name, folder, trust)
    return load(found.folder, found.trust)
