"""What follows the fit, on validation rows only: probabilities out of scores, and the decision threshold."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from cairn.data.predictions import Floats
from cairn.errors import UserError
from cairn.files import replacing
from cairn.metrics.decisions import decision_threshold
from cairn.models.package import Package, load, reference_rows
from cairn.progress import elapsed
from cairn.settings.calibration import CalibrationConfig
from cairn.settings.kpi import KpiConfig

FITTED = Path("models/fitted")
REFITTED = FITTED / "refitted"
"""The model fitted on train; beside it, if train.refit says so, the one fitted on train and validation."""
SCORES = FITTED / "validation.npy"
"""The validation rows as the fitted model scores them, (n,) or (n, k), see Package.scores."""


def save_scores(scores: Floats) -> None:
    """Write the scores of validation beside the fitted model."""
    with replacing(SCORES) as unfinished, unfinished.open("wb") as file:
        np.save(file, scores)


def finish(
    package: Package,
    rows: pd.DataFrame,
    calibration: CalibrationConfig,
    kpi: KpiConfig,
    scores: Floats | None = None,
) -> Package:
    """Calibrate a fitted model, choose the threshold of a binary decision, and record both settings.

    Args:
        package: the fitted model; only its record is needed for the method none and known scores.
        rows: of validation, with the target.
        calibration: the method.
        kpi: what the threshold is chosen by.
        scores: of the rows by the fitted model, if they are known.

    Raises:
        UserError: see calibrate.
    """
    if calibration.method != "none":
        package, scores = calibrate(package, rows, calibration.method), None
    threshold = package.threshold
    if package.task == "binary":
        y = package.encode(rows[package.target])
        known = package.scores(rows) if scores is None else scores
        threshold = decision_threshold(y, known, kpi, probability=True)
    config = {**package.config, "calibration": calibration.model_dump(), "kpi": kpi.model_dump()}
    return replace(package, threshold=threshold, config=config, reference=reference_rows(package, rows))


REFIT = (
    "This model was fitted again on train and validation, and the scores on test are its own. Those on"
    " validation, the calibration, the threshold and the explanation are of the model fitted on train alone."
)
"""A note on a model for which train.refit is validation."""


def is_refitted(package: Package) -> bool:
    """Return whether the model was fitted on validation rows too."""
    return package.config.get("train", {}).get("refit", "none") != "none"


UNSCORED = (
    "No score belongs to this model: it was fitted on train, validation and test. It repeats the model whose"
    " record has the hash {}, and the scores of that one say what to expect."
)
"""A note on a model that was fitted on all rows."""


def validated(package: Package, fitted: Path, trust: Sequence[str] = ()) -> Package:
    """Return the model that has not seen validation, calibrated as the package is.

    Args:
        package: of models/model; it is returned if it was not refitted.
        fitted: the folder models/fitted.
        trust: see load.

    Raises:
        UserError: a model that was fitted on test too.
    """
    if package.refit_of:
        raise UserError(
            "models/model: no score belongs to this model, it was fitted on test too (`cairn refit`);"
            " `dvc checkout --force models/model` brings the scored one back"
        )
    if not is_refitted(package):
        return package
    before = load(fitted, trust)
    return replace(package, encoder=before.encoder, estimator=recalibrated(package, before.estimator))


def load_and_score(
    folder: Path, parts: Mapping[str, pd.DataFrame], trust: Sequence[str]
) -> tuple[Package, dict[str, Floats]]:
    """Return the model of a folder, and the scores of the parts by name.

    Validation is scored by the model that has not seen it; without a calibration train has done that.

    Raises:
        UserError: see load and validated.
    """
    package = load(folder, trust)
    of, known = {}, {}
    if package.config["calibration"]["method"] == "none" and not package.refit_of:
        known["validation"] = np.load(SCORES)
    else:
        of["validation"] = validated(package, FITTED, trust)
    with elapsed("predicting"):
        scored = {n: of.get(n, package).scores(rows) for n, rows in parts.items() if n not in known}
    return package, {name: (known | scored)[name] for name in parts}


def recalibrated(package: Package, estimator: Any) -> Any:
    """Put the calibration of a package, if it has one, on top of another estimator."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    if not isinstance(package.estimator, CalibratedClassifierCV):
        return estimator
    whole, frozen = copy(package.estimator), FrozenEstimator(estimator)
    (inner,) = whole.calibrated_classifiers_
    whole.estimator, whole.calibrated_classifiers_ = frozen, [copy(inner)]
    whole.calibrated_classifiers_[0].estimator = frozen
    return whole


def calibrate(
    package: Package, rows: pd.DataFrame, method: Literal["none", "sigmoid", "isotonic", "temperature"]
) -> Package:
    """Put a calibration on top of the model, which itself does not change.

    Sigmoid is Platt (1999), isotonic Zadrozny & Elkan (2002), temperature Guo et al. (2017), all of them
    scikit-learn's CalibratedClassifierCV around a FrozenEstimator. The model was not fitted on these rows.

    Raises:
        UserError: a class with too few rows.
    """
    if method == "none":
        return package

    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    y = package.encode(rows[package.target])
    few = np.flatnonzero(np.bincount(y, minlength=len(package.classes)) < 2)
    if len(few):
        names = ", ".join(package.class_names[code] for code in few)
        raise UserError(f"calibration.method: {method} needs at least two validation rows of class {names}")
    X = package.encoder.transform(rows[package.features])
    # The estimator is frozen, so the folds make no difference to it; 2 is the fewest that are allowed.
    wrapped = CalibratedClassifierCV(FrozenEstimator(package.estimator), method=method, cv=2)
    return replace(package, estimator=wrapped.fit(X, y))
