"""From raw data to the one table that everything else works on.

reads: the raw data (data.source), its contract (data.contract)
writes: data/prepared/table.parquet, data/prepared/contract.json, metrics/data.json

The contract holds for every row that data.drop_where does not leave out, or the run stops here with every
violation listed, and earlier results stay where they are.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from cairn.data.contract import surviving, violations
from cairn.data.load import derived, evaluated, load, with_dates
from cairn.data.tables import write_json, write_table
from cairn.errors import UserError
from cairn.progress import elapsed
from cairn.settings.contract import Contract, read_contract
from cairn.settings.data import DataConfig

TABLE = Path("data/prepared/table.parquet")
CONTRACT = Path("data/prepared/contract.json")
METRICS = Path("metrics/data.json")
CURES = "nothing was changed; mend the data, widen the contract, or leave such rows out (data.drop_where)"


def clean(table: pd.DataFrame, data: DataConfig) -> tuple[pd.DataFrame, dict[str, int]]:
    """Drop the rows that data.drop_where names and those without a target; count each reason.

    Returns:
        The rows left, their position in the source as int64 `row_id`, and rows dropped by reason.

    Raises:
        UserError: a drop_where expression that pandas cannot evaluate on the table.
    """
    if "row_id" in table.columns:
        raise UserError(
            "row_id: the table has a column of this name, which Cairn needs for itself: rename it"
        )
    # Not assign: pandas warns of a table of many text columns that a column is inserted into.
    table = pd.concat([table, pd.Series(range(len(table)), table.index, name="row_id")], axis=1)
    table, dropped = used(table, data)
    no_target = table[data.target].isna()
    return table[~no_target].reset_index(drop=True), {**dropped, "no_target": int(no_target.sum())}


def used(table: pd.DataFrame, data: DataConfig) -> tuple[pd.DataFrame, dict[str, int]]:
    """Leave out the rows that data.drop_where names.

    Returns:
        The rows left, their index as it was, and rows dropped by reason.

    Raises:
        UserError: a drop_where expression that pandas cannot evaluate on the table.
    """
    dropped = {}
    for reason, expression in data.drop_where.items():
        if expression is None:
            continue
        going = evaluated(table, expression, f"data.drop_where.{reason}")
        if not pd.api.types.is_bool_dtype(going):
            raise UserError(
                f"data.drop_where.{reason}: '{expression}' is not true or false but {going.dtype}"
            )
        going = going.fillna(False).astype(bool)
        table, dropped[reason] = table[~going], int(going.sum())
    return table, dropped


def encode_target(target: pd.Series, data: DataConfig) -> pd.Series:
    """Return the target as int8 (1 is the event) for a binary task, str labels for multiclass, float64 else.

    Raises:
        UserError: a target whose values do not fit the task, or whose event is not named.
    """
    if data.task == "regression":
        if not pd.api.types.is_numeric_dtype(target):
            raise UserError(
                f"data.task: regression, but {data.target} holds {target.dtype}: it needs numbers"
            )
        return target.astype("float64")
    labels = sorted(target.unique().tolist(), key=str)
    if len(labels) < 2:
        raise UserError(
            f"data.target: {data.target} has one value only ({labels}): there is nothing to learn"
        )
    if data.task == "multiclass":
        return target.astype("str")
    if len(labels) > 2:
        raise UserError(
            f"data.task: binary, but {data.target} has {len(labels)} values: set task: multiclass"
        )
    positive = data.positive if data.positive is not None else True
    if positive not in labels:
        raise UserError(f"data.positive: the event is one of {labels}, not {positive!r}")
    return (target == positive).astype("int8")


def summary(
    rows_in: int,
    cleaned: dict[str, int],
    dropped: dict[str, int],
    *,
    table: pd.DataFrame,
    contract: Contract,
    target: str,
) -> dict[str, Any]:
    """Count what came in, what was cleaned, what went and why, and what is missing in what stayed."""
    missing = table.isna().mean()
    return {
        "rows_in": rows_in,
        "cleaned": cleaned,
        "dropped": dropped,
        "rows_out": len(table),
        "features": sum(column.group is not None for column in contract.columns.values()),
        "missing": {name: share for name, share in missing.items() if share > 0},
        "target": target,
    }


def main(*, data: DataConfig) -> None:
    """Load, check, clean, and write the table."""
    contract = read_contract(Path(data.contract))
    with elapsed(f"building the table of {data.name}"):
        table = with_dates(load(data), contract)
    # A loader says in attrs how many values it took as missing because they cannot be.
    cleaned = table.attrs.pop("cleaned", {})
    table = derived(table, data, contract).reset_index(drop=True)
    broken = violations(table, contract)
    if broken and data.drop_where:
        with suppress(UserError):  # a condition on a column that is not there: broken says so already
            broken = violations(used(table, data)[0], contract)
    if broken:
        lines = [f"{data.contract}: {violation}" for violation in broken]
        raise UserError("\n".join([*lines, f"rules broken: {len(broken)}; {CURES}"]))
    kept, dropped = clean(table, data)
    if kept.empty:
        raise UserError(f"data.drop_where: no row is left of {len(table):,} ({dropped})")
    contract = surviving(contract, data.target)
    kept[data.target] = encode_target(kept[data.target], data)
    kept = kept[["row_id", *contract.columns]]
    write_table(kept, TABLE)
    write_json(contract.model_dump(exclude_defaults=True), CONTRACT)
    write_json(
        summary(len(table), cleaned, dropped, table=kept, contract=contract, target=data.target), METRICS
    )
    print(f"prepare: {len(kept):,} of {len(table):,} rows kept, {len(contract.columns)} columns")
