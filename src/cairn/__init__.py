"""Cairn: `cairn.load_model` and `cairn.load_predictions`, imported when they are first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import load_model, load_predictions

__all__ = ["load_model", "load_predictions"]


def __getattr__(name: str) -> Any:
    # A relative name, which the code of a stage does not follow: no stage depends on the interface.
    if name in __all__:
        return getattr(import_module(".api", __name__), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
