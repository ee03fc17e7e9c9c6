"""NYC flights as one table: a row per scheduled flight, with what was known some time before it.

The target: will this flight arrive more than 15 minutes late? The prediction is made `lead_minutes` before
the scheduled departure, and every feature was known at that time.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from cairn.data.tables import read_table
from cairn.datasets.flights.clock import DAY, Clock, on_one_clock
from cairn.datasets.flights.live import LATE, live_features
from cairn.datasets.flights.schedule import schedule_features
from cairn.datasets.flights.tail import tail_features
from cairn.datasets.flights.weather import hourly_weather, impossible_readings, weather_features
from cairn.errors import UserError

TABLES = ("flights", "weather", "planes", "airports")
FORMATS = {".parquet": read_table, ".csv.zip": pd.read_csv, ".csv": pd.read_csv}
LONGEST_LEAD = DAY
BANDS = {0: "before 09", 9: "09 to 12", 12: "12 to 15", 15: "15 to 18", 18: "18 to 21", 21: "after 21"}


def load_flights(
    source: Path, *, lead_minutes: int = 120, clock: Clock = "utc", until: str | None = None
) -> pd.DataFrame:
    """Read the raw files of one year and build the table.

    Args:
        source: folder with flights, weather, planes and airports, each .parquet, .csv.zip or .csv.
        lead_minutes: how long before the scheduled departure the prediction is made, 0 to 1440.
        clock: what flights.time_hour is: `utc`, or `local` New York time marked as UTC (the files of 2023).
        until: drop flights scheduled on or after this date (New York), as if they did not exist.

    Returns:
        What build_table returns.

    Raises:
        UserError: a missing or unreadable file, an impossible option, a destination without a time zone.
    """
    if not 0 <= lead_minutes <= LONGEST_LEAD:
        raise UserError(f"data.load.lead_minutes: {lead_minutes} is not between 0 and {LONGEST_LEAD}")
    if clock not in ("utc", "local"):
        raise UserError(f"data.load.clock: '{clock}' is not utc or local")
    raw = read_tables(source)
    raw["flights"] = _scheduled_before(raw["flights"], until)
    return build_table(raw, lead_minutes, clock)


def build_table(raw: dict[str, pd.DataFrame], lead_minutes: int, clock: Clock) -> pd.DataFrame:
    """Describe every flight by what was known `lead_minutes` before its scheduled departure.

    Returns:
        One row per scheduled flight, by scheduled departure in UTC, then carrier, flight number, origin.
        conf/contract/flights.yaml lists columns, kinds, units and groups. `attrs["cleaned"]` counts
        the values that were set to missing because they are impossible.

    Raises:
        UserError: a destination without a time zone.
    """
    flights = on_one_clock(raw["flights"], raw["airports"], clock)
    order = ["scheduled", "carrier", "flight", "origin"]
    flights = flights.sort_values(order, kind="stable", ignore_index=True)
    now = flights["scheduled"].to_numpy() - lead_minutes
    features = (
        schedule_features(flights),
        weather_features(flights, hourly_weather(raw["weather"]), now),
        live_features(flights, now),
        tail_features(flights, raw["planes"], now),
    )
    table = pd.concat([identity(flights), *map(pd.DataFrame, features), outcomes(flights)], axis=1)
    table.attrs["cleaned"] = {
        "impossible wind readings": impossible_readings(raw["weather"]),
        "impossible scheduled durations": int(flights["block"].isna().sum()),
    }
    return table


def read_tables(source: Path) -> dict[str, pd.DataFrame]:
    """Read flights, weather, planes and airports from a folder, in whichever format is there.

    Raises:
        UserError: one of them is missing or cannot be read.
    """
    return {name: _read(source, name) for name in TABLES}


def identity(flights: pd.DataFrame) -> pd.DataFrame:
    """Return what identifies a flight, its time, and the slices for which scores are reported."""
    hour = flights["hour"].to_numpy()
    starts = np.array(list(BANDS))
    return pd.DataFrame(
        {
            "sched_dep_local": flights["local"].to_numpy().astype("datetime64[m]").astype("datetime64[us]"),
            "sched_dep_utc": flights["scheduled"].to_numpy().astype("datetime64[m]").astype("datetime64[us]"),
            "clock_error_minutes": flights["clock_error_minutes"],
            "flight": flights["flight"],
            "tailnum": flights["tailnum"],
            "month": flights["month"],
            "dep_hour": flights["hour"],
            "hour_band": np.array(list(BANDS.values()))[np.searchsorted(starts, hour, side="right") - 1],
            "carrier": flights["carrier"],
            "origin": flights["origin"],
            "dest": flights["dest"],
        }
    )


def outcomes(flights: pd.DataFrame) -> pd.DataFrame:
    """Return the outcome of each flight, known only afterwards.

    A flight without a departure was cancelled; one that left but has no arrival delay was diverted, or its
    arrival was not recorded. `late` is missing for both.
    """
    completed, departed = flights["arr_delay"].notna(), flights["dep_delay"].notna()
    late = flights["arr_delay"] > LATE
    outcome = np.select([completed, departed], ["completed", "diverted"], "cancelled")
    return pd.DataFrame(
        {
            "outcome": pd.Series(outcome, dtype="str"),
            "dep_delay": flights["dep_delay"],
            "arr_delay": flights["arr_delay"],
            "late": late.astype("boolean").where(completed),
            "disrupted": late | ~completed,
        }
    )


def _scheduled_before(flights: pd.DataFrame, until: str | None) -> pd.DataFrame:
    if until is None:
        return flights
    try:
        end = pd.Timestamp(until)
    except ValueError as error:
        raise UserError(f"data.load.until: '{until}' is not a date such as 2013-03-01") from error
    kept = flights[pd.to_datetime(flights[["year", "month", "day"]]) < end]
    if kept.empty:
        raise UserError(f"data.load.until: no flight is scheduled before {until}")
    return kept


def _read(source: Path, name: str) -> pd.DataFrame:
    for suffix, read in FORMATS.items():
        path = source / f"{name}{suffix}"
        if path.exists():
            try:
                return read(path)
            except (ValueError, OSError) as error:
                raise UserError(f"{path} cannot be read: {error}") from error
    raise UserError(f"data.source: {source} has no {name}{' or '.join(FORMATS)}; run `dvc repro`")
