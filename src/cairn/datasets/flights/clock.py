"""Put scheduled, departed and arrived on one clock: whole minutes of UTC since 1970.

The tables hold local clock times: departures of New York, arrivals of the destination, without the arrival's
date. `time_hour` should be the scheduled hour in UTC; in the 2023 files it is the local hour marked as UTC.
"""

from typing import Literal

import numpy as np
import pandas as pd

from cairn.errors import UserError

Clock = Literal["utc", "local"]

DAY = 24 * 60
HOME = "America/New_York"
# Destinations of 2013 that the airports table lacks: all of them in the zone of Puerto Rico.
ZONES_NOT_LISTED = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")
# The longest flight, to Honolulu, is scheduled for 11 h 40 min; a day-long block is a typing error.
LONGEST_BLOCK = 15 * 60


def on_one_clock(flights: pd.DataFrame, airports: pd.DataFrame, clock: Clock) -> pd.DataFrame:
    """Add the columns in which everything else is counted.

    Returns:
        The flights with `local` (int64, scheduled departure on New York's clock, minutes since 1970),
        `scheduled` (int64, the same in UTC minutes according to time_hour), `clock_error_minutes` (int64,
        `scheduled` less what `local` says), `block` (float64, scheduled minutes from gate to gate, NaN if
        absurd), `arrival_clock` (int64, scheduled arrival, local minute of the day), `departed` and `arrived`
        (float64, UTC minutes, NaN if it never did or is not known).

    Raises:
        UserError: a destination without a time zone.
    """
    local = minutes(pd.to_datetime(flights[["year", "month", "day", "hour", "minute"]]))
    hour = minutes(pd.to_datetime(flights["time_hour"], utc=True).dt.tz_localize(None))
    scheduled = (to_utc(hour) if clock == "local" else hour) + flights["minute"].to_numpy()
    arrival_clock = (flights["sched_arr_time"] // 100 * 60 + flights["sched_arr_time"] % 100).to_numpy()
    block = _block(scheduled, arrival_clock, _zones(flights["dest"], airports))
    return flights.assign(
        local=local,
        scheduled=scheduled,
        clock_error_minutes=scheduled - to_utc(local),
        arrival_clock=arrival_clock,
        block=block,
        departed=scheduled + flights["dep_delay"],
        arrived=scheduled + block + flights["arr_delay"],
    )


def minutes(moments: pd.Series | pd.DatetimeIndex) -> np.ndarray:
    """Return naive moments as int64 minutes since 1970."""
    return moments.to_numpy().astype("datetime64[m]").astype("int64")


def to_utc(local: np.ndarray) -> np.ndarray:
    """Turn minutes of New York's clock into UTC minutes; of the doubled hour in November, the first one."""
    known, place = np.unique(local, return_inverse=True)
    index = pd.DatetimeIndex(known.astype("datetime64[m]").astype("datetime64[s]"))
    zoned = index.tz_localize(HOME, ambiguous=np.ones(len(index), bool), nonexistent="shift_forward")
    return minutes(zoned.tz_convert(None))[place]


def offset(utc: np.ndarray, zone: str) -> np.ndarray:
    """Return the minutes by which the zone's clock is ahead at each UTC minute (New York: -300 or -240)."""
    known, place = np.unique(utc, return_inverse=True)
    index = pd.DatetimeIndex(known.astype("datetime64[m]").astype("datetime64[s]"), tz="UTC")
    return (minutes(index.tz_convert(zone).tz_localize(None)) - known)[place]


def _zones(dest: pd.Series, airports: pd.DataFrame) -> np.ndarray:
    listed = airports.dropna(subset="tzone").set_index("faa")["tzone"].to_dict()
    zones = dest.map({**ZONES_NOT_LISTED, **listed})
    if zones.isna().any():
        without = ", ".join(sorted(set(dest[zones.isna()])))
        raise UserError(f"airports: no time zone for the destinations {without}")
    return zones.to_numpy()


def _block(scheduled: np.ndarray, arrival_clock: np.ndarray, zones: np.ndarray) -> np.ndarray:
    """Find the scheduled minutes between the gates, given only the local clock at the arrival."""
    block = np.zeros(len(scheduled))
    for zone in np.unique(zones):
        rows = zones == zone
        landing = scheduled[rows]
        # The zone's offset at landing needs the landing, which needs the offset: the second round settles it
        # for flights under way while clocks change.
        for _ in range(2):
            elapsed = (arrival_clock[rows] - offset(landing, zone) - scheduled[rows]) % DAY
            landing = scheduled[rows] + elapsed
        block[rows] = elapsed
    return np.where(block > LONGEST_BLOCK, np.nan, block)
