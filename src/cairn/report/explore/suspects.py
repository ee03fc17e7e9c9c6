"""Columns that may give the answer away, judged on train as the stage split judges them, and why."""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from cairn.data.leakage import judge
from cairn.settings.contract import Contract
from cairn.settings.data import DataConfig

MOST = 150


@dataclass(frozen=True)
class Suspect:
    """What one column alone tells of the target.

    Attributes:
        column: its name.
        role: a feature, a feature that data.leakage.trusted names, or no feature.
        score: what a small tree on it reaches on rows it was not fitted on, ROC AUC or R².
        reason: why it looks like a leak; empty where it does not.
    """

    column: str
    role: Literal["feature", "trusted", "no feature"]
    score: float
    reason: str


def suspects(
    train: pd.DataFrame, contract: Contract, data: DataConfig, names: list[str], seed: int
) -> list[Suspect]:
    """Judge every column there is, a feature or not, the most telling first.

    Args:
        train: the training part, with the target.
        contract: what the columns are.
        data: target, task and the bounds.
        names: the columns, the likeliest first; 150 of them are judged.
        seed: of the sample of 20,000 rows.
    """
    looked_at = [name for name in names if contract.columns[name].kind != "datetime"][:MOST]
    judged = judge(train, looked_at, contract, data, seed)
    found = [
        Suspect(name, _role(name, contract, data), score, "; ".join(reasons))
        for name, (score, reasons) in judged.items()
    ]
    return sorted(found, key=lambda suspect: (not suspect.reason, -suspect.score, suspect.column))


def _role(name: str, contract: Contract, data: DataConfig) -> Literal["feature", "trusted", "no feature"]:
    if contract.columns[name].group is None:
        return "no feature"
    return "trusted" if name in data.leakage.trusted else "feature"
