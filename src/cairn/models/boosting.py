"""LightGBM, XGBoost and CatBoost, each an optional library, as estimators that are saved without pickle.

conf/model names the library's own class, with its own parameters. It is fitted here with what it needs of
this repository: seed, threads, the columns of codes as native categories, and early stopping on validation
rows. The fitted trees are kept as the bytes of the library's own format (LightGBM: text, XGBoost: UBJSON,
CatBoost: cbm), and every prediction reads them, so a loaded model predicts the same bits.
"""

import importlib
import inspect
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from cairn.data.predictions import Floats
from cairn.progress import OnIteration

FEW = 256
"""Rows up to which a second thread costs more than it saves."""
ROUNDS = "early_stopping_rounds"
"""The parameter of all three libraries: trees without a better validation loss before training stops."""


@dataclass(frozen=True)
class _Rows:
    """What an estimator is fitted on: a matrix, its target, the same of validation, the columns of codes."""

    X: Floats
    y: NDArray[Any]
    held_out: tuple[Floats, NDArray[Any]] | None
    categorical: Sequence[int]
    report: OnIteration | None


class _LightGBM:
    fixed: Mapping[str, Any] = {"verbose": -1, "deterministic": True, "force_col_wise": True}
    threads, seed = "n_jobs", "random_state"

    @staticmethod
    def start(made: Any, params: dict[str, Any], categorical: Sequence[int], width: int) -> Any:
        from lightgbm.basic import _ConfigAliases

        # LightGBM takes any keyword, and only warns of those that it does not know.
        aliases = _ConfigAliases._get_all_param_aliases()
        known = {*aliases, *(name for names in aliases.values() for name in names)}
        _refuse_unknown(made, params, known | set(inspect.signature(made).parameters))
        return made(**params)

    @staticmethod
    def fit(estimator: Any, rows: _Rows) -> tuple[Floats, Floats]:
        def reported(environment: Any) -> None:
            if rows.report is not None:
                rows.report(environment.iteration + 1, environment.evaluation_result_list[-1][2])

        sets = {}
        if rows.held_out:
            sets = {"eval_X": (rows.X, rows.held_out[0]), "eval_y": (rows.y, rows.held_out[1])}
        estimator.fit(
            rows.X,
            rows.y,
            **sets,
            categorical_feature=list(rows.categorical) or "auto",
            callbacks=[reported] if rows.held_out else None,
        )
        if not rows.held_out:
            return np.empty(0), np.empty(0)
        train, validation = (next(iter(losses.values())) for losses in estimator.evals_result_.values())
        return np.array(train), np.array(validation)

    @staticmethod
    def write(estimator: Any) -> bytes:
        best = estimator.best_iteration_ or None
        return estimator.booster_.model_to_string(num_iteration=best).encode()

    @staticmethod
    def read(content: bytes, classifier: bool) -> Any:
        from lightgbm import Booster

        return Booster(model_str=content.decode())

    @staticmethod
    def predict(booster: Any, X: Floats, categorical: Sequence[int], threads: int) -> Floats:
        return booster.predict(X, num_threads=threads)


class _XGBoost:
    fixed: Mapping[str, Any] = {"tree_method": "hist", "device": "cpu", "enable_categorical": True}
    threads, seed = "n_jobs", "random_state"

    @staticmethod
    def start(made: Any, params: dict[str, Any], categorical: Sequence[int], width: int) -> Any:
        return made(**params, feature_types=_kinds(categorical, width))

    @staticmethod
    def fit(estimator: Any, rows: _Rows) -> tuple[Floats, Floats]:
        from xgboost.callback import TrainingCallback

        class Reported(TrainingCallback):
            def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
                if rows.report is not None:
                    rows.report(epoch + 1, float(next(iter(evals_log["validation_1"].values()))[-1]))
                return False

        sets = [(rows.X, rows.y), rows.held_out] if rows.held_out else None
        estimator.set_params(callbacks=[Reported()] if rows.held_out else None)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            estimator.fit(rows.X, rows.y, eval_set=sets, verbose=False)
        for each in said:
            text = str(each.message)
            if "are not used" in text:  # a keyword that XGBoost does not know
                names = text.partition("{")[2].partition("}")[0].strip()
                raise ValueError(f"{type(estimator).__name__} has no parameter {names}")
        if not rows.held_out:
            return np.empty(0), np.empty(0)
        train, validation = (next(iter(losses.values())) for losses in estimator.evals_result().values())
        return np.array(train), np.array(validation)

    @staticmethod
    def write(estimator: Any) -> bytes:
        booster = estimator.get_booster()
        if estimator.early_stopping_rounds is not None:
            booster = booster[: estimator.best_iteration + 1]
        return bytes(booster.save_raw("ubj"))

    @staticmethod
    def read(content: bytes, classifier: bool) -> Any:
        from xgboost import Booster

        return Booster(model_file=bytearray(content))

    @staticmethod
    def predict(booster: Any, X: Floats, categorical: Sequence[int], threads: int) -> Floats:
        from xgboost import DMatrix

        kinds = _kinds(categorical, X.shape[1])
        rows = DMatrix(X, feature_types=kinds, enable_categorical=True, nthread=threads)
        booster.set_param({"nthread": threads})
        return booster.predict(rows, validate_features=False)


class _CatBoost:
    fixed: Mapping[str, Any] = {"verbose": False, "allow_writing_files": False}
    threads, seed = "thread_count", "random_seed"

    @staticmethod
    def start(made: Any, params: dict[str, Any], categorical: Sequence[int], width: int) -> Any:
        return made(**params)

    @staticmethod
    def fit(estimator: Any, rows: _Rows) -> tuple[Floats, Floats]:
        stopped: list[Exception] = []

        class Reported:
            def after_iteration(self, info: Any) -> bool:
                try:
                    if rows.report is not None:
                        losses = next(iter(info.metrics["validation"].values()))
                        rows.report(info.iteration, float(losses[-1]))
                except Exception as error:  # CatBoost's own code is in between: it must not pass through that
                    stopped.append(error)
                return not stopped

        from catboost import CatBoostError

        sets = (_frame(rows.held_out[0], rows.categorical), rows.held_out[1]) if rows.held_out else None
        watched = rows.held_out is not None and rows.report is not None
        try:
            estimator.fit(
                _frame(rows.X, rows.categorical),
                rows.y,
                cat_features=list(rows.categorical),
                eval_set=sets,
                callbacks=[Reported()] if watched else None,
            )
        except CatBoostError as error:
            raise ValueError(str(error)) from error
        if stopped:
            raise stopped[0]
        if not rows.held_out:
            return np.empty(0), np.empty(0)
        train, validation = (
            np.array(next(iter(losses.values()))) for losses in estimator.get_evals_result().values()
        )
        return train, validation

    @staticmethod
    def write(estimator: Any) -> bytes:
        # The date and a random number are in there too, and equal models have equal bytes.
        notes = estimator.get_metadata()
        for name in [name for name in notes if name != "params"]:
            del notes[name]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "model.cbm")
            estimator.save_model(str(file), format="cbm")
            return file.read_bytes()

    @staticmethod
    def read(content: bytes, classifier: bool) -> Any:
        from catboost import CatBoostClassifier, CatBoostRegressor

        return (CatBoostClassifier() if classifier else CatBoostRegressor()).load_model(blob=content)

    @staticmethod
    def predict(booster: Any, X: Floats, categorical: Sequence[int], threads: int) -> Floats:
        ask = getattr(booster, "predict_proba", booster.predict)
        return ask(_frame(X, categorical), thread_count=threads)


Library = type[_LightGBM] | type[_XGBoost] | type[_CatBoost]
TREES = (
    "n_estimators",
    "num_iterations",
    "num_boost_round",
    "iterations",
    "num_trees",
    "n_iter",
    "num_round",
)
"""Names that the libraries give to the number of trees."""
LIBRARIES: dict[str, Library] = {"lightgbm": _LightGBM, "xgboost": _XGBoost, "catboost": _CatBoost}
"""By the module that the user names; also the name of the extra."""


def boosted(target: str) -> Any:
    """Return the class that fits the one of this name; None if it is of another library or no such model."""
    module, _, name = target.rpartition(".")
    if module.partition(".")[0] not in LIBRARIES or not name.endswith(("Classifier", "Regressor")):
        return None
    return BoostedClassifier if name.endswith("Classifier") else BoostedRegressor


class _Boosted(BaseEstimator):
    def __init__(
        self,
        target: str,
        params: Mapping[str, Any],
        categorical_features: Sequence[int] | None = None,
        random_state: int = 0,
        n_jobs: int = 1,
    ) -> None:
        self.target, self.params = target, params
        self.categorical_features = categorical_features
        self.random_state, self.n_jobs = random_state, n_jobs

    @property
    def library(self) -> Library:
        """What knows the library of the target."""
        return LIBRARIES[self.target.partition(".")[0]]

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        *,
        on_iteration: OnIteration | None = None,
        like: Self | None = None,
    ) -> Self:
        """Fit X (n, d) and y (n,); stop early on X_val and y_val if given, and keep the best trees only.

        on_iteration gets the number of each tree, from 1, and the loss on X_val. With `like` as many trees
        are fitted as that estimator has kept.

        Raises:
            ValueError: a parameter that the library does not know, or a value that it refuses.
        """
        module, _, name = self.target.rpartition(".")
        made, library = getattr(importlib.import_module(module), name), self.library
        stops = X_val is not None and y_val is not None
        matrix = self._matrix(X)
        ours = {**library.fixed, library.threads: self.n_jobs, library.seed: self.random_state}
        params = {**ours, **self.params}
        if not stops:
            params.pop(ROUNDS, None)
        if like is not None and like.best_iteration_:
            params = {name: value for name, value in params.items() if name not in TREES}
            params["n_estimators"] = like.best_iteration_
        columns, target = list(self.categorical_features or []), self._start(y)
        held_out = (self._matrix(X_val), self._target(y_val)) if stops else None
        try:
            estimator = library.start(made, params, columns, matrix.shape[1])
            losses = library.fit(estimator, _Rows(matrix, target, held_out, columns, on_iteration))
        except TypeError as error:
            raise ValueError(str(error)) from error
        self.n_features_in_ = matrix.shape[1]
        self.content_ = library.write(estimator)
        self.train_score_, self.validation_score_ = (-values for values in losses)
        self.n_iter_ = len(self.validation_score_)
        self.best_iteration_ = int(self.validation_score_.argmax()) + 1 if stops else 0
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the trees that were read from content_."""
        return {name: value for name, value in vars(self).items() if name != "_read"}

    def __sklearn_tags__(self) -> Tags:
        """Say that missing numbers are taken."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _start(self, y: ArrayLike) -> NDArray[Any]:
        return np.asarray(y)

    def _target(self, y: ArrayLike | None) -> NDArray[Any]:
        return np.asarray(y)

    def _matrix(self, X: ArrayLike | None) -> Floats:
        """Return a float64 matrix whose negative codes, of unseen categories, are missing."""
        matrix = np.array(X, dtype=np.float64, order="C")
        columns = list(self.categorical_features or [])
        codes = matrix[:, columns]
        matrix[:, columns] = np.where(codes >= 0, codes, np.nan)
        return matrix

    def _outputs(self, X: ArrayLike) -> Floats:
        check_is_fitted(self, "content_")
        matrix = self._matrix(X)
        if not hasattr(self, "_read"):
            self._read = self.library.read(self.content_, isinstance(self, BoostedClassifier))
        threads = self.n_jobs if len(matrix) > FEW else 1
        found = self.library.predict(self._read, matrix, list(self.categorical_features or []), threads)
        return np.asarray(found, dtype=np.float64)


class BoostedClassifier(ClassifierMixin, _Boosted):
    """A classifier of LightGBM, XGBoost or CatBoost for any labels.

    Input is a float matrix: numbers, NaN where missing, and at `categorical_features` codes 0..K-1; a
    negative code is an unseen category, which counts as missing.

    Args:
        target: dotted name of the library's class, such as lightgbm.LGBMClassifier.
        params: of that class, in its own names.
        categorical_features: positions of the columns that hold codes.
        random_state: its seed.
        n_jobs: its threads.

    Attributes:
        classes_: the labels, sorted.
        content_: the trees in the library's own format, up to the best one if training stopped early.
        train_score_, validation_score_: minus the loss after each tree; empty without validation rows.
        n_iter_, best_iteration_: trees fitted and kept; 0 without validation rows.
    """

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Return class probabilities, shape (n, k), in the order of classes_."""
        found = self._outputs(X)
        return np.column_stack([1 - found, found]) if found.ndim == 1 else found

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable label, shape (n,)."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def _start(self, y: ArrayLike) -> NDArray[Any]:
        self.classes_ = np.unique(np.asarray(y))
        return self._target(y)

    def _target(self, y: ArrayLike | None) -> NDArray[Any]:
        return np.searchsorted(self.classes_, np.asarray(y))


class BoostedRegressor(RegressorMixin, _Boosted):
    """A regressor of LightGBM, XGBoost or CatBoost; see BoostedClassifier."""

    def predict(self, X: ArrayLike) -> Floats:
        """Return the expected number, shape (n,), in units of y."""
        return self._outputs(X)


def _kinds(categorical: Sequence[int], width: int) -> list[str]:
    """Return the types of XGBoost's columns: q is a number, c a category."""
    return ["c" if at in set(categorical) else "q" for at in range(width)]


def _frame(X: Floats, categorical: Sequence[int]) -> pd.DataFrame:
    """Return the matrix with whole numbers as categories, as CatBoost wants them; missing is -1."""
    columns = {at: X[:, at] for at in range(X.shape[1])}
    columns |= {at: np.where(np.isnan(X[:, at]), -1, X[:, at]).astype(np.int32) for at in categorical}
    return pd.DataFrame(columns, copy=False)


def _refuse_unknown(made: Any, params: Mapping[str, Any], known: set[str]) -> None:
    strange = sorted(set(params) - known)
    if strange:
        raise ValueError(f"{made.__name__} has no parameter '{strange[0]}'")
