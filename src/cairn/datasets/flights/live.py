"""The state of airports, carriers and routes at the time of prediction.

Events count from the time they become known: a departure when it leaves, an arrival when it lands, a flight
that never leaves six hours after schedule. A flight's own events never count.
"""

from functools import cache

import numpy as np
import pandas as pd

from cairn.datasets.flights.clock import DAY
from cairn.datasets.flights.event_log import EventLog, codes

HOUR = 60
LATE = 15
# A flight that has not left by then no longer counts as waiting: the time of cancellation is unknown.
GIVEN_UP = 6 * HOUR
# One delay of a day must not dominate the mean of an airport.
SHORTEST, LONGEST = -60, 180

SCOPES: dict[str, tuple[str, ...]] = {
    "all": (),
    "origin": ("origin",),
    "carrier": ("carrier",),
    "dest": ("dest",),
    "origin_carrier": ("origin", "carrier"),
    "carrier_dest": ("carrier", "dest"),
    "route": ("origin", "carrier", "dest"),
    "flight": ("carrier", "flight"),
    "carrier_hour": ("carrier", "hour"),
    "dest_hour": ("dest", "hour"),
}
DEPARTURES = ("departure_delay", "late_share")
ARRIVALS = ("arrival_delay", "late_arrival_share", "time_lost", "taxi")
# Scope, window, and what is averaged over the scope's events in it.
MEANS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("origin", "1h", DEPARTURES),
    ("origin", "3h", DEPARTURES),
    ("carrier", "3h", DEPARTURES),
    ("origin_carrier", "3h", DEPARTURES),
    ("all", "1h", DEPARTURES),
    ("all", "12h", DEPARTURES),
    ("dest", "4h", ("arrival_delay", "time_lost", "taxi")),
    ("carrier_dest", "6h", ("arrival_delay", "time_lost")),
    ("all", "3h", ("time_lost",)),
    ("carrier", "3h", ("time_lost",)),
    ("origin", "3h", ("taxi",)),
    ("all", "1d", ("arrival_delay",)),
    ("origin", "1d", ("arrival_delay",)),
    ("carrier", "1d", ("arrival_delay", "time_lost")),
    ("flight", "7d", ("arrival_delay", "time_lost")),
    ("flight", "28d", ("arrival_delay", "late_arrival_share")),
    ("carrier_hour", "28d", ("arrival_delay", "late_arrival_share")),
    ("dest_hour", "28d", ("arrival_delay", "late_arrival_share")),
    ("route", "28d", ("arrival_delay",)),
)
WAITING = ("origin", "carrier", "origin_carrier", "all")


def live_features(flights: pd.DataFrame, now: np.ndarray) -> dict[str, np.ndarray]:
    """Return the columns of group `live`, one value per flight; `now` (rows,) is in UTC minutes."""
    keys = _keys(flights)
    return {
        **_means(flights, keys, now),
        **{name: column for scope in WAITING for name, column in _waiting(flights, keys, scope, now).items()},
        "origin_backlog_2h": _backlog(flights, keys["origin"], now, 2 * HOUR),
        "all_given_up_12h": _given_up(flights, keys["all"], now, 12 * HOUR),
    }


def length(window: str) -> int:
    """Return the minutes of a window such as `3h` or `28d`."""
    return int(window[:-1]) * {"h": HOUR, "d": DAY}[window[-1]]


def _keys(flights: pd.DataFrame) -> dict[str, np.ndarray]:
    return {
        scope: codes(*(flights[name] for name in by)) if by else np.zeros(len(flights), "int64")
        for scope, by in SCOPES.items()
    }


def _means(flights: pd.DataFrame, keys: dict[str, np.ndarray], now: np.ndarray) -> dict[str, np.ndarray]:
    values = {name: column.to_numpy() for name, column in _measured(flights).items()}
    departed, arrived = flights["departed"].to_numpy(), flights["arrived"].to_numpy()

    @cache
    def log(scope: str, kind: tuple[str, ...]) -> EventLog:
        time = departed if kind == DEPARTURES else arrived
        return EventLog(keys[scope], time, [values[name] for name in kind])

    features = {}
    for scope, window, wanted in MEANS:
        kind = DEPARTURES if wanted[0] in DEPARTURES else ARRIVALS
        means = dict(zip(kind, log(scope, kind).means(now, length(window)), strict=True))
        features |= {f"{scope}_{name}_{window}": means[name] for name in wanted}
    return features


def _measured(flights: pd.DataFrame) -> dict[str, pd.Series]:
    """Return what each departure and arrival tells, in whole minutes or as 0 and 1."""
    late_out, late_in = flights["dep_delay"], flights["arr_delay"]
    return {
        "departure_delay": late_out.clip(SHORTEST, LONGEST),
        "late_share": late_out > LATE,
        "arrival_delay": late_in.clip(SHORTEST, LONGEST),
        "late_arrival_share": late_in > LATE,
        "time_lost": late_in - late_out,
        "taxi": flights["arrived"] - flights["departed"] - flights["air_time"],
    }


def _waiting(
    flights: pd.DataFrame, keys: dict[str, np.ndarray], scope: str, now: np.ndarray
) -> dict[str, np.ndarray]:
    """Count flights more than 15 minutes overdue that have not left, and the minutes they have waited."""
    scheduled, departed = flights["scheduled"].to_numpy(), flights["departed"].to_numpy()
    overdue = ~(departed <= scheduled + LATE)
    begun = np.where(overdue, scheduled + LATE, np.nan)
    over = np.where(overdue, np.fmin(departed, scheduled + GIVEN_UP), np.nan)
    count, times = EventLog(keys[scope], begun, [scheduled]).window(now, None)
    ended, ended_times = EventLog(keys[scope], over, [scheduled]).window(now, None)
    waiting = count - ended
    return {
        f"{scope}_overdue": waiting,
        f"{scope}_overdue_minutes": waiting * now - (times - ended_times),
    }


def _backlog(flights: pd.DataFrame, key: np.ndarray, now: np.ndarray, width: int) -> np.ndarray:
    """Return how many more flights were scheduled to leave in the last `width` minutes than left."""
    scheduled = EventLog(key, flights["scheduled"].to_numpy("float64")).window(now, width)[0]
    return scheduled - EventLog(key, flights["departed"].to_numpy()).window(now, width)[0]


def _given_up(flights: pd.DataFrame, key: np.ndarray, now: np.ndarray, width: int) -> np.ndarray:
    """Return the share of flights that had not left, among those whose six hours ended in the window."""
    deadline = flights["scheduled"].to_numpy("float64") + GIVEN_UP
    gone = flights["departed"].to_numpy() <= deadline
    return EventLog(key, deadline, [~gone]).means(now, width)[0]
