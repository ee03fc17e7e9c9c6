"""Check a table against its contract: every violation at once, with counts and a few examples."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
from pandas.api import types

from cairn.data.load import unread
from cairn.settings.contract import Column, Contract, Kind

EXAMPLES = 3
IS_KIND = {
    "numeric": lambda values: types.is_numeric_dtype(values) and not types.is_bool_dtype(values),
    "boolean": types.is_bool_dtype,
    "datetime": types.is_datetime64_any_dtype,
    "categorical": lambda values: not types.is_datetime64_any_dtype(values),
}


@dataclass(frozen=True)
class Violation:
    """One broken rule: the column, the rule, how many rows break it, and the first few of them."""

    column: str
    rule: str
    rows: int
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return one line, `temp: above max 150: 12 rows, such as row 40 (1048.36)`."""
        such = f", such as {', '.join(self.examples)}" if self.examples else ""
        return f"{self.column}: {self.rule}: {self.rows:,} rows{such}"


def violations(table: pd.DataFrame, contract: Contract) -> list[Violation]:
    """Return every violation of the contract; empty if there are none.

    Args:
        table: rows in the order of the source; examples are named by the index, by position if it repeats.
        contract: kinds, nullability, bounds, allowed values, key; columns it does not name are violations.
    """
    import pandera.pandas as pa

    table = table if table.index.is_unique else table.reset_index(drop=True)
    try:
        _schema(contract).validate(table, lazy=True, inplace=True)  # else it copies the table
        found = []
    except pa.errors.SchemaErrors as errors:
        found = [v for error in errors.schema_errors if (v := _violation(error, table, contract))]
    return [*found, *_repeated_keys(table, contract)]


def _schema(contract: Contract) -> Any:
    import pandera.pandas as pa

    return pa.DataFrameSchema(
        {
            name: pa.Column(checks=_checks(column), nullable=column.nullable)
            for name, column in contract.columns.items()
        },
        strict=True,
    )


def _checks(column: Column) -> list[Any]:
    from pandera.pandas import Check

    checks = [Check(IS_KIND[column.kind], name=f"is not {column.kind}", raise_warning=False)]
    if column.min is not None:
        checks.append(Check.ge(column.min, name=f"below min {column.min:g}", n_failure_cases=EXAMPLES))
    if column.max is not None:
        checks.append(Check.le(column.max, name=f"above max {column.max:g}", n_failure_cases=EXAMPLES))
    if column.allowed is not None:
        checks.append(Check.isin(column.allowed, name="not an allowed value", n_failure_cases=EXAMPLES))
    return checks


def _violation(error: Any, table: pd.DataFrame, contract: Contract) -> Violation | None:
    """Translate one pandera error; None for a check that could not run because the kind is wrong as well."""
    reason = error.reason_code.name
    if reason == "COLUMN_NOT_IN_DATAFRAME":
        return Violation(error.failure_cases, "in the contract, not in the table", len(table))
    if reason == "COLUMN_NOT_IN_SCHEMA":
        return Violation(error.failure_cases, "in the table, not in the contract", len(table))
    if reason == "CHECK_ERROR":
        return None
    column = error.schema.name
    if reason == "SERIES_CONTAINS_NULLS":
        return _of_rows(column, "missing, but not nullable", table[column].isna(), table)
    if isinstance(error.check_output, pd.Series):
        return _of_rows(
            column, error.check.name, ~error.check_output.reindex(table.index, fill_value=True), table
        )
    return _of_kind(column, error.check.name, table, contract.columns[column])


def _of_kind(name: str, rule: str, table: pd.DataFrame, column: Column) -> Violation:
    """Name the values that are not of the kind of their column; all rows if only the type is wrong."""
    broken = unread(table[name], column)
    if not broken.any():
        return Violation(name, f"{rule} but {table[name].dtype}", len(table))
    kind = "a number" if column.kind == "numeric" else f"a date ({column.format or 'ISO 8601'})"
    return _of_rows(name, f"not {kind}", broken, table)


def _of_rows(column: str, rule: str, broken: pd.Series, table: pd.DataFrame) -> Violation:
    first = table.loc[broken, column].head(EXAMPLES)
    return Violation(
        column, rule, int(broken.sum()), tuple(f"row {at} ({value})" for at, value in first.items())
    )


def _repeated_keys(table: pd.DataFrame, contract: Contract) -> list[Violation]:
    key = contract.key
    if not key or not set(key) <= set(table.columns):
        return []
    repeated = table.duplicated(key, keep=False)
    if not repeated.any():
        return []
    first = table.loc[repeated, key].head(EXAMPLES)
    examples = tuple(f"row {at} ({', '.join(map(str, row))})" for at, *row in first.itertuples())
    return [Violation(" + ".join(key), "the key is not unique", int(repeated.sum()), examples)]


def surviving(contract: Contract, target: str) -> Contract:
    """Return the contract of the columns that later stages may see: those known before, and the target."""
    columns = {n: c for n, c in contract.columns.items() if c.known == "before" or n == target}
    return Contract(key=[name for name in contract.key if name in columns], columns=columns)


def names_of_kind(contract: Contract, names: list[str], *kinds: Kind) -> list[str]:
    """Return the names whose column has one of the kinds, in the order given."""
    return [name for name in names if contract.columns[name].kind in kinds]
