"""Relations between columns: how well a few others predict a column, and by how much they are wrong today.

For each numeric column the best others are found by forward selection on correlations (orthogonal matching
pursuit: Pati, Rezaiifar and Krishnaprasad 1993); the column is then regressed on them, their squares and
products. A fit of one half of the reference tells what is usual in the other half.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cairn.data.predictions import Floats
from cairn.monitor.values import as_numbers, as_text
from cairn.monitor.windows import FOLD, Windows, halves_of

EXPLAINED = 0.5
"""Share of its variance that the others must explain for a column to have a relation to them."""
FAR = 0.999
"""Quantile of the sizes of residuals in the reference; larger ones are outliers."""
PREDICTORS = 6
LEVELS = 30
"""Categories of a column that take part, the most common ones."""
SAMPLE = 20_000
"""Rows that a fit reads, evenly spaced over the half."""
RIDGE = 1e-4


@dataclass(frozen=True)
class Relation:
    """One column given others.

    Attributes:
        predictors: their positions among the inputs.
        weights: of the terms, the constant last, for each half left out, shape (2, terms).
        far: size of the residual that few rows of the reference exceed.
    """

    predictors: NDArray[np.int64]
    weights: Floats
    far: float


@dataclass(frozen=True)
class Relations:
    """The relations of the reference; residuals are in standard deviations of their column there.

    Attributes:
        columns: the numeric columns, with their mean and standard deviation.
        levels: by categorical column, the categories that help to predict.
        found: by name of the column.
    """

    columns: dict[str, tuple[float, float]]
    levels: dict[str, list[str]]
    found: dict[str, Relation]

    def measure(
        self, frame: pd.DataFrame, windows: Windows, halves: NDArray[np.int64] | None
    ) -> dict[str, tuple[Floats, Floats]]:
        """Return by column |mean residual| and share of outliers of each window, each of shape (w,).

        There are none if a column of the reference is not in the frame.

        Args:
            frame: rows.
            windows: of the rows.
            halves: of the windows, if they belong to the reference; fits of the other half are used.
        """
        if not self.found or not {*self.columns, *self.levels} <= set(frame.columns):
            return {}
        inputs = self.inputs(frame, self._used)
        half = None if halves is None else halves[windows.of_row]
        measured = {}
        for at, name in enumerate(self.columns):
            if name in self.found:
                there = inputs[:, len(self.columns) + at] == 0
                residuals = self._residuals(inputs, at, self.found[name], half)
                mean = _mean(residuals, there, windows)
                measured[name] = (
                    np.abs(mean),
                    _mean(np.abs(residuals) > self.found[name].far, there, windows),
                )
        return measured

    @property
    def _used(self) -> set[int]:
        """The inputs that take part in a relation."""
        at = {name: place for place, name in enumerate(self.columns)}
        return {*map(int, np.concatenate([one.predictors for one in self.found.values()]))} | {
            at[name] for name in self.found
        }

    def inputs(self, frame: pd.DataFrame, used: set[int] | None = None) -> Floats:
        """Return standard numbers (0 where missing), whether each is missing, and categories as 0 and 1.

        Inputs that are not used stay 0; None for all.
        """
        count = len(self.columns)
        # Memory of zeros that nobody touches is not taken.
        found = np.zeros((len(frame), 2 * count + sum(map(len, self.levels.values()))), order="F")
        for at, (name, (mean, scale)) in enumerate(self.columns.items()):
            if used is None or {at, at + count} & used:
                values = as_numbers(frame[name])
                missing = ~np.isfinite(values)
                found[:, at] = np.where(missing, 0, (values - mean) / scale)
                found[:, at + count] = missing
        first = 2 * count
        for name, known in self.levels.items():
            if used is None or used & set(range(first, first + len(known))):
                codes = pd.Index(known).get_indexer(pd.Index(as_text(frame[name])))
                found[:, first : first + len(known)] = codes[:, None] == np.arange(len(known))
            first += len(known)
        return found

    @staticmethod
    def _residuals(inputs: Floats, column: int, relation: Relation, half: NDArray[np.int64] | None) -> Floats:
        chosen, weights = inputs[:, relation.predictors], relation.weights
        if half is None:
            return inputs[:, column] - _weighed(chosen, weights.mean(axis=0))
        return inputs[:, column] - np.where(half == 0, *(_weighed(chosen, each) for each in weights))


def fit_relations(
    frame: pd.DataFrame, windows: Windows, numeric: list[str], categorical: list[str]
) -> Relations:
    """Fit the relations of numeric columns on both halves of the reference."""
    plain = Relations(
        {name: _moments(frame[name]) for name in numeric},
        {name: list(as_text(frame[name]).value_counts().index[:LEVELS]) for name in categorical},
        {},
    )
    if len(windows) <= FOLD:
        return plain
    if not numeric:
        return plain
    half = halves_of(len(windows))[windows.of_row]
    samples = [plain.inputs(frame.iloc[_spaced(np.flatnonzero(half != left_out))]) for left_out in (0, 1)]
    correlation = _correlation(np.concatenate(samples))
    found = {}
    for at, name in enumerate(numeric):
        relation = _fit(samples, correlation, at, at + len(numeric))
        if relation is not None:
            found[name] = relation
    return Relations(plain.columns, plain.levels, found)


def terms(chosen: Floats) -> Floats:
    """Return the predictors (n, k), their squares and products, and the constant, shape (n, t)."""
    first, second = np.triu_indices(chosen.shape[1])
    return np.concatenate([chosen, chosen[:, first] * chosen[:, second], np.ones((len(chosen), 1))], axis=1)


def _weighed(chosen: Floats, weights: Floats) -> Floats:
    """Return terms(chosen) @ weights, without the terms."""
    count = chosen.shape[1]
    products = np.zeros((count, count))
    products[np.triu_indices(count)] = weights[count:-1]
    squares = np.einsum("ij,ij->i", chosen @ products, chosen)
    return chosen @ weights[:count] + squares + weights[-1]


def forward_selection(
    correlation: Floats, target: int, candidates: NDArray[np.bool_], most: int
) -> list[int]:
    """Return up to `most` candidates, the most correlated first with what is left to explain."""
    residual, chosen = correlation.copy(), []
    open_ones = candidates.copy()
    for _ in range(most):
        diagonal = np.diag(residual)
        usable = open_ones & (diagonal > 0.05)
        gain = np.where(usable, residual[target] ** 2 / np.maximum(diagonal, 0.05), 0)
        best = int(gain.argmax())
        if gain[best] < 1e-3:
            break
        chosen.append(best)
        open_ones[best] = False
        residual = residual - np.outer(residual[best], residual[best]) / diagonal[best]
    return chosen


def _fit(samples: list[Floats], correlation: Floats, target: int, missing: int) -> Relation | None:
    """Fit one column; None if the others explain too little of it in the half that is left out."""
    candidates = np.ones(len(correlation), dtype=bool)
    candidates[[target, missing]] = False
    chosen = forward_selection(correlation, target, candidates, PREDICTORS)
    present = [sample[:, missing] == 0 for sample in samples]
    if not chosen or min(rows.sum() for rows in present) < 2 * len(terms(np.zeros((1, len(chosen))))[0]):
        return None
    predictors = np.array(chosen)
    parts = [
        sample[rows]
        for sample, rows in zip((sample[:, [*chosen, target]] for sample in samples), present, strict=True)
    ]
    designs, values = [terms(part[:, :-1]) for part in parts], [part[:, -1] for part in parts]
    weights = [_least_squares(*one) for one in zip(designs, values, strict=True)]
    # A fit without half 0 was made from half 1, so that its residuals are tested on the rows of half 0.
    residuals = np.concatenate([values[1] - designs[1] @ weights[0], values[0] - designs[0] @ weights[1]])
    if residuals.var() > (1 - EXPLAINED) * np.concatenate(values).var():
        return None
    return Relation(predictors, np.stack(weights), float(np.quantile(np.abs(residuals), FAR)))


def _least_squares(design: Floats, y: Floats) -> Floats:
    gram = design.T @ design / len(design)
    gram[np.diag_indices_from(gram)] += RIDGE
    return np.asarray(np.linalg.solve(gram, design.T @ y / len(design)), dtype=np.float64)


def _correlation(inputs: Floats) -> Floats:
    centred = inputs - inputs.mean(axis=0)
    deviation = np.sqrt((centred**2).mean(axis=0))
    scaled = centred / np.where(deviation > 0, deviation, np.inf)
    return scaled.T @ scaled / len(scaled)


def _spaced(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(SAMPLE, len(rows))).astype(int))]


def _moments(values: pd.Series) -> tuple[float, float]:
    numbers = as_numbers(values)
    there = numbers[np.isfinite(numbers)]
    deviation = float(there.std()) if len(there) else 0.0
    return (float(there.mean()) if len(there) else 0.0), (deviation or 1.0)


def _mean(values: Floats | NDArray[np.bool_], there: NDArray[np.bool_], windows: Windows) -> Floats:
    sums = np.bincount(windows.of_row, np.where(there, values, 0), minlength=len(windows))
    counts = np.bincount(windows.of_row, there, minlength=len(windows))
    with np.errstate(invalid="ignore"):
        return sums / counts
