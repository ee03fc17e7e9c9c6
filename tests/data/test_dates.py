"""Dates of new rows are read one by one, by the clock of train; the standard library says what they are."""

from datetime import UTC, datetime, timedelta, timezone

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.data.load import as_trained, unread
from cairn.settings.contract import Column

ZONES = {"": None, "UTC": UTC, "UTC+05:30": timezone(timedelta(hours=5.5))}
MOMENTS = st.builds(
    datetime.replace,
    st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)),
    tzinfo=st.sampled_from([None, UTC, timezone(timedelta(hours=9)), timezone(timedelta(hours=-3.5))]),
)


def by_clock(moment, zone):
    """Return a moment on a clock, or in UTC on none."""
    there = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(zone or UTC)
    return there if zone else there.replace(tzinfo=None)


@given(
    st.lists(st.one_of(st.none(), MOMENTS), min_size=1, max_size=6),
    st.sampled_from(sorted(ZONES)),
    st.sampled_from([str, lambda moment: moment]),
)
def test_every_date_is_on_the_clock_of_train_whatever_the_others_are(moments, zone, written):
    dtype = pd.api.types.pandas_dtype(f"datetime64[us{f', {zone}' if zone else ''}]")
    values = pd.Series([None if one is None else written(one) for one in moments], dtype=object)
    found = as_trained(values, None, dtype)
    assert found.dtype == dtype
    expected = [None if one is None else by_clock(one, ZONES[zone]) for one in moments]
    assert [None if pd.isna(one) else one.to_pydatetime() for one in found] == expected


@pytest.mark.parametrize(
    ("written", "values"),
    [
        (None, ["2024-01-01", "soon"]),
        (None, ["NaT"]),
        (None, [20240101]),
        (None, [["2024-01-01"]]),
        ("%Y%m%d", [20240101, 1.5]),
        ("unix", ["1704067200", "2024-01-01"]),
        ("unix_ms", [True]),
        (None, ["2024-01-01", "99999-01-01"]),
    ],
)
def test_what_is_not_a_date_is_refused(written, values):
    with pytest.raises((ValueError, OverflowError)):
        as_trained(pd.Series(values), written, pd.api.types.pandas_dtype("datetime64[us]"))


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("%d.%m.%Y", ["02.01.2024", pd.Timestamp("2024-01-02"), None]),
        ("%Y%m%d", [20240102, None]),
        ("unix", [1704153600, "1704153600", None]),
        ("unix_ns", ["1704153600000000000"]),
        (None, ["2024-01-02T00:00:00.000000000", "2024-01-02", "2024-01-02T00:00:00Z", "2024-01-02T03+03"]),
    ],
)
def test_every_format_of_the_contract_is_read(written, values):
    found = as_trained(pd.Series(values), written, pd.api.types.pandas_dtype("datetime64[us]"))
    assert set(found.dropna()) == {pd.Timestamp("2024-01-02")} and found.isna().sum() == values.count(None)


@pytest.mark.parametrize(
    ("written", "texts"), [("week", ["2020-W53", "2021-W53", None]), ("quarter", ["2020Q4", "2021Q5", None])]
)
def test_a_period_that_does_not_exist_is_the_only_one_that_is_not_read(written, texts):
    found = unread(pd.Series(texts, dtype=object), Column(kind="datetime", nullable=True, format=written))
    assert list(found) == [False, True, False]  # by ISO 8601, 2020 has 53 weeks and 2021 has 52
