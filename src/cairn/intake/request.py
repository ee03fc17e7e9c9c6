"""What the user asks of a table: the target, and what only the user can know."""

import re
from dataclasses import dataclass

import pandas as pd

from cairn.errors import UserError, did_you_mean
from cairn.settings.data import Task
from cairn.settings.expressions import names_in

DERIVED = re.compile(r"\s*(`[^`]+`|\w+)\s*=(?!=)\s*(.+)", re.DOTALL)
UNWRITABLE = re.compile(r"\$\{|`|^\?\?\?$")
MOST_SHOWN = 8


@dataclass(frozen=True)
class Request:
    """What the user asked for, besides the file.

    Attributes:
        target: a column, or `name = expression` of columns.
        task: None to infer.
        positive: the event of a binary task; None to infer.
        time: column that orders the rows; None to infer, "" for none.
        group: column whose rows stay together; None to infer, "" for none.
        keep: columns to use although they look like a leak.
    """

    target: str
    task: Task | None = None
    positive: str | None = None
    time: str | None = None
    group: str | None = None
    keep: tuple[str, ...] = ()


def target_of(request: Request, table: pd.DataFrame) -> tuple[str, str | None]:
    """Return the target's name, and its expression where it is derived.

    Raises:
        UserError: a table without proper columns, or a requested column that does not exist.
    """
    _refuse_bad_columns(table)
    for given in filter(None, [request.time, request.group, *request.keep]):
        _known(given, table)
    if request.target in table.columns:
        return request.target, None
    found = DERIVED.fullmatch(request.target)
    if not found:
        _known(request.target, table)
    name, expression = (found[1].strip("`"), found[2].strip()) if found else ("", "")
    if name in table.columns:
        raise UserError(
            f"--target: the table has a column '{name}' already; give the derived one another name"
        )
    used = names_in(expression)
    if not used:
        raise UserError(
            f"--target: '{expression}' is not an expression of columns, such as late = delay > 15"
        )
    for column in used:
        _known(column, table)
    return name, expression


def _refuse_bad_columns(table: pd.DataFrame) -> None:
    names = [str(name) for name in table]
    twice = [str(name) for name in table.columns[table.columns.duplicated()].unique()]
    if twice:
        raise UserError(f"duplicate column names: {', '.join(twice[:5])}; rename them")
    if len(names) < 2:
        raise UserError(f"found only one column ({', '.join(names)}); check --separator")
    if table.empty:
        raise UserError("the table has column names but no rows")
    if "row_id" in names:
        raise UserError("the column name row_id is reserved: rename the column")
    if odd := [name for name in names if UNWRITABLE.search(name)]:
        raise UserError(f"the column name {odd[0]!r} cannot be written in YAML or pandas: rename the column")


def _known(name: str, table: pd.DataFrame) -> None:
    if name not in table.columns:
        names = [str(column) for column in table]
        shown = ", ".join(names[:MOST_SHOWN]) + (", …" if len(names) > MOST_SHOWN else "")
        raise UserError(f"no column '{name}'{did_you_mean(name, names)} (columns: {shown})")
