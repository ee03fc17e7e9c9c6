"""Daily courses: another clock is found, a feed that is on time is not, whatever the weather of the day."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.monitor.courses import harmonics_of, learn_courses, measure_courses, turned
from cairn.monitor.windows import halves_of, length_of, windows_of
from cairn.settings.contract import Column, Contract

CONTRACT = Contract(
    columns={name: Column(kind="numeric", group="sensor", nullable=True) for name in ("warm", "damp", "odd")}
    | {"k": Column(kind="categorical", group="sensor"), "id": Column(kind="numeric")}
)
DAYS, PER_HOUR = 60, 4
WAVES = st.lists(st.floats(-9, 9), min_size=4, max_size=4)


def hours(days=DAYS):
    return pd.Series(pd.date_range("2024-01-01", periods=days * 24 * PER_HOUR, freq="15min"))


def readings(late=0, days=DAYS, seed=0):
    """Two columns with a course of their own and the level and slope of the day, and one of noise."""
    rng = np.random.default_rng(seed)
    time = hours(days)
    hour = time.dt.hour + time.dt.minute / 60
    day = (time.dt.day_of_year - 1).to_numpy()
    front = rng.normal(size=days)[day] * 6 * (hour - 12) / 12 + rng.normal(size=days)[day] * 8
    turn = 2 * np.pi * (hour - late) / 24
    return pd.DataFrame(
        {
            "warm": 60 - 7 * np.cos(turn - 0.6) + front,
            "damp": 70 + 15 * np.cos(turn) - front + 3 * np.cos(2 * turn),
            "odd": rng.normal(size=len(time)),
            "k": "a",
        }
    )


def clock(frame, time):
    length = length_of("1D")
    courses = learn_courses(readings(), windows_of(hours(), len(hours()), length), CONTRACT)
    return measure_courses(courses, frame, windows_of(time, len(time), length), None)["sensor"]


@settings(max_examples=20, deadline=None)
@given(WAVES, st.integers(-12, 12))
def test_a_course_that_comes_later_has_turned_harmonics(parts, late):
    def wave(at):
        first, second = 2 * np.pi * at / 24, 4 * np.pi * at / 24
        return (
            parts[0] * np.cos(first)
            + parts[1] * np.sin(first)
            + parts[2] * np.cos(second)
            + parts[3] * np.sin(second)
        )

    time = pd.Series(pd.date_range("2024-01-01", periods=24, freq="h"))
    windows = windows_of(time, 24, length_of("1D"))
    # Harmonics are shrunk a little towards 0, all by the same share on a whole day.
    found = [harmonics_of(pd.Series(wave(windows.hours + 0.5 - by)), windows)[0] for by in (0, late)]
    np.testing.assert_allclose(turned(found[0][None], late)[0], found[1], atol=1e-9)
    np.testing.assert_allclose(found[0], np.array(parts) / 1.01, atol=1e-9)


def test_a_feed_that_is_late_fits_another_clock_and_one_on_time_does_not():
    time = hours(8)
    usual, late = (clock(readings(by, 8, seed=1), time) for by in (0, 5))
    assert usual.max() < 10 and late[1:].min() > 50


def test_windows_of_the_reference_are_judged_by_the_other_half():
    frame, time = readings(), hours()
    windows = windows_of(time, len(time), length_of("1D"))
    courses = learn_courses(frame, windows, CONTRACT)
    found = measure_courses(courses, frame, windows, halves_of(len(windows)))["sensor"]
    assert len(found) == DAYS and found.max() < 15


def test_a_window_with_few_hours_is_not_judged_and_missing_values_are_no_evidence():
    time = hours(4)
    frame = readings(0, 4, seed=1)
    frame.loc[24 * PER_HOUR :, "warm"] = np.nan
    assert clock(frame, time).max() < 10
    assert np.isnan(clock(frame[time.dt.hour < 11], time[time.dt.hour < 11])).all()


@pytest.mark.parametrize("length", ["6h", "1D"])
def test_there_is_no_course_without_a_time_or_without_whole_days(length):
    frame, time = readings(), hours()
    if length == "1D":
        assert learn_courses(frame, windows_of(None, len(frame), length_of("96rows")), CONTRACT) == {}
        assert learn_courses(frame, windows_of(time[: 96 * 13], 96 * 13, length_of(length)), CONTRACT) == {}
    else:
        assert learn_courses(frame, windows_of(time, len(frame), length_of(length)), CONTRACT) == {}
