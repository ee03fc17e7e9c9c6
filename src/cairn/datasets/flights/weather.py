"""The last weather observation at a flight's airport before the time of prediction.

The record of hour h is read at about h:51, and its rain is the hour's largest. So a prediction made at 10:05
may use the record of 9, not of 10: joining on time_hour would give the model the weather of the future.
"""

import numpy as np
import pandas as pd

from cairn.datasets.flights.clock import minutes

HOUR = 60
# Stronger than any gust ever measured outside a tornado or on a mountain: a typing error (2013 has one, of
# 1,048 mph, at EWR on 12 February).
IMPOSSIBLE_WIND = 200
RENAMED = {
    "temp": "temperature",
    "dewp": "dew_point",
    "humid": "humidity",
    "wind_speed": "wind_speed",
    "wind_gust": "wind_gust",
    "precip": "precipitation",
    "pressure": "pressure",
    "visib": "visibility",
}


def weather_features(flights: pd.DataFrame, hourly: pd.DataFrame, now: np.ndarray) -> pd.DataFrame:
    """Return the columns of group `weather`, one row per flight, missing where the hour was not recorded.

    The record is from the whole hour before the one that `now` (rows,), in UTC minutes, is in.
    """
    wanted = pd.MultiIndex.from_arrays([flights["origin"], now // HOUR - 1])
    return hourly.reindex(wanted).reset_index(drop=True)


def hourly_weather(weather: pd.DataFrame) -> pd.DataFrame:
    """Return what is known of each airport and hour once the hour is over; time_hour is UTC in both years.

    Returns:
        Float64 columns indexed by (origin, hour), hour in whole hours of UTC since 1970, without gaps.
    """
    moment = pd.to_datetime(weather["time_hour"], utc=True).dt.tz_localize(None)
    raw = weather.rename(columns=RENAMED).assign(hour=minutes(moment) // HOUR)
    hours = np.arange(raw["hour"].min(), raw["hour"].max() + 1)
    every = pd.MultiIndex.from_product([sorted(raw["origin"].unique()), hours], names=["origin", "hour"])
    table = raw.set_index(["origin", "hour"]).reindex(every)
    for column in ("wind_speed", "wind_gust"):
        table[column] = table[column].where(table[column] <= IMPOSSIBLE_WIND)
    return table[list(RENAMED.values())].assign(
        **_wind_components(table["wind_speed"], table["wind_dir"]),
        **_last_three_hours(table),
        metro_visibility_min=table.groupby("hour")["visibility"].transform("min"),
        metro_precipitation_max=table.groupby("hour")["precipitation"].transform("max"),
    )


def _wind_components(speed: pd.Series, direction: pd.Series) -> dict[str, pd.Series]:
    """Return the wind's north and east components; calm air has no direction and both are 0."""
    angle = np.deg2rad(direction)
    parts = {"wind_from_north": speed * np.cos(angle), "wind_from_east": speed * np.sin(angle)}
    return {name: part.round(2).where(speed > 0, speed) for name, part in parts.items()}


def _last_three_hours(table: pd.DataFrame) -> dict[str, pd.Series]:
    airports = table.groupby("origin")
    before = [airports[["precipitation", "visibility", "pressure"]].shift(hours) for hours in range(4)]
    rain, sight = (
        pd.concat([hour[name] for hour in before[:3]], axis=1) for name in ("precipitation", "visibility")
    )
    return {
        "precipitation_3h": rain.sum(axis=1, min_count=1).round(2),
        "visibility_min_3h": sight.min(axis=1),
        "pressure_change_3h": (table["pressure"] - before[3]["pressure"]).round(1),
    }


def impossible_readings(weather: pd.DataFrame) -> int:
    """Count the wind readings that hourly_weather sets to missing."""
    return int((weather[["wind_speed", "wind_gust"]] > IMPOSSIBLE_WIND).to_numpy().sum())
