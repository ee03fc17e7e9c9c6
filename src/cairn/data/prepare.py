"""From the raw rows to the one prepared table: checked against the contract, cleaned, the target encoded."""

from contextlib import suppress
from dataclasses import dataclass

import pandas as pd

from cairn.data.contract import surviving, violations
from cairn.data.load import derived, evaluated, parsed
from cairn.errors import UserError
from cairn.settings.contract import Contract
from cairn.settings.data import DataConfig

FIX = "nothing was changed; fix the data, relax the contract, or drop such rows (data.drop_where)"


@dataclass(frozen=True)
class Summary:
    """What metrics/data.json records of the table.

    Attributes:
        rows_in: rows of the source.
        cleaned: values that the loader took as missing because they are impossible, by reason.
        dropped: rows dropped, by reason.
        rows_out: rows kept.
        features: columns that have a group.
        missing: share of missing values, by column that has any.
        target: name of the target column.
    """

    rows_in: int
    cleaned: dict[str, int]
    dropped: dict[str, int]
    rows_out: int
    features: int
    missing: dict[str, float]
    target: str


@dataclass(frozen=True)
class Prepared:
    """The prepared table.

    Attributes:
        table: `row_id` (int64, the position in the source) and the columns of `contract`; the target encoded.
        contract: the columns known before the prediction, and the target.
        summary: counts.
    """

    table: pd.DataFrame
    contract: Contract
    summary: Summary


def prepare_table(raw: pd.DataFrame, contract: Contract, data: DataConfig) -> Prepared:
    """Check, clean and encode the raw rows; the contract holds for every row that is not dropped.

    Args:
        raw: what `cairn.data.load.load` returned; a loader may count impossible values in attrs["cleaned"].
        contract: of every column, also of the columns of data.derive.
        data: derived columns, rows to drop, target and task.

    Raises:
        UserError: every violation of the contract, an expression that cannot be evaluated, no row left, or a
            target that does not fit the task.
    """
    read = parsed(raw, contract)
    try:
        table = derived(read, data, contract).reset_index(drop=True)
    except UserError:  # a value that breaks the contract is the likelier cause, such as a text among numbers
        there = {name: column for name, column in contract.columns.items() if name in read}
        stop_on_violations(read, Contract(columns=there), data)
        raise
    cleaned = table.attrs.pop("cleaned", {})
    stop_on_violations(table, contract, data)
    rows, dropped = usable_rows(table, data)
    kept = surviving(contract, data.target)
    rows = rows[["row_id", *kept.columns]]
    missing = {str(name): float(values.isna().mean()) for name, values in rows.items()}
    summary = Summary(
        rows_in=len(table),
        cleaned=cleaned,
        dropped=dropped,
        rows_out=len(rows),
        features=sum(column.group is not None for column in kept.columns.values()),
        missing={name: share for name, share in missing.items() if share > 0},
        target=data.target,
    )
    return Prepared(rows, kept, summary)


def stop_on_violations(table: pd.DataFrame, contract: Contract, data: DataConfig) -> None:
    """Raise UserError that lists every violation of the contract by a row that data.drop_where keeps."""
    broken = violations(table, contract)
    if broken and data.drop_where:
        with suppress(UserError):  # a condition on a missing column: `broken` reports the column already
            broken = violations(_kept(table, data)[0], contract)
    if broken:
        lines = [f"{data.contract}: {violation}" for violation in broken]
        raise UserError("\n".join([*lines, f"rules broken: {len(broken)}; {FIX}"]))


def usable_rows(table: pd.DataFrame, data: DataConfig) -> tuple[pd.DataFrame, dict[str, int]]:
    """Drop the rows that data.drop_where names and those without a target, and encode the target.

    Returns:
        The rows left with their position in the source as int64 `row_id`, and rows dropped by reason.

    Raises:
        UserError: a drop_where expression that cannot be evaluated, no row left, or a target that does not
            fit the task.
    """
    if "row_id" in table.columns:
        raise UserError("row_id: the table has a column of this name, which Cairn needs: rename it")
    # Not assign: on a table of many text columns pandas warns about fragmentation.
    rows = pd.concat([table, pd.Series(range(len(table)), table.index, name="row_id")], axis=1)
    rows, dropped = _kept(rows, data)
    no_target = rows[data.target].isna()
    rows = (rows[~no_target] if no_target.any() else rows).reset_index(drop=True)
    dropped = {**dropped, "no_target": int(no_target.sum())}
    if rows.empty:
        raise UserError(f"data.drop_where: none of {len(table):,} rows is left ({dropped})")
    rows[data.target] = encode_target(rows[data.target], data)
    return rows, dropped


def _kept(table: pd.DataFrame, data: DataConfig) -> tuple[pd.DataFrame, dict[str, int]]:
    """Drop the rows that data.drop_where names; return the others, and rows dropped by reason."""
    dropped = {}
    for reason, expression in data.drop_where.items():
        if expression is None:
            continue
        drop = evaluated(table, expression, f"data.drop_where.{reason}")
        if not pd.api.types.is_bool_dtype(drop):
            raise UserError(
                f"data.drop_where.{reason}: '{expression}' is {drop.dtype}; it must be true or false"
            )
        drop = drop.fillna(False).astype(bool)
        table, dropped[reason] = table[~drop], int(drop.sum())
    return table, dropped


def encode_target(target: pd.Series, data: DataConfig) -> pd.Series:
    """Return the target as int8 (1 is the event) for a binary task, str for multiclass, float64 otherwise.

    Raises:
        UserError: values that do not fit the task, or a binary target whose event is not named.
    """
    if data.task == "regression":
        if not pd.api.types.is_numeric_dtype(target):
            raise UserError(f"data.task: regression needs a numeric target, {data.target} is {target.dtype}")
        return target.astype("float64")
    labels = sorted(target.unique().tolist(), key=str)
    if len(labels) < 2:
        raise UserError(f"data.target: {data.target} has one value only ({labels}): nothing to learn")
    if data.task == "multiclass":
        return target.astype("str")
    if len(labels) > 2:
        raise UserError(
            f"data.task: binary, but {data.target} has {len(labels)} values: set task: multiclass"
        )
    positive = data.positive if data.positive is not None else True
    if positive not in labels:
        raise UserError(f"data.positive: {positive!r} is not one of the values {labels}")
    return (target == positive).astype("int8")
