"""Features of the timetable alone, which is published months ahead."""

import numpy as np
import pandas as pd
from pandas.tseries.holiday import USFederalHolidayCalendar

from cairn.datasets.flights.clock import DAY, minutes
from cairn.datasets.flights.event_log import EventLog, codes

MILES_PER_MINUTE = 7.5
FAR_FROM_HOLIDAY = 8
# Name, columns that a flight shares with those counted, minutes before and after it.
CROWDS = (
    ("scheduled_origin_30m_around", ("origin",), 30, 30),
    ("scheduled_origin_3h_before", ("origin",), 180, 0),
    ("scheduled_origin_3h_after", ("origin",), 0, 180),
    ("scheduled_all_3h_before", (), 180, 0),
    ("scheduled_origin_carrier_3h_before", ("origin", "carrier"), 180, 0),
)


def schedule_features(flights: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the columns of group `schedule`, except carrier, origin and dest, one value per flight."""
    local, block = flights["local"].to_numpy(), flights["block"].to_numpy()
    distance = flights["distance"].to_numpy()
    return {
        "day_of_week": (local // DAY + 3) % 7,
        "departure_minute": local % DAY,
        "arrival_minute": flights["arrival_clock"].to_numpy() % DAY,
        "block_minutes": block,
        "distance": distance,
        "block_slack": np.round(block - distance / MILES_PER_MINUTE, 1),
        "days_to_holiday": days_to_holiday(local // DAY),
        **{name: _crowd(flights, list(by), before, after) for name, by, before, after in CROWDS},
    }


def days_to_holiday(day: np.ndarray) -> np.ndarray:
    """Return the days to the next federal holiday of the US (0: today), 8 if more than a week.

    `day` counts days since 1970 on New York's calendar.
    """
    first, last = pd.Timestamp(int(day.min()), unit="D"), pd.Timestamp(int(day.max()), unit="D")
    listed = USFederalHolidayCalendar().holidays(first, last + pd.DateOffset(years=1))
    holidays = minutes(pd.DatetimeIndex(listed)) // DAY
    return np.minimum(holidays[np.searchsorted(holidays, day)] - day, FAR_FROM_HOLIDAY)


def _crowd(flights: pd.DataFrame, by: list[str], before: int, after: int) -> np.ndarray:
    """Count the other flights scheduled in (scheduled - before, scheduled + after]."""
    scheduled = flights["scheduled"].to_numpy()
    key = codes(*(flights[column] for column in by)) if by else np.zeros(len(flights), "int64")
    return EventLog(key, scheduled.astype("float64")).window(scheduled + after, before + after)[0]
