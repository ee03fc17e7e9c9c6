"""Windows over past events, against a count by hand that looks at every pair of rows."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from cairn.datasets.flights.event_log import EventLog, codes, ratio

START = 22_600_000
minute = st.integers(START, START + 60)
event = st.tuples(st.integers(0, 2), minute, st.none() | minute, st.integers(-100, 100))
events = st.lists(event, min_size=1, max_size=25)


def arrays(rows):
    key, now, time, value = zip(*rows, strict=True)
    return (
        np.array(key),
        np.array(now),
        np.array([np.nan if moment is None else moment for moment in time], "float64"),
        np.array(value),
    )


def seen_by(row, rows, width):
    """The other rows whose event is of the same key and in (now - width, now], by looking at each."""
    key, now, _, _ = rows[row]
    return [
        other
        for other, (its_key, _, time, _) in enumerate(rows)
        if other != row and its_key == key and time is not None and now - width < time <= now
    ]


@given(rows=events, width=st.integers(1, 70))
def test_counts_and_sums_are_those_of_looking_at_every_pair(rows, width):
    key, now, time, value = arrays(rows)
    count, total = EventLog(key, time, [value]).window(now, width)
    wanted = [seen_by(row, rows, width) for row in range(len(rows))]
    assert count.tolist() == [len(others) for others in wanted]
    assert total.tolist() == [sum(rows[other][3] for other in others) for others in wanted]


@given(rows=events)
def test_without_a_width_a_window_reaches_back_to_the_beginning(rows):
    key, now, time, value = arrays(rows)
    log = EventLog(key, time, [value])
    for endless, long in zip(log.window(now, None), log.window(now, 1_000), strict=True):
        assert endless.tolist() == long.tolist()


@given(rows=events, width=st.integers(1, 70))
def test_means_are_missing_exactly_where_nothing_happened(rows, width):
    key, now, time, value = arrays(rows)
    (mean,) = EventLog(key, time, [value]).means(now, width)
    for row in range(len(rows)):
        others = seen_by(row, rows, width)
        if others:
            assert abs(mean[row] - np.mean([rows[other][3] for other in others])) <= 5.1e-4
        else:
            assert np.isnan(mean[row])


@given(rows=events)
def test_the_latest_event_is_one_of_the_last_minute_and_never_the_rows_own(rows):
    key, now, time, _ = arrays(rows)
    for row, found in enumerate(EventLog(key, time).latest(now)):
        others = seen_by(row, rows, 1_000)
        if not others:
            assert found == -1
        else:
            assert found in others
            assert rows[found][2] == max(rows[other][2] for other in others)


@given(rows=events, later=events, width=st.integers(1, 70))
def test_what_happens_later_changes_nothing(rows, later, width):
    after = [(key, now, None if time is None else time + 61, value) for key, now, time, value in later]
    key, now, time, value = arrays([*rows, *after])
    (mean,) = EventLog(key, time, [value]).means(now, width)
    key, now, time, value = arrays(rows)
    (alone,) = EventLog(key, time, [value]).means(now, width)
    np.testing.assert_array_equal(mean[: len(rows)], alone)


def test_codes_number_combinations_and_tell_a_missing_value_from_the_others():
    numbers = codes(pd.Series(["a", "a", None, "b", None]), pd.Series([1, 2, 1, 1, 1]))
    assert numbers.tolist() == [0, 1, 2, 3, 2]


def test_a_share_of_nothing_is_missing_and_no_warning_is_raised():
    np.testing.assert_array_equal(ratio(np.array([1, 0, 2]), np.array([3, 0, 2])), [0.333, np.nan, 1.0])
