"""The trees of a HistGradientBoosting as one table of bits: the sum of the leaves without a walk.

After QuickScorer (Lucchese et al., SIGIR 2015, doi:10.1145/2766462.2767733). Every leaf of a tree is one bit,
from left to right. A place is an interval of a column between neighbouring thresholds, a category, or a
missing value; its row of the table says which leaves of every tree a value there leaves possible. The first
leaf that all columns leave possible is that of the tree.
"""

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cairn.data.predictions import Floats

CACHED = 128
"""Rows whose leaves stay in the cache of a processor."""
LARGEST = 2**28
"""Bytes of a table."""
Bits = NDArray[np.unsignedinteger[Any]]


class Trees:
    """The sums of the leaves of a fitted HistGradientBoosting, in the order in which scikit-learn sums them.

    It reads private attributes of scikit-learn, whose version is pinned; see cairn.models.compiled.

    Attributes:
        table: shape (places, words, trees); None if it would be larger than LARGEST.
        columns: for each column of the matrix that a tree splits on, its number, its first place, that of a
            missing value, and where it is cut: a value's place is the first and the number of cuts below it.
    """

    def __init__(self, estimator: Any) -> None:
        """Make the table."""
        self.estimator, rounds = estimator, estimator._predictors
        self.shape = (len(rounds), len(rounds[0]))
        self.known, self.mapping = estimator._bin_mapper.make_known_categories_bitsets()
        splits = _splits([tree for each in rounds for tree in each])
        self.leaves, self.first = splits.leaves, splits.first
        self.columns: list[tuple[int, int, int, Floats]] = []
        parts = [splits.everything(1)]  # of a column that no tree splits on
        for at in np.unique(splits.nodes["feature_idx"]).tolist():
            start = sum(map(len, parts))
            cuts, part = splits.of_column(at, self.known[self.mapping[at]] if len(self.known) else None)
            self.columns.append((at, start, start + len(part) - 1, cuts))
            parts.append(part)
            if sum(part.nbytes for part in parts) > LARGEST:
                break
        self.table = None if sum(part.nbytes for part in parts) > LARGEST else np.concatenate(parts)
        self.rooms = threading.local()

    def raw(self, matrix: Floats) -> Floats:
        """Return the sums of the leaves, shape (n, trees per iteration), for the inner matrix (n, d)."""
        if self.table is not None:
            places = self._places(matrix)
            return np.concatenate(
                [self.sums(places[at : at + CACHED]) for at in range(0, len(places), CACHED)]
            )
        rows, baseline = len(matrix), self.estimator._baseline_prediction
        total = np.array(np.broadcast_to(baseline, (rows, self.shape[1])), order="F")
        for each in self.estimator._predictors:
            for k, tree in enumerate(each):
                total[:, k] += tree.predict(matrix, self.known, self.mapping, 1)
        return total

    def sums(self, places: NDArray[np.intp]) -> Floats:
        """Return the same for rows of the table, shape (n, any number): a row of data is what they allow."""
        assert self.table is not None
        leaves = self._leaves(self.table, places)
        steps = self.leaves[self.first + leaves].reshape(len(places), *self.shape)
        steps[:, 0] += self.estimator._baseline_prediction
        return np.add.accumulate(steps, axis=1)[:, -1]

    def _places(self, matrix: Floats) -> NDArray[np.intp]:
        found = np.empty((len(matrix), len(self.columns)), dtype=np.intp)
        for to, (at, start, missing, cuts) in enumerate(self.columns):
            values = matrix[:, at]
            found[:, to] = np.where(np.isnan(values), missing, start + np.searchsorted(cuts, values))
        return found

    def _leaves(self, table: Bits, places: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the number of each tree's leaf, from its left, shape (n, trees)."""
        words = np.empty((len(places), *table.shape[1:]), dtype=table.dtype)
        room = getattr(self.rooms, "found", None)
        if room is None:  # each thread keeps its own: asking the system for it again would cost as much
            room = self.rooms.found = np.empty((places.shape[1], *table.shape[1:]), dtype=table.dtype)
        for row, to in zip(places, words, strict=True):
            np.bitwise_and.reduce(table.take(row, axis=0, out=room, mode="clip"), axis=0, out=to)
        found = _below_lowest(words[:, -1])
        for at in range(words.shape[1] - 2, -1, -1):
            bits = _below_lowest(words[:, at])
            found = np.where(bits < 8 * words.itemsize, bits, bits + found)
        return found


def _below_lowest(words: Bits) -> NDArray[np.intp]:
    """Return the number of bits below the lowest that is set; all of them if none is."""
    return np.bitwise_count((words & -words) - 1).astype(np.intp)


@dataclass(frozen=True)
class _Splits:
    """The nodes of all trees that split a column, and the leaves.

    Args:
        nodes: of scikit-learn.
        tree: of each node.
        codes: the categories that go to the left at each node, as bits.
        kept: the leaves that a row which goes to the right can reach, as bits, shape (nodes, words).
        leaves: values, by tree from left to right.
        first: position of each tree's first leaf.
    """

    nodes: NDArray[Any]
    tree: NDArray[np.intp]
    codes: NDArray[np.bool_]
    kept: Bits
    leaves: Floats
    first: NDArray[np.intp]

    def everything(self, places: int) -> Bits:
        """Return rows of the table that leave every leaf possible, shape (places, words, trees)."""
        shape = (places, self.kept.shape[1], len(self.first))
        return np.full(shape, np.iinfo(self.kept.dtype).max, dtype=self.kept.dtype)

    def of_column(self, at: int, known: NDArray[Any] | None) -> tuple[Floats, Bits]:
        """Return where a column is cut, and its rows of the table, the one of a missing value last."""
        here = np.flatnonzero(self.nodes["feature_idx"] == at)
        nodes, tree, kept = self.nodes[here], self.tree[here], self.kept[here]
        absent = nodes["missing_go_to_left"] == 0
        if nodes["is_categorical"].any():
            assert known is not None
            flags = _flags(known[None])[0]
            codes = int(np.flatnonzero(flags).max(initial=-1)) + 1
            right = np.where(flags[:codes], ~self.codes[here, :codes], absent[:, None])
            cuts = np.arange(-1.0, codes)  # a code below 0 or above the known ones counts as missing
            right = np.column_stack([absent, right, absent])
        else:
            cuts, number = np.unique(nodes["num_threshold"], return_inverse=True)
            right = number[:, None] < np.arange(len(cuts) + 1)
        found = self.everything(len(cuts) + 2)
        node, place = np.nonzero(np.column_stack([right, absent]))
        for word in range(found.shape[1]):
            cells = (place * found.shape[1] + word) * found.shape[2] + tree[node]
            np.bitwise_and.at(found.reshape(-1), cells, kept[node, word])
        return cuts, found


def _splits(trees: list[Any]) -> _Splits:
    """Return the splits of the trees; they are stored depth first, the left child next to its parent."""
    nodes = np.concatenate([tree.nodes for tree in trees])
    sizes = np.array([len(tree.nodes) for tree in trees])
    starts, tree = np.cumsum(sizes) - sizes, np.repeat(np.arange(len(trees)), sizes)
    leaf = nodes["is_leaf"] == 1
    before = np.cumsum(leaf) - leaf  # leaves to the left of a node
    first = before[starts]
    most = int(np.diff([*first, leaf.sum()]).max())
    inner = np.flatnonzero(~leaf)
    right = nodes["right"][inner] + starts[tree[inner]]
    lost = _ones(before[right] - first[tree[inner]], most) ^ _ones(before[inner] - first[tree[inner]], most)
    bitsets = np.concatenate([tree.raw_left_cat_bitsets for tree in trees])
    offsets = np.cumsum([0, *(len(tree.raw_left_cat_bitsets) for tree in trees[:-1])])
    codes = np.zeros((len(inner), 256), dtype=bool)
    listed = nodes["is_categorical"][inner] == 1
    codes[listed] = _flags(bitsets[(nodes["bitset_idx"] + offsets[tree])[inner[listed]]])
    return _Splits(nodes[inner], tree[inner], codes, ~lost, nodes["value"][leaf], first)


def _ones(count: NDArray[np.intp], most: int) -> Bits:
    """Return words in which the lowest `count` bits are set, shape (n, words), with room for `most` bits."""
    kind = np.uint32 if most <= 32 else np.uint64
    size = 8 * np.dtype(kind).itemsize
    within = np.clip(count[:, None] - size * np.arange(-(-most // size)), 0, size).astype(np.uint64)
    shifted = np.left_shift(np.uint64(1), np.minimum(within, 63))
    return np.where(within == 64, ~np.uint64(0), shifted - np.uint64(1)).astype(kind)


def _flags(bitsets: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the bits of bitsets of scikit-learn, shape (n, 256)."""
    return np.unpackbits(bitsets.astype("<u4").view(np.uint8), axis=1, bitorder="little").astype(bool)
