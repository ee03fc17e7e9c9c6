"""From raw data to the one table that all later stages read.

reads: the raw data (data.source), its contract (data.contract)
writes: data/prepared/table.parquet, data/prepared/contract.json, metrics/data.json

A row that breaks the contract and is not dropped by data.drop_where stops the run; earlier results are kept.
"""

from dataclasses import asdict
from pathlib import Path

from cairn.data.load import load
from cairn.data.prepare import prepare_table
from cairn.data.records import write_json
from cairn.data.tables import write_table
from cairn.progress import elapsed
from cairn.settings.contract import read_contract
from cairn.settings.data import DataConfig


def main(*, data: DataConfig) -> None:
    """Write the prepared table, its contract and the counts."""
    contract = read_contract(Path(data.contract))
    with elapsed(f"building the table of {data.name}"):
        raw = load(data, contract)
    prepared = prepare_table(raw, contract, data)
    write_table(prepared.table, Path("data/prepared/table.parquet"))
    write_json(prepared.contract.model_dump(exclude_defaults=True), Path("data/prepared/contract.json"))
    write_json(asdict(prepared.summary), Path("metrics/data.json"))
    rows_in, rows_out = prepared.summary.rows_in, prepared.summary.rows_out
    print(f"prepare: {rows_out:,} of {rows_in:,} rows kept, {len(prepared.contract.columns)} columns")
