"""What the stages prepare and split leave for training: the contract, train and validation."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cairn.data.records import read_json
from cairn.data.tables import read_table
from cairn.errors import UserError
from cairn.settings.contract import Contract

CONTRACT = Path("data/prepared/contract.json")
PARTS = {name: Path(f"data/splits/{name}.parquet") for name in ("train", "validation")}
"""The parts that a model is made from. Only the stages that predict test name its file."""


@dataclass(frozen=True)
class Prepared:
    """The prepared rows that a model may be made from."""

    contract: Contract
    train: pd.DataFrame
    validation: pd.DataFrame


def load_prepared(root: Path = Path()) -> Prepared:
    """Read the contract, train and validation of a checkout.

    Raises:
        UserError: one of the files does not exist.
    """
    missing = [str(path) for path in (CONTRACT, *PARTS.values()) if not (root / path).exists()]
    if missing:
        raise UserError(f"{', '.join(missing)}: no such file; run `dvc repro split`")
    return Prepared(
        prepared_contract(root), **{name: read_table(root / path) for name, path in PARTS.items()}
    )


def prepared_contract(root: Path = Path()) -> Contract:
    """Read the contract of the prepared table."""
    return Contract.model_validate(read_json(root / CONTRACT))


def spaced(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return at most so many rows, evenly spaced, with a new index."""
    places = np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)
    return rows.iloc[places].reset_index(drop=True)
