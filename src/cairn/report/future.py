"""Whether the split let a model learn from rows later than those it is scored on."""

from collections.abc import Mapping
from typing import Any


def seen_future(split: Mapping[str, Any]) -> str | None:
    """Say in a sentence that rows of train are later than the first row of test; None if none is.

    Args:
        split: metrics/split.json; its parts have dates where the table has a time (data.time).
    """
    train, test = (split["parts"][part] for part in ("train", "test"))
    # ISO 8601 dates sort as text.
    if split["kind"] == "time" or "until" not in train or train["until"] <= test["from"]:
        return None
    return (
        f"split.kind={split['kind']} ignores data.time: train ends at {train['until']}, after test starts"
        f" at {test['from']}. A model trained on later rows than it is scored on may look much better than it"
        " will be on new rows; set split=time."
    )
