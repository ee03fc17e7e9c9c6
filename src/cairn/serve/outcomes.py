"""What the scores of a model mean: its decision, and in money what acting is expected to save."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cairn.data.predictions import Floats
from cairn.metrics.decisions import decide
from cairn.metrics.kpi import row_saving
from cairn.models.package import Package
from cairn.settings.kpi import CostKpi

SAVING = "expected_saving"


def prices(package: Package) -> CostKpi | None:
    """Return the cost model of a binary model; None if it has none."""
    given = package.config.get("kpi") or {}
    return CostKpi.model_validate(given) if given.get("kind") == "cost" and package.task == "binary" else None


def output_columns(package: Package) -> dict[str, pa.DataType]:
    """Return the columns of the predictions, with their types; see outcomes."""
    if package.task == "binary":
        types = {"probability": pa.float64(), "decision": pa.bool_()}
        return types | ({SAVING: pa.float64()} if prices(package) else {})
    if package.task == "regression":
        return {"prediction": pa.float64()}
    each = dict.fromkeys((f"probability_{name}" for name in package.class_names), pa.float64())
    return each | {"prediction": pa.array(package.classes).type}


def outcomes(package: Package, scores: Floats, costs: CostKpi | None) -> dict[str, NDArray[Any]]:
    """Return the columns of a prediction by name, each of shape (n,).

    Returns:
        binary: probability (of the event), decision (bool) and, with costs, expected_saving: what the
            decision is expected to save compared with doing nothing; multiclass: probability_CLASS for each
            class and prediction (the most probable label); regression: prediction.
    """
    if package.task == "regression":
        return {"prediction": scores}
    if package.task == "multiclass":
        labels = np.array(package.classes, dtype=object)
        each = {f"probability_{name}": scores[:, at] for at, name in enumerate(package.class_names)}
        return each | {"prediction": labels[decide(scores)]}
    acts = decide(scores, package.threshold).astype(bool)
    found: dict[str, NDArray[Any]] = {"probability": scores, "decision": acts}
    return found if costs is None else found | {SAVING: row_saving(scores, acts, costs)}
