"""Turn scores into probabilities and probabilities into decisions, on validation alone.

reads: models/fitted, data/splits/validation.parquet
writes: models/model

A stage of its own: a new price or another calibration needs no new training.
"""

from dataclasses import replace
from pathlib import Path

from cairn.data.tables import read_table
from cairn.models.calibration import calibrate, choose_threshold
from cairn.models.package import load, save
from cairn.settings.calibration import CalibrationConfig
from cairn.settings.data import DataConfig
from cairn.settings.kpi import KpiConfig
from cairn.settings.model import ModelConfig


def main(
    *, calibration: CalibrationConfig, data: DataConfig, kpi: KpiConfig, model: ModelConfig, threads: int
) -> None:
    """Write the model as it is used from here on."""
    rows = read_table(Path("data/splits/validation.parquet"))
    package = calibrate(load(Path("models/fitted"), trust=model.trusted), rows, calibration.method)
    threshold = choose_threshold(package, rows, kpi)
    config = {**package.config, "calibration": calibration.model_dump(), "kpi": kpi.model_dump()}
    save(replace(package, threshold=threshold, config=config), Path("models/model"))
    turns = f", {data.event} where the probability is above {threshold:.3f}" if data.task == "binary" else ""
    print(f"calibrate: {calibration.method}{turns}")
