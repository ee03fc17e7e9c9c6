"""Rows and columns that are there twice."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.core.util.hashing import hash_pandas_object

from cairn.data.split import contents
from cairn.report.explore.association import Floats
from cairn.settings.contract import Contract
from cairn.settings.data import DataConfig

ALIKE = 0.98
MOST_PAIRS = 20


@dataclass(frozen=True)
class Copies:
    """Rows of train that repeat others.

    Attributes:
        rows: how many are a copy of an earlier one in all but their name (row_id and key).
        contradicting: how many share all their features with a row of another target.
    """

    rows: int
    contradicting: int


@dataclass(frozen=True)
class Pair:
    """Two features that say nearly the same."""

    first: str
    second: str
    association: float


def copies(train: pd.DataFrame, contract: Contract, data: DataConfig, features: list[str]) -> Copies:
    """Count the rows of train that repeat others."""
    whole = pd.Series(contents(train, contract, data))
    inputs = pd.Series(hash_pandas_object(train[features], index=False).to_numpy())
    answers = train[data.target].reset_index(drop=True).groupby(inputs).transform("nunique")
    return Copies(int(whole.duplicated().sum()), int((answers > 1).sum()))


def alike(names: list[str], matrix: Floats) -> list[Pair]:
    """Return the pairs of columns whose association is 0.98 or more, the strongest first, 20 at most."""
    first, second = np.tril_indices(len(names), -1)
    strong = np.nan_to_num(np.abs(matrix[first, second])) >= ALIKE
    pairs = [
        Pair(names[j], names[i], float(matrix[i, j]))
        for i, j in zip(first[strong], second[strong], strict=True)
    ]
    return sorted(pairs, key=lambda pair: (-abs(pair.association), pair.first, pair.second))[:MOST_PAIRS]
