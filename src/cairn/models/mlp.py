"""A multilayer perceptron with embeddings for categories, as scikit-learn estimators."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cairn.models.estimators import Floats, NetworkClassifier, NetworkEstimator, NetworkRegressor, finite
from cairn.models.network import Network


class _MLP(NetworkEstimator):
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

    def _start(self, X: Floats) -> Network:
        codes = X[:, self._categorical()]
        self.n_codes_ = _counts(codes)
        network = self._network()
        if network.embeddings is not None:
            # A category nobody trained on says nothing: its vector is 0 and, without a gradient, stays 0.
            unseen = np.setdiff1d(np.arange(self.n_codes_.sum() + len(self.n_codes_)), self._rows(codes))
            with torch.no_grad():
                network.embeddings.weight[torch.as_tensor(unseen)] = 0
        return network

    def _network(self) -> Network:
        columns = len(self.n_codes_)
        return Network(
            numeric=self.n_features_in_ - columns,
            columns=columns,
            rows=int(self.n_codes_.sum()) + columns,
            embedding=self.embedding,
            hidden=self.hidden,
            dropout=self.dropout,
            outputs=self.n_outputs_,
        )

    def _categorical(self) -> list[int]:
        return list(self.categorical_features) if self.categorical_features is not None else []

    def _inputs(self, X: Floats, device: torch.device) -> tuple[Tensor, Tensor]:
        numeric = finite(np.delete(X, self._categorical(), axis=1))
        rows = self._rows(X[:, self._categorical()])
        return torch.from_numpy(numeric).to(device), torch.from_numpy(rows).to(device)

    def _rows(self, codes: Floats) -> NDArray[np.int32]:
        """Find each code's row in the table of embeddings; the last of a column is for what is no code."""
        known = (codes >= 0) & (codes < self.n_codes_)
        rows = np.where(known, codes, self.n_codes_)
        return (rows + np.cumsum(self.n_codes_ + 1) - self.n_codes_ - 1).astype(np.int32)


class MLPClassifier(_MLP, NetworkClassifier):
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


class MLPRegressor(_MLP, NetworkRegressor):
    """A network for a number, fitted by squared error on the standardised target; see MLPClassifier.

    Attributes:
        target_mean_, target_scale_: mean and standard deviation of y in training (scale 1 for a constant).
        train_score_, validation_score_: minus the mean squared error per epoch, in squared units of y.
    """


def _counts(codes: Floats) -> NDArray[np.int64]:
    """Return K for each column of codes 0..K-1; what is no code (NaN, negative) does not count."""
    known = np.where(codes >= 0, codes, -1)
    return known.max(axis=0, initial=-1).astype(np.int64) + 1
