"""Scores to probabilities that mean what they say, learnt on validation rows alone."""

from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd

from cairn.errors import UserError
from cairn.metrics.threshold import decision_threshold
from cairn.models.package import Package
from cairn.settings.kpi import KpiConfig


def calibrate(
    package: Package, rows: pd.DataFrame, method: Literal["none", "sigmoid", "isotonic", "temperature"]
) -> Package:
    """Put a calibration on top of the model, which itself stays as it is.

    Sigmoid is Platt (1999), isotonic Zadrozny & Elkan (2002), temperature Guo et al. (2017), all of them
    scikit-learn's CalibratedClassifierCV around a FrozenEstimator.

    Args:
        package: a model that is not calibrated yet.
        rows: with features and target, that the model was not fitted on; two of each class at least.
        method: none returns the package itself.

    Raises:
        UserError: a regression, or classes without rows to learn from.
    """
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    if method == "none":
        return package
    if package.task == "regression":
        raise UserError(
            f"calibration.method: {method}, but a regression has no probabilities; choose calibration=none"
        )
    y = package.encode(rows[package.target])
    few = np.flatnonzero(np.bincount(y, minlength=len(package.classes)) < 2)
    if len(few):
        names = ", ".join(package.class_names[code] for code in few)
        raise UserError(f"calibration.method: {method} needs two validation rows of class {names} at least")
    X = package.encoder.transform(rows[package.features])
    # The estimator is frozen, so the folds make no difference to it; 2 is the fewest that are allowed.
    wrapped = CalibratedClassifierCV(FrozenEstimator(package.estimator), method=method, cv=2)
    return replace(package, estimator=wrapped.fit(X, y))


def choose_threshold(package: Package, rows: pd.DataFrame, kpi: KpiConfig) -> float:
    """Return where the decision turns, see decision_threshold; tasks without one keep what they have."""
    if package.task != "binary":
        return package.threshold
    y = package.encode(rows[package.target])
    return decision_threshold(y, package.scores(rows), kpi, probability=True)
