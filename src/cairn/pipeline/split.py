"""Deal the table to train, validation and test, prove that nothing crosses, and look for leaks in train.

reads: data/prepared/table.parquet, data/prepared/contract.json
writes: data/splits/train.parquet, data/splits/validation.parquet, data/splits/test.parquet,
    metrics/split.json
"""

from pathlib import Path

from cairn.data.drift import shifts, summary
from cairn.data.leakage import leaks
from cairn.data.split import PARTS, deal, proof
from cairn.data.tables import read_json, read_table, write_json, write_table
from cairn.errors import UserError
from cairn.settings.contract import Contract
from cairn.settings.data import DataConfig
from cairn.settings.split import SplitConfig


def main(*, data: DataConfig, split: SplitConfig, seed: int) -> None:
    """Write the parts, or stop with the reason why they may not be used."""
    table = read_table(Path("data/prepared/table.parquet"))
    contract = Contract.model_validate(read_json(Path("data/prepared/contract.json")))
    part = deal(table, split, data, contract, seed)
    record = proof(table, part, split, data, contract)
    suspects = leaks(table[part == "train"], contract, data, seed)
    if suspects:
        cure = (
            f"say known: after in {data.contract}, or, if it is right, name it in data.leakage.trusted"
            " or raise data.leakage.max_single_score"
        )
        raise UserError("\n".join([f"looks like a leak: {line}" for line in suspects] + [cure]))
    record["shift"] = {
        name: summary(shifts(table[part == "train"], table[part == name], contract, seed))
        for name in ("validation", "test")
    }
    for name in PARTS:
        write_table(table[part == name], Path(f"data/splits/{name}.parquet"))
    write_json(record, Path("metrics/split.json"))
    print("split: " + ", ".join(f"{name} {record['parts'][name]['rows']:,}" for name in PARTS))
