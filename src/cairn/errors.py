"""The error a user can fix, and the nearest name to what they typed."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """An error the user can fix; the message is one or more lines, each printed unchanged."""


def did_you_mean(name: object, names: Iterable[str]) -> str:
    """Return `; did you mean 'X'?` for the name most like the given one, or an empty string."""
    by_case = {known.lower(): known for known in names}
    near = difflib.get_close_matches(str(name).lower(), by_case, n=1, cutoff=0.5)
    return f"; did you mean '{by_case[near[0]]}'?" if near else ""
