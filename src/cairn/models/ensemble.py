"""Several models as one: the weighted mean of their predictions, with weights chosen on validation rows.

A plain mean with a weak member is worse than the best member alone, so the weights are selected greedily
(Caruana et al., Ensemble selection from libraries of models, ICML 2004): starting from nothing, the member
that lowers the loss most is added again and again, with replacement; a member's share of the draws is its
weight. Members that are never drawn are not in the saved model.

A bagged member (Breiman, Bagging predictors, Machine Learning 1996; here over folds) is the mean of one model
per fold. Each of these is in the saved model by itself, with an equal part of the weight.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from cairn.data.predictions import Floats
from cairn.features.encode import SideBySide
from cairn.models.package import Package
from cairn.settings.data import Task
from cairn.settings.model import EnsembleConfig, ModelConfig


class _Ensemble(BaseEstimator):
    def __init__(
        self,
        estimators: Sequence[Any],
        places: Sequence[Sequence[int]],
        weights: Sequence[float],
        names: Sequence[str],
    ) -> None:
        self.estimators, self.places = estimators, places
        self.weights, self.names = weights, names

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Do nothing: the members are fitted already, see Recipe.fit."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        """Say that it can predict."""
        return True

    def _mean(self, X: ArrayLike, method: str) -> Floats:
        matrix, total = np.asarray(X), None
        for estimator, (start, stop), weight in zip(self.estimators, self.places, self.weights, strict=True):
            found = getattr(estimator, method)(np.ascontiguousarray(matrix[:, start:stop])) * weight
            total = found if total is None else total + found
        assert total is not None, "an ensemble has members"
        return total


class EnsembleClassifier(ClassifierMixin, _Ensemble):
    """The weighted mean of the probabilities of fitted classifiers.

    Args:
        estimators: fitted on the same labels.
        places: first column and the one after the last of each one's matrix in the matrix of all.
        weights: of each, adding up to 1.
        names: of each, in conf/.
    """

    @property
    def classes_(self) -> NDArray[Any]:
        """The labels, sorted."""
        return self.estimators[0].classes_

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Return class probabilities, shape (n, k), in the order of classes_."""
        return self._mean(X, "predict_proba")

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable label, shape (n,)."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class EnsembleRegressor(RegressorMixin, _Ensemble):
    """The weighted mean of fitted regressors; see EnsembleClassifier."""

    def predict(self, X: ArrayLike) -> Floats:
        """Return the expected number, shape (n,)."""
        return self._mean(X, "predict")


def members_of(package: Package, estimator: Any) -> list[Package]:
    """Return the members of an ensemble as models of their own; the package itself if it is another model."""
    if not isinstance(estimator, _Ensemble):
        return [package]
    starts = {start: encoder for (start, _), encoder in package.encoder.by_place()}
    settings = package.config["model"]["members"]
    return [
        replace(
            package,
            encoder=starts[start],
            estimator=one,
            config={**package.config, "model": settings[name.partition("/")[0].partition("#")[0]]},
        )
        for one, (start, _), name in zip(estimator.estimators, estimator.places, estimator.names, strict=True)
    ]


def names_of(model: EnsembleConfig) -> list[str]:
    """Return the names of the members: NAME, and NAME#2 and so on for further seeds."""
    numbers = range(1, model.seeds + 1)
    return [name if number == 1 else f"{name}#{number}" for name in model.members for number in numbers]


def parts_of(model: EnsembleConfig, name: str) -> list[str]:
    """Return the names of the models that a member is the mean of: NAME/1 and so on for folds."""
    return [f"{name}/{fold}" for fold in range(1, model.folds + 1)] if model.bag else [name]


def member(model: EnsembleConfig, name: str) -> tuple[ModelConfig, int, int | None]:
    """Return the settings of a member, the number that is added to the seed, and its fold, from 0."""
    named, _, fold = name.partition("/")
    own, _, number = named.partition("#")
    return model.members[own], int(number or 1) - 1, int(fold) - 1 if fold else None


def greedy_weights(values: Sequence[Floats], loss: Callable[[Floats], float], draws: int) -> Floats:
    """Return the share of each member, shape (members,), see the module.

    Args:
        values: of each member, such that a mixture of members has the mean of them, shape (n,) each.
        loss: of a mixture.
        draws: members drawn; the weights are multiples of one over at most this number.
    """
    counts, total = np.zeros(len(values), dtype=np.int64), np.zeros_like(values[0])
    best, least = counts, np.inf
    for drawn in range(1, draws + 1):
        losses = [loss((total + each) / drawn) for each in values]
        at = int(np.argmin(losses))
        counts, total = counts + (np.arange(len(values)) == at), total + values[at]
        if losses[at] < least:
            best, least = counts, losses[at]
    return best / best.sum()


def chosen_weights(scores: Sequence[Floats], y: NDArray[Any], task: Task, draws: int) -> NDArray[np.float64]:
    """Return the greedy weights of members by log loss, or the mean squared error of a regression.

    Args:
        scores: of each member for the same rows, which it was not fitted on; see Package.scores.
        y: the target, see Package.encode.
        task: of the members.
        draws: see greedy_weights.
    """
    if task == "regression":
        return greedy_weights([each - y for each in scores], lambda r: float(np.mean(r**2)), draws)
    if task == "binary":
        truth = [np.where(y == 1, each, 1 - each) for each in scores]
    else:
        truth = [each[np.arange(len(y)), y] for each in scores]
    return greedy_weights(truth, _log_loss, draws)


def _log_loss(probability: Floats) -> float:
    return -float(np.mean(np.log(np.maximum(probability, np.finfo(np.float64).tiny))))


def combined(members: Mapping[str, Package], weights: Floats, config: dict[str, Any]) -> Package:
    """Return members that were fitted on the same rows as one model; members of weight 0 are left out."""
    kept = {name: member for (name, member), weight in zip(members.items(), weights, strict=True) if weight}
    encoders: dict[str, Any] = {}
    for name, member in kept.items():
        encoders.setdefault(_encoding(name, member), member.encoder)
    beside = SideBySide(list(encoders.values()))
    places = dict(zip(encoders, (place for place, _ in beside.by_place()), strict=True))
    first = next(iter(kept.values()))
    kind = EnsembleRegressor if first.task == "regression" else EnsembleClassifier
    estimator = kind(
        estimators=[member.estimator for member in kept.values()],
        places=[list(places[_encoding(name, member)]) for name, member in kept.items()],
        weights=[float(weight) for weight in weights if weight],
        names=list(kept),
    )
    notes = [f"Weights of the members: {_told(estimator)}."]
    notes += [f"{name}: {note}" for name, member in kept.items() for note in member.notes]
    weights_of = {name: path for member in kept.values() for name, path in member.weights.items()}
    return replace(first, encoder=beside, estimator=estimator, config=config, notes=notes, weights=weights_of)


def _encoding(name: str, member: Package) -> str:
    """Members with the same encoding of the same rows share its columns."""
    return f"{name.partition('/')[2]} {member.config['model']['encoding']!r}"


def _told(estimator: _Ensemble) -> str:
    """Return the members and their weights in words, such as `hist_gbdt 0.62, mlp 0.38`."""
    weights: dict[str, float] = {}
    for name, weight in zip(estimator.names, estimator.weights, strict=True):
        whole = name.partition("/")[0]
        weights[whole] = weights.get(whole, 0.0) + weight
    return ", ".join(f"{name} {weight:.2f}" for name, weight in weights.items())
