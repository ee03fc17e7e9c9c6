"""Turn a raw source into one table: by its file extension, or by the function that data.load names."""

import importlib
import inspect
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api import types

from cairn.data.expressions import evaluate
from cairn.data.tables import EXACT, exact, read_raw, read_text, whole_numbers
from cairn.data.written import as_numbers, numbers_of, without_missing
from cairn.errors import UserError
from cairn.settings.contract import Column, Contract
from cairn.settings.data import DataConfig
from cairn.settings.expressions import names_in

UNITS: dict[str | None, str] = {"unix": "s", "unix_ms": "ms", "unix_us": "us", "unix_ns": "ns"}
PERIODS = {
    "quarter": re.compile(
        r"(?P<year>\d{4})[- ]?Q(?P<part>[1-4])|Q(?P<part_first>[1-4])[- ]?(?P<year_last>\d{4})"
    ),
    "week": re.compile(r"(?P<year>\d{4})-?W(?P<part>\d\d)"),
}
"""Formats without a day: the date is the first one."""
ASKS_FOR_MISSING = re.compile(r"\b(isna|isnull|notna|notnull|fillna|where|mask|combine_first)\b")
READ_CSV = "pandas.read_csv"
READ_FOLDER = "cairn.data.folder.read_folder"
"""data.load._target_ of a table in several files; naming it here makes it code of the stage prepare."""


def load(data: DataConfig, contract: Contract) -> pd.DataFrame:
    """Return the table of data.source, one row per example, in a stable order.

    Args:
        data: the source, and the function or the query that reads it.
        contract: says which texts of a file mean missing, see text_options.

    Raises:
        UserError: the source does not exist or cannot be read, or data.load does not name a function of it.
    """
    source = Path(data.source)
    if data.sql is not None:
        from cairn.data.out_of_core import rows_of_query

        return in_plain_types(rows_of_query(source, data.sql))
    if data.load is None:
        return in_plain_types(read_raw(source, **text_options({}, contract)))
    if not source.exists():
        raise UserError(f"data.source: {source} does not exist; `dvc pull` or `dvc repro` gets tracked data")
    options = {name: value for name, value in data.load.items() if name != "_target_"}
    if data.load["_target_"] in (READ_CSV, READ_FOLDER):
        options = text_options(options, contract)
    module, _, function = data.load["_target_"].rpartition(".")
    try:
        build = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"data.load._target_: {data.load['_target_']}: {error}") from error
    try:
        inspect.signature(build).bind(source, **options)
    except TypeError as error:
        raise UserError(f"data.load: {data.load['_target_']}: {error}") from error
    try:
        return read_text(source, **options) if build is pd.read_csv else build(source, **options)
    except (ValueError, OSError) as error:
        if module != "pandas":
            raise  # the user's own code: the traceback says where
        raise UserError(f"data.source: {source} cannot be read: {error}") from error


def text_options(options: Mapping[str, Any], contract: Contract) -> dict[str, Any]:
    """Return options of read_text, with what the contract says of how text becomes values.

    Raises:
        UserError: both name texts that mean missing.
    """
    columns = contract.columns
    missing = {name: column.missing for name, column in columns.items() if column.missing}
    if missing and options.get("na_values"):
        raise UserError(
            f"data.load.na_values: the contract lists texts for {next(iter(missing))} that mean missing;"
            " list these there too, as `missing` of their columns"
        )
    texts = {name: "str" for name, column in columns.items() if column.decimal is not None}
    labels = [name for name, column in columns.items() if column.labels]
    found = dict(options)
    found |= {"na_values": missing} if missing else {}
    found |= {"labels": labels} if labels else {}
    return found | ({"dtype": texts | options.get("dtype", {})} if texts else {})


def in_plain_types(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with exact decimals as float64, dates as datetime64 and other dtypes as numpy's.

    Databases and Parquet have them; pandas keeps the first two as Python objects. Durations become seconds.
    Categories become their
    values; whole numbers that float64 cannot hold, beside missing ones, become text.
    """
    seconds = {str(n): c.dt.total_seconds() for n, c in table.items() if types.is_timedelta64_dtype(c)}
    halves = {str(n): c.astype("float64") for n, c in table.items() if c.dtype == "float16"}
    table = with_columns(table, seconds | halves)
    others = {str(name): column for name, column in table.items() if _is_extension(column)}
    table = with_columns(table, {name: _of_numpy(column) for name, column in others.items()})
    plain = {"decimal": _of_decimals, "date": pd.to_datetime}
    objects = table.loc[:, [types.is_object_dtype(kind) for kind in table.dtypes]]
    kinds = {name: types.infer_dtype(column, skipna=True) for name, column in objects.items()}
    found = {str(name): plain[kind](table[name]) for name, kind in kinds.items() if kind in plain}
    return with_columns(table, found)


def _of_decimals(column: pd.Series) -> pd.Series:
    """Return exact decimals as float64; whole numbers that it cannot hold as text."""
    there = column.dropna()
    if there.abs().max() > EXACT and all(value.as_tuple().exponent >= 0 for value in there):
        return column.map(lambda value: f"{value:.0f}", na_action="ignore").astype("str")
    return column.astype("float64")


def _is_extension(column: pd.Series) -> bool:
    text = isinstance(column.dtype, pd.StringDtype) and column.dtype.na_value is not pd.NA
    own = text or isinstance(column.dtype, pd.DatetimeTZDtype)
    return types.is_extension_array_dtype(column.dtype) and not own


def _of_numpy(column: pd.Series) -> pd.Series:
    if isinstance(column.dtype, pd.PeriodDtype):
        return column.dt.to_timestamp()
    if isinstance(column.dtype, pd.CategoricalDtype):
        return _plain_values(column.astype(column.dtype.categories.dtype))
    return _plain_values(column)


def _plain_values(column: pd.Series) -> pd.Series:
    values = exact(pa.chunked_array([pa.Array.from_pandas(column)]))
    return values.to_pandas().set_axis(column.index).rename(column.name)


def with_columns(table: pd.DataFrame, columns: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Return the table with columns added or replaced; DataFrame.assign cannot take one called self."""
    table = table.copy(deep=False)
    for name, values in columns.items():
        table[name] = values
    return table


def type_of(values: pd.Series) -> str:
    """Name the type of the values, whatever dtype pandas gives them where some are missing."""
    there = values.dropna()
    if there.empty:
        return "nothing"
    if types.is_bool_dtype(there) or types.infer_dtype(there) == "boolean":
        return "true or false"
    if types.is_numeric_dtype(there):
        # The first rows answer most often; the division of a long column takes longer than reading it.
        parts = (there.iloc[:1_000], there)
        whole = types.is_integer_dtype(there) or not any((part % 1).any() for part in parts)
        return "whole number" if whole else "number"
    return "moment" if types.is_datetime64_any_dtype(there) else "text"


def parsed(table: pd.DataFrame, contract: Contract, trained: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Return the table with missing values, dates and numbers with a `decimal` read as the contract says.

    A column that cannot be read is left unchanged and breaks the contract.

    Args:
        table: the rows.
        contract: of its columns.
        trained: by column its dtype in train, see as_trained; a column without one is parsed by all its rows.
    """
    read = {}
    for name, column in contract.columns.items():
        if name not in table.columns:
            continue
        values = without_missing(table[name], column) if column.missing else table[name]
        if column.missing:
            read[name] = values
        if column.decimal is not None and (numbers := as_numbers(values, column)) is not None:
            read[name] = numbers
        if column.kind == "numeric" and (whole := _beyond_int64(values)) is not None:
            read[name] = whole
        if column.kind != "datetime":
            continue
        if trained and name in trained:
            with suppress(ValueError, OverflowError):
                read[name] = as_trained(values, column.format, trained[name])
        elif (dates := as_dates(values, column.format)) is not None:
            read[name] = dates
    return with_columns(table, read)


def _beyond_int64(values: pd.Series) -> pd.Series | None:
    """Return whole numbers as float64 that pandas left as text, as one is beyond int64; None for others."""
    if not types.is_string_dtype(values):
        return None
    there = values.dropna()
    if there.empty or not whole_numbers(there):
        return None
    numbers = there.astype("str").astype("float64")
    return numbers.reindex(values.index) if numbers.abs().max() >= 2**63 else None


def unread(values: pd.Series, column: Column) -> pd.Series:
    """Return which texts are not the numbers or dates that the contract says they are."""
    text = types.is_object_dtype(values) or types.is_string_dtype(values)
    if not text or column.kind not in ("numeric", "datetime"):
        return pd.Series(False, index=values.index)
    if column.kind == "numeric":
        return numbers_of(values, column).isna() & values.notna()
    with suppress(ValueError, TypeError, OverflowError):
        return _to_dates(values, column.format, utc=True, errors="coerce").isna() & values.notna()
    return values.notna()


def as_dates(values: pd.Series, written: str | None) -> pd.Series | None:
    """Return text or numbers as dates; None where they are dates already, or cannot be parsed.

    Args:
        values: a column of any type.
        written: a format such as %d.%m.%Y for text or for digits, unix for seconds since 1970, unix_ms,
            unix_us and unix_ns for milli-, micro- and nanoseconds, quarter for 2020Q1 and week for 2020-W01;
            None for ISO 8601.
    """
    if types.is_datetime64_any_dtype(values):
        return None
    for utc in (False, True):  # offsets that differ from row to row have only UTC in common
        with suppress(ValueError, TypeError, OverflowError):
            return _to_dates(values, written, utc=utc)
    return None


def as_trained(values: pd.Series, written: str | None, dtype: Any) -> pd.Series:
    """Return text, numbers or dates with the dtype that their column had in train, each read by itself.

    A date without a UTC offset is in UTC if the dates of train have an offset. One with an offset is
    converted to theirs; if they have none, to UTC. as_dates does this to a column with several offsets.

    Args:
        values: a column of any type.
        written: see as_dates.
        dtype: of dates; those that it has no place for are refused.

    Raises:
        ValueError: a value is not a date, or too early or too late.
        OverflowError: the same, for a number.
    """
    found = pd.Series(pd.NaT, values.index, dtype=dtype, name=values.name)
    text = types.is_object_dtype(values) or types.is_string_dtype(values)
    if not (written in UNITS and text):
        with suppress(ValueError, TypeError, OverflowError):
            found = _by_clock(_to_dates(values, written, utc=True, errors="coerce"), dtype)
    left = found.isna() & values.notna()
    if left.any():  # not a date, or no unit of time holds it and the others: one by one
        try:
            kinds, different = pd.factorize(values[left])
            read = [_by_clock(_one(value, written), dtype) for value in different]
        except TypeError as error:
            raise ValueError("not dates") from error
        found[left] = pd.concat(read).array.take(kinds)
    return found


def _one(value: Any, written: str | None) -> pd.Series:
    if isinstance(value, date):
        return pd.to_datetime(pd.Series([pd.Timestamp(value)]), utc=True)
    if written in UNITS and isinstance(value, str):
        value = pd.to_numeric(value)  # pandas would read another text as ISO 8601
    found = _to_dates(pd.Series([value]), written, utc=True)
    if found.hasnans:
        raise ValueError(f"{value!r} is not a date")
    return found


def _by_clock(dates: pd.Series, dtype: Any) -> pd.Series:
    """Return dates in UTC with a dtype of train."""
    zone, unit = getattr(dtype, "tz", None), np.datetime_data(getattr(dtype, "base", dtype))[0]
    there: Any = pd.DatetimeIndex(dates)
    return pd.Series(there.tz_convert(zone).as_unit(unit), dates.index, name=dates.name)


def _to_dates(
    values: pd.Series, written: str | None, *, utc: bool, errors: Literal["raise", "coerce"] = "raise"
) -> pd.Series:
    numbers = types.is_numeric_dtype(values)
    if types.is_bool_dtype(values) or (numbers and written is None):
        raise ValueError("not dates")
    if types.is_datetime64_any_dtype(values):
        return pd.to_datetime(values, utc=utc)
    if written in UNITS:
        return pd.to_datetime(values, unit=UNITS[written], utc=utc, errors=errors)
    if written in PERIODS:
        return pd.to_datetime(_first_days(values, written), utc=utc, errors=errors)
    text = values.astype("Int64").astype("str").where(values.notna()) if numbers else values
    return pd.to_datetime(text, format=written or "ISO8601", utc=utc, errors=errors)


def _first_days(values: pd.Series, written: str) -> pd.Series:
    """Return the first day of each quarter or ISO week as ISO 8601; another text as it is."""

    def day(text: Any) -> Any:
        match = PERIODS[written].fullmatch(text) if isinstance(text, str) else None
        if match is None:
            return text
        found = match.groupdict()
        year, part = found["year"] or found["year_last"], int(found["part"] or found["part_first"])
        if written == "quarter":
            return f"{year}-{3 * part - 2:02d}-01"
        with suppress(ValueError):  # the year has no such week
            return date.fromisocalendar(int(year), part, 1).isoformat()
        return text

    codes, distinct = pd.factorize(values)
    return pd.Series([*map(day, distinct), None], dtype="object").take(codes).set_axis(values.index)


def derived(
    table: pd.DataFrame, data: DataConfig, contract: Contract, trained: Mapping[str, Any] | None = None
) -> pd.DataFrame:
    """Return the table with the columns of data.derive, in order, so that one may use those before it.

    A value computed from a missing value is missing, unless the expression handles missing values itself
    (isna, notna, fillna, where, mask, combine_first). In pandas a comparison with a missing value is false,
    so `(delay > 15) * 1` would be 0 for a flight that never arrived.

    Raises:
        UserError: an expression that cannot be evaluated on the table, or a name that is taken.
    """
    for name, expression in data.derive.items():
        if expression is None:
            continue
        if name in table.columns:
            raise UserError(f"data.derive.{name}: the table has a column of this name; choose another")
        values = evaluated(table, expression, f"data.derive.{name}")
        if not ASKS_FOR_MISSING.search(expression):
            unknown = table[[n for n in names_in(expression) or [] if n in table.columns]].isna().any(axis=1)
            whole = values.astype("boolean") if types.is_bool_dtype(values) else values
            values = whole.mask(unknown) if unknown.any() else values
        table = parsed(pd.concat([table, values.rename(name)], axis=1), contract, trained)
    return table


def evaluated(table: pd.DataFrame, expression: str, key: str) -> pd.Series:
    """Return the value of an expression for every row.

    Raises:
        UserError: it cannot be evaluated; the message begins with the key.
    """
    try:
        return pd.Series(evaluate(table, expression), index=table.index)
    except KeyError as error:
        raise UserError(f"{key}: '{expression}': the table has no column {error}") from error
    except Exception as error:  # the columns' methods raise exceptions of any kind
        raise UserError(f"{key}: '{expression}': {' '.join(str(error).split())}") from error
