"""Rows to monitor from where they are: raw rows, what `predict` wrote, or the log of `serve`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cairn.data.load import (
    READ_CSV,
    derived,
    evaluated,
    in_plain_types,
    load,
    parsed,
    text_options,
    with_columns,
)
from cairn.data.predictions import Floats
from cairn.data.tables import CHECKED, read_raw, read_table
from cairn.data.written import missing_texts, numbers_of
from cairn.errors import UserError, did_you_mean
from cairn.models.calibration import FITTED, is_refitted, validated
from cairn.models.package import Package
from cairn.monitor.rows import Rows, Targets, broken_rows, join_labels
from cairn.serve.batch import ROW
from cairn.serve.model import Found
from cairn.serve.outcomes import output_columns
from cairn.serve.predictor import Predictor
from cairn.serve.sources import format_of, needs_loader, stop_on_untrusted, whole_table
from cairn.settings.contract import Contract
from cairn.settings.data import DataConfig
from cairn.settings.expressions import names_in

Kind = Literal["rows", "predictions", "log"]
LOGGED = {"time", "inputs", "outputs"}
"""Columns of a file of the log that tell it from others."""


@dataclass(frozen=True)
class Labels:
    """A table of targets: its file, the column that rows and targets share, and when each became known."""

    file: Path
    key: str
    known_at: str | None = None


def kind_of(path: Path, package: Package) -> Kind:
    """Return what a path holds.

    Raises:
        UserError: there is nothing, or an empty folder.
    """
    if not path.exists():
        near = [other.name for other in path.parent.glob("*")] if path.parent.is_dir() else []
        raise UserError(f"{path}: no such file or folder{did_you_mean(path.name, near)}")
    if path.is_dir():
        if not any(path.iterdir()):
            raise UserError(f"{path}: an empty folder; it has no rows to monitor")
        files = sorted(path.glob("*.parquet"))
        return "log" if files and set(_names(files[0])) >= LOGGED else "rows"
    if path.suffix.lower() == ".parquet" and set(_names(path)) >= LOGGED:
        return "log"
    written = {ROW, *list(output_columns(package))[:1]}
    return "predictions" if written <= set(_header(path)) else "rows"


def read_rows(
    path: Path,
    kind: Kind,
    package: Package,
    contract: Contract,
    *,
    trust: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    time: str | None = None,
) -> Rows:
    """Read the rows of a source, with their predictions and the targets that it has.

    Args:
        path: file or folder.
        kind: see kind_of.
        package: the model; raw rows are predicted with it.
        contract: of all columns of the source, as far as it is known.
        trust: see sources.stop_on_untrusted.
        options: arguments of data.load that differ for this source.
        time: column with the time of a row; None for data.time, or the time in the log.

    Raises:
        UserError: it cannot be read, or has no such column.
    """
    data = DataConfig.model_validate(package.config["data"])
    if kind == "rows":
        raw = _raw(path, package, contract, trust, options or {})
        return of_raw_rows(raw, str(path), package, contract, time)
    if options:
        raise UserError(f"--load: {path} holds predictions; only raw rows are read by data.load")
    if kind == "predictions":
        frame = parsed(from_text(in_plain_types(read_raw(path)), contract), contract)
        scores, named = _scores(frame, package, str(path)), time or data.time
    else:
        frame = _of_log(path)
        scores, named = _scores(frame, package, str(path), "outputs."), time or "time"
        frame = frame.rename(columns=lambda name: name.removeprefix("inputs."))
    frame = package.with_derived(frame) if set(package.source_columns) <= set(frame.columns) else frame
    if time is None and named not in frame.columns:
        named = None
    return Rows(
        frame,
        _time(frame, named, str(path)),
        scores,
        targets(frame, data, package),
        broken_rows(frame, contract),
    )


def _raw(
    path: Path, package: Package, contract: Contract, trust: Sequence[str], options: Mapping[str, Any]
) -> pd.DataFrame:
    """Read raw rows as `predict` does: by data.load where only that can, else by the extension."""
    data = DataConfig.model_validate(package.config["data"])
    if data.load is not None:
        text = data.load["_target_"] == READ_CSV and format_of(path) in ("csv", "tsv")
        if text or needs_loader(path, None, package):
            function = data.load | dict(options)
            stop_on_untrusted(function, trust)
            return load(data.model_copy(update={"source": str(path), "load": function}), contract)
    elif path.is_dir():
        raise UserError(f"{path}: the model was trained on a file ({data.source}); name a file")
    if options:
        raise UserError(f"--load: {path} is read by its extension, not by data.load")
    return in_plain_types(read_raw(path, **text_options({}, contract)))


def of_raw_rows(
    raw: pd.DataFrame, name: str, package: Package, contract: Contract, time: str | None = None
) -> Rows:
    """Predict raw rows, and take their targets where they have them; see read_rows."""
    data = DataConfig.model_validate(package.config["data"])
    written = {n: c for n, c in contract.columns.items() if c.decimal is not None and n in raw.columns}
    # `predict` takes one value that it cannot read as missing; it keeps the others of the column.
    raw = with_columns(raw, {name: numbers_of(raw[name], column) for name, column in written.items()})
    frame = with_known_derived(parsed(raw, contract), data, contract).reset_index(drop=True)
    predictor = Predictor(package, "ignore")
    lacking = [column for column in predictor.fields if column not in frame.columns]
    if lacking:
        raise UserError(
            f"{name}: no column {', '.join(lacking[:5])}, which the model needs"
            f"{did_you_mean(lacking[0], map(str, frame.columns))}"
        )
    source = whole_table(frame[list(predictor.fields)], name)
    blocks = source.blocks(list(predictor.fields), [])
    scores = np.concatenate([predictor.block(block.rows, text=False).scores for block in blocks])
    return Rows(
        frame,
        _time(frame, time or data.time, name),
        scores,
        targets(frame, data, package),
        broken_rows(frame, contract),
    )


def from_text(frame: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """Return the frame with texts as the values that they stand for: missing, numbers, true and false.

    `predict` copies the columns of a file of text as text.
    """
    found = {}
    for name, column in contract.columns.items():
        if name in frame.columns and pd.api.types.is_string_dtype(frame[name]):
            marks = missing_texts(column.missing, labels=column.labels)
            values = frame[name].mask(frame[name].isin(marks))
            if column.kind == "numeric":
                plain = column.decimal is None
                values = pd.to_numeric(values, errors="coerce") if plain else numbers_of(values, column)
            elif column.kind == "boolean":
                values = values.str.lower().map({"true": True, "false": False, "1": True, "0": False})
            found[name] = values
    return with_columns(frame, found)


def with_known_derived(table: pd.DataFrame, data: DataConfig, contract: Contract) -> pd.DataFrame:
    """Return the table with the columns of data.derive for which it has what their expressions read."""
    there, kept = set(table.columns), {}
    for name, expression in data.derive.items():
        if expression is not None and set(names_in(expression) or []) <= there and name not in there:
            kept[name] = expression
            there.add(name)
    return derived(table, data.model_copy(update={"derive": kept}), contract)


def targets(frame: pd.DataFrame, data: DataConfig, package: Package) -> Floats:
    """Return the target as metrics take it, NaN where it is missing or data.drop_where drops the row.

    Raises:
        UserError: a class that the model does not know.
    """
    if data.target not in frame.columns:
        return np.full(len(frame), np.nan)
    values = frame[data.target]
    known = values.notna().to_numpy()
    for reason, expression in data.drop_where.items():
        if expression is not None and set(names_in(expression) or []) <= set(frame.columns):
            dropped = evaluated(frame, expression, f"data.drop_where.{reason}")
            known = known & ~dropped.fillna(False).to_numpy(dtype=bool)
    found = np.full(len(frame), np.nan)
    there = values[known]
    if data.task == "regression":
        found[known] = pd.to_numeric(there, errors="coerce")
    elif data.task == "binary":
        found[known] = _events(there, data)
    else:
        try:
            found[known] = package.encode(there.astype("str"))
        except ValueError as error:
            raise UserError(f"{data.target}: {error}") from error
    return found


def _events(values: pd.Series, data: DataConfig) -> Floats:
    """Return 1 for the event and 0 for the other class; the prepared table holds these numbers already."""
    if pd.api.types.is_numeric_dtype(values) and values.isin([0, 1]).all():
        return values.to_numpy(dtype=np.float64)
    positive = True if data.positive is None else data.positive
    return (values.astype("str").str.lower() == str(positive).lower()).to_numpy(dtype=np.float64)


def reference_rows(
    found: Found, package: Package, contract: Contract, trust: Sequence[str], by_time: bool
) -> tuple[Rows, Rows]:
    """Return the rows that the model was made from: the rows of train, and the rows of validation.

    In the workspace they are drawn from data.source as production draws them: with a split by time, rows that
    data.drop_where drops are among them, for what happens to a row is not known when it is predicted. For a
    revision, and where the source is not here, they are the prepared rows.

    Raises:
        UserError: the model is in a folder of its own, or its data cannot be fetched.
    """
    if found.history is None or found.revision is None:
        raise UserError(f"{found.folder}: a model in a folder of its own has no data to compare with")
    root = found.history.root
    train, validation = (
        found.history.tracked(found.revision, f"data/splits/{part}.parquet")
        for part in ("train", "validation")
    )
    packages = package, package
    if is_refitted(package):  # validation is scored by the model that has not seen it
        fitted = found.history.tracked_folder(found.revision, FITTED.as_posix())
        packages = package, validated(package, fitted, found.history.trusted(found.revision))
    data = DataConfig.model_validate(package.config["data"])
    if found.commit is not None or not (root / data.source).exists():
        first, second = (
            of_raw_rows(read_table(file), file.name, each, contract)
            for file, each in zip((train, validation), packages, strict=True)
        )
        return first, second
    if data.load:
        stop_on_untrusted(data.load, trust)
    raw = parsed(load(data.model_copy(update={"source": str(root / data.source)}), contract), contract)
    time = data.time if by_time else None
    first, second = (
        of_raw_rows(_part(raw, read_table(file), time), data.source, each, contract)
        for file, each in zip((train, validation), packages, strict=True)
    )
    return first, second


def _part(raw: pd.DataFrame, part: pd.DataFrame, time: str | None) -> pd.DataFrame:
    """Return the raw rows of a part: the rows of its period, or without a time the same rows."""
    if time is None:
        return raw.iloc[part[ROW].to_numpy()]
    if time not in raw.columns:  # it is computed by data.derive
        return raw.iloc[part[ROW].min() : part[ROW].max() + 1]
    return raw[raw[time].between(part[time].min(), part[time].max())]


def with_labels(rows: Rows, labels: Labels, package: Package, contract: Contract) -> Rows:
    """Return the rows with the targets of a file, read by the contract; see join_labels.

    Raises:
        UserError: it cannot be read, or lacks a column.
    """
    data = DataConfig.model_validate(package.config["data"])
    raw = in_plain_types(read_raw(labels.file, **text_options({}, contract)))
    table = parsed(raw, Contract(columns={n: c for n, c in contract.columns.items() if n == data.target}))
    needed = [data.target, labels.key, *([labels.known_at] if labels.known_at else [])]
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise UserError(
            f"{labels.file}: no column {missing[0]}{did_you_mean(missing[0], map(str, table.columns))}"
        )
    y = targets(table, data.model_copy(update={"drop_where": {}}), package)
    known_at = _time(table, labels.known_at, str(labels.file)) if labels.known_at else None
    return join_labels(rows, labels.key, Targets(table[labels.key], y, known_at, str(labels.file)))


def _names(path: Path) -> list[str]:
    try:
        return list(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path}: cannot be read as parquet: {' '.join(str(error).split())}") from error


def _header(path: Path) -> list[str]:
    """Return the columns of a file that could be what `predict` wrote; none for another one."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return _names(path)
    if suffix not in (".csv", ".jsonl"):
        return []
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first = file.readline()
    return [name.strip('" ') for name in first.strip("{}\n ").replace(":", ",").split(",")]


def _of_log(path: Path) -> pd.DataFrame:
    """Return the rows of the log, in the order of time, with inputs.NAME and outputs.NAME as columns.

    Raises:
        UserError: a file that is damaged or another model's.
    """
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    tables = []
    for file in files:
        try:
            tables.append(pq.read_table(file, **CHECKED).flatten())
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"{file}: cannot be read: {' '.join(str(error).split())}") from error
    frame = pd.concat([table.to_pandas() for table in tables], ignore_index=True)
    return frame.sort_values(["time", "request_id", "row"], kind="stable", ignore_index=True)


def _scores(frame: pd.DataFrame, package: Package, name: str, prefix: str = "") -> Floats:
    columns = {"binary": ["probability"], "regression": ["prediction"]}.get(package.task)
    columns = columns or [f"probability_{label}" for label in package.class_names]
    missing = [column for column in columns if prefix + column not in frame.columns]
    if missing:
        raise UserError(f"{name}: no column {missing[0]}: these are predictions of another model")
    found = frame[[prefix + column for column in columns]].to_numpy(dtype=np.float64, na_value=np.nan)
    return found if package.task == "multiclass" else found[:, 0]


def _time(frame: pd.DataFrame, name: str | None, source: str) -> pd.Series | None:
    """Return a column of dates; a row without one has the date of the row before.

    Raises:
        UserError: the column does not exist, or it holds a value that is not a date.
    """
    if name is None:
        return None
    if name not in frame.columns:
        raise UserError(
            f"{source}: no column {name} with the time of a row{did_you_mean(name, map(str, frame.columns))};"
            " name another one with --time"
        )
    values = frame[name]
    if not pd.api.types.is_datetime64_any_dtype(values):
        values = pd.to_datetime(values, format="ISO8601", errors="coerce", utc=True)
    if values.notna().sum() == 0:
        raise UserError(f"{source}: {name} holds no date in ISO 8601; name another column with --time")
    return values.ffill().bfill()
