"""Write a page about the table: read it before you trust a model that was fitted on it.

reads: ${data.contract}, data/prepared/contract.json, data/splits/train.parquet,
    data/splits/validation.parquet, metrics/data.json, metrics/leaks.json, metrics/split.json
writes: reports/explore.html
"""

from pathlib import Path

from cairn.data.leakage import Judged
from cairn.data.records import read_json, write_text
from cairn.data.tables import read_table
from cairn.progress import elapsed
from cairn.report.explore.page import PAGE, explore_page
from cairn.report.explore.study import study
from cairn.settings.contract import Contract, read_contract
from cairn.settings.data import DataConfig
from cairn.settings.evaluate import EvaluateConfig


def main(*, data: DataConfig, evaluate: EvaluateConfig, seed: int) -> None:
    """Write the page and print its headline."""
    contract = Contract.model_validate(read_json(Path("data/prepared/contract.json")))
    train = read_table(Path("data/splits/train.parquet"))
    features = read_table(Path("data/splits/validation.parquet")).drop(columns=data.target)
    judged = {name: Judged(**found) for name, found in read_json(Path("metrics/leaks.json")).items()}
    with elapsed(f"looking at {len(train):,} rows"):
        found = study(train, features, contract, data, judged, slices=evaluate.slices, seed=seed)
    page, headline = explore_page(
        found,
        source=read_contract(Path(data.contract)),
        prepared=contract,
        data=data,
        evaluate=evaluate,
        table=read_json(Path("metrics/data.json")),
        split=read_json(Path("metrics/split.json")),
        seed=seed,
    )
    write_text(page, PAGE)
    print(f"explore: {headline} {PAGE.as_posix()}")
