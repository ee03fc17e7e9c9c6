"""What the user asks of a table: the target, and what he knows better than any look at the values."""

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
class Wishes:
    """What the user said beside the file.

    Attributes:
        target: a column, or `name = expression` of columns.
        task: None to look.
        positive: the event of a binary task; None to look.
        time: column that orders the rows; None to look, "" for none.
        group: column whose rows stay together; None to look, "" for none.
        keep: columns that are right although they look like a leak.
    """

    target: str
    task: Task | None = None
    positive: str | None = None
    time: str | None = None
    group: str | None = None
    keep: tuple[str, ...] = ()


def target_of(wishes: Wishes, table: pd.DataFrame) -> tuple[str, str | None]:
    """Return the target's name, and its expression where it is derived.

    Raises:
        UserError: a table without proper columns, or a wish that speaks of a column that is not there.
    """
    _refuse_bad_columns(table)
    for given in filter(None, [wishes.time, wishes.group, *wishes.keep]):
        _known(given, table)
    if wishes.target in table.columns:
        return wishes.target, None
    found = DERIVED.fullmatch(wishes.target)
    if not found:
        _known(wishes.target, table)
    name, expression = (found[1].strip("`"), found[2].strip()) if found else ("", "")
    if name in table.columns:
        raise UserError(f"--target: the table has a column '{name}' already; call the derived one otherwise")
    used = names_in(expression)
    if not used:
        raise UserError(f"--target: '{expression}' is no expression of columns, such as late = delay > 15")
    for column in used:
        _known(column, table)
    return name, expression


def _refuse_bad_columns(table: pd.DataFrame) -> None:
    names = [str(name) for name in table]
    twice = [str(name) for name in table.columns[table.columns.duplicated()].unique()]
    if twice:
        raise UserError(f"two columns are called {', '.join(twice[:5])}; give each its own name")
    if len(names) < 2:
        raise UserError(f"there is no more than one column ({', '.join(names)}); is --separator right?")
    if table.empty:
        raise UserError("there are names of columns, but no rows")
    if "row_id" in names:
        raise UserError("a column is called row_id, which Cairn needs for itself: rename it")
    if odd := [name for name in names if UNWRITABLE.search(name)]:
        raise UserError(f"the name of column {odd[0]!r} means something else in YAML or pandas: rename it")


def _known(name: str, table: pd.DataFrame) -> None:
    if name not in table.columns:
        names = [str(column) for column in table]
        shown = ", ".join(names[:MOST_SHOWN]) + (", …" if len(names) > MOST_SHOWN else "")
        raise UserError(f"no column '{name}'{did_you_mean(name, names)} (there is {shown})")
