"""What the scores of a model mean: its decision, and in money what acting is expected to save."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from cairn.data.predictions import Floats
from cairn.metrics.decisions import decide
from cairn.metrics.kpi import row_saving
from cairn.models.package import Package
from cairn.settings.kpi import CostKpi, KpiConfig


def costs_of(package: Package) -> CostKpi | None:
    """Return the prices of a binary decision; None where the model has none."""
    kpi = package.config.get("kpi")
    if package.task != "binary" or kpi is None:
        return None
    prices: KpiConfig = TypeAdapter(KpiConfig).validate_python(kpi)
    return prices if isinstance(prices, CostKpi) else None


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
    return found if costs is None else found | {"expected_saving": row_saving(scores, acts, costs)}
