"""Which column says when a row happened, and which dates are recorded later."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pandas as pd
from pandas.api import types

from cairn.data.load import as_dates
from cairn.data.parts import spaced
from cairn.errors import UserError
from cairn.intake.draft import names
from cairn.intake.draft.columns import Finding, share

FEWEST_MOMENTS = 10
FEWEST_TICKS = 50
FEWEST_YEARS = 5
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
FEW = 10_000
"""Rows that are sorted first, to see whether it is worth sorting all."""


def choose_time(
    table: pd.DataFrame, findings: Mapping[str, Finding], most_missing: float = MOST_MISSING
) -> str | None:
    """Return the column that says when a row happened; None if there is none.

    Dates of persons and things (birth, signup, expiry) and planned dates do not count, nor those that are
    missing in a larger share of the rows. Of the others: one by which the file is sorted, then one with a
    name of time, then the earliest.
    """
    fit = [
        name
        for name, finding in findings.items()
        if finding.role == "date"
        and finding.column.known == "before"
        and not names.is_personal(name)
        and not names.is_plan(name)
        and table[name].isna().mean() <= most_missing
        and table[name].nunique() >= FEWEST_MOMENTS
        and can_be_cut(table[name])
    ]

    def rank(name: str) -> tuple[bool, bool, Any]:
        there = table[name].dropna()
        return not there.is_monotonic_increasing, not names.is_time(name), there.min().timestamp()

    return min(fit, key=rank, default=None)


def can_be_cut(moments: pd.Series) -> bool:
    """Whether the shares of a time split fall on different times, so that no part is empty."""
    ordered = moments.dropna().sort_values(ignore_index=True)
    cuts = [ordered.iloc[int(part * len(ordered))] for part in (0.0, *CUTS)]
    return all(earlier < later for earlier, later in pairwise(cuts))


def dates_to_cut_at(moments: pd.Series) -> tuple[str, str]:
    """Return the dates at which validation and test begin, so that the parts are near to the usual shares.

    Raises:
        UserError: fewer than three different times.
    """
    rows = moments.dropna().dt.tz_localize(None).value_counts().sort_index()
    if len(rows) < 3:
        raise UserError(
            f"{moments.name}: only {len(rows)} different times; a split by time needs three: choose another"
            " column with --time, or --time ''"
        )
    before = rows.cumsum().shift(fill_value=0) / rows.sum()
    first = (before.iloc[1:-1] - CUTS[0]).abs().argmin() + 1
    second = (before.iloc[first + 1 :] - CUTS[1]).abs().argmin() + first + 1
    plain = all(moment == moment.normalize() for moment in rows.index)
    form = "%Y-%m-%d" if plain else "%Y-%m-%d %H:%M:%S"
    return rows.index[first].strftime(form), rows.index[second].strftime(form)


def as_clock(table: pd.DataFrame, findings: Mapping[str, Finding]) -> tuple[str, str] | None:
    """Return a column of numbers that counts time, and how they are read as dates.

    It is named so and never falls: seconds or days of more values than a minute or a month has, or years.
    Years may also restart for each value of a column, such as a country with one row a year.
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
        return "%Y" if is_year(values) else None
    return "unix" if CLOCKS & set(found) and distinct > FEWEST_TICKS else None


def is_year(values: pd.Series) -> bool:
    """Whether a column holds years, by its name and its values."""
    return (
        "year" in names.words(str(values.name))
        and types.is_integer_dtype(values)
        and bool(values.between(*YEARS).all())
    )


def _is_panel(table: pd.DataFrame, findings: Mapping[str, Finding], time: str) -> bool:
    """Whether a column names things that have one row at each time, but for half of them at most."""
    times = table[time].nunique()
    return any(
        finding.distinct * times * HALF <= len(table) and not table.duplicated([name, time]).any()
        for name, finding in findings.items()
        if name != time
        and finding.column.known == "before"
        and (finding.column.kind == "categorical" or names.is_id(name))
        and 1 < finding.distinct < len(table)
    )


def calendar(table: pd.DataFrame, findings: Mapping[str, Finding]) -> tuple[str, str] | None:
    """Return an expression and its format for a date in columns year, month (and day, and hour)."""
    by_word = {
        name.strip().lower(): name
        for name, finding in findings.items()
        if finding.column.known == "before"
        and (types.is_integer_dtype(table[name]) or _months_as(table[name]) is not None)
    }
    if not {"year", "month"} <= by_word.keys():
        return None
    if "day" not in by_word:
        by_word.pop("hour", None)
    there = [by_word[word] for word in CALENDAR if word in by_word]
    if written := _months_as(table[by_word["month"]]):
        others = [name for name in there if types.is_integer_dtype(table[name])]
        if len(others) < len(there) - 1 or not table[by_word["year"]].between(*CALENDAR["year"]).all():
            return None
        texts = [f"{names.quoted(n)}.astype('str')" if n in others else names.quoted(n) for n in there]
        digits = {**DIGITS, "month": written}
        return " + ' ' + ".join(texts), " ".join(digits[name.strip().lower()] for name in there)
    if not all(table[name].between(*CALENDAR[name.strip().lower()]).all() for name in there):
        return None
    digits = names.quoted(there[0])
    for name in there[1:]:
        digits = f"({digits}) * 100 + {names.quoted(name)}"
    return digits, "".join(DIGITS[name.strip().lower()] for name in there)


def _months_as(values: pd.Series) -> str | None:
    """Return the format of a column of English names of months, whole or short; None for another column."""
    if (
        not types.is_string_dtype(values)
        or values.isna().any()
        or "month" not in names.words(str(values.name))
    ):
        return None
    distinct = pd.Series(values.unique())
    return next(
        (f for f in ("%B", "%b") if pd.to_datetime(distinct, format=f, errors="coerce").notna().all()), None
    )


def recorded_later(table: pd.DataFrame, findings: Mapping[str, Finding], time: str) -> dict[str, str]:
    """Name the dates later than their row's time, which are unknown at that time."""
    found = {}
    for name, finding in findings.items():
        if finding.role != "date" or name == time or names.is_plan(name):
            continue
        ahead = _without_zone(table[name]) - _without_zone(table[time])
        later = (ahead > pd.Timedelta(0)).mean()
        if later > OFTEN * ahead.notna().mean():
            found[name] = f"later than {time} in {share(float(later))} of the rows: recorded afterwards"
    return found


def counts_of_time(table: pd.DataFrame, findings: Mapping[str, Finding], time: str) -> list[str]:
    """Name the numbers that only rise, or only fall, with the time of their row, such as a year or a week.

    In less than two years a model mistakes them for the season. Columns of two values are kept unless they
    are years: they may be a rule that changed.
    """
    if not is_short(table[time]):
        return []
    return [
        name
        for name, finding in findings.items()
        if name != time
        and finding.role == "feature"
        and finding.column.kind == "numeric"
        and not finding.column.nullable
        and (finding.distinct > 2 or "year" in names.words(name))
        and follows(table, time, name)
    ]


def follows(table: pd.DataFrame, time: str, name: str) -> bool:
    """Whether a number never falls, or never rises, over time; rows of the same time have no order."""
    table = table[[time, name]]
    if len(table) > FEW and not follows(spaced(table, FEW), time, name):
        return False  # where some rows are out of order, all of them are
    rising = table.sort_values([time, name])[name]
    falling = table.sort_values([time, name], ascending=[True, False])[name]
    return rising.is_monotonic_increasing or falling.is_monotonic_decreasing


def is_short(moments: pd.Series) -> bool:
    """Whether dates span less than two years, too short to tell a trend from a season."""
    return moments.max() - moments.min() < SEASONS


def _without_zone(dates: pd.Series) -> pd.Series:
    return dates.dt.tz_convert("UTC").dt.tz_localize(None) if dates.dt.tz is not None else dates
