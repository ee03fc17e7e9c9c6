"""One training in process, on the prepared data: what search, ablate and learning curves repeat many times.

The same functions in the same order as the stages train and calibrate, so it ends in the same model.
Validation rows judge it; nothing here can read the test part.
"""

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.data.tables import read_json, read_table
from cairn.errors import UserError
from cairn.features.select import select_features
from cairn.models.build import OnIteration, fit_model
from cairn.models.calibration import calibrate, choose_threshold
from cairn.models.package import Package
from cairn.settings.config import Config
from cairn.settings.contract import Contract

CONTRACT = Path("data/prepared/contract.json")
LOG_LINES = 5
SHARED = ("data", "split", "seed", "threads")
"""Sections that trials of one process share: they decide what is prepared, or are set before numpy loads."""
PARTS = {name: Path(f"data/splits/{name}.parquet") for name in ("train", "validation")}


@dataclass(frozen=True)
class Prepared:
    """What the stages prepare and split leave for training."""

    contract: Contract
    train: pd.DataFrame
    validation: pd.DataFrame


@dataclass(frozen=True)
class Trial:
    """A trained model and what it says of the validation rows.

    Attributes:
        package: calibrated, with its threshold.
        y: validation's target as metrics take it, shape (n,).
        prediction: see Package.scores.
    """

    package: Package
    y: NDArray[Any]
    prediction: NDArray[np.float64]


def prepare_data() -> None:
    """Bring the prepared data and params.yaml in step with conf/, by `dvc repro split`.

    Raises:
        UserError: DVC could not; with the last lines it said.
    """
    print(
        "bringing the prepared data in step: dvc repro split",
        file=sys.stderr,
        flush=True,
    )
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro", "split"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines()[-LOG_LINES:]
        raise UserError("\n".join(["`dvc repro split`, which prepares the data, failed:", *said]))


def load_prepared(root: Path) -> Prepared:
    """Read the prepared parts of a checkout.

    Raises:
        UserError: they are not there.
    """
    missing = [str(path) for path in (CONTRACT, *PARTS.values()) if not (root / path).exists()]
    if missing:
        raise UserError(f"{', '.join(missing)}: not there; run `dvc repro split`")
    contract = Contract.model_validate(read_json(root / CONTRACT))
    return Prepared(contract, **{name: read_table(root / path) for name, path in PARTS.items()})


def run_trial(config: Config, prepared: Prepared, on_iteration: OnIteration | None = None) -> Trial:
    """Fit on train, calibrate and choose the threshold on validation, predict validation.

    Args:
        config: the whole config.
        prepared: rows that go with its data and split.
        on_iteration: see fit_model.

    Raises:
        UserError: see fit_model and calibrate.
    """
    data = config.data
    package = fit_model(
        prepared.train,
        prepared.validation,
        contract=prepared.contract,
        features=select_features(prepared.contract, data.target, config.features),
        selection=config.features.selection,
        task=data.task,
        target=data.target,
        positive=None,
        model=config.model,
        settings=config.train,
        seed=config.seed,
        threads=config.threads,
        on_iteration=on_iteration,
    )
    package = calibrate(package, prepared.validation, config.calibration.method)
    package = replace(package, threshold=choose_threshold(package, prepared.validation, config.kpi))
    y = package.encode(prepared.validation[data.target])
    return Trial(package, y, package.scores(prepared.validation))
