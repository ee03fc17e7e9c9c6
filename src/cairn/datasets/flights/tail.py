"""The position and the type of the aircraft: everything that needs the tail number.

Only a cancelled flight can lack a tail number, so a missing value here reveals a cancellation. These columns
are safe for completed flights, and excluded where cancelled ones are predicted too.
"""

import numpy as np
import pandas as pd

from cairn.datasets.flights.clock import DAY
from cairn.datasets.flights.event_log import EventLog, codes
from cairn.datasets.flights.live import LONGEST, SHORTEST

TURN = 40
SLACK_FROM, SLACK_TO = -600, 1440
LONG_AGO = 10 * DAY


def tail_features(flights: pd.DataFrame, planes: pd.DataFrame, now: np.ndarray) -> dict[str, np.ndarray]:
    """Return the columns of group `tail`, one value per flight, NaN where the tail number is missing."""
    register = planes.set_index("tailnum")
    return {
        **_last_leg(flights, now),
        "tail_arrival_delay_1d": _arrivals(flights).means(now, DAY)[0],
        "plane_seats": flights["tailnum"].map(register["seats"]).to_numpy("float64"),
        "plane_year": flights["tailnum"].map(register["year"]).to_numpy("float64"),
    }


def _known(flights: pd.DataFrame, column: str) -> np.ndarray:
    return flights[column].where(flights["tailnum"].notna()).to_numpy()


def _arrivals(flights: pd.DataFrame) -> EventLog:
    delay = flights["arr_delay"].clip(SHORTEST, LONGEST).to_numpy()
    return EventLog(codes(flights["tailnum"]), _known(flights, "arrived"), [delay])


def _last_leg(flights: pd.DataFrame, now: np.ndarray) -> dict[str, np.ndarray]:
    """Follow the aircraft's last departure from New York: out, turn, back, turn, ready for this flight.

    The flight back is not in the data; it is assumed to take as long as the flight out was scheduled.
    """
    row = EventLog(codes(flights["tailnum"]), _known(flights, "departed")).latest(now)
    leg = flights.iloc[np.maximum(row, 0)]
    seen = (row >= 0) & (now - leg["departed"].to_numpy() <= LONG_AGO) & flights["tailnum"].notna().to_numpy()
    departed, arrived = leg["departed"].to_numpy(), leg["arrived"].to_numpy()
    scheduled, block = leg["scheduled"].to_numpy(), leg["block"].to_numpy()
    landed = arrived <= now
    at_dest = np.where(landed, arrived, np.fmax(departed + block, now))
    own = flights["scheduled"].to_numpy()
    slack, planned = (own - (out + TURN + block + TURN) for out in (at_dest, scheduled + block))
    columns = {
        "turn_slack": np.clip(slack, SLACK_FROM, SLACK_TO),
        "turn_slack_planned": np.clip(planned, SLACK_FROM, SLACK_TO),
        "tail_last_departure_delay": leg["dep_delay"].to_numpy(),
        "tail_last_arrival_delay": np.where(landed, leg["arr_delay"], np.nan),
        "tail_minutes_since_departure": now - departed,
    }
    return {name: np.where(seen, column, np.nan) for name, column in columns.items()}
