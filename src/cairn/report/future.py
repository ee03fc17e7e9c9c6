"""Whether the split let a model learn from the future of the rows that it is scored on."""

from collections.abc import Mapping
from typing import Any


def seen_future(split: Mapping[str, Any]) -> str | None:
    """Say in a sentence that rows of train are later than the first of test; None where none is.

    Args:
        split: metrics/split.json; its parts have dates where the table has a time (data.time).
    """
    train, test = (split["parts"][part] for part in ("train", "test"))
    # Dates in ISO 8601 are in order as texts.
    if split["kind"] == "time" or "until" not in train or train["until"] <= test["from"]:
        return None
    return (
        f"The rows have a time (data.time), but split.kind={split['kind']} ignores it: train reaches until"
        f" {train['until']}, test begins at {test['from']}, so a model has seen the future of the rows it is"
        " scored on and may look far better than it will be on rows to come; set split=time."
    )
