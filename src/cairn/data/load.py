"""Turn a raw source into one table: by its file extension, or by the function that data.load names."""

import importlib
import inspect
from contextlib import suppress
from pathlib import Path

import pandas as pd
from pandas.api import types

from cairn.config.base import ConfigError
from cairn.config.contract import Contract
from cairn.config.data import DataConfig
from cairn.data.files import read_raw


def load(data: DataConfig) -> pd.DataFrame:
    """Return the table of data.source, one row per example, in a stable order.

    Raises:
        ConfigError: the source is not there or cannot be read, or data.load does not name a function of it.
    """
    source = Path(data.source)
    if data.load is None:
        return in_plain_types(read_raw(source))
    if not source.exists():
        raise ConfigError(
            f"data.source: {source} is not there; `dvc pull` or `dvc repro` brings tracked data"
        )
    options = {name: value for name, value in data.load.items() if name != "_target_"}
    module, _, function = data.load["_target_"].rpartition(".")
    try:
        build = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"data.load._target_: {data.load['_target_']}: {error}") from error
    try:
        inspect.signature(build).bind(source, **options)
    except TypeError as error:
        raise ConfigError(f"data.load: {data.load['_target_']}: {error}") from error
    return build(source, **options)


def in_plain_types(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with exact decimals as float64 and days as datetime64, which models can work with.

    Databases and Parquet have both; pandas keeps them as Python objects.
    """
    plain = {"decimal": lambda column: column.astype("float64"), "date": pd.to_datetime}
    objects = table.select_dtypes("object")
    kinds = {name: types.infer_dtype(column, skipna=True) for name, column in objects.items()}
    return table.assign(
        **{str(name): plain[kind](table[name]) for name, kind in kinds.items() if kind in plain}
    )


def with_dates(table: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """Return the table with the text of columns that the contract calls datetime read as dates.

    A CSV has no dates of its own. A column with text that is no date stays as it is: the contract names it.
    """
    for name, column in contract.columns.items():
        if column.kind == "datetime" and name in table.columns and types.is_string_dtype(table[name]):
            with suppress(ValueError):
                table = table.assign(**{name: pd.to_datetime(table[name], format="ISO8601")})
    return table
