"""Which column says when a row happened, which dates come later, and what numbers can be made of a date."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from pandas.api import types

from cairn.config.contract import Column
from cairn.scaffold import names
from cairn.scaffold.columns import Finding, share

FEWEST_MOMENTS = 10
MOST_MISSING = 0.05
MOSTLY = 0.5
PLANNED = frozenset("due planned scheduled expected estimated promised deadline expiry expires expiration valid".split())
CALENDAR = ("year", "month", "day", "hour")
Derived = dict[str, tuple[str, Column, str]]


def quoted(name: str) -> str:
    """Return a column's name as an expression needs it."""
    return name if name.isidentifier() else f"`{name}`"


def choose_time(table: pd.DataFrame, findings: Mapping[str, Finding]) -> str | None:
    """Return the column that says when a row happened; None where none does.

    Dates of persons and things (birth, signup, expiry) say nothing of the row. Among the others: one by which the
    file is sorted, then one with a name of time, then the earliest.
    """
    fit = [
        name
        for name, finding in findings.items()
        if finding.role == "date"
        and finding.column.known == "before"
        and table[name].isna().mean() <= MOST_MISSING
        and table[name].nunique() >= FEWEST_MOMENTS
        and (names.is_time(name) or not names.PERSONAL_DATES & set(names.words(name)))
    ]
    fit = [name for name in fit if not PLANNED & set(names.words(name))]

    def rank(name: str) -> tuple[bool, bool, Any]:
        moments = table[name].dropna()
        return not moments.is_monotonic_increasing, not names.is_time(name), moments.quantile(0.5, "nearest").value

    return min(fit, key=rank, default=None)


def as_clock(table: pd.DataFrame, findings: Mapping[str, Finding]) -> str | None:
    """Return a column of numbers that counts time: named so, and never falling from row to row."""
    for name, finding in findings.items():
        values = table[name]
        if (
            finding.role in ("feature", "key")
            and finding.column.kind == "numeric"
            and types.is_numeric_dtype(values)
            and {"time", "timestamp", "datetime", "date"} & set(names.words(name))
            and values.notna().all()
            and values.nunique() > 5 * FEWEST_MOMENTS
            and values.is_monotonic_increasing
        ):
            return name
    return None


def calendar(table: pd.DataFrame, findings: Mapping[str, Finding]) -> tuple[str, str] | None:
    """Return an expression and its format for a date that stands in columns year, month, day (and hour)."""
    by_word = {
        name.strip().lower(): name
        for name, finding in findings.items()
        if types.is_integer_dtype(table[name]) and finding.role in ("feature", "idle")
    }
    there = [by_word[word] for word in CALENDAR if word in by_word]
    if not {"year", "month", "day"} <= by_word.keys():
        return None
    limits = {"year": (1900, 2100), "month": (1, 12), "day": (1, 31), "hour": (0, 23)}
    for word, name in zip(CALENDAR, there, strict=False):
        if not table[name].between(*limits[word]).all():
            return None
    digits = quoted(there[0])
    for name in there[1:]:
        digits = f"({digits}) * 100 + {quoted(name)}"
    return digits, "%Y%m%d" + ("%H" if len(there) > len(CALENDAR[:3]) else "")


def recorded_later(table: pd.DataFrame, findings: Mapping[str, Finding], time: str) -> dict[str, str]:
    """Name the dates that lie after the moment of their row, which nobody can know at that moment."""
    found = {}
    for name, finding in findings.items():
        if finding.role != "date" or name == time or PLANNED & set(names.words(name)):
            continue
        ahead = _days(table[name], table[time]).dropna()
        if len(ahead) and (ahead > 0).mean() > MOSTLY and (ahead < 0).mean() < MOST_MISSING:
            found[name] = f"lies after {time} in {share(float((ahead > 0).mean()))} of the rows: recorded afterwards"
    return found


def _days(one: pd.Series, other: pd.Series) -> pd.Series:
    """Return the days between two columns of dates, whatever their zones."""
    plain = [c.dt.tz_convert("UTC").dt.tz_localize(None) if c.dt.tz is not None else c for c in (one, other)]
    return (plain[0] - plain[1]).dt.total_seconds() / 86_400


def features_of(table: pd.DataFrame, findings: Mapping[str, Finding], time: str | None) -> Derived:
    """Return numbers to learn from for every date known in time: name, expression, column, note."""
    found: Derived = {}
    for name, finding in findings.items():
        if finding.role not in ("date", "time") or finding.column.known == "after" or table[name].notna().sum() < 2:
            continue
        for part, (expression, bounds, note) in _parts(name, table, time).items():
            free = _free(f"{names.slug(name)}_{part}", [*table.columns, *found])
            column = Column(kind="numeric", group="dates", nullable=bool(table[name].isna().any()), **bounds)
            found[free] = (expression, column, note)
    return found


def _free(name: str, taken: list[str]) -> str:
    return name if name not in taken else _free(f"{name}_", taken)


def _parts(name: str, table: pd.DataFrame, time: str | None) -> dict[str, tuple[str, dict[str, float], str]]:
    moments, plain = table[name].dropna(), quoted(name)
    span = moments.max() - moments.min()
    parts: dict[str, tuple[str, dict[str, float], str]] = {
        "year": (f"{plain}.dt.year + {plain}.dt.day_of_year / 366", {}, "the date as a number, in years")
    }
    same_zone = time is not None and table[name].dtype == table[time].dtype
    if time not in (None, name) and same_zone:
        note = f"days from {name} to {time}"
        parts = {"days_ago": (f"({quoted(str(time))} - {plain}).dt.total_seconds() / 86400", {}, note)}
    if span >= pd.Timedelta("400D"):
        parts["month"] = (f"{plain}.dt.month", {"min": 1.0, "max": 12.0}, "month of the year")
    if span >= pd.Timedelta("28D") and moments.dt.day_of_week.nunique() > 1:
        parts["weekday"] = (f"{plain}.dt.day_of_week", {"min": 0.0, "max": 6.0}, "0 is Monday")
    if moments.dt.hour.nunique() > 1:
        parts["hour"] = (f"{plain}.dt.hour + {plain}.dt.minute / 60", {"min": 0.0, "max": 24.0}, "hour of the day")
    return parts
