"""A multilayer perceptron with embeddings for categories, as scikit-learn estimators."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cairn.data.predictions import Floats
from cairn.models.network import NetworkClassifier, NetworkEstimator, NetworkRegressor, finite


class Network(nn.Module):
    """Embeddings of the codes beside the numbers, then linear layers with ReLU and dropout.

    One table holds the embeddings of all columns, one after the other; None where there is no such column.
    """

    def __init__(self, embeddings: nn.Embedding | None, layers: nn.Sequential) -> None:
        super().__init__()
        self.embeddings, self.layers = embeddings, layers

    def forward(self, numeric: Tensor, rows: Tensor) -> Tensor:
        """Map numbers (n, numeric) float32 and embedding rows (n, columns) int32 to outputs (n, outputs)."""
        if self.embeddings is None:
            return self.layers(numeric)
        return self.layers(torch.cat([numeric, self.embeddings(rows).flatten(1)], dim=1))


@dataclass(kw_only=True, eq=False, repr=False)
class _MLP(NetworkEstimator):
    hidden: Sequence[int] = (256, 256)
    embedding: int = 16
    dropout: float = 0.1
    categorical_features: Sequence[int] | None = None

    def _start(self, X: Floats) -> Network:
        codes = X[:, self._categorical()]
        self.n_codes_ = _counts(codes)
        network = self._network()
        if network.embeddings is not None:
            # The vector of a category that train lacks is 0 and, without a gradient, stays 0.
            unseen = np.setdiff1d(np.arange(self.n_codes_.sum() + len(self.n_codes_)), self._rows(codes))
            with torch.no_grad():
                network.embeddings.weight[torch.as_tensor(unseen)] = 0
        return network

    def _network(self) -> Network:
        columns = len(self.n_codes_)
        rows = int(self.n_codes_.sum()) + columns
        embeddings = nn.Embedding(rows, self.embedding) if columns else None
        layers: list[nn.Module] = []
        width = self.n_features_in_ - columns + self.embedding * columns
        for following in self.hidden:
            layers += [nn.Linear(width, following), nn.ReLU(), nn.Dropout(self.dropout)]
            width = following
        return Network(embeddings, nn.Sequential(*layers, nn.Linear(width, self.n_outputs_)))

    def _categorical(self) -> list[int]:
        return list(self.categorical_features) if self.categorical_features is not None else []

    def _inputs(self, X: Floats, device: torch.device) -> tuple[Tensor, Tensor]:
        numeric = finite(np.delete(X, self._categorical(), axis=1))
        rows = self._rows(X[:, self._categorical()])
        return torch.from_numpy(numeric).to(device), torch.from_numpy(rows).to(device)

    def _rows(self, codes: Floats) -> NDArray[np.int32]:
        """Find each code's row in the table of embeddings; a column's last row is for all other values."""
        known = (codes >= 0) & (codes < self.n_codes_)
        rows = np.where(known, codes, self.n_codes_)
        return (rows + np.cumsum(self.n_codes_ + 1) - self.n_codes_ - 1).astype(np.int32)


class MLPClassifier(_MLP, NetworkClassifier):
    """A network for two classes (one logit) or more (softmax), fitted by log loss.

    Input is a float matrix: numbers (finite, about unit scale) and, at `categorical_features`, codes 0..K-1;
    any other value there (-1, NaN, a new code) counts as an unseen category, whose vector is 0.
    Predictions are computed on the CPU whatever the device of training.

    Args:
        hidden: widths of the hidden layers.
        embedding: length of the vector learnt for each category.
        dropout: share of hidden values set to 0 while training.
        categorical_features: positions of the columns that hold codes.
        learning_rate, schedule, …: of the training, see NetworkEstimator.

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
    """Return K for each column of codes 0..K-1, ignoring other values (NaN, negative)."""
    known = np.where(codes >= 0, codes, -1)
    return known.max(axis=0, initial=-1).astype(np.int64) + 1
