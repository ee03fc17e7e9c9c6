"""Fit an encoder, and encode rows block by block: with the same bits, in a fraction of the memory.

ColumnTransformer would hold every step's matrix of all rows, and then all of them beside each other.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from cairn.features.encode import CATEGORICAL, TARGET, ToNumbers

FEW = 2
CELLS = 2**22
"""Of a block of rows, 32 MB."""
BY_COLUMN = ("statistics_", "mean_", "var_", "scale_", "quantiles_")
"""What imputers and scalers learn of each column, in the last dimension."""
OF_ROWS = ("n_samples_seen_", "n_quantiles_", "references_")
"""What they learn of the number of rows."""


def fit_and_encode(encoder: ColumnTransformer, rows: pd.DataFrame, y: NDArray[Any]) -> Any:
    """Fit an encoder of build_encoder, and return the matrix of the rows it was fitted on, as encoded does.

    Means of the target have to be fitted and computed at once: a row gets those of the other folds.
    """
    if any(name == TARGET for name, _, _ in encoder.transformers):
        return encoder.fit_transform(rows, y)
    blocks = encoder.transformers
    fitted = [(name, _fitted(clone(block), rows[names]), names) for name, block, names in blocks]
    # What else it learns are names and places, which a few rows show.
    encoder.transformers = [(name, FrozenEstimator(block), names) for name, block, names in fitted]
    encoder.fit(rows.iloc[:FEW])
    encoder.transformers, encoder.transformers_ = blocks, fitted
    return encoded(encoder, rows)


def encoded(encoder: ColumnTransformer, rows: pd.DataFrame) -> Any:
    """Return the matrix of rows, float64 (n, width): an array in C order, or a CSR matrix."""
    width = max((place.stop for place in encoder.output_indices_.values()), default=0)
    step = max(1, CELLS // max(width if not encoder.sparse_output_ else rows.shape[1], 1))
    blocks = (encoder.transform(rows.iloc[start : start + step]) for start in range(0, len(rows), step))
    if encoder.sparse_output_:
        return _stacked(blocks, len(rows), _most_in_a_row(encoder, width))
    matrix = np.empty((len(rows), width))
    for number, block in enumerate(blocks):
        matrix[number * step : number * step + len(block)] = block
    return matrix


def _fitted(block: Pipeline, rows: pd.DataFrame) -> Pipeline:
    """Fit a block; a scaler two columns at a time, as its sums of one column alone have other last bits."""
    width = rows.shape[1]
    if not isinstance(block[0], ToNumbers) or len(block) < 3 or width < 4:
        return block.fit(rows)
    cuts = [*range(0, width - 1, 2), width]
    parts = [clone(block).fit(rows.iloc[:, first:last]) for first, last in pairwise(cuts)]
    block.fit(rows.iloc[:FEW])
    for step, *of_parts in zip(block, *parts, strict=True):
        for name in {*BY_COLUMN} & {*vars(step)}:
            setattr(step, name, np.concatenate([getattr(part, name) for part in of_parts], axis=-1))
        for name in {*OF_ROWS} & {*vars(step)}:
            setattr(step, name, getattr(of_parts[0], name))
    return block


def _most_in_a_row(encoder: ColumnTransformer, width: int) -> int:
    """Return how many cells of a row are not 0 at most: of a category only one is 1."""
    place = encoder.output_indices_[CATEGORICAL]
    block = encoder.named_transformers_[CATEGORICAL]
    assert isinstance(block[-1], OneHotEncoder), "no other block is sparse"
    return width - (place.stop - place.start) + block[-1].n_features_in_


def _stacked(blocks: Any, rows: int, most: int) -> Any:
    """Return blocks of a CSR matrix as one; pages of memory that stay empty do not count."""
    data, indices = (
        np.empty(rows * most),
        np.empty(rows * most, dtype=np.int32 if rows * most < 2**31 else np.int64),
    )
    starts = np.zeros(rows + 1, dtype=indices.dtype)
    row, cell, block = 0, 0, None
    for block in blocks:
        data[cell : cell + block.nnz], indices[cell : cell + block.nnz] = block.data, block.indices
        starts[row + 1 : row + 1 + block.shape[0]] = cell + block.indptr[1:]
        row, cell = row + block.shape[0], cell + block.nnz
    assert block is not None, "there are rows"
    return type(block)((data[:cell], indices[:cell], starts), shape=(rows, block.shape[1]))
