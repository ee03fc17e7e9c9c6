"""What `import cairn` offers: a trained model and its predictions, by the name of a revision."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cairn.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from cairn.models.package import Package


def load_model(name: str | Path = "models/model", trust: Sequence[str] = ()) -> "Package":
    """Load a model: a folder, or a git revision, a DVC experiment, `@STAGE` or `workspace` of this checkout.

    Args:
        name: of the folder or the revision, or `@prod`; paths are relative to the current folder.
        trust: further classes to accept, by dotted prefix such as "lightgbm".

    Returns:
        The model; its `predict` takes a DataFrame of raw or of prepared columns.

    Raises:
        UserError: no such folder or revision, or its model cannot be fetched or read.
    """
    from cairn.serve.model import named_model

    return named_model(str(name), Path.cwd(), trust)


def load_predictions(revision: str = "workspace") -> "pd.DataFrame":
    """Return what the stage `evaluate` of a revision predicted for validation and test.

    Returns:
        row_id, part, target, and the predicted columns: `model`, or `model|CLASS` for each class.

    Raises:
        UserError: no checkout here, no such revision, or its predictions are in neither cache nor remote.
    """
    from cairn.data.tables import read_table
    from cairn.experiments.history import PREDICTIONS, History
    from cairn.serve.model import checkout

    root = checkout(Path.cwd())
    if root is None:
        raise UserError("no dvc.yaml here or above: run inside a clone of the repository")
    history = History(root)
    return read_table(history.tracked(history.resolve(revision), PREDICTIONS))
