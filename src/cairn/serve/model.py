"""A model by name: a folder, or a revision of the checkout, fetched from the cache or the remote."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cairn.errors import UserError
from cairn.experiments.history import MODEL, SETTINGS, WORKSPACE, History, Revision
from cairn.models.package import RECORD, Package, load
from cairn.settings.model import ModelConfig


def checkout(folder: Path) -> Path | None:
    """Return the nearest folder with a pipeline, this one or one above it; None if there is none."""
    return next((one for one in (folder, *folder.parents) if (one / "dvc.yaml").exists()), None)


def named_model(name: str, folder: Path, trust: Sequence[str] = ()) -> Package:
    """Load the model in a folder, or that of a revision of the checkout.

    Args:
        name: a folder with a saved model, or a git revision, a tag, a DVC experiment or `workspace`.
        folder: what paths are relative to; the checkout is this one or above it.
        trust: further types to accept, see cairn.models.package.load. For a revision and for the model of the
            checkout, the classes that its params.yaml names are accepted too.

    Raises:
        UserError: no such folder or revision, or its model cannot be fetched or read.
    """
    root = checkout(folder)
    path = folder / name
    if (path / RECORD).exists():
        own = root is not None and path.resolve() == (root / MODEL).resolve()
        named = _named(History(root), Revision(WORKSPACE, None)) if root and own else []
        return load(path, (*trust, *named))
    if path.exists():
        raise UserError(f"{name}: no saved model in this folder; run `dvc repro` or `dvc pull`")
    if root is None:
        raise UserError(f"{name}: no such folder, and no checkout here that could have such a revision")
    history = History(root)
    revision = history.resolve(name)
    return load(history.tracked_folder(revision, MODEL), (*trust, *_named(history, revision)))


def _named(history: History, revision: Revision) -> list[str]:
    """Return what the settings of a revision trust."""
    from omegaconf import OmegaConf

    text = history.text(revision, SETTINGS)
    settings: Any = OmegaConf.to_container(OmegaConf.create(text or ""))
    if not isinstance(settings, dict) or "model" not in settings:
        return []
    return ModelConfig.model_validate(settings["model"]).trusted
