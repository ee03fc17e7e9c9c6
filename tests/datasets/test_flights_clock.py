"""Local and UTC times of departures and arrivals, on the days and at the airports where they are hard."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from cairn.data.contract import violations
from cairn.datasets.flights.clock import HOME, minutes, offset, on_one_clock, to_utc
from cairn.datasets.flights.table import build_table
from cairn.errors import UserError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def flights(raw):
    return on_one_clock(raw["flights"], raw["airports"], "utc")


@pytest.fixture(scope="module")
def badly_marked(days):
    """A week with time_hour as in the files of 2023: New York's hour, marked as UTC."""
    raw = days("2013-03-08", "2013-03-13")
    local = pd.to_datetime(raw["flights"]["time_hour"]).dt.tz_convert(HOME).dt.tz_localize(None)
    return raw, {**raw, "flights": raw["flights"].assign(time_hour=local.dt.tz_localize("UTC"))}


def utc_minute(*parts, zone=HOME):
    moment = datetime(*parts, tzinfo=ZoneInfo(zone))
    return round(moment.timestamp() / 60)


@pytest.mark.parametrize("month_day", [(3, 9), (3, 10), (3, 11), (11, 2), (11, 3), (11, 4), (7, 4)])
def test_departures_are_right_around_the_change_of_clocks(flights, month_day):
    of_day = flights[(flights["month"] == month_day[0]) & (flights["day"] == month_day[1])]
    assert len(of_day) > 600
    wanted = [
        utc_minute(*row) for row in of_day[["year", "month", "day", "hour", "minute"]].itertuples(index=False)
    ]
    assert of_day["scheduled"].tolist() == wanted


@pytest.mark.parametrize(
    ("dest", "zone"),
    [
        ("SJU", "America/Puerto_Rico"),
        ("BQN", "America/Puerto_Rico"),
        ("STT", "America/Puerto_Rico"),
        ("PSE", "America/Puerto_Rico"),
        ("HNL", "Pacific/Honolulu"),
        ("PHX", "America/Phoenix"),
        ("ANC", "America/Anchorage"),
        ("IND", "America/Indiana/Indianapolis"),
        ("LAX", "America/Los_Angeles"),
        ("BOS", "America/New_York"),
    ],
)
def test_every_arrival_falls_on_the_minute_that_the_clock_at_the_destination_shows(flights, dest, zone):
    there = flights[flights["dest"] == dest]
    assert len(there)
    for row in there.sample(min(len(there), 200), random_state=0).itertuples():
        landing = datetime.fromtimestamp((row.scheduled + row.block) * 60, ZoneInfo(zone))
        assert landing.hour * 100 + landing.minute == row.sched_arr_time % 2400
        assert 0 < row.block < 12 * 60


def test_a_flight_under_way_while_clocks_change_arrives_when_the_new_clock_says(raw):
    flight = (
        raw["flights"]
        .iloc[[0]]
        .assign(
            month=3,
            day=9,
            hour=23,
            minute=30,
            dest="LAX",
            sched_arr_time=300,
            time_hour="2013-03-10T04:00:00Z",
        )
    )
    (block,) = on_one_clock(flight, raw["airports"], "utc")["block"]
    assert block == 5 * 60 + 30  # from 4:30 UTC to 3:00 in Los Angeles, where 2:00 in winter was 3:00 at once
    at_change = flight.assign(day=10, hour=0, sched_arr_time=430, time_hour="2013-03-10T05:00:00Z")
    (block,) = on_one_clock(at_change, raw["airports"], "utc")["block"]
    assert block == 6 * 60  # from 5:30 UTC to 4:30 in Los Angeles, by now in summer


def test_flown_times_agree_with_the_clocks(flights):
    """Air time is measured apart from all clocks: what is left of gate to gate is taxiing."""
    landed = flights[flights["arr_delay"].notna()]
    taxi = landed["arrived"] - landed["departed"] - landed["air_time"]
    assert taxi.between(0, 240).mean() > 0.9999
    assert taxi.groupby(landed["dest"]).median().between(15, 50).all()


def test_blocks_and_speeds_are_those_of_airliners(flights):
    assert flights["block"].between(45, 720).all()
    far = flights[flights["distance"] > 300]
    assert (far["distance"] / far["block"] * 60).between(150, 600).all()


def test_rows_are_in_the_order_of_true_time(year):
    assert year["sched_dep_utc"].is_monotonic_increasing
    assert (year["clock_error_minutes"] == 0).all()
    between = (year["sched_dep_local"] - year["sched_dep_utc"]).dt.total_seconds() / 3600
    assert set(between) == {-4, -5}


def test_a_local_hour_marked_as_utc_breaks_the_contract(badly_marked, contract):
    _, marked = badly_marked
    naive = build_table(marked, 120, "utc")
    assert set(naive["clock_error_minutes"]) == {-240, -300}
    found = {violation.column: violation for violation in violations(naive, contract)}
    assert found["clock_error_minutes"].rows == len(naive)


def test_the_clock_setting_repairs_it_to_the_last_feature(badly_marked):
    right, marked = badly_marked
    pd.testing.assert_frame_equal(build_table(marked, 120, "local"), build_table(right, 120, "utc"))


def test_the_naive_join_would_have_given_weather_of_another_hour(badly_marked):
    right, marked = badly_marked
    naive, true = build_table(marked, 120, "utc"), build_table(right, 120, "utc")
    key = ["sched_dep_local", "carrier", "flight", "origin"]
    both = naive.merge(true, on=key, suffixes=("_naive", "_true"))
    assert (both["temperature_naive"] != both["temperature_true"]).mean() > 0.5


def test_a_destination_without_a_time_zone_is_named(raw):
    flight = raw["flights"].iloc[[0]].assign(dest="XXX")
    with pytest.raises(UserError, match="airports: no time zone for the destinations XXX"):
        on_one_clock(flight, raw["airports"], "utc")


def test_a_block_longer_than_any_flight_is_taken_as_missing(raw):
    flight = raw["flights"].iloc[[0]].assign(dest="BOS", sched_arr_time=510)
    converted = on_one_clock(flight, raw["airports"], "utc")
    assert converted[["block", "arrived"]].isna().all(axis=None)


def test_offsets_are_those_of_the_standard_library_at_every_hour_of_two_years():
    hours = utc_minute(2012, 12, 31, 0, 0, zone="UTC") + 60 * np.arange(2 * 8784)
    for zone in (HOME, "America/Phoenix", "Pacific/Honolulu", "America/Anchorage"):
        shown = [datetime.fromtimestamp(hour * 60, ZoneInfo(zone)) for hour in hours.tolist()]
        ahead = [local.replace(tzinfo=UTC).timestamp() / 60 for local in shown] - hours
        assert offset(hours, zone).tolist() == ahead.tolist()


def test_every_local_hour_but_the_one_that_never_was_turns_into_its_utc():
    every = pd.date_range("2013-01-01", "2013-12-31 23:00", freq="h")
    local = every[every != pd.Timestamp("2013-03-10 02:00")]
    wanted = [utc_minute(at.year, at.month, at.day, at.hour) for at in local]
    assert to_utc(minutes(local)).tolist() == wanted
