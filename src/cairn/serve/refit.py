"""A model fitted once more on all rows, for deployment: no row is left that could score it."""

from dataclasses import replace

import numpy as np
from pydantic import TypeAdapter

from cairn.data.records import read_json
from cairn.data.tables import read_table
from cairn.errors import UserError
from cairn.models.calibration import FITTED, REFIT, SCORES, UNSCORED, recalibrated
from cairn.models.package import Package, library_versions, load
from cairn.models.recipe import Recipe
from cairn.models.record import RECORD, read_record
from cairn.serve.model import Found
from cairn.settings.contract import Contract
from cairn.settings.data import DataConfig
from cairn.settings.features import FeaturesConfig
from cairn.settings.model import AnyModelConfig
from cairn.settings.train import TrainConfig

ALL_PARTS = ("train", "validation", "test")


def refitted_on_all(found: Found) -> tuple[Package, int]:
    """Fit the recipe of a model on train, validation and test; return the model and the number of rows.

    Iterations, columns and weights of members are those that were found without test, and so are the
    calibration and the threshold. See Recipe.refit.

    Raises:
        UserError: a model in a folder of its own, or data that cannot be fetched or are of another run.
    """
    history, revision = found.history, found.revision
    if history is None or revision is None:
        raise UserError(f"{found.folder}: a model in a folder of its own has no data to be fitted on again")
    package = load(found.folder, found.trust)
    hashes = read_record(found.folder).sha256
    if hashes is None:
        raise UserError(f"{revision.name}: its model has no hashes; run `dvc repro` with this version first")
    folder = history.tracked_folder(revision, FITTED.as_posix())
    fitted = load(folder, found.trust)
    files = [history.tracked(revision, f"data/splits/{part}.parquet") for part in ALL_PARTS]
    parts = [read_table(file) for file in files]
    scores = np.load(folder / SCORES.name)
    same = fitted.config == {name: package.config[name] for name in fitted.config}
    if not same or len(scores) != len(parts[1]) or not np.allclose(fitted.scores(parts[1]), scores):
        raise UserError(f"{revision.name}: data/splits and models/ are of several runs; run `dvc repro`")
    file = history.tracked(revision, "data/prepared/contract.json")
    recipe = recipe_of(fitted, Contract.model_validate(read_json(file)))
    rows = sum(map(len, parts))
    again = recipe.refit(fitted, *parts, files=files)
    notes = [note for note in package.notes if note != REFIT]
    whole = replace(
        package,
        encoder=again.encoder,
        estimator=recalibrated(package, again.estimator),
        versions=library_versions(),
        notes=[UNSCORED.format(hashes[RECORD][:12]), *notes],
        refit_of=hashes[RECORD],
    )
    return whole, rows


def recipe_of(package: Package, contract: Contract) -> Recipe:
    """Return the recipe that a model was made by, from its record."""
    config = package.config
    return Recipe(
        contract,
        DataConfig.model_validate(config["data"]),
        FeaturesConfig.model_validate(config["features"]),
        TypeAdapter(AnyModelConfig).validate_python(config["model"]),
        TrainConfig.model_validate(config["train"]),
        config["seed"],
        config["threads"],
    )
