"""A saved model without pandas: values to the estimator's matrix, and the matrix to scores, with equal bits.

Every estimator gets the matrix as an array. HistGradientBoosting is also evaluated without a Python call per
tree: all trees become one (see Trees). It uses private names of scikit-learn, whose version is pinned, and
cairn.serve.predictor compares it with the ordinary path before it predicts.
"""

import copy
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from cairn.data.predictions import Floats
from cairn.features.encode import MISSING, word
from cairn.models.ensemble import EnsembleClassifier, EnsembleRegressor, members_of
from cairn.models.package import BLOCK, Package, padded

UNKNOWN = "\0"
"""A text that no category of a table is."""
FEW = 8
"""Rows up to which one call for all trees is faster than a call for each tree."""


class Encoder:
    """The fitted encoder on plain arrays.

    Attributes:
        width: columns of the matrix.
        positions: by feature, its columns of the matrix; those that say whether it is missing included.
    """

    def __init__(self, encoder: ColumnTransformer, features: list[str]) -> None:
        """Take the fitted parts of what cairn.features.encode built."""
        self.features = features
        self.width = max((place.stop for place in encoder.output_indices_.values()), default=0)
        self.positions: dict[str, list[int]] = {name: [] for name in features}
        self._numbers: list[tuple[list[int], Any, list[Any]]] = []
        self._codes: list[tuple[int, list[int], Floats]] = []
        self._words: dict[int, dict[str, int]] = {}
        at = {name: index for index, name in enumerate(features)}
        blocks: list[tuple[str, Any, list[str]]] = encoder.transformers_
        for block, steps, names in blocks:
            place = encoder.output_indices_[block]
            if block == "categorical":
                for name, columns, words, table in _tables(steps[-1], names, place.start):
                    self.positions[name] += columns
                    self._words[at[name]] = words
                    self._codes.append((at[name], columns, table))
            elif block != "remainder":
                for offset, name in enumerate(names):
                    self.positions[name].append(place.start + offset)
                self._numbers.append(
                    ([at[name] for name in names], place, list(steps.named_steps.values())[1:])
                )

    def categories(self, feature: str) -> frozenset[str]:
        """Return the categories of train as words, missing among them if it was one; empty for a number."""
        return frozenset(self._words.get(self.features.index(feature), {}))

    def row(self, row: Sequence[Any]) -> list[float]:
        """Return the values of one row, in the order of the features, as numbers.

        A category becomes its place in the list of known ones, a missing number NaN.
        """
        words = self._words
        found = [np.nan if value is None else value for value in row]
        for at, known in words.items():
            found[at] = known.get(MISSING if row[at] is None else word(row[at]), len(known))
        return found

    def column(self, feature: str, values: Iterable[Any]) -> Floats:
        """Return the values of one feature as numbers, shape (n,); see `row`."""
        known = self._words.get(self.features.index(feature))
        if known is None:
            return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        words = [MISSING if value is None else word(value) for value in values]
        return np.array([known.get(name, len(known)) for name in words], dtype=np.float64)

    def values(self, frame: pd.DataFrame) -> Floats:
        """Return the inputs in a frame as numbers, shape (n, features); see `row`."""
        found = np.column_stack([self.column(name, _plain(frame[name])) for name in self.features])
        found[np.isinf(found)] = np.nan
        return found

    def matrix(self, values: Floats) -> Floats:
        """Return the matrix that the estimator takes, shape (n, width), n rows of what `row` returns."""
        found = np.empty((len(values), self.width))
        if not len(values):  # the steps of scikit-learn need a row
            return found
        for columns, place, steps in self._numbers:
            block = values[:, columns]
            for step in steps:
                block = step.transform(block)
            found[:, place] = block
        for at, columns, table in self._codes:
            found[:, columns] = table[values[:, at].astype(np.intp)]
        return found

    def rearranged(self, order: Sequence[int], tables: Mapping[int, Floats]) -> "Encoder":
        """Return an encoder whose matrix has the columns in this order, with other codes for some columns."""
        new = copy.copy(self)
        to = np.argsort(np.asarray(order))
        new.positions = {name: [int(to[at]) for at in columns] for name, columns in self.positions.items()}
        new._numbers = [(columns, to[place], steps) for columns, place, steps in self._numbers]
        new._codes = [
            (at, [int(to[column]) for column in columns], tables.get(columns[0], table))
            for at, columns, table in self._codes
        ]
        return new

    @classmethod
    def joined(cls, encoders: Sequence["Encoder"]) -> "Encoder":
        """Return encoders of the same features as one, whose matrix has theirs side by side."""
        new = copy.copy(encoders[0])
        new.positions = {name: [] for name in new.features}
        new._numbers, new._codes, new.width = [], [], 0
        for each in encoders:
            start = new.width
            for name, columns in each.positions.items():
                new.positions[name] += [start + at for at in columns]
            new._numbers += [
                (columns, start + np.arange(each.width)[place], steps)
                for columns, place, steps in each._numbers
            ]
            new._codes += [(at, [start + to for to in columns], table) for at, columns, table in each._codes]
            new.width += each.width
        return new

    def code_tables(self) -> dict[int, Floats]:
        """Return by column of the matrix the codes of its categories, shape (known + 1, 1), unseen last."""
        return {columns[0]: table for _, columns, table in self._codes if len(columns) == 1}


def _tables(
    encoder: Any, names: list[str], start: int
) -> list[tuple[str, list[int], dict[str, int], Floats]]:
    """Return for each categorical column its columns of the matrix, its categories and their codes."""
    short = [f"c{index}" for index in range(len(names))]
    owners = [name.partition("_")[0] for name in encoder.get_feature_names_out(short)]
    found = []
    for index, name in enumerate(names):
        categories = [str(value) for value in encoder.categories_[index]]
        asked = np.array([[str(c[0]) for c in encoder.categories_]] * (len(categories) + 1), dtype=object)
        asked[:, index] = [*categories, UNKNOWN]
        codes = encoder.transform(asked)
        codes = np.asarray(codes.todense() if hasattr(codes, "todense") else codes, dtype=np.float64)
        own = [at for at, owner in enumerate(owners) if owner == short[index]]
        words = {value: code for code, value in enumerate(categories)}
        found.append((name, [start + at for at in own], words, codes[:, own]))
    return found


class Trees:
    """All trees of a fitted HistGradientBoosting as one tree, walked by scikit-learn's compiled code.

    A chooser on top splits on one more feature, the number of a tree; a row is repeated for every tree. The
    leaf values are summed in the order in which scikit-learn sums them.
    """

    def __init__(self, estimator: Any) -> None:
        """Copy the nodes of every tree into one array."""
        self.estimator = estimator
        rounds = estimator._predictors
        trees = [tree for each in rounds for tree in each]
        self.shape = (len(rounds), len(rounds[0]))
        self.known, mapping = estimator._bin_mapper.make_known_categories_bitsets()
        self.mapping = np.append(mapping, np.zeros(1, mapping.dtype))
        self.bitsets = np.ascontiguousarray(np.concatenate([tree.raw_left_cat_bitsets for tree in trees]))
        self.nodes = _joined(trees, feature=len(mapping))
        self.rooms = threading.local()

    def raw(self, matrix: Floats) -> Floats:
        """Return the sums of the leaves, shape (n, trees per iteration), for the inner matrix (n, d)."""
        from sklearn.ensemble._hist_gradient_boosting.predictor import _predict_from_raw_data

        rows, columns = matrix.shape
        first = self.estimator._baseline_prediction
        if rows > FEW:
            total = np.array(np.broadcast_to(first, (rows, self.shape[1])), order="F")
            for each in self.estimator._predictors:
                for k, tree in enumerate(each):
                    total[:, k] += tree.predict(matrix, self.known, self.mapping, 1)
            return total
        repeated = self._repeated(rows, columns)
        repeated[:, :, :columns] = matrix[:, None, :]
        leaves = np.empty(rows * repeated.shape[1])
        flat = repeated.reshape(len(leaves), columns + 1)
        _predict_from_raw_data(self.nodes, flat, self.bitsets, self.known, self.mapping, 1, leaves)
        steps = leaves.reshape(rows, *self.shape)
        steps[:, 0] += first
        return np.add.accumulate(steps, axis=1)[:, -1]

    def _repeated(self, rows: int, columns: int) -> Floats:
        """Return room for the rows once for every tree, whose number is in the last column.

        Each thread keeps its own: asking the system for it again would cost as much as the trees.
        """
        count = self.shape[0] * self.shape[1]
        found = getattr(self.rooms, "found", None)
        if found is None:
            found = np.empty((FEW, count, columns + 1))
            found[:, :, columns] = np.arange(count)
            self.rooms.found = found
        return found[:rows]


def _joined(trees: list[Any], feature: int) -> NDArray[Any]:
    """Return the nodes of all trees below a chooser that splits on the feature, the number of a tree."""
    choosers = len(trees) - 1
    starts = choosers + np.cumsum([0, *(len(tree.nodes) for tree in trees)])
    nodes = np.zeros(int(starts[-1]), dtype=trees[0].nodes.dtype)
    bitsets = 0
    for tree, start in zip(trees, starts[:-1], strict=True):
        part = nodes[start : start + len(tree.nodes)]
        part[:] = tree.nodes
        part["left"] += np.uint32(start)
        part["right"] += np.uint32(start)
        part["bitset_idx"] += np.uint32(bitsets)
        bitsets += len(tree.raw_left_cat_bitsets)
    free = iter(range(choosers))

    def choose(low: int, high: int) -> int:
        if high - low == 1:
            return int(starts[low])
        here, middle = next(free), (low + high) // 2
        nodes[here]["feature_idx"], nodes[here]["num_threshold"] = feature, middle - 0.5
        nodes[here]["left"], nodes[here]["right"] = choose(low, middle), choose(middle, high)
        return here

    choose(0, len(trees))
    return nodes


class _Scored(ClassifierMixin, BaseEstimator):
    """A classifier whose decisions are computed already, for the calibrator on top of it."""

    def __init__(self, classes: NDArray[Any], trees: Trees) -> None:
        self.classes_ = classes
        self.trees = trees

    def fit(self, X: Any, y: Any = None) -> "_Scored":
        return self

    def decision_function(self, X: Floats) -> Floats:
        found = self.trees.raw(X)
        return found[:, 0] if found.shape[1] == 1 else found


def _plain(values: pd.Series) -> list[Any]:
    return values.astype(object).where(values.notna(), None).tolist()


@dataclass(frozen=True)
class Compiled:
    """A model as arrays: `encoder.row` or `column`, then `encoder.matrix`, then `scores`.

    Args:
        package: the model.
        encoder: of its values.
        trees: of a HistGradientBoosting; None for any other estimator.
        members: of an ensemble that is not calibrated, whose matrices are side by side.
    """

    package: Package
    encoder: Encoder
    trees: Trees | None = None
    members: Sequence["Compiled"] = ()

    def matrix(self, frame: pd.DataFrame) -> Floats:
        """Return the matrix of rows that have the inputs, shape (n, width)."""
        return self.encoder.matrix(self.encoder.values(frame))

    def scores(self, matrix: Floats) -> Floats:
        """Return what Package.scores does, from the encoder's matrix, shape (n, width)."""
        parts = [self._block(matrix[start : start + BLOCK]) for start in range(0, len(matrix), BLOCK)]
        if parts:
            return np.concatenate(parts) if len(parts) > 1 else parts[0]
        return np.empty((0, len(self.package.classes)) if self.package.task == "multiclass" else 0)

    def _block(self, matrix: Floats) -> Floats:
        if self.members:
            return self._mean(matrix)
        if self.trees is not None:
            return self._trees(self.trees, matrix)
        return self.package.estimated(np.ascontiguousarray(matrix[padded(len(matrix))]))[: len(matrix)]

    def _mean(self, matrix: Floats) -> Floats:
        total, start = None, 0
        for member, weight in zip(self.members, self.package.estimator.weights, strict=True):
            stop = start + member.encoder.width
            found = member._block(matrix[:, start:stop]) * weight
            total, start = found if total is None else total + found, stop
        assert total is not None, "an ensemble has members"
        return total

    def _trees(self, trees: Trees, matrix: Floats) -> Floats:
        estimator, package = self.package.estimator, self.package
        if isinstance(estimator, CalibratedClassifierCV):
            (calibrated,) = estimator.calibrated_classifiers_
            calibrated = copy.copy(calibrated)
            calibrated.estimator = _Scored(trees.estimator.classes_, trees)
            return package.by_class(calibrated.predict_proba(matrix), estimator.classes_)
        raw = trees.raw(matrix)
        if package.task in ("regression", "binary"):
            return trees.estimator._loss.link.inverse(raw[:, 0])
        return package.by_class(trees.estimator._loss.predict_proba(raw), estimator.classes_)


def uncalibrated(estimator: Any) -> Any:
    """Return the estimator below a calibration, see cairn.models.calibration; or the estimator itself."""
    if isinstance(estimator, CalibratedClassifierCV):
        return estimator.calibrated_classifiers_[0].estimator.estimator
    return estimator


def encoder_of(package: Package) -> Encoder:
    """Return the fitted encoder of a model on plain arrays."""
    parts = getattr(package.encoder, "encoders", [package.encoder])
    encoders = [Encoder(each, package.features) for each in parts]
    return encoders[0] if len(encoders) == 1 else Encoder.joined(encoders)


def name_of(estimator: Any) -> str:
    """Return the name of an estimator's class; of LightGBM, XGBoost and CatBoost that of their own."""
    return str(getattr(estimator, "target", type(estimator).__name__)).rpartition(".")[2]


def compile_model(package: Package) -> Compiled:
    """Return the model as arrays; it predicts the same bits as the package, see the module."""
    estimator = uncalibrated(package.estimator)
    if isinstance(estimator, EnsembleClassifier | EnsembleRegressor) and estimator is package.estimator:
        members = [compile_model(member) for member in members_of(package, estimator)]
        return Compiled(package, Encoder.joined([each.encoder for each in members]), members=members)
    encoder = encoder_of(package)
    if not isinstance(estimator, HistGradientBoostingClassifier | HistGradientBoostingRegressor):
        return Compiled(package, encoder)
    if estimator._preprocessor is not None:
        inside = estimator._preprocessor.output_indices_
        categorical = np.flatnonzero(estimator.is_categorical_)
        order = [*categorical, *np.flatnonzero(~estimator.is_categorical_)]
        tables = {}
        for place, column in zip(
            range(inside["encoder"].start, inside["encoder"].stop), categorical, strict=True
        ):
            codes = encoder.code_tables()[int(column)]
            rows = np.zeros((len(codes), encoder.width))
            rows[:, column] = codes[:, 0]
            tables[int(column)] = estimator._preprocess_X(rows, reset=False)[:, [place]]
        encoder = encoder.rearranged(order, tables)
    return Compiled(package, encoder, Trees(estimator))
