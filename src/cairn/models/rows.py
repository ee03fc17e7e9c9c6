"""Rows as a network takes them: finite numbers, places in a table of embeddings, and how many make a step."""

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_array

from cairn.data.predictions import Floats

STEPS = 7000
"""Steps of the optimizer that max_epochs: auto aims at."""


def paced(rows: int, batch_size: int | Literal["auto"], max_epochs: int | Literal["auto"]) -> dict[str, int]:
    """Return what auto stands for: batch_size, max_epochs and patience by the number of rows of train.

    A batch is about 2 sqrt(rows), a power of two from 32 to 4096; epochs are as many as make STEPS steps,
    from 10 to 100; training waits for a sixth of the epochs. So few rows get small batches and many epochs:
    with the pace that suits 200,000 rows, 3,000 rows get too few steps to converge.
    """
    batch = min(4096, max(32, 2 ** round(math.log2(2 * math.sqrt(rows)))))
    batch = batch if batch_size == "auto" else batch_size
    epochs = min(100, max(10, round(STEPS * batch / rows)))
    epochs = epochs if max_epochs == "auto" else max_epochs
    return {"batch_size": batch, "max_epochs": epochs, "patience": max(5, round(epochs / 6))}


def matrix_of(X: ArrayLike, features: int | None = None) -> Floats:
    """Return a float64 matrix, shape (n, features).

    Raises:
        ValueError: another number of columns.
    """
    matrix = check_array(X, dtype=np.float64, ensure_all_finite=False)
    if features is not None and matrix.shape[1] != features:
        raise ValueError(f"X has {matrix.shape[1]} features, the network was fitted with {features}")
    return matrix


def finite(numbers: Floats) -> NDArray[np.float32]:
    """Return the numbers as float32.

    Raises:
        ValueError: one is missing or infinite.
    """
    small = numbers.astype(np.float32)
    if not np.isfinite(small).all():
        raise ValueError(
            "a network cannot use missing or infinite numbers: set encoding.numeric to standard or quantile"
        )
    return small


def counts_of(codes: Floats) -> NDArray[np.int64]:
    """Return K for each column of codes 0..K-1, ignoring other values (NaN, negative)."""
    known = np.where(codes >= 0, codes, -1)
    return known.max(axis=0, initial=-1).astype(np.int64) + 1


def table_rows(codes: Floats, counts: NDArray[np.int64]) -> NDArray[np.int32]:
    """Find each code's row in one table of the embeddings of all columns, shape (n, columns).

    Column j has counts[j] + 1 rows, one after the other; its last row is for all other values.
    """
    known = (codes >= 0) & (codes < counts)
    rows = np.where(known, codes, counts)
    return (rows + np.cumsum(counts + 1) - counts - 1).astype(np.int32)


def unseen_rows(codes: Floats, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows of that table that no code stands for: without a gradient, 0 there stays."""
    return np.setdiff1d(np.arange(counts.sum() + len(counts)), table_rows(codes, counts))
