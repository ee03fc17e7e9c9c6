"""The raw tables of 2013 as the package ships them, read once, and the table built from them."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from cairn.datasets.flights.table import build_table, read_tables
from cairn.datasets.published import SOURCES, files_of
from cairn.pipeline.ingest import write_folder
from cairn.settings.contract import Contract, read_contract

ROOT = Path(__file__).resolve().parents[2]
Tables = dict[str, pd.DataFrame]


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """Where `python src/cairn ingest flights` would have put the files."""
    folder = tmp_path_factory.mktemp("raw") / "flights"
    write_folder(files_of(SOURCES["flights"]), folder)
    return folder


@pytest.fixture(scope="session")
def raw(folder) -> Tables:
    """The published tables; a test that changes one works on a copy."""
    return read_tables(folder)


@pytest.fixture(scope="session")
def year(raw) -> pd.DataFrame:
    """The whole of 2013, two hours before departure."""
    return build_table(raw, 120, "utc")


@pytest.fixture(scope="session")
def contract() -> Contract:
    return read_contract(ROOT / "conf/contract/flights.yaml")


@pytest.fixture(scope="session")
def days(raw) -> Callable[[str, str], Tables]:
    """The raw tables with the flights of some days only, from the first to before the last."""
    date = pd.to_datetime(raw["flights"][["year", "month", "day"]])

    def cut(first: str, last: str) -> Tables:
        return {**raw, "flights": raw["flights"][(date >= first) & (date < last)].reset_index(drop=True)}

    return cut


@pytest.fixture(scope="session")
def features(contract) -> dict[str, list[str]]:
    """The names of the features by group."""
    groups: dict[str, list[str]] = {}
    for name, column in contract.columns.items():
        if column.group is not None:
            groups.setdefault(column.group, []).append(name)
    return groups
