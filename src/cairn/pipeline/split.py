"""Split the table into train, validation and test, prove that nothing crosses, and look for leaks in train.

reads: data/prepared/table.parquet, data/prepared/contract.json
writes: data/splits/train.parquet, data/splits/validation.parquet, data/splits/test.parquet,
    metrics/split.json, metrics/leaks.json
"""

from pathlib import Path

from cairn.data.records import read_json, write_json
from cairn.data.split import split_table
from cairn.data.tables import read_table, write_table
from cairn.progress import elapsed
from cairn.settings.contract import Contract
from cairn.settings.data import DataConfig
from cairn.settings.split import SplitConfig


def main(*, data: DataConfig, split: SplitConfig, seed: int) -> None:
    """Write the parts, or stop with the reason why they may not be used."""
    contract = Contract.model_validate(read_json(Path("data/prepared/contract.json")))
    with elapsed("splitting the rows, and looking for leaks"):
        table = read_table(Path("data/prepared/table.parquet"))
        done = split_table(table, contract, data, split, seed, emptied=True)
    for name, rows in done.parts.items():
        write_table(rows, Path(f"data/splits/{name}.parquet"))
    write_json(done.record, Path("metrics/split.json"))
    leaks = {name: judged._asdict() for name, judged in done.judged.items()}
    write_json(leaks, Path("metrics/leaks.json"))
    print("split: " + ", ".join(f"{name} {len(rows):,}" for name, rows in done.parts.items()))
    if split.kind == "column" and (left_out := done.record["left_out"]):
        print(f"split: {left_out:,} rows are in no part: {split.column} has none of the labels")
