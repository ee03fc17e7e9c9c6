"""Predict raw rows: as they come from the source, without the target, one by one or as a table."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sklearn.utils import get_tags

from cairn.data.predictions import Floats
from cairn.models.compiled import Compiled, compile_model, encoder_of, uncalibrated
from cairn.models.contributions import Contributions, background_of, explain_rows
from cairn.models.ensemble import members_of
from cairn.models.package import Package
from cairn.serve.fields import Field, Violation
from cairn.serve.frame import framed

EXACT = 2**53
"""Integers up to which each is a float: a larger one is read as the nearest float, as a matrix holds it."""
Policy = Literal["refuse", "flag", "ignore"]
Rows = pa.Table | list[dict[str, Any]]
"""A table, or values of JSON."""
log = logging.getLogger("cairn.serve")


@dataclass(frozen=True)
class Predictions:
    """What a model says of some rows.

    Attributes:
        scores: see Package.scores; NaN where a row cannot be predicted.
        violations: what is wrong with the rows, by row.
        refused: shape (n,), whether the row has no prediction.
    """

    scores: Floats
    violations: list[Violation]
    refused: NDArray[np.bool_]


class Predictor:
    """A model that takes raw rows.

    Under the policy `refuse` a row with a violation gets no prediction; under `flag` it is predicted and its
    violations are reported; under `ignore` they are not. A row that the estimator cannot predict, because it
    needs a number that is missing, never gets a prediction and is always reported.

    Attributes:
        package: the model.
        fields: the columns it needs of a row, by name.
        arrays: the model from its inputs to scores without pandas; None if it does not predict the same bits.
        compiled: the same, if the inputs are columns of the source; None otherwise, see `plain_because`.
        plain_because: why rows go through pandas; empty if they do not.
    """

    def __init__(self, package: Package, policy: Policy = "flag") -> None:
        """Compile the model, and compare the bits of both on its reference rows."""
        self.package, self.policy = package, policy
        encoder = encoder_of(package)
        contract = package.source_contract
        trained = {} if package.reference is None else dict(package.reference.dtypes)
        self.fields = {
            name: Field(
                name,
                contract.columns[name],
                package.types.get(name, "text"),
                encoder.categories(name) or None if name in package.features else None,
                trained.get(name),
            )
            for name in _in_order(package)
        }
        self.needed = self._needed_numbers()
        self._read = {name: field.reader() for name, field in self.fields.items()}
        self._read_text = {name: field.reader(text=True) for name, field in self.fields.items()}
        made = compile_model(package)
        differs = made.difference()
        derived = ", ".join(name for name in package.features if name not in self.fields)
        self.plain_because = differs or (f"{derived} is computed by data.derive" if derived else "")
        self.arrays: Compiled | None = None if differs else made
        self.compiled: Compiled | None = None if self.plain_because else made
        exact = math.inf if self.compiled is None else EXACT
        self._quick = [
            (name, *_quick_bounds(field, exact), self._read[name]) for name, field in self.fields.items()
        ]
        if self.plain_because:
            log.info("slower, rows go through pandas: %s", self.plain_because)  # for who runs a service

    def block(self, rows: Rows, *, text: bool) -> Predictions:
        """Predict a block of a source; see `table` and `rows`."""
        return self.table(rows, text=text) if isinstance(rows, pa.Table) else self.rows(rows)

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> Predictions:
        """Predict a few rows: by column a number, text, boolean or None.

        A column that a row lacks is missing; columns that the model does not need are ignored.
        """
        violations: list[Violation] = []
        clean = [self._clean(at, row, violations) for at, row in enumerate(rows)]
        if self.compiled is None:
            return self._predict_columns(self._columns(clean), violations)
        if self.needed or (violations and self.policy == "refuse"):
            return self._predict_values(self.compiled.encoder.rows(clean), violations)
        reported = [] if self.policy == "ignore" else violations
        return Predictions(self.compiled.row_scores(clean), reported, np.zeros(len(clean), dtype=bool))

    def explain(self, rows: Sequence[Mapping[str, Any]]) -> Contributions:
        """Attribute the predictions of rows to groups and columns, see cairn.models.contributions.

        A column of data.derive is a player itself; those that it is computed from are not. The predictor must
        have `arrays`, and the rows must have predictions.
        """
        assert self.arrays is not None
        clean = [self._clean(at, row, []) for at, row in enumerate(rows)]
        if self.compiled is not None:
            matrix = self.compiled.encoder.matrix(self.compiled.encoder.rows(clean))
        else:
            matrix = np.empty((len(rows), self.arrays.encoder.width))
            for at, frame in framed(self._columns(clean), self.fields):
                matrix[at] = self.arrays.matrix(self.package.with_derived(frame))
        return explain_rows(self.arrays, matrix, self._background)

    @cached_property
    def _background(self) -> Floats:
        assert self.arrays is not None
        return background_of(self.arrays)

    def _columns(self, clean: Sequence[Sequence[Any]]) -> dict[str, NDArray[Any]]:
        columns = np.empty((len(self.fields), len(clean)), dtype=object)
        columns.T[:] = clean or columns.T  # no rows have no width
        return dict(zip(self.fields, columns, strict=True))

    def _clean(self, at: int, row: Mapping[str, Any], violations: list[Violation]) -> list[Any]:
        values = []
        for name, low, high, read in self._quick:
            value = row.get(name)
            if not ((value.__class__ is float or value.__class__ is int) and low <= value <= high):
                given = value
                value, wrong = read(given)
                if wrong:
                    violations.append(Violation(at, name, wrong, given))
            values.append(value)
        return values

    def table(self, table: pa.Table, *, text: bool = False) -> Predictions:
        """Predict the rows of a table; a column that it lacks is a violation of every row.

        Args:
            table: the columns of the source in any order; others are ignored.
            text: whether columns of text may hold numbers and missing values, as in a CSV file.
        """
        violations: list[Violation] = []
        columns = {}
        for name, field in self.fields.items():
            if name in table.column_names:
                columns[name], found = self._column(field, table[name].combine_chunks(), text)
            else:
                columns[name] = np.full(table.num_rows, None, dtype=object)
                found = [
                    Violation(at, name, "is missing: the input has no such column", None)
                    for at in range(table.num_rows)
                ]
            violations += found
        violations.sort(key=lambda violation: violation.row)
        if self.compiled is None:
            return self._predict_columns(columns, violations)
        encoder = self.compiled.encoder
        values = np.empty((table.num_rows, len(encoder.features)))
        for at, name in enumerate(encoder.features):
            found = columns[name]
            values[:, at] = found if found.dtype == np.float64 else encoder.column(name, found)
        return self._predict_values(values, violations)

    def _column(self, field: Field, values: pa.Array, text: bool) -> tuple[NDArray[Any], list[Violation]]:
        """Return the values of a column, as float64 or as objects, and what is wrong with them."""
        read = (self._read_text if text else self._read)[field.name]
        if field.column.kind == "numeric" and not pa.types.is_boolean(values.type):
            numbers = _as_numbers(values, text and field.column.decimal is None)
            if numbers is not None:
                if field.sentinels:
                    numbers[np.isin(numbers, field.sentinels)] = np.nan
                doubtful = _doubtful(numbers, field)
                found = [
                    Violation(int(at), field.name, read(values[at].as_py())[1], values[at].as_py())
                    for at in np.flatnonzero(doubtful)
                ]
                numbers[~np.isfinite(numbers)] = np.nan
                return numbers, [violation for violation in found if violation.reason]
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        words, codes = _distinct(values)
        reads = [read(word) for word in words]
        clean = np.empty(len(reads), dtype=object)
        clean[:] = [value for value, _ in reads]
        wrong = np.array([bool(reason) for _, reason in reads])
        found = [
            Violation(int(at), field.name, reads[codes[at]][1], words[codes[at]])
            for at in np.flatnonzero(wrong[codes])
        ]
        if self.compiled is not None and field.name in self.compiled.encoder.positions:
            return self.compiled.encoder.column(field.name, clean)[codes], found
        return clean[codes], found

    def _predict_values(self, values: Floats, violations: list[Violation]) -> Predictions:
        assert self.compiled is not None
        missing = {}
        for name in self.needed:
            missing[name] = np.isnan(values[:, self.compiled.encoder.features.index(name)])
        possible, violations = self._possible(len(values), missing, violations)
        asked = values if possible.all() else values[possible]
        return self._placed(self.compiled.scores(self.compiled.encoder.matrix(asked)), possible, violations)

    def _predict_columns(
        self, columns: Mapping[str, NDArray[Any]], violations: list[Violation]
    ) -> Predictions:
        parts = [(rows, self.package.with_derived(frame)) for rows, frame in framed(columns, self.fields)]
        order = np.argsort(np.concatenate([rows for rows, _ in parts]))
        missing = {
            name: np.concatenate([part[name].isna().to_numpy() for _, part in parts])[order]
            for name in self.needed
        }
        possible, violations = self._possible(len(order), missing, violations)
        scores = np.concatenate([self.package.scores(part[possible[rows]]) for rows, part in parts])
        kept = np.concatenate([rows[possible[rows]] for rows, _ in parts])
        return self._placed(scores[np.argsort(kept)], possible, violations)

    def _possible(
        self, rows: int, missing: Mapping[str, NDArray[np.bool_]], violations: list[Violation]
    ) -> tuple[NDArray[np.bool_], list[Violation]]:
        """Return which rows get a prediction, and the violations that are reported."""
        possible = np.ones(rows, dtype=bool)
        if self.policy == "refuse":
            possible[[violation.row for violation in violations]] = False
        reported = [] if self.policy == "ignore" else violations
        for name, absent in missing.items():
            possible &= ~absent
            said = {violation.row for violation in reported if violation.column == name}
            reported = reported + [
                Violation(int(at), name, "is missing, and the model needs it", None)
                for at in np.flatnonzero(absent)
                if at not in said
            ]
        return possible, reported

    def _placed(
        self, scores: Floats, possible: NDArray[np.bool_], violations: list[Violation]
    ) -> Predictions:
        if possible.all():
            return Predictions(scores, violations, ~possible)
        found = np.full((len(possible), *scores.shape[1:]), np.nan)
        found[possible] = scores
        return Predictions(found, violations, ~possible)

    def _needed_numbers(self) -> list[str]:
        """Return the inputs without which the estimator fails: numbers that the encoder passes on as NaN."""
        estimator = uncalibrated(self.package.estimator)
        if all(map(_takes_missing, members_of(replace(self.package, estimator=estimator), estimator))):
            return []
        return [
            name for name, column in self.package.contract.columns.items() if column.kind != "categorical"
        ]


def _takes_missing(package: Package) -> bool:
    encoding = package.config.get("model", {}).get("encoding", {})
    return encoding.get("numeric") != "passthrough" or get_tags(package.estimator).input_tags.allow_nan


def _as_numbers(values: pa.Array, text: bool) -> Floats | None:
    """Return the column as float64, missing as NaN; None if a value is not a number."""
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        if not text:
            return None
    elif not (
        pa.types.is_integer(values.type)
        or pa.types.is_floating(values.type)
        or pa.types.is_decimal(values.type)
    ):
        return None
    try:
        return np.array(
            pc.cast(values, pa.float64(), safe=False).fill_null(np.nan).to_numpy(zero_copy_only=False)
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _distinct(values: pa.Array) -> tuple[list[Any], NDArray[np.intp]]:
    """Return the values of a column, each once if Arrow compares its type, and the place of every row's."""
    if pa.types.is_null(values.type):
        return [None], np.zeros(len(values), dtype=np.intp)
    try:
        coded = values.dictionary_encode()
    except pa.ArrowNotImplementedError:
        return values.to_pylist(), np.arange(len(values))
    try:
        words = coded.dictionary.to_pylist()
    except (ValueError, OverflowError):  # a date that Python does not have
        words = coded.dictionary.cast(pa.string()).to_pylist()
    return [*words, None], coded.indices.fill_null(len(words)).to_numpy(zero_copy_only=False)


def _quick_bounds(field: Field, exact: float) -> tuple[float, float]:
    """Return between which numbers one needs no closer look; none where some numbers mean missing."""
    low, high = field.bounds
    return (math.inf, -math.inf) if field.sentinels else (max(low, -exact), min(high, exact))


def _doubtful(numbers: Floats, field: Field) -> NDArray[np.bool_]:
    """Return where a number needs a closer look: missing, infinite or outside the bounds."""
    doubtful = np.isinf(numbers) if field.column.nullable else ~np.isfinite(numbers)
    if field.column.min is not None:
        doubtful |= numbers < field.column.min
    if field.column.max is not None:
        doubtful |= numbers > field.column.max
    return doubtful


def _in_order(package: Package) -> list[str]:
    """Return the columns that a row needs, in the order of the inputs where they are the inputs."""
    same = set(package.features) == set(package.source_columns)
    return package.features if same else package.source_columns
