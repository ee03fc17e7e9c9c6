"""Numbers made of other columns: parts of a date, and amounts written as $1,200.50 or 45%."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd
from pandas.api import types

from cairn.intake.draft import names
from cairn.intake.draft.columns import Finding
from cairn.intake.draft.time_columns import is_short
from cairn.settings.contract import Column

LOOK = 500
NUMBER = r"\d+(,\d{3})*(\.\d+)?"
CURRENCY = rf"\s*[-+]?\s*[$€£¥]\s*[-+]?{NUMBER}\s*|\s*[-+]?{NUMBER}\s*[%$€£¥]\s*"


@dataclass(frozen=True)
class DerivedColumn:
    """A number derived from a date or a text: its pandas expression, its entry in the contract, a note."""

    expression: str
    column: Column
    note: str


def date_parts(
    table: pd.DataFrame, findings: Mapping[str, Finding], time: str | None
) -> dict[str, DerivedColumn]:
    """Return numeric features, by new name, for every date that is known before."""
    found: dict[str, DerivedColumn] = {}
    for name, finding in findings.items():
        dated = finding.role in ("date", "time") and finding.column.known == "before"
        if dated and names.can_be_quoted(name) and table[name].notna().sum() > 1:
            slug = names.slug(name)
            for word, part in _parts(table, name, time):
                new = f"{slug}_number" if slug == word else f"{slug}_{word}"
                found[names.free_name(new, [*table, *found])] = part
    return found


def _parts(table: pd.DataFrame, name: str, time: str | None) -> Iterator[tuple[str, DerivedColumn]]:
    there, plain = table[name].dropna(), names.quoted(name)

    def part(expression: str, note: str, **bounds: float) -> DerivedColumn:
        gaps = bool(table[name].isna().any()) or (time is not None and bool(table[time].isna().any()))
        keys = {"kind": "numeric", "group": "dates", "nullable": gaps, **bounds}
        return DerivedColumn(expression, Column.model_validate(keys), note)

    span = there.max() - there.min()
    if time is not None and name != time and table[name].dtype == table[time].dtype:
        days = f"({names.quoted(time)} - {plain}).dt.total_seconds() / 86400"
        yield "days_ago", part(days, f"days from {name} to {time}")
    elif name != time or not is_short(there):
        years = f"{plain}.dt.year + {plain}.dt.day_of_year / 366"
        yield "year", part(years, f"{name} as a number, in years")
    if span >= pd.Timedelta("400D") and there.dt.month.nunique() > 1:
        yield "month", part(f"{plain}.dt.month", f"month of {name}", min=1.0, max=12.0)
    if span >= pd.Timedelta("28D") and there.dt.day.nunique() > 1 and there.dt.day_of_week.nunique() > 1:
        yield "weekday", part(f"{plain}.dt.day_of_week", f"weekday of {name}, 0 is Monday", min=0.0, max=6.0)
    if there.dt.hour.nunique() > 1:
        hours = f"{plain}.dt.hour + {plain}.dt.minute / 60"
        yield "hour", part(hours, f"hour of {name}", min=0.0, max=24.0)


def is_currency(values: pd.Series) -> bool:
    """Whether every value (missing ones aside) is a number with a currency or percent sign."""
    there = values.dropna()
    if there.empty or not (types.is_object_dtype(there) or types.is_string_dtype(there)):
        return False
    if not all(isinstance(value, str) for value in there.iloc[:LOOK]):
        return False
    return all(bool(part.astype("str").str.fullmatch(CURRENCY).all()) for part in (there.iloc[:LOOK], there))


def as_number(name: str) -> str:
    """Return the pandas expression of the number; it holds no single quote, for the shell."""
    return f'{names.quoted(name)}.str.replace("[^0-9.-]", "", regex=True).astype("float64")'


def numbers_in_currency(table: pd.DataFrame, findings: Mapping[str, Finding]) -> dict[str, DerivedColumn]:
    """Return the numeric features, by the names of the text columns they come from."""
    return {
        name: DerivedColumn(
            as_number(name),
            Column(kind="numeric", group="numbers", nullable=finding.column.nullable),
            f"{name} without the currency or percent sign",
        )
        for name, finding in findings.items()
        if finding.column.kind == "categorical"
        and finding.column.known == "before"
        and names.can_be_quoted(name)
        and is_currency(table[name])
    }


def number_name(name: str, table: pd.DataFrame) -> str:
    """Return a free name for the number of a text column."""
    return names.free_name(f"{names.slug(name)}_number", list(table))
