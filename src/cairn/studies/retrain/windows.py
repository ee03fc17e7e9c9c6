"""The windows of a split by time, and how they advance when newer rows have come.

All boundaries move by the same span: that between the last row the champion was tested on and the newest row.
Validation and test keep their length. The test window of the challenger then ends with the newest row, and
neither model was fitted, stopped, calibrated or given its threshold on any row of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import pandas as pd

from cairn.errors import UserError
from cairn.metrics.evaluation import Frozen
from cairn.settings.split import TimeSplit

Window = Literal["expanding", "sliding"]


class Period(Frozen):
    """The rows of a part; time of the first and of the last one."""

    rows: int
    first: str
    last: str


class Parts(Frozen):
    """What a model was fitted on, was validated on, and is tested on."""

    train: Period
    validation: Period
    test: Period


class NothingNewError(Exception):
    """No rows, or too few, are new to the champion; the message says which."""


@dataclass(frozen=True)
class Windows:
    """When train, validation and test begin, and the time of the last row; train_from None is the first."""

    train_from: pd.Timestamp | None
    validation_from: pd.Timestamp
    test_from: pd.Timestamp
    last: pd.Timestamp

    def settings(self) -> dict[str, str | None]:
        """Return the keys of section `split`; test ends with the last row."""
        return {
            "train_from": None if self.train_from is None else written(self.train_from),
            "validation_from": written(self.validation_from),
            "test_from": written(self.test_from),
            "test_until": None,
        }


@dataclass(frozen=True)
class Seen:
    """What a model was made from.

    Attributes:
        windows: of its split.
        first: row of train.
        fitted_until: the last row of train and validation.
    """

    windows: Windows
    first: pd.Timestamp
    fitted_until: pd.Timestamp


def parts_of(split: Mapping[str, Any]) -> Parts:
    """Return the parts of a split by time from metrics/split.json."""
    periods = {
        name: Period(rows=part["rows"], first=part["from"], last=part["until"])
        for name, part in split["parts"].items()
    }
    return Parts(**periods)


def seen_by(split: TimeSplit, parts: Parts) -> Seen:
    """Return what a model has seen, by its settings and its parts; shares become dates."""
    zone = _moment(parts.test.last).tz

    def dated(setting: str) -> pd.Timestamp:
        moment = _moment(setting)
        return moment if moment.tz or zone is None else moment.tz_localize(zone)

    def boundary(setting: str | float, part: Period) -> pd.Timestamp:
        return dated(setting) if isinstance(setting, str) else _moment(part.first)

    return Seen(
        Windows(
            dated(split.train_from) if split.train_from else None,
            boundary(split.validation_from, parts.validation),
            boundary(split.test_from, parts.test),
            _moment(parts.test.last),
        ),
        _moment(parts.train.first),
        _moment(parts.validation.last),
    )


def advance(
    seen: Seen,
    newest: pd.Timestamp,
    window: Window = "expanding",
    *,
    block: str | None = None,
    gap: str = "0D",
    holdout: timedelta | None = None,
) -> Windows:
    """Return the windows of a challenger.

    Args:
        seen: by the champion.
        newest: time of the newest row with a target.
        window: expanding keeps the beginning of train, sliding keeps its length.
        block: boundaries stay between blocks of this length; None for any time.
        gap: span before the test window of which labels were not known yet.
        holdout: length of the test window; None for the champion's.

    Raises:
        NothingNewError: no newer rows.
        UserError: the champion was fitted on rows of the test window.
    """
    old = seen.windows

    def floor(moment: pd.Timestamp) -> pd.Timestamp:
        return _moment(moment.floor(block)) if block else moment

    def later(moment: pd.Timestamp) -> pd.Timestamp:
        return _moment(floor(moment) + moved)

    moved = floor(newest) - floor(old.last)
    if moved <= pd.Timedelta(0):
        raise NothingNewError(
            f"no rows with a target after {old.last}, the last one that the champion was tested on"
        )
    if holdout is not None:
        moved = floor(newest) + pd.Timedelta(block or 0) - holdout - floor(old.test_from)
    test_from = later(old.test_from)
    if test_from - pd.Timedelta(gap) <= seen.fitted_until:
        raise UserError(
            f"--holdout: the test window would begin at {test_from}, and the champion was fitted on rows"
            f" up to {seen.fitted_until}, with a gap of {gap}: make it shorter"
        )
    train_from = old.train_from
    if window == "sliding":
        train_from = later(old.train_from or seen.first)
    return Windows(train_from, later(old.validation_from), test_from, newest)


def stop_in_cool_down(
    seen: Seen, newest: pd.Timestamp, tried: Iterable[str], cool_down: timedelta | None
) -> None:
    """Raise NothingNewError if fewer new rows have come than wanted since the champion and the last try.

    Args:
        seen: by the champion.
        newest: time of the newest row.
        tried: time of the newest row of each earlier try.
        cool_down: span of rows; None for any.
    """
    since = max([seen.windows.last, *map(_moment, tried)])
    if cool_down is not None and newest - since < cool_down:
        days = f"{cool_down / timedelta(days=1):g}"
        raise NothingNewError(
            f"the newest row, {newest}, is less than {days} days after {since} (--cool-down)"
        )


def _moment(value: Any) -> pd.Timestamp:
    found = pd.Timestamp(value)
    assert isinstance(found, pd.Timestamp), value
    return found


def written(moment: pd.Timestamp) -> str:
    """Return a time as conf/ writes it: by the clock of the column, the date alone at midnight."""
    return str(moment.tz_localize(None)).removesuffix(" 00:00:00")
