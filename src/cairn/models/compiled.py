"""A saved model without pandas: values to the estimator's matrix, and the matrix to scores, with equal bits.

Every estimator gets the matrix as an array. HistGradientBoosting is also evaluated without a call per tree,
see cairn.models.trees. That uses private names of scikit-learn, whose version is pinned, and
cairn.serve.predictor compares it with the ordinary path before it predicts.
"""

import copy
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from cairn.features.encode import CATEGORICAL, MISSING, TARGET, word
from cairn.models.ensemble import EnsembleClassifier, EnsembleRegressor, members_of
from cairn.models.package import BLOCK, Package, padded
from cairn.models.trees import Trees

FEW = 24
"""Rows up to which values are looked up in Python, which takes less time than a call of NumPy per column."""
UNKNOWN = "\0"
"""A text that no category of a table is."""


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
        self._sources = np.zeros(self.width, dtype=np.intp)  # the feature that a column copies
        self._numbers: list[tuple[list[int], Any, list[Any]]] = []
        self._codes: list[tuple[int, list[int], Floats]] = []
        self._words: dict[int, dict[str, int]] = {}
        at = {name: index for index, name in enumerate(features)}
        blocks: list[tuple[str, Any, list[str]]] = encoder.transformers_
        for block, steps, names in blocks:
            place = encoder.output_indices_[block]
            if block in (CATEGORICAL, TARGET):
                for name, columns, words, table in _tables(steps, names, place.start):
                    self.positions[name] += columns
                    self._words[at[name]] = words
                    self._codes.append((at[name], columns, table))
            elif block != "remainder":
                for offset, name in enumerate(names):
                    self.positions[name].append(place.start + offset)
                columns = [at[name] for name in names]
                self._sources[place] = columns
                if computed := list(steps.named_steps.values())[1:]:
                    self._numbers.append((columns, place, computed))

    def categories(self, feature: str) -> frozenset[str]:
        """Return the categories of train as words, missing among them if it was one; empty for a number."""
        return frozenset(self._words.get(self.features.index(feature), {}))

    def rows(self, rows: Sequence[Sequence[Any]]) -> Floats:
        """Return the values of rows, in the order of the features, as numbers, shape (n, features).

        A category becomes its place in the list of known ones, a missing number NaN.
        """
        found = [[np.nan if value is None else value for value in row] for row in rows]
        for at in self._words:
            for numbers, row in zip(found, rows, strict=True):
                numbers[at] = self.category(at, row[at])
        return np.array(found, dtype=np.float64).reshape(len(rows), len(self.features))

    def category(self, at: int, value: Any) -> int:
        """Return the place of a category in the list of known ones of the feature at `at`; unseen is last."""
        known = self._words[at]
        return known.get(MISSING if value is None else word(value), len(known))

    def column(self, feature: str, values: Iterable[Any]) -> Floats:
        """Return the values of one feature as numbers, shape (n,); see `rows`."""
        known = self._words.get(self.features.index(feature))
        if known is None:
            return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        words = [MISSING if value is None else word(value) for value in values]
        return np.array([known.get(name, len(known)) for name in words], dtype=np.float64)

    def values(self, frame: pd.DataFrame) -> Floats:
        """Return the inputs in a frame as numbers, shape (n, features); see `rows`."""
        found = np.column_stack([self.column(name, _plain(frame[name])) for name in self.features])
        found[np.isinf(found)] = np.nan
        return found

    def matrix(self, values: Floats) -> Floats:
        """Return the matrix that the estimator takes, shape (n, width), n rows of what `rows` returns."""
        if not len(values):  # the steps of scikit-learn need a row
            return np.empty((0, self.width))
        found = values.take(self._sources, axis=1)
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
        new._sources = self._sources[np.asarray(order, dtype=np.intp)]
        new._numbers = [(columns, to[place], steps) for columns, place, steps in self._numbers]
        new._codes = [
            (at, [int(to[column]) for column in columns], tables.get(columns[0], table))
            for at, columns, table in self._codes
        ]
        return new

    def origins(self) -> list[tuple[int, Floats | None]] | None:
        """Return by column of the matrix the feature that it copies, and the codes of its categories if any.

        None if a step computes a column.
        """
        found: list[tuple[int, Floats | None]] = [(int(at), None) for at in self._sources]
        for at, columns, table in self._codes:
            for place, column in enumerate(columns):
                found[column] = at, table[:, place]
        return None if self._numbers else found

    @classmethod
    def joined(cls, encoders: Sequence["Encoder"]) -> "Encoder":
        """Return encoders of the same features as one, whose matrix has theirs side by side."""
        new = copy.copy(encoders[0])
        # The members of a bag were fitted on other rows, and may know other categories.
        known = {at: sorted({name for each in encoders for name in each._words[at]}) for at in new._words}
        new._words = {at: {name: code for code, name in enumerate(names)} for at, names in known.items()}
        new.positions = {name: [] for name in new.features}
        new._numbers, new._codes, new.width = [], [], 0
        new._sources = np.concatenate([each._sources for each in encoders])
        for each in encoders:
            start = new.width
            for name, columns in each.positions.items():
                new.positions[name] += [start + at for at in columns]
            new._numbers += [
                (columns, start + np.arange(each.width)[place], steps)
                for columns, place, steps in each._numbers
            ]
            for at, columns, table in each._codes:
                words = each._words[at]
                rows = [*(words.get(name, len(words)) for name in known[at]), len(words)]
                new._codes.append((at, [start + to for to in columns], table[rows]))
            new.width += each.width
        return new

    def code_tables(self) -> dict[int, Floats]:
        """Return by column of the matrix the codes of its categories, shape (known + 1, 1), unseen last."""
        return {columns[0]: table for _, columns, table in self._codes if len(columns) == 1}


def _tables(steps: Any, names: list[str], start: int) -> list[tuple[str, list[int], dict[str, int], Floats]]:
    """Return for each categorical column its columns of the matrix, its categories and their codes."""
    encoder, *scaling = list(steps.named_steps.values())[1:]
    short = [f"c{index}" for index in range(len(names))]
    owners = [name.partition("_")[0] for name in encoder.get_feature_names_out(short)]
    found = []
    for index, name in enumerate(names):
        categories = [str(value) for value in encoder.categories_[index]]
        asked = np.array([[str(c[0]) for c in encoder.categories_]] * (len(categories) + 1), dtype=object)
        asked[:, index] = [*categories, UNKNOWN]
        codes = encoder.transform(asked)
        codes = np.asarray(codes.todense() if hasattr(codes, "todense") else codes, dtype=np.float64)
        for step in scaling:
            codes = step.transform(codes)
        own = [at for at, owner in enumerate(owners) if owner == short[index]]
        words = {value: code for code, value in enumerate(categories)}
        found.append((name, [start + at for at in own], words, codes[:, own]))
    return found


class _Scored(ClassifierMixin, BaseEstimator):
    """A classifier whose decisions are computed already, for the calibrator on top of it."""

    def __init__(self, classes: NDArray[Any]) -> None:
        self.classes_ = classes

    def fit(self, X: Any, y: Any = None) -> "_Scored":
        return self

    def decision_function(self, X: Floats) -> Floats:
        return X[:, 0] if X.shape[1] == 1 else X


def _plain(values: pd.Series) -> list[Any]:
    return values.astype(object).where(values.notna(), None).tolist()


@dataclass(frozen=True)
class Lookup:
    """Where the values of a row find their places in the table of the trees, without a matrix.

    Args:
        category: see Encoder.category.
        numbers: see Trees.columns, with the feature's number instead of the column's.
        categories: the feature's number, and the place of each of its categories.
    """

    category: Callable[[int, Any], int]
    numbers: list[tuple[int, int, int, list[float]]]
    categories: list[tuple[int, list[int]]]

    def places(self, row: Sequence[Any]) -> list[int]:
        """Return the places of a row: its values in the order of the features, None where one is missing."""
        found = [
            missing if (value := row[at]) is None else start + bisect_left(cuts, value)
            for at, start, missing, cuts in self.numbers
        ]
        return found + [places[self.category(at, row[at])] for at, places in self.categories]


def _lookup(encoder: Encoder, trees: Trees) -> Lookup | None:
    origins = encoder.origins()
    if origins is None or trees.table is None:
        return None
    found = Lookup(encoder.category, [], [])
    for column, start, missing, cuts in trees.columns:
        at, codes = origins[column]
        if codes is None:
            found.numbers.append((at, start, missing, cuts.tolist()))
        else:
            places = np.where(np.isnan(codes), missing, start + np.searchsorted(cuts, codes))
            found.categories.append((at, places.tolist()))
    return found


@dataclass(frozen=True)
class Compiled:
    """A model as arrays: `encoder.rows` or `column`, then `encoder.matrix`, then `scores`.

    Args:
        package: the model.
        encoder: of its values.
        trees: of a HistGradientBoosting; None for any other estimator.
        lookup: of the trees; None if the encoder computes with the numbers.
        members: of an ensemble that is not calibrated, whose matrices are side by side.
    """

    package: Package
    encoder: Encoder
    trees: Trees | None = None
    lookup: Lookup | None = None
    members: Sequence["Compiled"] = ()

    def matrix(self, frame: pd.DataFrame) -> Floats:
        """Return the matrix of rows that have the inputs, shape (n, width)."""
        return self.encoder.matrix(self.encoder.values(frame))

    def row_scores(self, rows: Sequence[Sequence[Any]]) -> Floats:
        """Return what `scores` does, from rows of values, see Lookup.places."""
        if self.trees is None or self.lookup is None or not 0 < len(rows) <= FEW:
            return self.scores(self.encoder.matrix(self.encoder.rows(rows)))
        places = np.array([self.lookup.places(row) for row in rows], dtype=np.intp)
        return self._from_sums(self.trees, self.trees.sums(places))

    def scores(self, matrix: Floats) -> Floats:
        """Return what Package.scores does, from the encoder's matrix, shape (n, width)."""
        parts = [self._block(matrix[start : start + BLOCK]) for start in range(0, len(matrix), BLOCK)]
        if parts:
            return np.concatenate(parts) if len(parts) > 1 else parts[0]
        return np.empty((0, len(self.package.classes)) if self.package.task == "multiclass" else 0)

    def difference(self) -> str:
        """Return what it predicts otherwise than the package on its reference rows; empty if nothing."""
        rows = self.package.reference
        if rows is None or rows.empty:
            return "the model has no reference rows to check the compiled one with; run `dvc repro`"
        try:
            inputs = self.package.with_derived(rows)[self.encoder.features].replace([np.inf, -np.inf], np.nan)
            together = self.scores(self.matrix(inputs))
            each = zip(*(_plain(inputs[name].head(32)) for name in inputs), strict=True)
            alone = np.concatenate([self.row_scores([row]) for row in each])
        except (ValueError, TypeError, AttributeError) as error:
            return f"the compiled model fails: {error}"
        expected = self.package.reference_scores
        if np.array_equal(together, expected) and np.array_equal(alone, expected[: len(alone)]):
            return ""
        return f"the compiled model differs by up to {np.abs(together - expected).max():.3g}"

    def _block(self, matrix: Floats) -> Floats:
        if self.members:
            return self._mean(matrix)
        if self.trees is not None:
            return self._from_sums(self.trees, self.trees.raw(matrix))
        return self.package.estimated(np.ascontiguousarray(matrix[padded(len(matrix))]))[: len(matrix)]

    def _mean(self, matrix: Floats) -> Floats:
        total, start = None, 0
        for member, weight in zip(self.members, self.package.estimator.weights, strict=True):
            stop = start + member.encoder.width
            found = member._block(matrix[:, start:stop]) * weight
            total, start = found if total is None else total + found, stop
        assert total is not None, "an ensemble has members"
        return total

    def _from_sums(self, trees: Trees, sums: Floats) -> Floats:
        estimator, package = self.package.estimator, self.package
        if isinstance(estimator, CalibratedClassifierCV):
            (calibrated,) = estimator.calibrated_classifiers_
            calibrated = copy.copy(calibrated)
            calibrated.estimator = _Scored(trees.estimator.classes_)
            return package.by_class(calibrated.predict_proba(sums), estimator.classes_)
        if package.task in ("regression", "binary"):
            return trees.estimator._loss.link.inverse(sums[:, 0])
        return package.by_class(trees.estimator._loss.predict_proba(sums), estimator.classes_)


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
    """Return the name of an estimator's class; for LightGBM, XGBoost and CatBoost the library's."""
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
    trees = Trees(estimator)
    return Compiled(package, encoder, trees, _lookup(encoder, trees))
