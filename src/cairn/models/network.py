"""The network behind cairn.models.mlp: embeddings for categories, then linear layers."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Network(nn.Module):
    """Embeddings of the codes beside the numbers, then linear layers with ReLU and dropout.

    Args:
        numeric: number of numeric inputs.
        columns: number of columns of codes.
        rows: rows of the one table that holds the embeddings of all columns, one after the other.
        embedding: length of the vector that stands for a category.
        hidden: widths of the hidden layers.
        dropout: share of hidden values set to 0 while training.
        outputs: number of outputs.
    """

    def __init__(
        self,
        *,
        numeric: int,
        columns: int,
        rows: int,
        embedding: int,
        hidden: Sequence[int],
        dropout: float,
        outputs: int,
    ) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(rows, embedding) if columns else None
        layers: list[nn.Module] = []
        width = numeric + embedding * columns
        for following in hidden:
            layers += [nn.Linear(width, following), nn.ReLU(), nn.Dropout(dropout)]
            width = following
        self.layers = nn.Sequential(*layers, nn.Linear(width, outputs))

    def forward(self, numeric: Tensor, rows: Tensor) -> Tensor:
        """Map numbers (n, numeric) float32 and embedding rows (n, columns) int32 to outputs (n, outputs)."""
        if self.embeddings is None:
            return self.layers(numeric)
        return self.layers(torch.cat([numeric, self.embeddings(rows).flatten(1)], dim=1))
