"""Small tables with a known truth, for tests of what is found out about a table."""

from pathlib import Path

import numpy as np
import pandas as pd

from cairn.data.load import load, parsed
from cairn.intake.draft.columns import look_at
from cairn.intake.draft.plan import Plan, make_plan
from cairn.intake.draft.task import Request
from cairn.intake.read.amounts import amount_of
from cairn.intake.read.source import Source
from cairn.intake.read.totals import texts_of
from cairn.intake.write.install import prove
from cairn.intake.write.yaml_files import texts
from cairn.settings.contract import Column, Contract
from cairn.settings.data import DataConfig

ROOT = Path(__file__).resolve().parents[2]


def planned(table: pd.DataFrame, target: str, **request) -> Plan:
    """Plan a table as the command does."""
    return make_plan(
        Source(Path("table.parquet"), table, None, ()),
        "mine",
        "data/raw/mine.parquet",
        Request(target, **request),
    )


def proven(table: pd.DataFrame, target: str, **request) -> Plan:
    """Plan a table, and prove the plan on the table it was made from."""
    plan = planned(table, target, **request)
    prove(plan, table, texts(plan), ROOT)
    return plan


def visits(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    """A table of visits to a shop: two honest columns that decide, one that does not."""
    rng = np.random.default_rng(seed)
    age, town = rng.integers(18, 80, rows), rng.choice(["Łódź", "Zürich", "Jerez"], rows)
    chance = 1 / (1 + np.exp(-(age / 15 - 4 + (town == "Jerez"))))
    bought = np.where(rng.random(rows) < chance, "yes", "no")
    return pd.DataFrame({"age": age, "town": town, "noise": rng.normal(size=rows), "bought": bought})


def as_prepare_reads(source: Source) -> pd.DataFrame:
    """Read a source again as the stage does, by data.load and the contract."""
    names = [*source.missing, *source.labels]
    columns = {name: source.of_contract(name, Column(kind="categorical")) for name in names}
    data = DataConfig(
        name="", source=str(source.path), contract="", task="binary", target="", load=source.load
    )
    return load(data, Contract(columns=columns))


def values_of(source: Source, name: str) -> pd.Series:
    """Return a column by the contract that new-data would write."""
    column = look_at(source.table[name]).column
    if name in texts_of(source.table) and column.kind == "categorical":
        column = amount_of(source.table[name]) or column
    return parsed(source.table, Contract(columns={name: column}))[name]
