"""A multilayer perceptron with embeddings for categories, as scikit-learn estimators."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from cairn.data.predictions import Floats
from cairn.models.network import NetworkClassifier, NetworkEstimator, NetworkRegressor
from cairn.models.rows import counts_of, finite, table_rows, unseen_rows


class Pieces(nn.Module):
    """The piecewise linear encoding of numbers (Gorishniy et al. 2022): how much of each bin is passed.

    It lets a network bend at every edge, which a few layers on the plain numbers learn slowly.
    """

    edges: Tensor

    def __init__(self, numbers: int, bins: int) -> None:
        super().__init__()
        self.register_buffer("edges", torch.zeros(numbers, bins + 1))

    def forward(self, numeric: Tensor) -> Tensor:
        """Map numbers (n, numbers) to shares of bins from 0 to 1, shape (n, numbers x bins)."""
        low, high = self.edges[:, :-1], self.edges[:, 1:]
        passed = (numeric[:, :, None] - low) / (high - low).clamp(min=NARROWEST)
        return passed.clamp(0, 1).flatten(1)


class Network(nn.Module):
    """Numbers, their pieces and embeddings of the codes side by side, then linear layers.

    One table holds the embeddings of all columns, one after the other; None without such a column.
    """

    def __init__(self, pieces: Pieces | None, embeddings: nn.Embedding | None, layers: nn.Sequential) -> None:
        super().__init__()
        self.pieces, self.embeddings, self.layers = pieces, embeddings, layers

    def forward(self, numeric: Tensor, rows: Tensor) -> Tensor:
        """Map numbers (n, numeric) float32 and embedding rows (n, columns) int32 to outputs (n, outputs)."""
        parts = [numeric]
        if self.pieces is not None:
            parts.append(self.pieces(numeric))
        if self.embeddings is not None:
            parts.append(self.embeddings(rows).flatten(1))
        return self.layers(torch.cat(parts, dim=1) if len(parts) > 1 else numeric)


NARROWEST = 1e-6
"""Least width of a bin: an edge that several quantiles share is a step."""


@dataclass(kw_only=True, eq=False, repr=False)
class _MLP(NetworkEstimator):
    hidden: Sequence[int] = (256, 256)
    embedding: int = 16
    bins: int = 0
    dropout: float = 0.1
    categorical_features: Sequence[int] | None = None

    def _start(self, X: Floats) -> Network:
        codes = X[:, self._categorical()]
        self.n_codes_ = counts_of(codes)
        network = self._network()
        if network.pieces is not None:
            numeric = finite(np.delete(X, self._categorical(), axis=1))
            edges = np.quantile(numeric, np.linspace(0, 1, self.bins + 1), axis=0).T
            network.pieces.edges.copy_(torch.from_numpy(edges))
        if network.embeddings is not None:
            with torch.no_grad():
                network.embeddings.weight[torch.as_tensor(unseen_rows(codes, self.n_codes_))] = 0
        return network

    def _network(self) -> Network:
        columns = len(self.n_codes_)
        rows = int(self.n_codes_.sum()) + columns
        embeddings = nn.Embedding(rows, self.embedding) if columns else None
        numbers = self.n_features_in_ - columns
        pieces = Pieces(numbers, self.bins) if numbers and self.bins else None
        layers: list[nn.Module] = []
        width = numbers * (self.bins + 1) + self.embedding * columns
        for following in self.hidden:
            layers += [nn.Linear(width, following), nn.ReLU(), nn.Dropout(self.dropout)]
            width = following
        return Network(pieces, embeddings, nn.Sequential(*layers, nn.Linear(width, self.n_outputs_)))

    def _categorical(self) -> list[int]:
        return list(self.categorical_features) if self.categorical_features is not None else []

    def _inputs(self, X: Floats, device: torch.device) -> tuple[Tensor, Tensor]:
        numeric = finite(np.delete(X, self._categorical(), axis=1))
        rows = table_rows(X[:, self._categorical()], self.n_codes_)
        return torch.from_numpy(numeric).to(device), torch.from_numpy(rows).to(device)


class MLPClassifier(_MLP, NetworkClassifier):
    """A network for two classes (one logit) or more (softmax), fitted by log loss.

    Input is a float matrix: numbers (finite, about unit scale) and, at `categorical_features`, codes 0..K-1;
    any other value there (-1, NaN, a new code) counts as an unseen category, whose vector is 0.
    Predictions are computed on the CPU whatever the device of training.

    Args:
        hidden: widths of the hidden layers.
        embedding: length of the vector learnt for each category.
        bins: pieces of each number's piecewise linear encoding, at quantiles of train; 0: only the number.
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
