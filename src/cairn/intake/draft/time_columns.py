"""Which column says when a row happened, which dates come later, and what numbers can be made of a date."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import pandas as pd
from pandas.api import types

from cairn.data.load import as_dates
from cairn.intake.draft import names
from cairn.intake.draft.columns import Finding, share
from cairn.settings.contract import Column

FEWEST_MOMENTS = 10
FEWEST_TICKS = 50
FEWEST_YEARS = 5
MOST_KEYS = 8
HALF = 0.5
MOST_MISSING = 0.05
OFTEN = 0.2
CUTS = (0.70, 0.85)
"""Where conf/split/time.yaml cuts."""
CALENDAR = {"year": (1900, 2100), "month": (1, 12), "day": (1, 31), "hour": (0, 23)}
DIGITS = {"year": "%Y", "month": "%m", "day": "%d", "hour": "%H"}
CLOCKS = frozenset({"time", "timestamp", "datetime", "date", "day"})
YEARS = (1800, 2100)
SEASONS = pd.Timedelta("730D")
"""Of less than this nobody can tell a trend from a season."""
FEW_ROWS = 500


@dataclass(frozen=True)
class Part:
    """A number made of a date: the expression in pandas' words, its column, and what it says."""

    expression: str
    column: Column
    note: str


def quoted(name: str) -> str:
    """Return a column's name as an expression needs it."""
    return name if name.isidentifier() and name.isascii() else f"`{name}`"


def choose_time(table: pd.DataFrame, findings: Mapping[str, Finding]) -> str | None:
    """Return the column that says when a row happened; None where none does.

    Dates of persons and things (birth, signup, expiry) and plans say nothing of the row. Of the others: one
    by which the file is sorted, then one with a name of time, then the earliest.
    """
    fit = [
        name
        for name, finding in findings.items()
        if finding.role == "date"
        and finding.column.known == "before"
        and not names.is_personal(name)
        and not names.is_plan(name)
        and table[name].isna().mean() <= MOST_MISSING
        and table[name].nunique() >= FEWEST_MOMENTS
        and can_be_cut(table[name])
    ]

    def rank(name: str) -> tuple[bool, bool, Any]:
        there = table[name].dropna()
        return not there.is_monotonic_increasing, not names.is_time(name), there.min().timestamp()

    return min(fit, key=rank, default=None)


def can_be_cut(moments: pd.Series) -> bool:
    """Whether the shares of a time split fall on different moments, so that no part stays empty."""
    ordered = moments.dropna().sort_values(ignore_index=True)
    cuts = [ordered.iloc[int(part * len(ordered))] for part in (0.0, *CUTS)]
    return all(earlier < later for earlier, later in pairwise(cuts))


def as_clock(table: pd.DataFrame, findings: Mapping[str, Finding]) -> tuple[str, str] | None:
    """Return a column of numbers that counts time, and how they are read as dates.

    It is named so and never falls: seconds or days of more values than a minute or a month has, or years.
    Years may also begin anew for each of something, such as a country, that has one row a year.
    """
    for name, finding in findings.items():
        numeric = finding.role in ("feature", "key") and finding.column.kind == "numeric"
        written = _read_as(name, table[name], finding.distinct) if numeric else None
        if (
            written
            and table[name].notna().all()
            and (
                (table[name].is_monotonic_increasing and finding.distinct >= FEWEST_MOMENTS)
                or (written == "%Y" and _is_panel(table, findings, name))
            )
            and can_be_cut(table[name])
            and as_dates(table[name], written) is not None
        ):
            return name, written
    return None


def _read_as(name: str, values: pd.Series, distinct: int) -> str | None:
    found = names.words(name)
    if found == ["year"] and distinct >= FEWEST_YEARS:
        return "%Y" if types.is_integer_dtype(values) and values.between(*YEARS).all() else None
    return "unix" if CLOCKS & set(found) and distinct > FEWEST_TICKS else None


def _is_panel(table: pd.DataFrame, findings: Mapping[str, Finding], time: str) -> bool:
    """Whether one or two columns name things that have one row at each time, but for half of them at most."""
    named = [
        name
        for name, finding in findings.items()
        if name != time
        and finding.column.known == "before"
        and (finding.column.kind == "categorical" or names.is_id(name))
        and 1 < finding.distinct < len(table)
    ]
    keys = sorted(named, key=lambda name: -findings[name].distinct)[:MOST_KEYS]
    times = table[time].nunique()
    for key in ([name] for name in keys):
        if _one_row_each(table, key, time, times):
            return True
    return any(_one_row_each(table, list(pair), time, times) for pair in combinations(keys, 2))


def _one_row_each(table: pd.DataFrame, key: list[str], time: str, times: int) -> bool:
    things = len(table[key].drop_duplicates())
    return things * times * HALF <= len(table) and not table.duplicated([*key, time]).any()


def calendar(table: pd.DataFrame, findings: Mapping[str, Finding]) -> tuple[str, str] | None:
    """Return an expression and its format for a date in columns year, month (and day, and hour)."""
    by_word = {
        name.strip().lower(): name
        for name, finding in findings.items()
        if finding.column.known == "before" and types.is_integer_dtype(table[name])
    }
    if not {"year", "month"} <= by_word.keys():
        return None
    if "day" not in by_word:
        by_word.pop("hour", None)
    there = [by_word[word] for word in CALENDAR if word in by_word]
    if not all(table[name].between(*CALENDAR[name.strip().lower()]).all() for name in there):
        return None
    digits = quoted(there[0])
    for name in there[1:]:
        digits = f"({digits}) * 100 + {quoted(name)}"
    return digits, "".join(DIGITS[name.strip().lower()] for name in there)


def recorded_later(table: pd.DataFrame, findings: Mapping[str, Finding], time: str) -> dict[str, str]:
    """Name the dates that lie after the moment of their row, which nobody can know at that moment."""
    found = {}
    for name, finding in findings.items():
        if finding.role != "date" or name == time or names.is_plan(name):
            continue
        ahead = _without_zone(table[name]) - _without_zone(table[time])
        later = (ahead > pd.Timedelta(0)).mean()
        if later > OFTEN * ahead.notna().mean():
            found[name] = f"lies after {time} in {share(float(later))} of the rows: recorded afterwards"
    return found


def counts_of_time(table: pd.DataFrame, findings: Mapping[str, Finding], time: str) -> list[str]:
    """Name the numbers that only rise, or only fall, with the time of their row, such as a year or a week.

    In less than two years they are mistaken for the season: what a model learns of the winter that ended
    train it says of the summer that follows. Numbers of two values are spared unless they are years: they
    may be a rule that changed.
    """
    if not _is_short(table[time]):
        return []
    return [
        name
        for name, finding in findings.items()
        if name != time
        and finding.role == "feature"
        and finding.column.kind == "numeric"
        and not finding.column.nullable
        and (finding.distinct > 2 or "year" in names.words(name))
        and _follows(table[[time, name]].iloc[:: max(1, len(table) // FEW_ROWS)], time, name)
        and _follows(table[[time, name]], time, name)
    ]


def _follows(table: pd.DataFrame, time: str, name: str) -> bool:
    """Whether the column never falls, or never rises, as time goes on; rows of one moment have no order."""
    rising = table.sort_values([time, name])[name]
    falling = table.sort_values([time, name], ascending=[True, False])[name]
    return rising.is_monotonic_increasing or falling.is_monotonic_decreasing


def _is_short(moments: pd.Series) -> bool:
    return moments.max() - moments.min() < SEASONS


def _without_zone(dates: pd.Series) -> pd.Series:
    return dates.dt.tz_convert("UTC").dt.tz_localize(None) if dates.dt.tz is not None else dates


def features_of(table: pd.DataFrame, findings: Mapping[str, Finding], time: str | None) -> dict[str, Part]:
    """Return numbers to learn from, by new names, for every date that is known in time."""
    found: dict[str, Part] = {}
    for name, finding in findings.items():
        dated = finding.role in ("date", "time") and finding.column.known == "before"
        if dated and names.can_be_quoted(name) and table[name].notna().sum() > 1:
            slug = names.slug(name)
            for word, part in _parts(table, name, time):
                new = f"{slug}_number" if slug == word else f"{slug}_{word}"
                found[free_name(new, [*table, *found])] = part
    return found


def free_name(name: str, taken: list[str]) -> str:
    """Return the name, with lines below it until no column has it."""
    return name if name not in taken else free_name(f"{name}_", taken)


def _parts(table: pd.DataFrame, name: str, time: str | None) -> Iterator[tuple[str, Part]]:
    there, plain = table[name].dropna(), quoted(name)

    def part(expression: str, note: str, **bounds: float) -> Part:
        gaps = bool(table[name].isna().any()) or (time is not None and bool(table[time].isna().any()))
        keys = {"kind": "numeric", "group": "dates", "nullable": gaps, **bounds}
        return Part(expression, Column.model_validate(keys), note)

    span = there.max() - there.min()
    if time is not None and name != time and table[name].dtype == table[time].dtype:
        days = f"({quoted(time)} - {plain}).dt.total_seconds() / 86400"
        yield "days_ago", part(days, f"days from {name} to {time}")
    elif name != time or not _is_short(there):
        years = f"{plain}.dt.year + {plain}.dt.day_of_year / 366"
        yield "year", part(years, f"{name} as a number, in years")
    if span >= pd.Timedelta("400D") and there.dt.month.nunique() > 1:
        yield "month", part(f"{plain}.dt.month", f"month of {name}", min=1.0, max=12.0)
    if span >= pd.Timedelta("28D") and there.dt.day.nunique() > 1 and there.dt.day_of_week.nunique() > 1:
        yield "weekday", part(f"{plain}.dt.day_of_week", f"weekday of {name}, 0 is Monday", min=0.0, max=6.0)
    if there.dt.hour.nunique() > 1:
        hours = f"{plain}.dt.hour + {plain}.dt.minute / 60"
        yield "hour", part(hours, f"hour of {name}", min=0.0, max=24.0)
