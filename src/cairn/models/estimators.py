"""What our networks share as scikit-learn estimators: all but their parameters and what they look like."""

from dataclasses import fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, check_random_state
from torch import Tensor, nn
from torch.nn import functional

from cairn.models import distributed, loop

Floats = NDArray[np.float64]

FROM_PARAMETERS = [field for field in fields(loop.Settings) if field.name != "seed"]


class NetworkEstimator(BaseEstimator):
    """A network that is trained by cairn.models.loop and predicts on the CPU.

    A subclass has the parameters that loop.Settings names, device and random_state, and the methods below.
    """

    device: str
    random_state: int | None

    def _start(self, X: Floats) -> nn.Module:
        """Note what the shape of the network hangs on in the rows of train; return it with fresh weights."""
        raise NotImplementedError

    def _network(self) -> nn.Module:
        """Return the network in the shape that _start has noted."""
        raise NotImplementedError

    def _inputs(self, X: Floats, device: torch.device) -> tuple[Tensor, ...]:
        """Return what the network is called with, rows first."""
        raise NotImplementedError

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
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = self._start(X)
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
            network = self._network()
        weights = {name: torch.from_numpy(values) for name, values in self.weights_.items()}
        network.load_state_dict(weights, assign=True)
        return loop.outputs(network, inputs).double().numpy()


class NetworkClassifier(ClassifierMixin, NetworkEstimator):
    """Two classes (one logit) or more (softmax), fitted by log loss."""

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


class NetworkRegressor(RegressorMixin, NetworkEstimator):
    """A number, fitted by squared error on the standardised target."""

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


def finite(numbers: Floats) -> NDArray[np.float32]:
    """Return the numbers as float32.

    Raises:
        ValueError: one is missing or infinite.
    """
    small = numbers.astype(np.float32)
    if not np.isfinite(small).all():
        raise ValueError(
            "a network takes no missing or infinite numbers: set encoding.numeric to standard or quantile"
        )
    return small


def _matrix(X: ArrayLike, features: int | None = None) -> Floats:
    matrix = check_array(X, dtype=np.float64, ensure_all_finite=False)
    if features is not None and matrix.shape[1] != features:
        raise ValueError(f"X has {matrix.shape[1]} features, the network was fitted with {features}")
    return matrix


def _log_loss(output: Tensor, target: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(output[:, 0], target.float())


def _squared_error(output: Tensor, target: Tensor) -> Tensor:
    return functional.mse_loss(output[:, 0], target)
