"""The saved form of a model: a folder that predicts without any other file of this repository.

model.skops         encoder and estimator, not a pickle; equal models have equal bytes
package.json        inputs (contract, raw columns), outputs (task, classes, threshold), config and versions
reference.parquet   a few validation rows: an example, the background of explanations, and a self-test
weights/            copies of the files of pretrained weights that the estimator reads, if it does
"""

import io
import os
import shutil
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from cairn.data.load import derived, parsed
from cairn.data.predictions import Floats
from cairn.data.tables import read_table, write_table
from cairn.errors import UserError
from cairn.files import flush
from cairn.inputs import files_of
from cairn.models.record import FORMAT, RECORD, Label, Record, in_alphabet, read_record, text_of
from cairn.models.trust import is_trusted, skops_io
from cairn.settings.contract import Column, Contract
from cairn.settings.data import DataConfig, Task
from cairn.settings.expressions import names_in

NUMBERS = (bool, int, float, np.bool_, np.number)
MODEL, REFERENCE = "model.skops", "reference.parquet"
SAME = ("task", "target", "classes", "threshold", "config", "versions", "types", "key", "notes", "refit_of")
"""What a package and its record both have."""

TILE = 64
"""Rows are predicted in multiples of this number: BLAS then uses the same instructions for every row."""
BLOCK = 16 * TILE
"""The least rows predicted at a time. Every tree reads all of them: they have to stay in the cache."""
CACHED_CELLS = 2**20
"""Of a matrix, 8 MB: a narrow one has more rows than BLOCK at a time, as every tree wakes every thread."""
ENCODED_CELLS = 2**20
"""Of the inputs, which are encoded at a time."""
REFERENCE_ROWS = 256
WEIGHTS = "weights"
DATES = np.dtype("datetime64[us]")
"""Date formats of a model whose record does not give them."""


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that decide the numbers, without local parts such as +cu130."""
    names = ("numpy", "pandas", "scikit-learn", "scipy", "skops", "torch")
    return {name: version(name).partition("+")[0] for name in names}


@dataclass(frozen=True, repr=False)
class Package:
    """A fitted model with everything needed to predict rows and to score them.

    Args:
        encoder: fitted ColumnTransformer, see cairn.features.encode.
        estimator: fitted classifier (on codes 0..k-1) or regressor.
        contract: the inputs only, in the order of the features.
        classes: labels in the order of their codes, the event last when binary; empty for a regression.
        threshold: a binary decision is positive where the probability is above it.
        config: the sections of the config it was made with.
        versions: of the libraries that fitted it.
        raw: the columns of the source that the inputs are computed from, and what data.derive computes on the
            way; empty in a model saved by an older version.
        types: by column of raw, what train held: number, text, true or false, moment (see cairn.data.load).
        key: columns of the source that identify a row, see Contract; empty in an older model.
        reference: up to REFERENCE_ROWS rows of validation with the columns of raw; None in an older model.
        notes: what to know about the fit, in sentences.
        bound: the record holds the hashes of the files; False in an older model.
        weights: the files of pretrained weights that the estimator names, by their own names.
        refit_of: hash of the record of the model that this one repeats on all rows, test too; None: it may be
            scored.
    """

    encoder: Any
    estimator: Any
    contract: Contract
    task: Task
    target: str
    classes: list[Label] = field(default_factory=list)
    threshold: float = 0.5
    config: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=library_versions)
    raw: Contract = field(default_factory=lambda: Contract(columns={}))
    types: dict[str, str] = field(default_factory=dict)
    key: list[str] = field(default_factory=list)
    reference: pd.DataFrame | None = None
    notes: list[str] = field(default_factory=list)
    bound: bool = True
    weights: dict[str, Path] = field(default_factory=dict)
    refit_of: str | None = None

    def __repr__(self) -> str:
        """Return one line: the contract and the reference rows would fill a screen."""
        estimator = type(self.estimator).__name__
        return f"Package({estimator}, {self.task}, target={self.target!r}, {len(self.features)} features)"

    @property
    def source_contract(self) -> Contract:
        """The columns of a row in the source, as far as it is known, see raw."""
        return self.raw if self.raw.columns else self.contract

    @property
    def source_columns(self) -> list[str]:
        """Names of the columns that a row has in the source, as far as the model needs them."""
        derive = self.config.get("data", {}).get("derive", {})
        return [name for name in self.raw.columns if derive.get(name) is None] or self.features

    @property
    def features(self) -> list[str]:
        """Names of the inputs, in order."""
        return list(self.contract.columns)

    @property
    def class_names(self) -> list[str]:
        """The classes as text, for columns and plots."""
        return [str(label) for label in self.classes]

    @property
    def outcomes(self) -> list[str]:
        """The classes as people call them: data.positive names the classes of a binary task."""
        binary = self.task == "binary"
        return DataConfig.model_validate(self.config["data"]).outcomes if binary else self.class_names

    def encode(self, target: pd.Series) -> NDArray[Any]:
        """Return the target as metrics take it, shape (n,): int64 codes, or float64 for a regression.

        Raises:
            ValueError: a label that is not among the classes.
        """
        return target_values(target, self.task, self.classes)

    def scores(self, frame: pd.DataFrame) -> Floats:
        """Predict rows; the bits of a prediction do not depend on the other rows.

        The frame has the inputs, or the columns of the source they are computed from, in any order; other
        columns are ignored.

        Returns:
                P(event), shape (n,), for binary; (n, k) for multiclass; values (n,) for regression.

        Raises:
                ValueError: see check_inputs.
        """
        if not isinstance(frame, pd.DataFrame):
            raise TypeError(f"predict needs a pandas DataFrame, not {type(frame).__name__}")
        frame = self.with_derived(frame)
        check_inputs(frame, self.contract)
        inputs = frame[self.features]
        step = _rows_of(ENCODED_CELLS, len(self.features))
        parts = [self._encoded(inputs.iloc[start : start + step]) for start in range(0, len(inputs), step)]
        if parts:
            return np.concatenate(parts)
        return np.empty((0, len(self.classes)) if self.task == "multiclass" else 0)

    @cached_property
    def reference_scores(self) -> Floats:
        """The scores of the reference rows, which there must be: a load compares twice with them."""
        assert self.reference is not None
        return self.scores(self.reference)

    def with_derived(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the frame with text read as the contract says, and with what data.derive computes.

        Columns that it has are not computed again.

        Raises:
            UserError: an expression that cannot be evaluated on the frame.
        """
        written = {n: c for n, c in self.raw.columns.items() if c.decimal is not None or c.missing}
        frame = parsed(frame, Contract(columns=written)) if written else frame
        needed = {
            name: expression
            for name, expression in self.config.get("data", {}).get("derive", {}).items()
            if name in self.raw.columns and name not in frame.columns
        }
        if not any(name in needed for name in self.features):
            return frame
        data = DataConfig.model_validate(self.config["data"]).model_copy(update={"derive": needed})
        return derived(parsed(frame, self.raw, self._dates), data, self.raw, self._dates)

    @cached_property
    def _dates(self) -> dict[str, Any]:
        """The dtype in train of each date that features are computed from, as the reference rows tell it."""
        dates = {name: DATES for name, column in self.raw.columns.items() if column.kind == "datetime"}
        if not dates or self.reference is None:
            return dates
        data = DataConfig.model_validate(self.config["data"])
        computed = {name: data.derive[name] for name in self.raw.columns if data.derive.get(name)}
        known = derived(self.reference, data.model_copy(update={"derive": computed}), self.raw)
        dtypes = {str(name): dtype for name, dtype in known.dtypes.items() if name in dates}
        return dates | {name: dtype for name, dtype in dtypes.items() if types.is_datetime64_any_dtype(dtype)}

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Predict rows as a table with the index of the frame; see as_table.

        Raises:
            ValueError: as for scores.
        """
        return self.as_table(self.scores(frame), frame.index)

    def as_table(self, found: Floats, index: pd.Index | None = None) -> pd.DataFrame:
        """Return scores as a table of columns with names.

        Returns:
            binary: probability (of the event) and decision (bool); multiclass: probability_CLASS for each
            class and prediction (the most probable label); regression: prediction.
        """
        if self.task == "binary":
            columns = {"probability": found, "decision": found > self.threshold}
        elif self.task == "multiclass":
            columns = {f"probability_{name}": found[:, k] for k, name in enumerate(self.class_names)}
            columns["prediction"] = pd.Series(self.classes).to_numpy()[found.argmax(axis=1)]
        else:
            columns = {"prediction": found}
        return pd.DataFrame(columns, index=index)

    def _encoded(self, inputs: pd.DataFrame) -> Floats:
        rows = inputs.iloc[padded(len(inputs))]
        if len(rows) >= BLOCK and hasattr(self.encoder, "sparse_output_"):
            from cairn.features.fitting import encoded

            matrix = encoded(self.encoder, rows)
        else:
            matrix = self.encoder.transform(rows)
        if isinstance(matrix, np.ndarray):
            matrix = np.ascontiguousarray(matrix)
        rows, width = matrix.shape
        step = _rows_of(CACHED_CELLS, width)
        parts = [self.estimated(matrix[start : start + step]) for start in range(0, rows, step)]
        return np.concatenate(parts)[: len(inputs)]

    def estimated(self, matrix: Any) -> Floats:
        """Return the scores for rows that are encoded already, a multiple of TILE; see scores."""
        if self.task == "regression":
            return np.asarray(self.estimator.predict(matrix), dtype=np.float64)
        return self.by_class(self.estimator.predict_proba(matrix), self.estimator.classes_)

    def by_class(self, probabilities: Floats, codes: NDArray[Any]) -> Floats:
        """Return P(event), shape (n,), of a binary task, or (n, k), from the columns of some classes."""
        found = np.zeros((len(probabilities), len(self.classes)))
        found[:, codes] = probabilities
        return found[:, 1] if self.task == "binary" else found


def _rows_of(cells: int, width: int) -> int:
    """Return how many rows of a width have so many cells: a multiple of TILE, and at least BLOCK."""
    return max(BLOCK, cells // max(width, 1) // TILE * TILE)


def padded(rows: int) -> NDArray[np.intp]:
    """Return the positions of the rows, the last one repeated up to a multiple of TILE."""
    return np.minimum(np.arange(-(-rows // TILE) * TILE), rows - 1)


def check_inputs(frame: pd.DataFrame, contract: Contract) -> None:
    """Raise ValueError, with one line that names the columns, if some are missing or of another kind."""
    missing = [name for name in contract.columns if name not in frame.columns]
    wrong = [
        f"{name} ({frame[name].dtype}, the model needs {column.kind})"
        for name, column in contract.columns.items()
        if name not in missing and not _is_kind(frame[name], column)
    ]
    if missing:
        raise ValueError(f"missing columns: {', '.join(missing)}")
    if wrong:
        raise ValueError(f"columns of the wrong type: {', '.join(wrong)}")


def save(package: Package, folder: Path, *, same_as: Path | None = None) -> None:
    """Write the package, replacing an older one as a whole.

    A kill between the two renames at the end leaves the older one beside it, as .NAME.old-PID.

    Args:
        package: the model.
        folder: where it is written.
        same_as: folder of a saved package with the same encoder and estimator, which are copied.

    Raises:
        TypeError: the estimator has an attribute that skops cannot write.
        UserError: the estimator does not name the weights that it reads.
    """
    content = (same_as / MODEL).read_bytes() if same_as else _written(package)
    fresh, old = (folder.with_name(f".{folder.name}.{kind}-{os.getpid()}") for kind in ("new", "old"))
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    (fresh / MODEL).write_bytes(content)
    if package.reference is not None:
        write_table(package.reference, fresh / REFERENCE)
    for name, path in package.weights.items():
        (fresh / WEIGHTS).mkdir(exist_ok=True)
        shutil.copyfile(path, fresh / WEIGHTS / name)
    files = {path.relative_to(fresh).as_posix(): path for path in files_of(fresh)} if package.bound else {}
    (fresh / RECORD).write_text(text_of(_record(package), files), encoding="utf-8", newline="\n")
    for path in files_of(fresh):
        flush(path)
    if folder.exists():
        folder.replace(old)
    fresh.replace(folder)
    shutil.rmtree(old, ignore_errors=True)


def _written(package: Package) -> bytes:
    from cairn.models.canonical import canonical, renamed

    content = skops_io().dumps({"encoder": package.encoder, "estimator": package.estimator})
    paths = {
        str(path): f"{WEIGHTS}/{name}"
        for name, file in package.weights.items()
        for path in (file, file.resolve())
    }
    try:
        return canonical(renamed(content, paths) if paths else content)
    except LookupError as error:
        raise UserError(
            f"model.weights: the fitted model does not name {error.args[0]}, and could not be loaded again;"
            " give a parameter of the model the value ${..weights}"
        ) from error


def load(folder: Path, trust: Sequence[str] = (), *, with_model: bool = True) -> Package:
    """Read a package; no code in it is run, and unexpected types are refused.

    Args:
        folder: what save wrote.
        trust: further types to accept, by dotted prefix: "lightgbm" or "my.module.MyModel".
        with_model: False leaves encoder and estimator None, which saves the time to import scikit-learn.

    Raises:
        UserError: no package in the folder, one that was damaged or edited, or types that are not trusted.
    """
    missing = [name for name in (MODEL, RECORD) if not (folder / name).exists()]
    if missing:
        raise UserError(f"{folder / missing[0]}: no saved model here; run `dvc repro` or `dvc pull`")
    record = read_record(folder)
    weights = {Path(name).name: folder / name for name in record.sha256 or {} if "/" in name}
    model = _model(folder, trust, weights) if with_model else {"encoder": None, "estimator": None}
    _stop_on_another_model(folder, record, **model)
    reference = read_table(folder / REFERENCE) if (folder / REFERENCE).exists() else None
    return Package(
        **model,
        contract=Contract(columns={name: record.inputs[name] for name in record.features}),
        raw=Contract(columns={name: record.raw[name] for name in record.raw_order}),
        reference=reference,
        bound=record.sha256 is not None,
        weights=weights,
        **{name: getattr(record, name) for name in SAME},
    )


def _stop_on_another_model(folder: Path, record: Record, encoder: Any, estimator: Any) -> None:
    """Raise UserError where the model was fitted on other columns or classes than its record says."""
    columns = getattr(encoder, "feature_names_in_", None)
    if columns is not None and list(columns) != record.features:
        raise UserError(f"{folder}: {MODEL} was fitted on other columns than {RECORD} lists; run `dvc repro`")
    codes = getattr(estimator, "classes_", None) if record.task != "regression" else None
    if codes is not None and not set(codes) <= set(range(len(record.classes))):
        raise UserError(f"{folder}: {MODEL} has other classes than {RECORD} lists; run `dvc repro`")


def _model(folder: Path, trust: Sequence[str], weights: Mapping[str, Path]) -> dict[str, Any]:
    skops, file = skops_io(), folder / MODEL
    source: Any = file
    with _readable(file):
        if weights:
            from cairn.models.canonical import renamed

            places = {f"{WEIGHTS}/{name}": str(path.resolve()) for name, path in weights.items()}
            source = io.BytesIO(renamed(file.read_bytes(), places))
        needed = skops.get_untrusted_types(file=source)
    trusted = tuple(f"{prefix}." for prefix in trust)
    strange = [name for name in needed if not f"{name}.".startswith(trusted) and not is_trusted(name)]
    if strange:
        roots = sorted({name.partition(".")[0] for name in strange})
        raise UserError(
            f"{folder}: has types that are not trusted: {', '.join(strange)};"
            f" if you know where the model comes from, trust them: load(..., trust={roots})"
        )
    with _readable(file):
        model = skops.load(source, trusted=needed)
    if not isinstance(model, dict) or model.keys() != {"encoder", "estimator"}:
        raise UserError(f"{file}: holds no encoder and estimator; run `dvc repro`")
    return model


@contextmanager
def _readable(file: Path) -> Generator[None]:
    """Say in one line that a file of skops cannot be read: its readers raise exceptions of any kind."""
    try:
        yield
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        raise UserError(f"{file} cannot be read ({type(error).__name__}: {said}); run `dvc repro`") from error


def raw_contract(contract: Contract, features: list[str], data: DataConfig) -> Contract:
    """Return the columns that the features are computed from, themselves included, in the order of contract.

    A column of data.derive stands for the columns that its expression reads.
    """
    needed, open_names = set[str](), list(features)
    while open_names:
        name = open_names.pop()
        if name in needed or name not in contract.columns:
            continue
        needed.add(name)
        if expression := data.derive.get(name):
            open_names += names_in(expression) or []
    return Contract(columns={name: column for name, column in contract.columns.items() if name in needed})


def reference_rows(package: Package, rows: pd.DataFrame) -> pd.DataFrame:
    """Return up to REFERENCE_ROWS of the rows, evenly spaced, with the columns of the source."""
    spaced = np.unique(np.linspace(0, len(rows) - 1, min(REFERENCE_ROWS, len(rows))).astype(int))
    return rows.iloc[spaced][package.source_columns].reset_index(drop=True)


def _record(package: Package) -> dict[str, Any]:
    raw = {
        "raw": {name: column.model_dump() for name, column in package.raw.columns.items()},
        "raw_order": list(package.raw.columns),
        "types": package.types,
    }
    return (raw if package.raw.columns else {}) | {
        "format": FORMAT,
        "features": package.features,
        "inputs": {name: column.model_dump() for name, column in package.contract.columns.items()},
        "task": package.task,
        "target": package.target,
        "classes": package.classes,
        "threshold": package.threshold,
        "config": package.config,
        "versions": package.versions,
        **({"key": package.key} if package.key else {}),
        **({"notes": package.notes} if package.notes else {}),
        **({"refit_of": package.refit_of} if package.refit_of else {}),
        **({} if package.classes == in_alphabet(package.classes) else {"class_order": package.classes}),
    }


def _is_kind(values: pd.Series, column: Column) -> bool:
    """Return whether the encoder can read the values; a column without any value is of every kind."""
    if column.kind == "categorical":
        return not types.is_datetime64_any_dtype(values)
    present = values.dropna()
    if not types.is_numeric_dtype(values) and not all(isinstance(v, NUMBERS) for v in present):
        return False
    return column.kind == "numeric" or bool(present.isin([0, 1]).all())


def class_labels(target: pd.Series, task: Task, allowed: Sequence[Label] | None = None) -> list[Label]:
    """List the classes in the order of their codes: sorted, so the event of a binary task is last.

    Several classes have the order in which the contract allows them, if it does.

    Labels are as the stage prepare writes them: 0/1 (or False/True) for a binary task, text, integers or
    booleans for multiclass. A regression has none.

    Raises:
        UserError: train does not hold both labels of a binary task, or holds fewer than two of multiclass.
    """
    if task == "regression":
        return []
    found = in_alphabet({_label(value) for value in target.dropna().unique()})
    shown = ", ".join(map(repr, found[:5]))
    if task == "binary" and found not in ([False, True], [0, 1]):
        raise UserError(
            f"data.task: binary, but '{target.name}' in train holds {shown} and not 0 and 1;"
            " choose another split, or set data.task to multiclass or regression"
        )
    if len(found) < 2:
        raise UserError(f"data.target: '{target.name}' has only one class in train: {shown}")
    if task == "binary":
        return found
    order = {str(label): at for at, label in enumerate(allowed or [])}
    return sorted(found, key=lambda label: order[str(label)]) if {*map(str, found)} <= {*order} else found


def target_values(target: pd.Series, task: Task, classes: list[Label]) -> NDArray[Any]:
    """Return the target as estimators and metrics take it, shape (n,): int64 codes, float64 if a regression.

    Raises:
        ValueError: see label_codes.
    """
    return target.to_numpy(dtype=np.float64) if task == "regression" else label_codes(target, classes)


def label_codes(target: pd.Series, classes: list[Label]) -> NDArray[np.int64]:
    """Return each label's position in classes, shape (n,).

    Raises:
        ValueError: a label that is not among the classes, or a missing value.
    """
    position = {label: code for code, label in enumerate(classes)}
    kinds, values = pd.factorize(target, use_na_sentinel=True)
    codes = np.array([position.get(_label(value), -1) for value in values], dtype=np.int64)
    unknown = [repr(_label(value)) for value, code in zip(values, codes, strict=True) if code < 0]
    if unknown or (kinds < 0).any():
        what = ", ".join([*unknown, *(["missing"] if (kinds < 0).any() else [])])
        raise ValueError(f"'{target.name}' holds {what}, not among the model's classes")
    return codes[kinds]


def _label(value: Any) -> Label:
    """Return plain Python: NumPy scalars unpacked, and 1.0 (an integer from a column with NaN) as 1."""
    plain = value.item() if hasattr(value, "item") else value
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain
