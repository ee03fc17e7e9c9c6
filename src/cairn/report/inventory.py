"""The columns of a table: feature groups, kinds, bounds, and their role in a model."""

from collections.abc import Container, Mapping
from typing import Any

from cairn.settings.contract import Column, Contract
from cairn.settings.data import DataConfig


def feature_groups(contract: Contract, inputs: Container[str]) -> list[dict[str, Any]]:
    """Count the columns of each feature group, and how many of them are inputs of the model."""
    groups: dict[str, dict[str, Any]] = {}
    for name, column in contract.columns.items():
        if column.group is not None:
            group = groups.setdefault(column.group, {"name": column.group, "columns": 0, "used": 0})
            group["columns"] += 1
            group["used"] += name in inputs
    return list(groups.values())


def column_rows(
    contract: Contract, inputs: Container[str], data: DataConfig, missing: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Return one row per column of the contract: its kind, its values, and its role in the model."""
    rows = []
    for name, column in contract.columns.items():
        if name == data.target:
            part = "target"
        elif name in inputs:
            part = column.group or ""
        else:
            part = "time" if name == data.time else "key" if name in contract.key else "not used"
        rows.append(
            {
                "name": name,
                "part": part,
                "missing": missing.get(name),
                "holds": holds(column),
                "column": column,
            }
        )
    return rows


def holds(column: Column) -> str:
    """Say which values a column may have; empty if the contract allows any."""
    if column.allowed is not None:
        return ", ".join(map(str, column.allowed))
    if column.min is None and column.max is None:
        return ""
    low, high = (None if end is None else f"{end:g}" for end in (column.min, column.max))
    return f"{low} to {high}" if low and high else f"from {low}" if low else f"up to {high}"
