"""Turn a raw source into one table: by its file extension, or by the function that data.load names."""

import importlib
from pathlib import Path

import pandas as pd

from cairn.config.base import ConfigError
from cairn.config.data import DataConfig
from cairn.data.files import read_raw


def load(data: DataConfig) -> pd.DataFrame:
    """Return the table of data.source, one row per example, in a stable order.

    Raises:
        ConfigError: the source is not there or cannot be read, or data.load does not name a function of it.
    """
    source = Path(data.source)
    if data.load is None:
        return read_raw(source)
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
        return build(source, **options)
    except TypeError as error:
        raise ConfigError(f"data.load: {error}") from error
