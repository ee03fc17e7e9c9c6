"""No flight is described by what came later, nor by what became of itself."""

import numpy as np
import pandas as pd
import pytest

from cairn.datasets.flights.clock import on_one_clock
from cairn.datasets.flights.table import build_table

pytestmark = pytest.mark.slow

OUTCOMES = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"]
MOMENTS = [
    ("2013-01-05 06:30", 120),
    ("2013-02-08 19:00", 120),  # a blizzard: hundreds wait
    ("2013-03-10 09:10", 45),  # hours after the clocks went forward
    ("2013-07-01 23:55", 0),
    ("2013-11-03 05:59", 300),  # hours before they go back
]


def blanked(raw, moment, clock="utc"):
    """The tables as they stood at a moment: no departure, arrival or weather record after it."""
    flights = on_one_clock(raw["flights"], raw["airports"], clock)
    minute = int(moment.tz_convert(None).to_datetime64().astype("datetime64[m]").astype("int64"))
    left, landed = flights["departed"] <= minute, flights["arrived"] <= minute
    flights = raw["flights"].copy()
    flights.loc[~left, ["dep_time", "dep_delay"]] = np.nan
    flights.loc[~landed, ["arr_time", "arr_delay", "air_time"]] = np.nan
    hour_is_over = pd.to_datetime(raw["weather"]["time_hour"], utc=True) + pd.Timedelta("1h") <= moment
    return {**raw, "flights": flights, "weather": raw["weather"][hour_is_over]}


def with_other_outcomes(raw, row, **values):
    flights = raw["flights"].copy()
    flights.loc[row, OUTCOMES] = np.nan
    flights.loc[row, list(values)] = list(values.values())
    return {**raw, "flights": flights}


@pytest.mark.parametrize(("when", "lead"), MOMENTS)
def test_what_is_known_at_a_moment_is_all_that_earlier_predictions_used(when, lead, days, features):
    moment = pd.Timestamp(when, tz="America/New_York").tz_convert("UTC")
    day = pd.date_range(when, periods=1).normalize()
    raw = days(*(str((day + pd.Timedelta(days=away))[0]) for away in (-9, 3)))
    whole, known = build_table(raw, lead, "utc"), build_table(blanked(raw, moment), lead, "utc")
    names = [name for group in features.values() for name in group]
    early = whole["sched_dep_utc"] - pd.Timedelta(minutes=lead) <= moment.tz_convert(None)
    assert early.sum() > 3_000
    pd.testing.assert_frame_equal(whole.loc[early, names], known.loc[early, names], check_exact=True)
    changed = (whole.loc[~early, names].fillna(-999) != known.loc[~early, names].fillna(-999)).any()
    assert changed[features["live"] + features["weather"]].mean() > 0.9, "the test would see a change"
    assert not changed[features["schedule"]].any()


@pytest.mark.parametrize("lead", [0, 30])
def test_a_flight_never_sees_itself(days, features, lead):
    raw = days("2013-06-10", "2013-06-13")
    names = [name for group in features.values() for name in group]
    before = build_table(raw, lead, "utc")
    key = ["sched_dep_local", "carrier", "flight", "origin"]
    flights = raw["flights"]
    left_early = flights.index[(flights["dep_delay"] < 0) & (flights["day"] == 12)]
    for row in np.random.default_rng(lead).choice(left_early, 8, replace=False):
        own = flights.loc[row]
        moment = pd.Timestamp(own["year"], own["month"], own["day"], own["hour"], own["minute"])
        at = before.index[
            (before[key] == [moment, own["carrier"], own["flight"], own["origin"]]).all(axis=1)
        ].item()
        for outcome in (
            {"dep_delay": -45.0, "arr_delay": -80.0, "air_time": 20.0},
            {"dep_delay": 300.0, "arr_delay": 310.0, "air_time": 90.0},
            {},
        ):
            after = build_table(with_other_outcomes(raw, row, **outcome), lead, "utc")
            pd.testing.assert_series_equal(before.loc[at, names], after.loc[at, names], check_exact=True)
            assert not before[names].equals(after[names]), "others see the change"


def test_a_missing_tail_number_changes_the_columns_of_the_tail_and_no_other(days, features):
    raw = days("2013-06-01", "2013-06-13")
    some = np.random.default_rng(1).random(len(raw["flights"])) < 0.3
    flights = raw["flights"].assign(tailnum=raw["flights"]["tailnum"].where(~some))
    with_tails, without = build_table(raw, 120, "utc"), build_table({**raw, "flights": flights}, 120, "utc")
    assert sorted(name for name in with_tails if not with_tails[name].equals(without[name])) == sorted(
        [*features["tail"], "tailnum"]
    )
    assert without.loc[without["tailnum"].isna(), features["tail"]].isna().all(axis=None)


def test_only_cancelled_flights_lack_a_tail_number(year):
    assert set(year.loc[year["tailnum"].isna(), "outcome"]) == {"cancelled"}


def test_nothing_but_the_tail_group_is_missing_more_often_for_the_cancelled(year, contract):
    completed, cancelled = (year[year["outcome"] == outcome] for outcome in ("completed", "cancelled"))
    always_there = [
        name
        for name, column in contract.columns.items()
        if column.group not in (None, "tail") and not completed[name].isna().any()
    ]
    assert len(always_there) > 20
    assert not cancelled[always_there].isna().any(axis=None)


def test_no_outcome_is_a_feature_and_no_feature_is_an_outcome(contract):
    after = {name for name, column in contract.columns.items() if column.known == "after"}
    assert after == {"outcome", "dep_delay", "arr_delay", "late", "disrupted"}
    assert contract.columns["tailnum"].group is None


def test_no_feature_alone_comes_near_the_answer(year, features):
    completed = year[year["late"].notna()].sample(40_000, random_state=0)
    late = completed["late"].to_numpy(bool)
    for group in features.values():
        for name in group:
            if name in ("carrier", "origin", "dest"):
                continue
            rank = completed[name].rank().fillna(0).to_numpy()
            area = (pd.Series(rank).rank()[late].sum() - late.sum() * (late.sum() + 1) / 2) / (
                late.sum() * (~late).sum()
            )
            assert 0.27 < area < 0.73, name


def test_an_earlier_prediction_uses_an_earlier_hour_of_weather(days, features):
    raw = days("2013-05-06", "2013-05-12")
    early, usual = build_table(raw, 180, "utc"), build_table(raw, 120, "utc")
    assert early[features["schedule"]].equals(usual[features["schedule"]])
    hour = usual["sched_dep_utc"].dt.floor("h")
    records = usual.assign(hour=hour).drop_duplicates(["origin", "hour"]).set_index(["origin", "hour"])
    earlier = pd.MultiIndex.from_arrays([early["origin"], hour - pd.Timedelta("1h")])
    there = earlier.isin(records.index)
    assert there.mean() > 0.8
    np.testing.assert_array_equal(
        early.loc[there, features["weather"]], records.loc[earlier[there], features["weather"]]
    )
    moved = (early[features["live"]].fillna(-999) != usual[features["live"]].fillna(-999)).mean()
    assert moved.median() > 0.5
