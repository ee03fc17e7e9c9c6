"""From config to unfitted estimator: any class with scikit-learn's interface, by its dotted name."""

import importlib
import inspect
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import get_tags

from cairn.errors import UserError, did_you_mean
from cairn.models.boosting import boosted
from cairn.settings.data import Task
from cairn.settings.model import AnyModelConfig, ModelConfig
from cairn.settings.train import TrainConfig
from cairn.settings.trusted import how_to_install

LIMITS = ("max_epochs_", "max_iter", "max_epochs")
"""Parameters that limit the iterations of an estimator that stops early."""
STILL_RISING = 0.005
"""Share of the validation loss that the last tenth of the iterations must not gain."""


def build_estimator(
    model: ModelConfig, task: Task, *, seed: int, threads: int, device: str, categorical: list[int]
) -> Any:
    """Make the unfitted estimator that the config names.

    Where its constructor takes them and the config does not set them, it also gets random_state, n_jobs,
    device (left at its own default for auto) and categorical_features.

    Raises:
        UserError: no class for the task, a class that does not exist, or a parameter it does not have.
    """
    role = "regressor" if task == "regression" else "classifier"
    block = getattr(model, role)
    if block is None:
        raise UserError(
            f"model '{model.name}' has no {role} for a {task} task; choose another with model=NAME"
        )
    where = f"model.{role}._target_"
    made = _class(where, block["_target_"])
    if role == "classifier":
        needs_probabilities(made, where, made.__name__)
    given = model.params | {key: value for key, value in block.items() if key != "_target_"}
    if wrapper := boosted(block["_target_"]):
        made, given = wrapper, {"target": block["_target_"], "params": given}
    known = inspect.signature(made).parameters
    ours = {"random_state": seed, "n_jobs": threads, "categorical_features": categorical or None}
    if device != "auto":
        ours["device"] = device
    if made.__module__.startswith("sklearn.linear_model"):
        del ours["n_jobs"]  # scikit-learn warns that it has no effect there
    try:
        return made(**{name: value for name, value in ours.items() if name in known} | given)
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}: {made.__name__}: {error}") from error


def stops_early(model: AnyModelConfig, task: Task, settings: TrainConfig) -> bool:
    """Return whether fitting uses validation rows; if not, the model may be fitted on them too."""
    if not isinstance(model, ModelConfig):
        uses = (stops_early(member, task, settings) for member in model.members.values())
        chooses = model.weights == "greedy" and model.weights_from == "validation"
        return chooses or (not model.bag and any(uses))
    block = model.regressor if task == "regression" else model.classifier
    fit = (
        getattr(boosted(block["_target_"]) or _class("model", block["_target_"]), "fit", None)
        if block
        else None
    )
    return settings.early_stopping and fit is not None and "X_val" in inspect.signature(fit).parameters


def training_curve(estimator: Any) -> pd.DataFrame:
    """Return one row per iteration with the scores on train and validation, higher being better.

    An estimator has a curve if it has both train_score_ and validation_score_, as HistGradientBoosting and
    our networks do (elsewhere in scikit-learn train_score_ alone is a loss); others get one row of NaN.
    Iteration 0 is the constant that boosting starts from.
    """
    has_curve = hasattr(estimator, "train_score_") and hasattr(estimator, "validation_score_")
    train = np.asarray(estimator.train_score_ if has_curve else [], dtype=np.float64)
    validation = np.asarray(estimator.validation_score_ if has_curve else [], dtype=np.float64)
    rows = max(len(train), len(validation), 1)
    first = estimator.n_iter_ - rows + 1 if len(train) else 0
    scores = {"train": pd.Series(train), "validation": pd.Series(validation)}
    table = pd.DataFrame(scores, index=range(rows), dtype=np.float64)
    table.insert(0, "iteration", np.arange(first, first + rows))
    return table


def unconverged(estimator: Any) -> str:
    """Return a sentence if the validation score still rose when the iterations ended; otherwise nothing."""
    scores = np.asarray(getattr(estimator, "validation_score_", []), dtype=np.float64)
    limit = next((v for v in (getattr(estimator, name, None) for name in LIMITS) if v), None)
    limit = limit or getattr(estimator, "params", {}).get("n_estimators")
    if len(scores) < 2 or not limit or estimator.n_iter_ < limit:
        return ""
    late = max(1, len(scores) // 10)
    before, best = scores[:-late].max(), scores.max()
    gain = (best - before) / abs(before) if before else 0.0
    if gain < STILL_RISING:
        return ""
    return (
        f"Training stopped at the limit of {limit:,} iterations before convergence: the validation loss fell"
        f" by {100 * gain:.1f} % in the last {late:,} of them."
    )


def takes_sparse(estimator: Any) -> bool:
    """Return whether the estimator's fit takes a scipy CSR matrix."""
    return hasattr(estimator, "__sklearn_tags__") and get_tags(estimator).input_tags.sparse


def needs_probabilities(candidate: Any, where: str, name: str) -> None:
    """Raise a UserError unless the class or estimator has predict_proba."""
    if not hasattr(candidate, "predict_proba"):
        raise UserError(f"{where}: {name} has no predict_proba; choose a classifier that has one")


@contextmanager
def quiet() -> Generator[None]:
    """Silence warnings that the user can do nothing about: fewer rows than quantiles, an unused n_jobs."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="n_quantiles", category=UserWarning)
        warnings.filterwarnings("ignore", message="'n_jobs' has no effect", category=FutureWarning)
        yield


def _class(where: str, target: str) -> Any:
    module_name, _, name = target.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except (ImportError, ValueError) as error:
        raise UserError(
            f"{where}: no module '{module_name}' for {target}; {how_to_install(target)} ({error})"
        ) from error
    if not inspect.isclass(getattr(module, name, None)):
        raise UserError(f"{where}: {module_name} has no class '{name}'{did_you_mean(name, dir(module))}")
    return getattr(module, name)
