"""Turn scores into probabilities and probabilities into decisions, on validation only.

reads: models/fitted, data/splits/validation.parquet, ${train.reads}
writes: models/model

A stage of its own: a new price or another calibration needs no new training. Both are chosen by the model
that has not seen validation, also where the model that is written has (train.refit).
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from cairn.data.parts import PARTS
from cairn.data.tables import read_table
from cairn.models.calibration import FITTED, REFIT, REFITTED, SCORES, finish, is_refitted, recalibrated
from cairn.models.package import load, save
from cairn.settings.calibration import CalibrationConfig
from cairn.settings.data import DataConfig
from cairn.settings.kpi import KpiConfig
from cairn.settings.model import AnyModelConfig


def main(
    *, calibration: CalibrationConfig, data: DataConfig, kpi: KpiConfig, model: AnyModelConfig, threads: int
) -> None:
    """Write the model that the stages after this one use."""
    source, same = FITTED, calibration.method == "none"
    fitted = load(source, trust=model.trusted, with_model=not same)
    scores = np.load(SCORES) if same else None
    package = finish(fitted, read_table(PARTS["validation"]), calibration, kpi, scores)
    if is_refitted(package):
        source = REFITTED
        refitted = load(source, trust=model.trusted, with_model=not same)
        estimator = recalibrated(package, refitted.estimator)
        package = replace(
            package,
            encoder=refitted.encoder,
            estimator=estimator,
            notes=[REFIT, *package.notes],
            weights=refitted.weights,
        )
    save(package, Path("models/model"), same_as=source if same else None)
    cut = package.threshold
    turns = f"; {data.event} where the probability is above {cut:.3f}" if data.task == "binary" else ""
    print(f"calibrate: {'no calibration' if calibration.method == 'none' else calibration.method}{turns}")
