"""Numbers that stand in a table with a sign of money or percent, such as $1,200.50 or 45%."""

from collections.abc import Mapping

import pandas as pd
from pandas.api import types

from cairn.intake.draft import names
from cairn.intake.draft.columns import Finding
from cairn.intake.draft.time_columns import Part, free_name, quoted
from cairn.settings.contract import Column

LOOK = 500
NUMBER = r"\d+(,\d{3})*(\.\d+)?"
SIGNED = rf"\s*[-+]?\s*[$€£¥]\s*[-+]?{NUMBER}\s*|\s*[-+]?{NUMBER}\s*[%$€£¥]\s*"


def has_sign(values: pd.Series) -> bool:
    """Whether every value that is there is a number with such a sign."""
    there = values.dropna()
    if there.empty or not (types.is_object_dtype(there) or types.is_string_dtype(there)):
        return False
    if not all(isinstance(value, str) for value in there.iloc[:LOOK]):
        return False
    return all(bool(part.astype("str").str.fullmatch(SIGNED).all()) for part in (there.iloc[:LOOK], there))


def without_sign(name: str) -> str:
    """Return the expression of the number alone; between single quotes a shell takes it as it is."""
    return f'{quoted(name)}.str.replace("[^0-9.-]", "", regex=True).astype("float64")'


def numbers_of(table: pd.DataFrame, findings: Mapping[str, Finding]) -> dict[str, Part]:
    """Return the numbers to learn from, by the names of the columns that hold them with a sign."""
    return {
        name: Part(
            without_sign(name),
            Column(kind="numeric", group="numbers", nullable=finding.column.nullable),
            f"{name} without its sign",
        )
        for name, finding in findings.items()
        if finding.column.kind == "categorical"
        and finding.column.known == "before"
        and names.can_be_quoted(name)
        and has_sign(table[name])
    }


def new_name(name: str, table: pd.DataFrame) -> str:
    """Return the name of the number."""
    return free_name(f"{names.slug(name)}_number", list(table))
