"""The flights of 2013 as raw rows, read once, and what their months up to August say is usual."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from repository import ROOT

from cairn.datasets.flights.table import build_table, read_tables
from cairn.datasets.published import SOURCES, files_of
from cairn.monitor.monitoring import Known, Settings, know
from cairn.monitor.performance import Judging
from cairn.monitor.rows import Rows, broken_rows
from cairn.monitor.windows import length_of
from cairn.pipeline.ingest import write_folder
from cairn.settings.contract import Contract, read_contract

LAST_OF_TRAIN = pd.Timestamp("2013-08-31")


@dataclass(frozen=True)
class Flights:
    """The year, what is usual until the end of August, and the settings of `cairn monitor`."""

    year: pd.DataFrame
    contract: Contract
    known: Known
    settings: Settings

    def rows(self, table: pd.DataFrame) -> Rows:
        return rows_of(table.reset_index(drop=True), self.contract)

    def between(self, first: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
        return self.year[(self.year["sched_dep_local"] >= first) & (self.year["sched_dep_local"] < last)]


def rows_of(table: pd.DataFrame, contract: Contract) -> Rows:
    """Rows without predictions or targets."""
    missing = np.full(len(table), np.nan)
    return Rows(table, table["sched_dep_local"], None, missing, broken_rows(table, contract))


@pytest.fixture(scope="session")
def flights(tmp_path_factory) -> Flights:
    folder: Path = tmp_path_factory.mktemp("raw") / "flights"
    write_folder(files_of(SOURCES["flights"]), folder)
    year = build_table(read_tables(folder), 120, "utc")
    contract = read_contract(ROOT / "conf/contract/flights.yaml")
    settings = Settings(length_of("1D"), Judging("binary", "roc_auc"))
    train = year[year["sched_dep_local"] < LAST_OF_TRAIN].reset_index(drop=True)
    known = know(rows_of(train, contract), None, contract, [], settings)
    return Flights(year, contract, known, settings)
