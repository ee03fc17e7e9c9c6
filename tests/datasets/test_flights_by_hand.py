"""Every feature of some forty flights, computed again from the raw files with plain filters and clocks.

Nothing of cairn.data is used to find the expected values: times come from the pandas time zone database, and
each window is a filter over the events before it.
"""

import re
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from pandas.tseries.holiday import USFederalHolidayCalendar

pytestmark = pytest.mark.slow

LEAD = pd.Timedelta("120min")
# A completed flight at or after each of these is looked at besides the ones drawn.
NOTABLE = [
    "2013-01-01 05:00",  # the first of the year: nothing has happened yet
    "2013-02-08 15:00",  # a blizzard
    "2013-03-10 07:00",  # four hours after the clocks went forward
    "2013-11-03 07:00",  # five hours after they went back
    "2013-12-31 20:00",  # the weather file has ended
]
SCOPES = {
    "all": [],
    "origin": ["origin"],
    "carrier": ["carrier"],
    "dest": ["dest"],
    "origin_carrier": ["origin", "carrier"],
    "carrier_dest": ["carrier", "dest"],
    "route": ["origin", "carrier", "dest"],
    "flight": ["carrier", "flight"],
    "carrier_hour": ["carrier", "hour"],
    "dest_hour": ["dest", "hour"],
}
MEAN = re.compile(
    rf"({'|'.join(sorted(SCOPES, key=len, reverse=True))})"
    r"_(departure_delay|late_share|arrival_delay|late_arrival_share|time_lost|taxi)_(\d+[hd])"
)
WEATHER = {
    "temperature": "temp",
    "dew_point": "dewp",
    "humidity": "humid",
    "wind_speed": "wind_speed",
    "wind_gust": "wind_gust",
    "precipitation": "precip",
    "pressure": "pressure",
    "visibility": "visib",
}


@pytest.fixture(scope="module")
def events(raw):
    """The flights with the moments of their events, on UTC; arrival dates by the clock at the destination."""
    flights = raw["flights"].copy()
    flights["scheduled"] = pd.to_datetime(flights["time_hour"]) + pd.to_timedelta(flights["minute"], "min")
    zones = dict(raw["airports"].set_index("faa")["tzone"])
    landing = []
    for dest, rows in flights.groupby("dest"):
        zone = ZoneInfo(zones.get(dest, "America/Puerto_Rico"))
        day = rows["scheduled"].dt.tz_convert(zone).dt.tz_localize(None).dt.normalize()
        clock = pd.to_timedelta(rows["sched_arr_time"] // 100 * 60 + rows["sched_arr_time"] % 100, "min")
        choices = [
            (day + pd.Timedelta(days=more) + clock).dt.tz_localize(zone, ambiguous=False, nonexistent="NaT")
            for more in (0, 1)
        ]
        today, tomorrow = (choice.dt.tz_convert("UTC") for choice in choices)
        landing.append(today.where(today > rows["scheduled"], tomorrow))
    landing = pd.concat(landing)
    flights["block"] = (landing - flights["scheduled"]).dt.total_seconds() / 60
    flights["departed"] = flights["scheduled"] + pd.to_timedelta(flights["dep_delay"], "min")
    flights["arrived"] = landing + pd.to_timedelta(flights["arr_delay"], "min")
    flights["time_lost"] = flights["arr_delay"] - flights["dep_delay"]
    elapsed = (flights["arrived"] - flights["departed"]).dt.total_seconds() / 60
    flights["taxi"] = elapsed - flights["air_time"]
    flights["late_out"], flights["late_in"] = flights["dep_delay"] > 15, flights["arr_delay"] > 15
    return flights


@pytest.fixture(scope="module")
def sample(year):
    completed = year.index[(year["outcome"] == "completed")]
    drawn = np.random.default_rng(2013).choice(completed, 35, replace=False)
    times = year.loc[completed, "sched_dep_local"]
    notable = [completed[times >= moment][0] for moment in NOTABLE]
    return year.loc[[*notable, *drawn]]


def others(events, row):
    """All flights but the row's own."""
    own = (
        (events["scheduled"] == row["sched_dep_utc"].tz_localize("UTC"))
        & (events["carrier"] == row["carrier"])
        & (events["flight"] == row["flight"])
        & (events["origin"] == row["origin"])
    )
    assert own.sum() == 1
    return events[~own], events[own].iloc[0]


def same(table, own, columns):
    """The flights that have these columns in common with the row's own."""
    for column in columns:
        table = table[table[column] == own[column]]
    return table


def check(row, name, wanted):
    got = row[name]
    said = f"{name} of {row['carrier']} {row['flight']} at {row['sched_dep_local']}"
    assert got == pytest.approx(wanted, nan_ok=True, abs=6e-4), said


def test_the_mean_of_every_window_is_that_of_its_events(events, sample, features):
    means = {name: match.groups() for name in features["live"] if (match := MEAN.fullmatch(name))}
    assert len(means) > 30
    columns = {
        "departure_delay": "dep_delay",
        "late_share": "late_out",
        "arrival_delay": "arr_delay",
        "late_arrival_share": "late_in",
        "time_lost": "time_lost",
        "taxi": "taxi",
    }
    for _, row in sample.iterrows():
        rest, own = others(events, row)
        now = own["scheduled"] - LEAD
        rest = rest[rest["scheduled"].between(now - pd.Timedelta("31D"), now + pd.Timedelta("1D"))]
        for name, (scope, measure, window) in means.items():
            when = "departed" if measure in ("departure_delay", "late_share") else "arrived"
            inside = rest[(rest[when] <= now) & (rest[when] > now - pd.Timedelta(window.replace("d", "D")))]
            values = same(inside, own, SCOPES[scope])[columns[measure]].astype(float)
            if measure.endswith("_delay"):
                values = values.clip(-60, 180)
            check(row, name, values.mean())


def test_the_waiting_are_those_overdue_and_not_gone(events, sample):
    quarter, six = pd.Timedelta("15min"), pd.Timedelta("6h")
    for _, row in sample.iterrows():
        rest, own = others(events, row)
        now = own["scheduled"] - LEAD
        gone = rest["departed"] <= now
        due = rest["scheduled"]
        waiting = rest[(due + quarter <= now) & (due + six > now) & ~gone]
        for scope in ("origin", "carrier", "origin_carrier", "all"):
            mine = same(waiting, own, SCOPES[scope])
            check(row, f"{scope}_overdue", len(mine))
            waited = (now - mine["scheduled"]).dt.total_seconds().sum() / 60
            check(row, f"{scope}_overdue_minutes", waited)
        here = same(rest, own, ["origin"])
        recent = now - pd.Timedelta("2h")
        scheduled = ((here["scheduled"] <= now) & (here["scheduled"] > recent)).sum()
        left = ((here["departed"] <= now) & (here["departed"] > recent)).sum()
        check(row, "origin_backlog_2h", scheduled - left)
        ended = rest[(due + six <= now) & (due + six > now - pd.Timedelta("12h"))]
        check(row, "all_given_up_12h", (~(ended["departed"] <= ended["scheduled"] + six)).mean())


def test_the_aircraft_is_followed_from_its_last_departure(events, sample, raw, features):
    planes = raw["planes"].drop_duplicates("tailnum").set_index("tailnum")
    turn, seen = pd.Timedelta("40min"), 0
    for _, row in sample.iterrows():
        rest, own = others(events, row)
        now = own["scheduled"] - LEAD
        assert own["tailnum"] == row["tailnum"]
        mine = same(rest, own, ["tailnum"])
        landed = mine[(mine["arrived"] <= now) & (mine["arrived"] > now - pd.Timedelta("1D"))]
        wanted = dict.fromkeys(features["tail"], np.nan)
        wanted["tail_arrival_delay_1d"] = landed["arr_delay"].clip(-60, 180).mean()
        if row["tailnum"] in planes.index:
            wanted["plane_seats"] = planes.loc[row["tailnum"], "seats"]
            wanted["plane_year"] = planes.loc[row["tailnum"], "year"]
        legs = mine[(mine["departed"] <= now) & (mine["departed"] >= now - pd.Timedelta("10D"))]
        if len(legs):
            seen += 1
            leg = legs.sort_values("departed").iloc[-1]
            block = pd.Timedelta(minutes=leg["block"])
            down = leg["arrived"] <= now
            at_dest = leg["arrived"] if down else max(leg["departed"] + block, now)
            wanted["tail_last_departure_delay"] = leg["dep_delay"]
            wanted["tail_last_arrival_delay"] = leg["arr_delay"] if down else np.nan
            wanted["tail_minutes_since_departure"] = (now - leg["departed"]).total_seconds() / 60
            for name, out in (("turn_slack", at_dest), ("turn_slack_planned", leg["scheduled"] + block)):
                slack = (own["scheduled"] - (out + turn + block + turn)).total_seconds() / 60
                wanted[name] = np.clip(slack, -600, 1440)
        for name, value in wanted.items():
            check(row, name, value)
    assert seen > 25


def test_the_weather_is_the_record_of_the_whole_hour_before(raw, sample):
    weather = raw["weather"].assign(moment=pd.to_datetime(raw["weather"]["time_hour"]))
    found = 0
    for _, row in sample.iterrows():
        now = row["sched_dep_utc"].tz_localize("UTC") - LEAD
        hour = now.floor("h") - pd.Timedelta("1h")
        here = weather[weather["origin"] == row["origin"]].set_index("moment")
        found += hour in here.index
        record = here.loc[hour] if hour in here.index else pd.Series(np.nan, here.columns)
        for name, column in WEATHER.items():
            check(row, name, record[column])
        angle = np.deg2rad(float(record["wind_dir"]))
        calm = record["wind_speed"] == 0
        for name, part in (("wind_from_north", np.cos(angle)), ("wind_from_east", np.sin(angle))):
            assert row[name] == pytest.approx(
                0 if calm else record["wind_speed"] * part, nan_ok=True, abs=0.01
            )
        last = here.loc[hour - pd.Timedelta("2h") : hour]
        check(row, "precipitation_3h", last["precip"].sum(min_count=1))
        check(row, "visibility_min_3h", last["visib"].min())
        earlier = hour - pd.Timedelta("3h")
        before = here.loc[earlier, "pressure"] if earlier in here.index else np.nan
        check(row, "pressure_change_3h", round(record["pressure"] - before, 1))
        metro = weather[weather["moment"] == hour]
        check(row, "metro_visibility_min", metro["visib"].min())
        check(row, "metro_precipitation_max", metro["precip"].max())
    assert found > 30


def test_the_schedule_is_that_of_the_timetable(events, sample):
    for _, row in sample.iterrows():
        rest, own = others(events, row)
        local = row["sched_dep_local"]
        assert local == own["scheduled"].tz_convert("America/New_York").tz_localize(None)
        after = (rest["scheduled"] - own["scheduled"]).dt.total_seconds() / 60
        crowd = {
            "scheduled_origin_30m_around": (["origin"], (after > -30) & (after <= 30)),
            "scheduled_origin_3h_before": (["origin"], (after > -180) & (after <= 0)),
            "scheduled_origin_3h_after": (["origin"], (after > 0) & (after <= 180)),
            "scheduled_all_3h_before": ([], (after > -180) & (after <= 0)),
            "scheduled_origin_carrier_3h_before": (["origin", "carrier"], (after > -180) & (after <= 0)),
        }
        for name, (columns, near) in crowd.items():
            check(row, name, len(same(rest[near], own, columns)))
        check(row, "day_of_week", local.day_of_week)
        check(row, "departure_minute", local.hour * 60 + local.minute)
        check(row, "arrival_minute", own["sched_arr_time"] // 100 * 60 + own["sched_arr_time"] % 100)
        check(row, "block_minutes", own["block"])
        check(row, "distance", own["distance"])
        assert row["block_slack"] == pytest.approx(own["block"] - own["distance"] / 7.5, abs=0.051)
        holidays = USFederalHolidayCalendar().holidays(local.normalize(), local + pd.Timedelta(days=400))
        check(row, "days_to_holiday", min((holidays[0] - local.normalize()).days, 8))


def test_no_feature_is_left_unchecked(features):
    checked = {*WEATHER, "wind_from_north", "wind_from_east", "precipitation_3h", "visibility_min_3h"}
    checked |= {"pressure_change_3h", "metro_visibility_min", "metro_precipitation_max"}
    assert set(features["weather"]) == checked
    others = {name for name in features["live"] if not MEAN.fullmatch(name)}
    waiting = {f"{scope}_overdue" for scope in ("origin", "carrier", "origin_carrier", "all")}
    assert others == waiting | {f"{name}_minutes" for name in waiting} | {
        "origin_backlog_2h",
        "all_given_up_12h",
    }
