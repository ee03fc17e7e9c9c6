"""Fit an encoder, and encode rows block by block: with scikit-learn's bits, in a fraction of memory and time.

ColumnTransformer would hold every step's matrix of all rows, and then all of them beside each other; and the
encoders of categories look up the text of every row.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator

from cairn.data.tables import empty
from cairn.features.encode import CATEGORICAL, TARGET, ToNumbers, ToText

Blocks = Callable[[int], Iterable[pd.DataFrame]]
"""Reads rows in blocks of at most so many."""
FEW = 2
CELLS = 2**22
"""Of a block of rows, 32 MB."""
BY_COLUMN = ("statistics_", "mean_", "var_", "scale_", "quantiles_")
"""What imputers and scalers learn of each column, in the last dimension."""
OF_ROWS = ("n_samples_seen_", "n_quantiles_", "references_")
"""What they learn of the number of rows."""


def fit_and_encode(
    encoder: ColumnTransformer, rows: pd.DataFrame, y: NDArray[Any], again: Blocks | None = None
) -> Any:
    """Fit an encoder of build_encoder, and return the matrix of the rows it was fitted on, as encoded does.

    Means of the target have to be fitted and computed at once: a row gets those of the other folds.

    `again` reads the same rows in blocks; `rows` are then emptied before the matrix is made.
    """
    if any(name == TARGET for name, _, _ in encoder.transformers):
        return encoder.fit_transform(rows, y)
    blocks: list[tuple[str, Any, list[str]]] = encoder.transformers
    fitted: list[Any] = [(name, _fitted(clone(block), rows[names]), names) for name, block, names in blocks]
    # What else it learns are names and places, which a few rows show.
    encoder.transformers = [(name, FrozenEstimator(block), names) for name, block, names in fitted]
    encoder.fit(rows.iloc[:FEW])
    encoder.transformers = blocks
    encoder.transformers_ = fitted
    if again is None:
        return encoded(encoder, rows)
    number, step = len(rows), _rows_of_block(encoder)
    empty(rows)
    return _matrix(encoder, again(step), number)


def encoded(encoder: ColumnTransformer, rows: pd.DataFrame) -> Any:
    """Return the matrix of rows, float64 (n, width): an array in C order, or a CSR matrix."""
    step = _rows_of_block(encoder)
    blocks = (rows.iloc[start : start + step] for start in range(0, len(rows), step))
    return _matrix(encoder, blocks, len(rows))


def _width(encoder: ColumnTransformer) -> int:
    return max((place.stop for place in encoder.output_indices_.values()), default=0)


def _rows_of_block(encoder: Any) -> int:
    columns = encoder.n_features_in_ if encoder.sparse_output_ else _width(encoder)
    return max(1, CELLS // max(columns, 1))


def _matrix(encoder: ColumnTransformer, blocks: Iterable[pd.DataFrame], rows: int) -> Any:
    """Return the matrix of so many rows from blocks of them."""
    parts, width = (_block(encoder, block) for block in blocks), _width(encoder)
    if encoder.sparse_output_:
        return _stacked(parts, rows, _most_in_a_row(encoder, width))
    matrix, start = np.empty((rows, width)), 0
    for part in parts:
        matrix[start : start + len(part)] = part
        start += len(part)
    assert start == rows, "the blocks are these rows"
    return matrix


def _fitted(block: Any, rows: pd.DataFrame) -> Any:
    """Fit a block; a scaler two columns at a time, as its sums of one column alone have other last bits."""
    if isinstance(block[0], ToText) and len(rows):
        words = _fewer_words(rows, block[-1].min_frequency, block[-1].max_categories)
        if words is not None:
            block[0].fit(rows.iloc[:FEW])
            block[-1].fit(words)
            return block
    width = rows.shape[1]
    if not isinstance(block[0], ToNumbers) or len(block) < 3 or width < 2:
        return block.fit(rows)
    cuts = [*range(0, width - 1, 2), width]
    parts = [_scaled(clone(block), rows.iloc[:, first:last]) for first, last in pairwise(cuts)]
    block.fit(rows.iloc[:FEW])
    for step, *of_parts in zip(block, *parts, strict=True):
        for name in {*BY_COLUMN} & {*vars(step)}:
            setattr(step, name, np.concatenate([getattr(part, name) for part in of_parts], axis=-1))
        for name in {*OF_ROWS} & {*vars(step)}:
            setattr(step, name, getattr(of_parts[0], name))
    return block


def _scaled(block: Any, rows: pd.DataFrame) -> Any:
    """Fit ToNumbers, SimpleImputer (which sorts where selection is enough) and a scaler."""
    to_numbers, imputer, scaler = block
    numbers = to_numbers.fit(rows).transform(rows)
    imputer.fit(numbers[:FEW])
    there = [column[~np.isnan(column)] for column in numbers.T]
    imputer.statistics_ = np.array([np.median(column) if len(column) else 0.0 for column in there])
    scaler.fit(imputer.transform(numbers))
    return block


def _fewer_words(rows: pd.DataFrame, least: int, most: int | None) -> NDArray[np.object_] | None:
    """Return text of fewer rows from which encoders learn what they do from all of these; None: unknown.

    They learn the categories, which of them have fewer rows than `least`, and, of more than `most`, which are
    the most frequent: the order of their counts decides, not the counts.
    """
    columns = []
    for name in rows:
        values = rows[name]
        if values.dtype == object:
            return None
        places, distinct = pd.factorize(values, use_na_sentinel=False)
        of_words: Counter[str] = Counter()
        texts = ToText().transform(pd.Series(distinct).to_frame())[:, 0]
        for text, count in zip(texts, np.bincount(places).tolist(), strict=True):
            of_words[text] += count
        ranks = {
            count: rank for rank, count in enumerate(sorted({c for c in of_words.values() if c >= least}))
        }
        fewer = {text: least + ranks[c] if c in ranks else c for text, c in of_words.items()}
        first = [text for text, count in fewer.items() if count == max(fewer.values())]
        if most is not None and len(first) >= most - 1 and len(fewer) > most:
            return None  # equally frequent ones have to stay so
        columns.append((fewer, first[0]))
    longest = max(sum(fewer.values()) for fewer, _ in columns)
    words = np.empty((longest, len(columns)), dtype=object)
    for at, (fewer, first) in enumerate(columns):
        fewer[first] += longest - sum(fewer.values())
        words[:, at] = np.repeat(np.array([*fewer], dtype=object), [*fewer.values()])
    return words


def _block(encoder: ColumnTransformer, rows: pd.DataFrame) -> Any:
    """Return what encoder.transform returns for a few rows; a category is looked up once."""
    blocks: dict[str, tuple[Any, list[str]]] = {
        name: (block, names) for name, block, names in encoder.transformers_
    }
    block, names = blocks.pop(CATEGORICAL, (None, []))
    if block is None or not len(rows) or any(rows[name].dtype == object for name in names):
        return encoder.transform(rows)
    found = [pd.factorize(rows[name], use_na_sentinel=False) for name in names]
    longest = np.arange(max(len(distinct) for _, distinct in found))
    few = {
        name: pd.Series(distinct.take(longest % len(distinct)))
        for name, (_, distinct) in zip(names, found, strict=True)
    }
    codes = block.transform(pd.DataFrame(few))
    is_sparse = sparse.issparse(codes)
    if is_sparse != encoder.sparse_output_ or (is_sparse and codes.nnz < len(longest) * len(names)):
        return encoder.transform(rows)
    table = codes.indices.reshape(-1, len(names)) if is_sparse else codes
    coded = np.column_stack([table[places, at] for at, (places, _) in enumerate(found)])
    numbers = [other.transform(rows[columns]) for other, columns in blocks.values()]
    if not is_sparse:
        return np.hstack([*numbers, coded])
    before = encoder.output_indices_[CATEGORICAL].start
    cells = np.hstack([*numbers, np.ones(coded.shape)])
    places = np.hstack([np.broadcast_to(np.arange(before), (len(rows), before)), coded + before])
    there = cells != 0
    starts = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    index = (places[there].astype(codes.indices.dtype), starts.astype(codes.indptr.dtype))
    return type(codes)((cells[there], *index), shape=(len(rows), before + codes.shape[1]))


def _most_in_a_row(encoder: ColumnTransformer, width: int) -> int:
    """Return how many cells of a row are not 0 at most: of a category only one is 1."""
    place = encoder.output_indices_[CATEGORICAL]
    return width - (place.stop - place.start) + encoder.named_transformers_[CATEGORICAL].n_features_in_


def _stacked(blocks: Iterator[Any], rows: int, most: int) -> Any:
    """Return blocks of a CSR matrix as one; pages of memory that stay empty do not count."""
    data = np.empty(rows * most)
    indices = np.empty(len(data), dtype=np.int32 if len(data) < 2**31 else np.int64)
    starts = np.zeros(rows + 1, dtype=indices.dtype)
    row, cell, block = 0, 0, None
    for block in blocks:
        data[cell : cell + block.nnz], indices[cell : cell + block.nnz] = block.data, block.indices
        starts[row + 1 : row + 1 + block.shape[0]] = cell + block.indptr[1:]
        row, cell = row + block.shape[0], cell + block.nnz
    assert block is not None and row == rows, "the blocks are these rows"
    return type(block)((data[:cell], indices[:cell], starts), shape=(rows, block.shape[1]))
