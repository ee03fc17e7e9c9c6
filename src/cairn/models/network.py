"""What our networks share as scikit-learn estimators: everything but their shape."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_consistent_length, check_is_fitted, check_random_state
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import TensorDataset

from cairn.data.predictions import Floats
from cairn.models import loop
from cairn.models.rows import matrix_of, paced
from cairn.progress import OnIteration

OURS = ("seed", "epochs", "horizon")
FROM_PARAMETERS = [field.name for field in fields(loop.Settings) if field.name not in OURS]


@dataclass(kw_only=True, eq=False, repr=False)
class NetworkEstimator(BaseEstimator):
    """A network that is trained by cairn.models.loop and predicts on the CPU.

    scikit-learn reads the parameters from the constructor that dataclass writes. A subclass adds those of its
    shape, and the methods that raise NotImplementedError here.

    Args:
        learning_rate: of AdamW, at the start.
        schedule: cosine lets the learning rate fall to 0 over max_epochs; constant keeps it.
        weight_decay: of AdamW.
        batch_size: rows per step; auto: by the number of rows, see `paced`.
        max_epochs: most passes over the rows, or auto.
        patience: epochs without a better validation loss before training stops, or auto; needs validation.
        precision: bfloat16 speeds up a GPU; the CPU always computes in float32.
        device: of training; auto is the GPU when there is one.
        random_state: seed of weights, order of rows and dropout.
    """

    learning_rate: float = 0.001
    schedule: Literal["cosine", "constant"] = "cosine"
    weight_decay: float = 0.01
    batch_size: int | Literal["auto"] = 1024
    max_epochs: int | Literal["auto"] = 30
    patience: int | Literal["auto"] = 5
    precision: Literal["float32", "bfloat16"] = "float32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    random_state: int | None = 0

    def _start(self, X: Floats) -> nn.Module:
        """Record what the network's shape depends on in the rows of train; return it with new weights."""
        raise NotImplementedError

    def _network(self) -> nn.Module:
        """Return the network in the shape that _start has recorded."""
        raise NotImplementedError

    def _inputs(self, X: Floats, device: torch.device) -> tuple[Tensor, ...]:
        """Return what the network is called with, rows first."""
        raise NotImplementedError

    def _start_target(self, y: NDArray[Any]) -> tuple[loop.Loss, int, float]:
        """Record what _target needs; return the loss, the number of outputs, and the unit of a loss of 1."""
        raise NotImplementedError

    def _target(self, y: NDArray[Any]) -> Tensor:
        """Return the target as the loss takes it."""
        raise NotImplementedError

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        *,
        snapshot: Path | None = None,
        on_iteration: OnIteration | None = None,
        like: Self | None = None,
        share: float = 1.0,
    ) -> Self:
        """Fit X (n, d) and y (n,); stop early on X_val and y_val if given.

        The caller removes the snapshot. on_iteration gets each epoch, from 1, and its loss on X_val.

        With `like` the fit does not stop early and takes about as many steps as that estimator's best
        ones, which is its best number of epochs times `share`, its rows divided by these.

        Raises:
            ValueError: fewer than two classes, a validation label not in y, missing numbers, no such device.
        """
        X, y = matrix_of(X), np.asarray(y)
        check_consistent_length(X, y)
        loss, self.n_outputs_, unit = self._start_target(y)
        self.n_features_in_ = X.shape[1]
        device = loop.pick_device(self.device)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = self._start(X)
        validation = None
        if X_val is not None and y_val is not None:
            validation = self._table(matrix_of(X_val, self.n_features_in_), np.asarray(y_val), device)
        processes = loop.started_group().size
        kind = device.type if processes == 1 else f"{device.type}-{processes}"
        state = loop.train(
            network.to(device),
            loss,
            table=self._table(X, y, device),
            validation=validation,
            settings=(settings := self._settings(seed, len(X), like, share)),
            # Another device or number of processes gives other bits: it may not resume this snapshot.
            snapshot=snapshot and snapshot.with_stem(f"{snapshot.stem}-{kind}"),
            on_iteration=on_iteration,
        )
        self.weights_ = {name: values.cpu().numpy() for name, values in network.state_dict().items()}
        self.n_iter_ = state.epochs
        if self.max_epochs == "auto":
            self.max_epochs_ = settings.max_epochs
        self.best_iteration_ = state.best_epoch
        self.train_score_ = -np.array(state.train) * unit
        self.validation_score_ = -np.array(state.validation) * unit
        return self

    def _settings(self, seed: int, rows: int, like: Self | None, share: float) -> loop.Settings:
        given = {name: getattr(self, name) for name in FROM_PARAMETERS}
        pace = paced(round(rows * share) if like else rows, given["batch_size"], given["max_epochs"])
        given |= {name: value for name, value in pace.items() if given[name] == "auto"}
        settings = loop.Settings(seed=seed, **given)
        if like is None:
            return settings
        epochs = max(1, round(like.best_iteration_ * share))
        return replace(settings, epochs=epochs, horizon=settings.max_epochs * share)

    def _table(self, X: Floats, y: NDArray[Any], device: torch.device) -> TensorDataset:
        return TensorDataset(*self._inputs(X, device), self._target(y).to(device))

    def _outputs(self, X: ArrayLike) -> Floats:
        """Return the outputs, shape (n, outputs): on the CPU, so that every machine gives the same."""
        check_is_fitted(self, "weights_")
        inputs = self._inputs(matrix_of(X, self.n_features_in_), torch.device("cpu"))
        with torch.device("meta"):
            network = self._network()
        weights = {name: torch.from_numpy(values) for name, values in self.weights_.items()}
        network.load_state_dict(weights, assign=True)
        return loop.outputs(network, inputs).double().numpy()


class NetworkClassifier(ClassifierMixin, NetworkEstimator):
    """Two classes (one logit) or more (softmax), fitted by log loss."""

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

    def _start_target(self, y: NDArray[Any]) -> tuple[loop.Loss, int, float]:
        self.classes_ = np.unique(y)
        count = len(self.classes_)
        if count < 2:
            raise ValueError(f"y has only one class ({self.classes_[0]!r}); a classifier needs two")
        return (_log_loss, 1, 1.0) if count == 2 else (functional.cross_entropy, count, 1.0)

    def _target(self, y: NDArray[Any]) -> Tensor:
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"y_val has labels that are not in y: {', '.join(map(str, unknown))}")
        return torch.from_numpy(np.searchsorted(self.classes_, y).astype(np.int64))


class NetworkRegressor(RegressorMixin, NetworkEstimator):
    """A number, fitted by squared error on the standardised target."""

    def predict(self, X: ArrayLike) -> Floats:
        """Return the expected number, shape (n,), in units of y."""
        return self._outputs(X)[:, 0] * self.target_scale_ + self.target_mean_

    def _start_target(self, y: NDArray[Any]) -> tuple[loop.Loss, int, float]:
        numbers = y.astype(np.float64)
        self.target_mean_ = float(numbers.mean())
        self.target_scale_ = float(numbers.std()) or 1.0
        return _squared_error, 1, self.target_scale_**2

    def _target(self, y: NDArray[Any]) -> Tensor:
        standard = (y.astype(np.float64) - self.target_mean_) / self.target_scale_
        return torch.from_numpy(standard.astype(np.float32))


def _log_loss(output: Tensor, target: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(output[:, 0], target.float())


def _squared_error(output: Tensor, target: Tensor) -> Tensor:
    return functional.mse_loss(output[:, 0], target)
