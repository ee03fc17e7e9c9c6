"""The kind and role of every column of a table, with a note for the user."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from pandas.api import types

from cairn.data.load import as_dates
from cairn.data.tables import EXACT
from cairn.intake.draft import names
from cairn.intake.read.amounts import mixed_units
from cairn.intake.read.dates import is_like_dates, text_formats
from cairn.intake.read.source import unhashable
from cairn.settings.contract import Column

# entity: owner of several rows; key: identifies a row; idle: of no use to a model; split: a published split;
# weight: of a survey; suspect: looks like a leak; source: the target is derived from it.
Role = Literal[
    "feature", "target", "time", "entity", "key", "date", "idle", "split", "weight", "suspect", "source"
]
NEARLY_ALL = 0.9
FEW_LEVELS = 12
MANY_LEVELS = 254
MOSTLY = 0.5
LOOK = 1_000
LEVEL_ROWS = 5
WORDS_OF_TEXT = 5
SENTINELS = (-1, -9, -99, -999, -9999, -99999)
WEIGHT_OF_ONE = 0.005
"""How far the mean of normalized weights may be from 1."""
LONG_TAIL = 6
"""Times the median: nobody weighs as much in kilograms, and some stand for as many others in a survey."""

YEARS = (1900, 2100)
MANY_DATES = 30
NO_PLACEHOLDER = (1800, 2200)
ONE_NUMBER = r"\d+(?:[.,]\d{3})*(?:[.,]\d+)?"
FEW_AROUND = 3
CLOCK = r"\d{1,4}:\d\d(:\d\d(\.\d+)?)?"
DURATION = "a duration or time of day"


@dataclass(frozen=True)
class Finding:
    """One column: its entry in the contract, its role, why, and its distinct values without missing ones.

    doubt says how else it can be read, and what to change then.
    """

    column: Column
    role: Role
    note: str
    distinct: int = 0
    doubt: str = ""

    def changed(self, role: Role, note: str, **column: Any) -> "Finding":
        """Return the finding with another role and note, and some keys of its column changed."""
        return replace(self, role=role, note=note, column=self.column.model_copy(update=column))


def look_at(values: pd.Series, keep: bool = False) -> Finding:
    """Infer what a column is from its values and its name; the target too.

    A column to keep is a feature although it looks like the weight of a survey.
    """
    name, there = str(values.name), values.dropna()
    nullable = len(there) < len(values)
    if unhashable(values):
        column = Column(kind="categorical", known="after", nullable=nullable)
        return Finding(column, "idle", "lists or records; a loader (data.load) has to turn them into columns")
    if types.infer_dtype(there) == "bytes":
        column = Column(kind="categorical", known="after", nullable=nullable)
        return Finding(column, "idle", "bytes; a loader (data.load) has to turn them into text or numbers")
    distinct = int(there.nunique())
    gaps = f"; missing in {share(1 - len(there) / len(values))}" if nullable and len(there) else ""
    found = _look_at(name, there, distinct, nullable)
    called = "" if keep else names.is_weight(name)
    if called and _may_be_survey_weight(found, there, distinct):
        if _is_survey_weight(there, called):
            note = f"a survey weight, how many others a row stands for; {found.note}"
            found = found.changed("weight", note, group=None)
        elif called == "perhaps":
            said = (
                "a weight in kilograms, say; if it is that of a survey, remove its group in the contract and"
            )
            found = replace(found, doubt=f"{said} set evaluate.weight: {name}")
    if distinct == 0 or (distinct == 1 and not nullable):
        said = "no values" if distinct == 0 else f"always {shown(there.iloc[:1])}"
        found = found.changed("idle", f"{said}; carries no information", group=None)
    return replace(found, note=found.note + gaps, distinct=distinct)


def _look_at(name: str, there: pd.Series, distinct: int, nullable: bool) -> Finding:
    if types.is_datetime64_any_dtype(there):
        column = Column(kind="datetime", nullable=nullable)
        seen = f"{there.min():%Y-%m-%d} to {there.max():%Y-%m-%d}" if len(there) else ""
        return Finding(column, "date", seen, doubt=_placeholder(there))
    if types.is_bool_dtype(there):
        column = Column(kind="boolean", group="flags", nullable=nullable)
        return Finding(column, "feature", f"true in {share(float(there.mean()))}" if len(there) else "")
    if written := date_formats(there):
        column = Column(
            kind="datetime", format=None if written[0] == "ISO8601" else written[0], nullable=nullable
        )
        seen = shown(there.iloc[:1])
        if len(written) == 1:
            return Finding(column, "date", f"dates as {seen}")
        note = f"dates as {seen}; {written[1]} fits as well, check which is right"
        doubt = f"{seen} is read as {written[0]}; {written[1]} fits as well: format in the contract"
        return Finding(column, "date", note, doubt=doubt)
    if types.is_numeric_dtype(there):
        return _numbers(name, there, distinct, nullable)
    return _words(name, there, distinct, nullable)


def _placeholder(dates: pd.Series) -> str:
    """Say which date is so early or late that it may mean unknown or open; empty if none."""
    odd = dates[~dates.dt.year.between(*NO_PLACEHOLDER)]
    if odd.empty:
        return ""
    return (
        f"{odd.iloc[0]:%Y-%m-%d} in {len(odd):,} rows: if it means open or unknown, leave it out of the file"
    )


def date_formats(values: pd.Series) -> list[str]:
    """Return the date formats that fit a column, as in the contract's `format`, the likeliest first.

    There are two where month and day can change places in every row, as in 01/02/2021. Then the one with
    fewer days of the month comes first: what is counted by month has one.

    Each is "ISO8601", a strptime format, unix, unix_ms, unix_us or unix_ns, quarter or week.
    """
    there = values.dropna()
    if there.empty or types.is_bool_dtype(there):
        return []
    looks = _number_formats(there) if types.is_numeric_dtype(there) else text_formats(there)
    found: dict[str, pd.Series] = {}
    for written in looks:
        dates = as_dates(there, None if written == "ISO8601" else written)
        fits = dates is not None and dates.notna().all() and dates.dt.year.between(*YEARS).all()
        if fits and not any(dates.equals(other) for other in found.values()):
            found[written] = dates
    return sorted(found, key=lambda written: found[written].dt.day.nunique())


def _number_formats(there: pd.Series) -> Iterator[str]:
    low, high = there.min(), there.max()
    whole = bool(np.isfinite(there).all() and (there % 1 == 0).all())
    if not names.is_time(str(there.name)):
        # Random numbers are not dates: dates are few of all numbers of eight digits.
        if whole and low >= YEARS[0] * 10**4 and high < YEARS[1] * 10**4 and there.nunique() >= MANY_DATES:
            yield "%Y%m%d"
        return
    for written, digits in (("%Y%m", 2), ("%Y%m%d", 4), ("%Y%m%d%H%M", 8), ("%Y%m%d%H%M%S", 10)):
        if whole and low >= YEARS[0] * 10**digits and high < YEARS[1] * 10**digits:
            yield written
            break
    else:
        for power, unit in enumerate(("unix", "unix_ms", "unix_us", "unix_ns")):
            if low > 3e8 * 1000**power and high < 4e9 * 1000**power:
                yield unit


def _numbers(name: str, there: pd.Series, distinct: int, nullable: bool) -> Finding:
    infinite = there[np.isinf(there)]
    if infinite.empty:
        return _finite_numbers(name, there, distinct, nullable)
    found = _finite_numbers(name, there.drop(infinite.index), distinct - infinite.nunique(), nullable=True)
    marks = sorted(f"{number:g}" for number in infinite.unique())
    said = f"{' and '.join(marks)} in {len(infinite):,} rows means missing"
    return replace(found.changed(found.role, found.note, missing=marks), doubt=said)


def _finite_numbers(name: str, there: pd.Series, distinct: int, nullable: bool) -> Finding:
    least = 0.0 if len(there) and there.min() >= 0 else None
    most = 1.0 if distinct == 2 and set(there) == {0, 1} else None
    column = Column(kind="numeric", group="numbers", nullable=nullable, min=least, max=most)
    low, high = (f"{number:.6g}" for number in (there.min(), there.max())) if len(there) else ("", "")
    found = Finding(column, "feature", f"{low} to {high}, median {there.median():.6g}" if len(there) else "")
    if said := _sentinel(there) or _several_units(name, there):
        found = replace(found, doubt=said)
    whole = bool(np.isfinite(there).all() and (there % 1 == 0).all())
    if not whole or len(there) < 2:
        return found
    in_order = bool((there.diff().iloc[1:] == 1).all())
    if distinct == len(there) and len(there) > FEW_LEVELS and (in_order or names.is_id(name)):
        role: Role = "idle" if nullable else "key"
        return found.changed(role, "a different number in every row", group=None, min=None, max=None)
    if names.is_entity(name) and distinct < len(there) and distinct > FEW_LEVELS:
        note = f"{distinct:,} values, {len(there) / distinct:.1f} rows each"
        return found.changed("entity", note, kind="categorical", group=None, min=None, max=None)
    few = names.is_code(name) and distinct > 2 and distinct <= MANY_LEVELS and distinct <= len(there) / 2
    long = types.is_integer_dtype(there) and max(int(there.max()), -int(there.min())) > EXACT
    if few or long:
        why = ", too long to compute with" if long else ""
        note = f"{distinct:,} codes, {low} to {high}{why}; numbers used as labels"
        return found.changed("feature", note, kind="categorical", group="categories", min=None, max=None)
    if names.is_id(name) and distinct > NEARLY_ALL * len(there):
        return found.changed("idle", "a different value in nearly every row", group=None)
    return found


def _sentinel(there: pd.Series) -> str:
    """Say which negative number among others from 0 on may mean missing; empty if none."""
    below = there[there < 0]
    least = below.iloc[0] if len(below) else 0
    if least not in SENTINELS or len(below) < 2 or below.nunique() > 1:
        return ""
    shown_as = f"{least:g}"
    return (
        f"{shown_as} in {len(below):,} rows, and all others from 0 on: if it means missing, add"
        f' missing: ["{shown_as}"] and nullable: true in the contract'
    )


def _several_units(name: str, there: pd.Series) -> str:
    """Say that some numbers are times in several units; empty if not."""
    units = [there.between(3e8 * 1000**power, 4e9 * 1000**power) for power in range(4)]
    if names.is_time(name) and len(there) and np.any(units, axis=0).all():
        return "looks like times since 1970 in several units, seconds and milliseconds, say; it is a number"
    return ""


def _may_be_survey_weight(found: Finding, there: pd.Series, distinct: int) -> bool:
    usable = found.role == "feature" and found.column.kind == "numeric" and distinct > FEW_LEVELS
    return usable and bool((there > 0).all())


def _is_survey_weight(there: pd.Series, called: str) -> bool:
    """Whether positive numbers are the weights of a survey.

    By their name; by their mean, which is 1; or, where the name says little, by their long tail.
    """
    of_one = abs(float(there.mean()) - 1) < WEIGHT_OF_ONE
    tail = called == "perhaps" and there.max() > LONG_TAIL * there.median()
    return bool(called == "survey" or of_one or tail)


def _words(name: str, there: pd.Series, distinct: int, nullable: bool) -> Finding:
    column = Column(kind="categorical", group="categories", nullable=nullable)
    if there.empty:
        return Finding(column, "feature", "")
    doubt = _unread(there) or _twins(there)
    if doubt.startswith(DURATION):
        return Finding(column.model_copy(update={"group": None}), "idle", doubt, doubt=doubt)
    if said := _not_to_learn_from(name, there, distinct, nullable):
        return Finding(column.model_copy(update={"group": None}), *said, doubt=doubt)
    if distinct > MANY_LEVELS:
        return Finding(column, "feature", f"{distinct:,} values; rare ones share one code", doubt=doubt)
    counts = there.astype("str").value_counts()
    if distinct <= FEW_LEVELS and counts.min() >= LEVEL_ROWS and (levels := _levels(there)):
        column = column.model_copy(update={"allowed": levels})
    return Finding(column, "feature", f"{distinct} values, mostly {shown(counts.index)}", doubt=doubt)


def _twins(there: pd.Series) -> str:
    """Say which two texts differ only in blanks around them, or in case; empty if none do."""
    distinct = there.unique()
    if len(distinct) > MANY_LEVELS or not all(isinstance(value, str) for value in distinct):
        return ""
    texts = pd.Series(distinct)
    for plain, what in ((texts.str.strip(), "blanks around them"), (texts.str.lower(), "case")):
        if len(repeated := plain[plain.duplicated()]):
            first, second = texts[plain == repeated.iloc[0]].iloc[:2]
            return f"{first!r} and {second!r} differ only in {what}; they are two values"
    return ""


def _unread(there: pd.Series) -> str:
    """Say what text looks like that is not read as dates or numbers; empty if it is just text."""
    few = there.iloc[:LOOK].unique()
    if len(few) <= FEW_LEVELS or not all(isinstance(value, str) for value in few):
        return ""
    texts = pd.Series(few)
    if texts.str.fullmatch(CLOCK).all():
        return f"{DURATION} such as {few[0]}, which is not read; write a number of seconds or minutes"
    if is_like_dates(texts):
        return f"looks like dates, such as {shown(few, 2)}, of which no one format fits all; it is text"
    if units := mixed_units(there):
        named = ", ".join(unit or "none" for unit in units)
        return f"numbers with different units ({named}), so it is text; write all in one unit"
    around = texts.str.replace(ONE_NUMBER, "#", regex=True)
    single = around.nunique() <= FEW_AROUND and (around.str.count("#") == 1).all() and (around != "#").all()
    if single and texts.str.contains(r"\d[.,]\d", regex=True).mean() > MOSTLY:
        return f"numbers with something around them, such as {few[0]}, which is not read; it is text"
    return ""


def _not_to_learn_from(name: str, there: pd.Series, distinct: int, nullable: bool) -> tuple[Role, str] | None:
    """Return the role and note of text that does not generalize to other rows; None for a category."""
    own = distinct / len(there)
    length = there.astype("str").iloc[:LOOK].str.split().str.len().mean()
    if length >= WORDS_OF_TEXT and own > MOSTLY:
        return "idle", f"free text, {length:.0f} words on average; not supported by the models"
    if distinct <= FEW_LEVELS:
        return None
    if own == 1:
        return "idle" if nullable else "key", "a different value in every row"
    if own > NEARLY_ALL:
        return "idle", "a different value in nearly every row"
    if names.is_entity(name):
        return "entity", f"{distinct:,} values, {1 / own:.1f} rows each"
    return None


def _levels(there: pd.Series) -> list[str | int | bool] | None:
    """Return the values of a column as YAML can hold them; None where it cannot."""
    values = sorted((v.item() if hasattr(v, "item") else v for v in there.unique()), key=str)
    fit = all(isinstance(v, str | int | bool) and "${" not in str(v) and v != "???" for v in values)
    return values if fit else None


def share(part: float) -> str:
    """Return a share as a percentage that is 0 % or 100 % only where it is exactly so."""
    if 0 < part < 0.001:
        return "under 0.1 %"
    if 0.999 < part < 1:
        return "over 99.9 %"
    return f"{100 * part:.1f} %".replace(".0 %", " %")


def shown(values: Iterable[Any], most: int = 3) -> str:
    """Return the first few values, each short and on one line."""
    few = [" ".join(str(value).split())[:30] for value, _ in zip(values, range(most), strict=False)]
    return ", ".join(few)
