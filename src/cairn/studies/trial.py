"""One training on the prepared data, in this process: what search, ablate and learning curves repeat.

The same functions in the same order as the stages train and calibrate, so the result is the same model.
Validation rows judge it; nothing here can read the test part.
"""

import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from cairn.data.parts import Prepared
from cairn.data.predictions import Floats
from cairn.errors import UserError
from cairn.models.calibration import finish
from cairn.models.package import Package
from cairn.models.recipe import Recipe
from cairn.progress import OnIteration
from cairn.settings.config import Config

LOG_LINES = 5
SHARED = ("data", "split", "seed", "threads")
"""Sections that trials of one process share: they decide what is prepared, or are set before numpy loads."""


@dataclass(frozen=True)
class Trial:
    """A trained model and its predictions of the validation rows.

    Attributes:
        package: calibrated, with its threshold.
        y: validation's target as metrics take it, shape (n,).
        prediction: see Package.scores.
    """

    package: Package
    y: NDArray[Any]
    prediction: Floats


def prepare_data() -> None:
    """Update the prepared data and params.yaml to conf/, by `dvc repro split`.

    Raises:
        UserError: `dvc repro` failed; with the last lines of its output.
    """
    print("updating the prepared data: dvc repro split", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro", "split"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines()[-LOG_LINES:]
        raise UserError("\n".join(["`dvc repro split`, which prepares the data, failed:", *said]))


def run_trial(config: Config, prepared: Prepared, on_iteration: OnIteration | None = None) -> Trial:
    """Fit on train, calibrate and choose the threshold on validation, predict validation.

    Args:
        config: the whole config.
        prepared: the rows, made with the config's data and split.
        on_iteration: see Recipe.fit.

    Raises:
        UserError: see Recipe.fit and calibrate.
    """
    rows = prepared.validation
    recipe = Recipe(
        prepared.contract,
        config.data,
        config.features,
        config.model,
        config.train,
        config.seed,
        config.threads,
    )
    fitted = recipe.fit(prepared.train, rows, on_iteration=on_iteration)
    package = finish(fitted, rows, config.calibration, config.kpi)
    return Trial(package, package.encode(rows[config.data.target]), package.scores(rows))
