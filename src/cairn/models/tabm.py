"""TabM: many multilayer perceptrons that share most of their weights, trained as one (Gorishniy et al. 2025).

The network and its embeddings of numbers are of the packages tabm and rtdl_num_embeddings, the extra `tabm`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cairn.data.predictions import Floats
from cairn.models import loop
from cairn.models.network import NetworkClassifier, NetworkEstimator, NetworkRegressor
from cairn.models.rows import counts_of, finite


class Members(nn.Module):
    """TabM whose k outputs a row are one: those of all members in training, the mean prediction afterwards.

    Probabilities are averaged, and returned as the logits that give the mean; for a regression, numbers are.
    """

    def __init__(self, body: nn.Module, *, classifier: bool) -> None:
        super().__init__()
        self.body, self.classifier = body, classifier

    def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:
        """Map numbers (n, numeric) and codes (n, categorical) to (n x k, outputs), or (n, outputs) later."""
        found = self.body(numeric if numeric.shape[1] else None, codes if codes.shape[1] else None)
        if self.training:
            return found.flatten(0, 1)
        if not self.classifier:
            return found.mean(dim=1)
        found = found.double()
        if found.shape[-1] == 1:
            return torch.logit(torch.sigmoid(found).mean(dim=1), eps=1e-12)
        return torch.log(torch.softmax(found, dim=-1).mean(dim=1).clamp(min=1e-12))


@dataclass(kw_only=True, eq=False, repr=False)
class _TabM(NetworkEstimator):
    members: int = 16
    blocks: int = 2
    width: int = 256
    dropout: float = 0.1
    bins: int = 24
    embedding: int = 16
    learning_rate: float = 0.002
    weight_decay: float = 0.0003
    categorical_features: Sequence[int] | None = None

    def _start(self, X: Floats) -> nn.Module:
        from rtdl_num_embeddings import compute_bins

        self.n_codes_ = counts_of(X[:, self._categorical()])
        numeric = torch.from_numpy(finite(np.delete(X, self._categorical(), axis=1)))
        varied = [at for at in range(numeric.shape[1]) if numeric[:, at].min() < numeric[:, at].max()]
        self.varied_ = np.array(varied, dtype=np.int64)
        edges = compute_bins(numeric[:, varied], n_bins=min(self.bins, len(X) - 1)) if varied else []
        self.edges_ = [each.numpy() for each in edges]
        return self._network()

    def _network(self) -> nn.Module:
        from rtdl_num_embeddings import PiecewiseLinearEmbeddings
        from tabm import TabM

        # Not on the device meta, where the others are built to predict: the packages look at the edges.
        with torch.device("cpu"), torch.random.fork_rng(devices=[]):
            embeddings = None
            if self.edges_:
                edges = [torch.tensor(each) for each in self.edges_]
                embeddings = PiecewiseLinearEmbeddings(edges, self.embedding, activation=False, version="B")
            body = TabM.make(
                n_num_features=len(self.edges_),
                cat_cardinalities=[int(count) + 1 for count in self.n_codes_],
                d_out=self.n_outputs_,
                num_embeddings=embeddings,
                k=self.members,
                n_blocks=self.blocks,
                d_block=self.width,
                dropout=self.dropout,
            )
        return Members(body, classifier=isinstance(self, NetworkClassifier))

    def _categorical(self) -> list[int]:
        return list(self.categorical_features) if self.categorical_features is not None else []

    def _inputs(self, X: Floats, device: torch.device) -> tuple[Tensor, Tensor]:
        numeric = finite(np.delete(X, self._categorical(), axis=1)[:, self.varied_])
        codes = X[:, self._categorical()]
        known = (codes >= 0) & (codes < self.n_codes_)
        rows = np.where(known, codes, self.n_codes_).astype(np.int64)
        return torch.from_numpy(numeric).to(device), torch.from_numpy(rows).to(device)

    def _start_target(self, y: NDArray[Any]) -> tuple[loop.Loss, int, float]:
        loss, outputs, unit = super()._start_target(y)

        def of_each(output: Tensor, target: Tensor) -> Tensor:
            return loss(output, target.repeat_interleave(len(output) // len(target)))

        return of_each, outputs, unit


class TabMClassifier(_TabM, NetworkClassifier):
    """A network for two or more classes, fitted by the mean log loss of its members.

    Input is a float matrix: numbers (finite, about unit scale) and, at `categorical_features`, codes 0..K-1;
    any other value there counts as an unseen category. Predictions are the mean probabilities of the members.

    Args:
        members: networks that share most of their weights.
        blocks: hidden layers.
        width: of each hidden layer.
        dropout: share of hidden values set to 0 while training.
        bins: pieces of each number's piecewise linear encoding, at quantiles of train.
        embedding: length of the vector of each number.
        categorical_features: positions of the columns that hold codes.
        learning_rate, schedule, …: of the training, see NetworkEstimator.

    Attributes:
        edges_: the edges of the bins of each number.
        varied_: positions of the numbers that are not constant in train; others are not used.
        classes_, weights_, train_score_, validation_score_, n_iter_, best_iteration_: as of MLPClassifier.
    """


class TabMRegressor(_TabM, NetworkRegressor):
    """A network for a number, fitted by squared error on the standardised target; see TabMClassifier."""
