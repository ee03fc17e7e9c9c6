"""Faults planted into the flights table from a day on, each as an upstream system could cause it."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from cairn.settings.contract import Contract

Fault = Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame]
"""Takes the rows from the fault's start on, and those of the two days before; returns the rows at fault."""


def _group(contract: Contract, *groups: str) -> list[str]:
    return [name for name, column in contract.columns.items() if column.group in groups]


def _missing(columns: list[str]) -> Fault:
    return lambda rows, before: rows.assign(**dict.fromkeys(columns, np.nan))


def _zeros(columns: list[str]) -> Fault:
    return lambda rows, before: rows.assign(**dict.fromkeys(columns, 0.0))


def _stuck(columns: list[str]) -> Fault:
    """The last value of each column before the fault, for each airport."""

    def plant(rows: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
        last = before.groupby("origin")[columns].last()
        frozen = last.reindex(rows["origin"])
        return rows.assign(**{name: frozen[name].to_numpy() for name in columns})

    return plant


def _late(columns: list[str], hours: int) -> Fault:
    """What the airport's weather was some hours earlier, from the flights of that hour."""

    def plant(rows: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
        known = pd.concat([before, rows])
        hour = known["sched_dep_utc"].dt.floor("h")
        by_hour = known.groupby([known["origin"], hour])[columns].first().sort_index()
        airports = by_hour.index.get_level_values(0).unique()
        span = pd.date_range(hour.min(), hour.max(), freq="h")
        by_hour = by_hour.reindex(pd.MultiIndex.from_product([airports, span])).groupby(level=0).ffill()
        then = rows["sched_dep_utc"].dt.floor("h") - pd.Timedelta(hours=hours)
        found = by_hour.reindex(pd.MultiIndex.from_arrays([rows["origin"], then]))
        return rows.assign(**{name: found[name].to_numpy() for name in columns})

    return plant


def _celsius(rows: pd.DataFrame, where: pd.Series) -> pd.DataFrame:
    columns = ("temperature", "dew_point")
    return rows.assign(**{name: rows[name].mask(where, (rows[name] - 32) / 1.8) for name in columns})


def _drifting(rows: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    """Scheduled block times that grow by 3 % a day, in whole minutes as timetables have them."""
    days = (rows["sched_dep_local"] - rows["sched_dep_local"].min()).dt.days + 1
    longer = (rows["block_minutes"] * 0.03 * days).round()
    return rows.assign(block_minutes=rows["block_minutes"] + longer, block_slack=rows["block_slack"] + longer)


def faults(contract: Contract) -> dict[str, Fault]:
    """Return every fault by name."""
    live, weather = _group(contract, "live", "tail"), _group(contract, "weather")
    wind = ["wind_speed", "wind_gust", "wind_from_north", "wind_from_east"]
    return {
        "live feed missing": _missing(live),
        "live feed zero": _zeros(live),
        "live feed stuck": _stuck(live),
        "weather missing": _missing(weather),
        "weather stuck": _stuck(weather),
        "weather five hours late": _late(weather, 5),
        "Celsius everywhere": lambda rows, _: _celsius(rows, rows["origin"].notna()),
        "Celsius at one airport": lambda rows, _: _celsius(rows, rows["origin"] == "LGA"),
        "wind in m/s": lambda rows, _: rows.assign(**{name: rows[name] * 0.44704 for name in wind}),
        "airline renamed": lambda rows, _: rows.assign(carrier=rows["carrier"].replace("UA", "UAL")),
        "hour plus one": lambda rows, _: rows.assign(departure_minute=(rows["departure_minute"] + 60) % 1440),
        "hhmm for minutes": lambda rows, _: rows.assign(
            departure_minute=rows["departure_minute"] // 60 * 100 + rows["departure_minute"] % 60
        ),
        "slow drift": _drifting,
    }
