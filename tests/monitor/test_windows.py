"""Windows: every row is in one, in the order of time."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.errors import UserError
from cairn.monitor.windows import length_of, windows_of


@pytest.mark.parametrize(
    ("text", "shown"), [("1D", "1D"), ("36h", "36h"), ("6h", "6h"), ("500 rows", "500rows")]
)
def test_a_length_is_hours_days_or_rows(text, shown):
    assert str(length_of(text)) == shown


@pytest.mark.parametrize("text", ["", "0D", "-1D", "0rows", "rows", "NaT", "soon"])
def test_another_length_is_refused_in_one_line(text):
    with pytest.raises(UserError, match=r"--window: .* is not a length"):
        length_of(text)


MOMENTS = st.lists(
    st.datetimes(pd.Timestamp("1950-01-01"), pd.Timestamp("2100-01-01")), min_size=1, max_size=50
)


@given(MOMENTS, st.sampled_from(["1D", "6h", "7D"]))
def test_windows_of_time_are_those_of_pandas(moments, text):
    time = pd.Series(moments, dtype="datetime64[us]")
    found = windows_of(time, len(time), length_of(text))
    expected = time.dt.floor("D" if text == "7D" else text.replace("1D", "D"))
    if text != "7D":
        assert found.starts.take(found.of_row).tolist() == expected.tolist()
    assert found.starts.is_monotonic_increasing and found.rows.sum() == len(time)
    inside = time - found.starts.take(found.of_row)
    assert ((inside >= pd.Timedelta(0)) & (inside < pd.Timedelta(text))).all()
    assert ((found.ends >= 0) & (found.ends < 1)).all()


@given(MOMENTS, st.integers(1, 20))
def test_windows_of_rows_are_full_but_the_last_one(moments, size):
    time = pd.Series(moments, dtype="datetime64[us]")
    found = windows_of(time, len(time), length_of(f"{size}rows"))
    assert (found.rows[:-1] == size).all() and 1 <= found.rows[-1] <= size
    latest = time.groupby(found.of_row).max()
    assert (latest.to_numpy()[:-1] <= time.groupby(found.of_row).min().to_numpy()[1:]).all()


def test_moments_with_an_offset_are_in_utc():
    time = pd.Series(pd.to_datetime(["2024-01-01 23:30"]).tz_localize("America/New_York"))
    assert windows_of(time, 1, length_of("1D")).names == ["2024-01-02"]


def test_rows_without_a_time_need_a_number_of_rows():
    assert windows_of(None, 5, length_of("2rows")).names == ["row 0", "row 2", "row 4"]
    with pytest.raises(UserError, match="1000rows"):
        windows_of(None, 5, length_of("1D"))
    with pytest.raises(UserError, match="no rows"):
        windows_of(None, 0, length_of("2rows"))


def test_rows_within_windows_are_found():
    time = pd.Series(pd.to_datetime(["2024-01-03", "2024-01-01", "2024-01-02", "2024-01-01"]))
    found = windows_of(time, 4, length_of("1D"))
    assert found.within(0, 1).tolist() == [1, 2, 3]
    assert found.months.tolist() == [1, 1, 1]
    np.testing.assert_array_equal(found.rows, [2, 1, 1])
