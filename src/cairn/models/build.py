"""From config to fitted model: any estimator with scikit-learn's interface, named by its class."""

import difflib
import importlib
import inspect
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import get_tags

from cairn.errors import UserError
from cairn.features.encode import build_encoder, categorical_positions
from cairn.features.selection import choose_columns
from cairn.models.labels import Label, class_labels, target_values
from cairn.models.package import Package
from cairn.progress import elapsed
from cairn.settings.contract import Contract
from cairn.settings.data import Task
from cairn.settings.features import SelectionConfig
from cairn.settings.model import ModelConfig
from cairn.settings.train import TrainConfig

OnIteration = Callable[[int, float], None]
"""Told the number of the iteration, from 1, and the loss on validation after it; may raise to end the fit."""


def build_estimator(
    model: ModelConfig, task: Task, *, seed: int, threads: int, device: str, categorical: list[int]
) -> Any:
    """Make the unfitted estimator that the config names.

    Beside the parameters of the config it gets, where its constructor takes them and the config is silent,
    random_state, n_jobs, device (left at its own default for auto) and categorical_features.

    Args:
        model: class and parameters.
        task: chooses between model.classifier and model.regressor.
        seed: for random_state.
        threads: for n_jobs.
        device: auto, cpu or cuda.
        categorical: positions of the columns of codes in its input.

    Raises:
        UserError: no class for the task, a class that is not there, or a parameter it does not have.
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
        _needs_probabilities(made, where, made.__name__)
    given = model.params | {key: value for key, value in block.items() if key != "_target_"}
    known = inspect.signature(made).parameters
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
    for name in given:
        if name not in known and not open_ended:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}"
            raise UserError(f"model.params: {made.__name__} has no parameter '{name}': {hint}")
    ours = {"random_state": seed, "n_jobs": threads, "categorical_features": categorical or None}
    if device != "auto":
        ours["device"] = device
    if made.__module__.startswith("sklearn.linear_model"):
        del ours["n_jobs"]  # scikit-learn warns that it has no effect there
    try:
        return made(**{name: value for name, value in ours.items() if name in known} | given)
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}: {made.__name__}: {error}") from error


def fit_model(
    train: pd.DataFrame,
    validation: pd.DataFrame | None,
    *,
    contract: Contract,
    features: list[str],
    task: Task,
    target: str,
    positive: Label | None,
    model: ModelConfig,
    settings: TrainConfig,
    seed: int,
    threads: int,
    classes: list[Label] | None = None,
    selection: SelectionConfig | None = None,
    snapshot: Path | None = None,
    on_iteration: OnIteration | None = None,
) -> Package:
    """Fit encoder and estimator on train; validation rows only ever say when to stop.

    They are given to an estimator whose fit takes X_val and y_val, if train.early_stopping is true. If it
    is false such an estimator does not stop early at all: the rows it would set aside by itself are a
    random part of train, which tells little about the future. Validation rows of a class that train lacks
    are left out.

    Args:
        train: rows to learn from, with the features and the target.
        validation: rows to stop on, or None.
        contract: says what kind each feature is.
        features: columns to use, see cairn.features.select.
        task: what is asked.
        target: column that is predicted.
        positive: label of the event in a binary task.
        model: what is fitted.
        settings: device and early stopping.
        seed: for the estimator.
        threads: for the estimator.
        classes: the labels where train may lack some (folds); None: those of train.
        selection: a choice among the features, made on train; None takes them all.
        snapshot: file for an estimator that can go on after a kill, see cairn.models.resume.
        on_iteration: called after each epoch of our networks and each iteration of HistGradientBoosting while
            they watch validation rows; never by other estimators. It changes nothing of what is fitted.

    Returns:
        The model, its classes, a threshold of 0.5 and no config yet.

    Raises:
        UserError: see build_estimator and class_labels, or what the estimator does not like.
    """
    if classes is None:
        classes = class_labels(train[target], task, positive)
    y = target_values(train[target], task, classes)
    if selection is not None:
        features = choose_columns(
            train,
            y,
            features,
            contract=contract,
            task=task,
            selection=selection,
            seed=seed,
            threads=threads,
        )
    inputs = Contract(columns={name: contract.columns[name] for name in features})
    choice = {"seed": seed, "threads": threads, "device": settings.device}
    sparse = _takes_sparse(build_estimator(model, task, **choice, categorical=[]))
    encoder = build_encoder(inputs, features, model.encoding, sparse=sparse)
    with _quiet():
        X = encoder.fit_transform(train[features])
    estimator = build_estimator(model, task, **choice, categorical=categorical_positions(encoder))
    package = Package(encoder, estimator, inputs, task, target, classes)
    held_out = None
    if validation is not None and task != "regression":
        validation = validation[validation[target].isin(train[target].unique())]
    if validation is not None and len(validation):
        held_out = (encoder.transform(validation[features]), package.encode(validation[target]))
    try:
        _fit(
            estimator,
            X,
            y,
            held_out=held_out,
            early_stopping=settings.early_stopping,
            snapshot=snapshot,
            on_iteration=on_iteration,
        )
    except (ValueError, FloatingPointError) as error:
        raise UserError(f"model '{model.name}': {str(error).splitlines()[0]}") from error
    if task != "regression":
        _needs_probabilities(estimator, "model.classifier", type(estimator).__name__)
    return package


def stops_early(model: ModelConfig, task: Task, settings: TrainConfig) -> bool:
    """Tell whether fitting looks at validation rows; if not, they may as well be learnt from."""
    block = model.regressor if task == "regression" else model.classifier
    fit = getattr(_class("model", block["_target_"]), "fit", None) if block else None
    return settings.early_stopping and fit is not None and "X_val" in inspect.signature(fit).parameters


def training_curve(estimator: Any) -> pd.DataFrame:
    """Return one row per iteration with the scores on train and validation, higher being better.

    An estimator has a curve if it has both train_score_ and validation_score_, as HistGradientBoosting and
    our networks do (elsewhere in scikit-learn train_score_ alone is a loss).

    Returns:
        Columns iteration (0 is the constant that boosting starts from), train, validation (NaN where there is
        none); a single row of NaN for an estimator without a curve.
    """
    has_curve = hasattr(estimator, "train_score_") and hasattr(estimator, "validation_score_")
    train = np.asarray(estimator.train_score_ if has_curve else [], dtype=np.float64)
    validation = np.asarray(estimator.validation_score_ if has_curve else [], dtype=np.float64)
    rows = max(len(train), len(validation), 1)
    first = estimator.n_iter_ - rows + 1 if len(train) else 0
    table = pd.DataFrame({"iteration": np.arange(first, first + rows), "train": np.nan, "validation": np.nan})
    table.loc[: len(train) - 1, "train"] = train
    table.loc[: len(validation) - 1, "validation"] = validation
    return table


def _fit(
    estimator: Any,
    X: Any,
    y: NDArray[Any],
    *,
    held_out: tuple[Any, NDArray[Any]] | None,
    early_stopping: bool,
    snapshot: Path | None,
    on_iteration: OnIteration | None,
) -> None:
    taken = inspect.signature(estimator.fit).parameters
    extra: dict[str, Any] = {}
    if "X_val" in taken:
        stops = early_stopping and held_out is not None
        if "early_stopping" in estimator.get_params():
            estimator.set_params(early_stopping=stops)
        if stops:
            extra["X_val"], extra["y_val"] = held_out
    if snapshot is not None and "snapshot" in taken:
        extra["snapshot"] = snapshot
    if on_iteration is not None and "on_iteration" in taken:
        extra["on_iteration"] = on_iteration
    with _quiet():
        shows_progress_itself = "snapshot" in taken
    with (
        nullcontext() if shows_progress_itself else elapsed(f"fitting {type(estimator).__name__}"),
        _told(estimator, on_iteration),
    ):
        estimator.fit(X, y, **extra)


@contextmanager
def _told(estimator: Any, on_iteration: OnIteration | None) -> Generator[None]:
    """Let HistGradientBoosting tell of its iterations where it asks itself whether to stop.

    It takes no callbacks (scikit-learn 1.9), and warm_start in chunks would bin the table again for each of
    them. The method is private, so a test holds that it is called and that the model has the same bits.
    """
    if on_iteration is None or not hasattr(estimator, "_should_stop"):
        yield
        return
    should_stop = estimator._should_stop

    def told(scores: list[float]) -> bool:
        if len(scores) > 1:  # the first is the constant that boosting starts from
            on_iteration(len(scores) - 1, -float(scores[-1]))
        return should_stop(scores)

    estimator._should_stop = told
    try:
        yield
    finally:
        del estimator._should_stop


@contextmanager
def _quiet() -> Generator[None]:
    """Silence what is no fault of the user's: a table of fewer rows than quantiles, n_jobs given in vain."""
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
            f"{where}: no module '{module_name}' for {target}; is it installed? ({error})"
        ) from error
    if not inspect.isclass(getattr(module, name, None)):
        near = difflib.get_close_matches(name, dir(module), n=1)
        hint = f", did you mean {near[0]}?" if near else ""
        raise UserError(f"{where}: {module_name} has no class '{name}'{hint}")
    return getattr(module, name)


def _needs_probabilities(candidate: Any, where: str, name: str) -> None:
    if not hasattr(candidate, "predict_proba"):
        raise UserError(f"{where}: {name} gives no probabilities (predict_proba); choose one that does")


def _takes_sparse(estimator: Any) -> bool:
    return hasattr(estimator, "__sklearn_tags__") and get_tags(estimator).input_tags.sparse
