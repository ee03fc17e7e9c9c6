"""A multilayer perceptron with embeddings for categories, as scikit-learn estimators."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, check_random_state
from torch import Tensor
from torch.nn import functional

from cairn.models import distributed, loop
from cairn.models.network import Network

Floats = NDArray[np.float64]

FROM_PARAMETERS = [field for field in fields(loop.Settings) if field.name != "seed"]


class _MLP(BaseEstimator):
    """What the classifier and the regressor share; see MLPClassifier for the parameters."""

    def __init__(
        self,
        *,
        hidden: Sequence[int] = (256, 256),
        embedding: int = 16,
        dropout: float = 0.1,
        learning_rate: float = 0.001,
        schedule: Literal["cosine", "constant"] = "cosine",
        weight_decay: float = 0.01,
        batch_size: int = 1024,
        max_epochs: int = 30,
        patience: int = 5,
        precision: Literal["float32", "bfloat16"] = "float32",
        device: Literal["auto", "cpu", "cuda"] = "auto",
        categorical_features: Sequence[int] | None = None,
        random_state: int | None = 0,
    ) -> None:
        self.hidden = hidden
        self.embedding = embedding
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.patience = patience
        self.precision = precision
        self.device = device
        self.categorical_features = categorical_features
        self.random_state = random_state

    def _train(
        self,
        X: Floats,
        target: Tensor,
        X_val: Floats | None,
        target_val: Tensor | None,
        *,
        loss: loop.Loss,
        outputs: int,
        snapshot: Path | None,
        on_iteration: loop.OnIteration | None,
    ) -> loop.State:
        device = loop.pick_device(self.device)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.n_features_in_ = X.shape[1]
        self.n_outputs_ = outputs
        codes = X[:, self._categorical()]
        self.n_codes_ = _counts(codes)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = Network(**self._shape())
        if network.embeddings is not None:
            # A category nobody trained on says nothing: its vector is 0 and, without a gradient, stays 0.
            unseen = np.setdiff1d(np.arange(self.n_codes_.sum() + len(self.n_codes_)), self._rows(codes))
            with torch.no_grad():
                network.embeddings.weight[torch.as_tensor(unseen)] = 0
        processes = distributed.started_group().size
        kind = device.type if processes == 1 else f"{device.type}-{processes}"
        table = loop.Table(self._inputs(X, device), target.to(device))
        validation = None
        if X_val is not None and target_val is not None:
            validation = loop.Table(self._inputs(X_val, device), target_val.to(device))
        state = loop.train(
            network.to(device),
            loss,
            table=table,
            validation=validation,
            settings=loop.Settings(seed=seed, **{f.name: getattr(self, f.name) for f in FROM_PARAMETERS}),
            # A run on another device or over more processes ends in other bits: it may not go on from there.
            snapshot=snapshot and snapshot.with_stem(f"{snapshot.stem}-{kind}"),
            on_iteration=on_iteration,
        )
        self.weights_ = {name: values.cpu().numpy() for name, values in network.state_dict().items()}
        self.n_iter_ = state.epochs
        self.best_iteration_ = state.best_epoch
        return state

    def _outputs(self, X: ArrayLike) -> Floats:
        """Return the outputs, shape (n, outputs): on the CPU, so that every machine gives the same."""
        check_is_fitted(self, "weights_")
        inputs = self._inputs(_matrix(X, self.n_features_in_), torch.device("cpu"))
        with torch.device("meta"):
            network = Network(**self._shape())
        weights = {name: torch.from_numpy(values) for name, values in self.weights_.items()}
        network.load_state_dict(weights, assign=True)
        return loop.outputs(network, inputs).double().numpy()

    def _shape(self) -> dict[str, Any]:
        columns = len(self.n_codes_)
        return {
            "numeric": self.n_features_in_ - columns,
            "columns": columns,
            "rows": int(self.n_codes_.sum()) + columns,
            "embedding": self.embedding,
            "hidden": self.hidden,
            "dropout": self.dropout,
            "outputs": self.n_outputs_,
        }

    def _categorical(self) -> list[int]:
        return list(self.categorical_features) if self.categorical_features is not None else []

    def _inputs(self, X: Floats, device: torch.device) -> tuple[Tensor, Tensor]:
        numeric = np.delete(X, self._categorical(), axis=1).astype(np.float32)
        if not np.isfinite(numeric).all():
            raise ValueError(
                "a network takes no missing or infinite numbers: set encoding.numeric to standard or quantile"
            )
        rows = self._rows(X[:, self._categorical()])
        return torch.from_numpy(numeric).to(device), torch.from_numpy(rows).to(device)

    def _rows(self, codes: Floats) -> NDArray[np.int32]:
        """Find each code's row in the table of embeddings; the last of a column is for what is no code."""
        known = (codes >= 0) & (codes < self.n_codes_)
        rows = np.where(known, codes, self.n_codes_)
        return (rows + np.cumsum(self.n_codes_ + 1) - self.n_codes_ - 1).astype(np.int32)


class MLPClassifier(ClassifierMixin, _MLP):
    """A network for two classes (one logit) or more (softmax), fitted by log loss.

    Input is a float matrix: numbers (finite, about unit scale) and, at `categorical_features`, codes 0..K-1;
    any other value there (-1, NaN, a new code) counts as a category never seen, whose vector is 0.
    Predictions are computed on the CPU whatever the device of training.

    Args:
        hidden: widths of the hidden layers.
        embedding: length of the vector learnt for each category.
        dropout: share of hidden values set to 0 while training.
        learning_rate: of AdamW, at the start.
        schedule: cosine lets the learning rate fall to 0 over max_epochs; constant keeps it.
        weight_decay: of AdamW.
        batch_size: rows per step.
        max_epochs: passes over the rows at most.
        patience: epochs without a better validation loss before training stops; needs validation rows.
        precision: bfloat16 speeds up a GPU; the CPU always computes in float32.
        device: of training; auto is the GPU when there is one.
        categorical_features: positions of the columns that hold codes.
        random_state: seed of weights, order of rows and dropout.

    Attributes:
        classes_: the labels, sorted.
        weights_: the network's arrays by name.
        train_score_, validation_score_: minus the mean log loss per epoch (the former with dropout on).
        n_iter_, best_iteration_: epochs run; the epoch whose weights these are, counted from 1.
    """

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        *,
        snapshot: Path | None = None,
        on_iteration: loop.OnIteration | None = None,
    ) -> Self:
        """Learn from X (n, d) and labels y (n,); stop early on X_val, y_val when given.

        Args:
            X: see the class.
            y: labels of two or more classes.
            X_val: rows to choose the number of epochs on.
            y_val: their labels, all of them in y.
            snapshot: file to go on from after a kill, written each epoch; removing it is up to the caller.
            on_iteration: told each epoch, from 1, and its loss on X_val; may raise to end the fit.

        Raises:
            ValueError: fewer than two classes, a validation label not in y, missing numbers, no such device.
        """
        X, y = _matrix(X), np.asarray(y)
        check_consistent_length(X, y)
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ValueError(f"y has one class only ({self.classes_[0]!r}); a classifier needs two")
        binary = len(self.classes_) == 2
        held_out = None if X_val is None else _matrix(X_val, X.shape[1])
        state = self._train(
            X,
            self._codes(y),
            held_out,
            None if y_val is None else self._codes(np.asarray(y_val)),
            loss=_log_loss if binary else functional.cross_entropy,
            outputs=1 if binary else len(self.classes_),
            snapshot=snapshot,
            on_iteration=on_iteration,
        )
        self.train_score_ = -np.array(state.train)
        self.validation_score_ = -np.array(state.validation)
        return self

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Return class probabilities, shape (n, k), in the order of classes_."""
        logits = torch.from_numpy(self._outputs(X))
        if logits.shape[1] == 1:
            positive = torch.sigmoid(logits)
            return torch.cat([1 - positive, positive], dim=1).numpy()
        return torch.softmax(logits, dim=1).numpy()

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable label, shape (n,)."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def _codes(self, y: NDArray[Any]) -> Tensor:
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"y_val has labels that y has not: {', '.join(map(str, unknown))}")
        return torch.from_numpy(np.searchsorted(self.classes_, y).astype(np.int64))


class MLPRegressor(RegressorMixin, _MLP):
    """A network for a number, fitted by squared error on the standardised target; see MLPClassifier.

    Attributes:
        target_mean_, target_scale_: mean and standard deviation of y in training (scale 1 for a constant).
        train_score_, validation_score_: minus the mean squared error per epoch, in squared units of y.
    """

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        *,
        snapshot: Path | None = None,
        on_iteration: loop.OnIteration | None = None,
    ) -> Self:
        """Learn from X (n, d) and numbers y (n,); stop early on X_val, y_val when given.

        Raises:
            ValueError: missing numbers, or no such device.
        """
        X, y = _matrix(X), np.asarray(y, dtype=np.float64)
        check_consistent_length(X, y)
        self.target_mean_ = float(y.mean())
        self.target_scale_ = float(y.std()) or 1.0
        held_out = None if X_val is None else _matrix(X_val, X.shape[1])
        state = self._train(
            X,
            self._standard(y),
            held_out,
            None if y_val is None else self._standard(np.asarray(y_val, dtype=np.float64)),
            loss=_squared_error,
            outputs=1,
            snapshot=snapshot,
            on_iteration=on_iteration,
        )
        self.train_score_ = -np.array(state.train) * self.target_scale_**2
        self.validation_score_ = -np.array(state.validation) * self.target_scale_**2
        return self

    def predict(self, X: ArrayLike) -> Floats:
        """Return the expected number, shape (n,), in units of y."""
        return self._outputs(X)[:, 0] * self.target_scale_ + self.target_mean_

    def _standard(self, y: Floats) -> Tensor:
        return torch.from_numpy(((y - self.target_mean_) / self.target_scale_).astype(np.float32))


def _matrix(X: ArrayLike, features: int | None = None) -> Floats:
    matrix = check_array(X, dtype=np.float64, ensure_all_finite=False)
    if features is not None and matrix.shape[1] != features:
        raise ValueError(f"X has {matrix.shape[1]} features, the network was fitted with {features}")
    return matrix


def _counts(codes: Floats) -> NDArray[np.int64]:
    """Return K for each column of codes 0..K-1; what is no code (NaN, negative) does not count."""
    known = np.where(codes >= 0, codes, -1)
    return known.max(axis=0, initial=-1).astype(np.int64) + 1


def _log_loss(output: Tensor, target: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(output[:, 0], target.float())


def _squared_error(output: Tensor, target: Tensor) -> Tensor:
    return functional.mse_loss(output[:, 0], target)
