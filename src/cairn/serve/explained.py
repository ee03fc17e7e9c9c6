"""Contributions to the predictions of a request: whether they are available, and as JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from cairn.models.contributions import Contributions
from cairn.serve.body import RequestError
from cairn.serve.predictor import Predictor

MOST_ROWS = 20
"""Rows that are explained in one request; each needs thousands of predictions."""
SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "if explained: baseline and groups add up to the prediction; so do baseline and columns",
    "required": ["output", "baseline", "groups", "columns"],
    "properties": {
        "output": {"type": "string", "description": "the explained key of the prediction"},
        "baseline": {"type": "number", "description": "mean prediction of reference rows of validation"},
        "groups": {"type": "object", "additionalProperties": {"type": "number"}},
        "columns": {"type": "object", "additionalProperties": {"type": "number"}},
    },
}


def availability(predictor: Predictor) -> str:
    """Return `available`, or `not available` and why."""
    return "available" if predictor.arrays else f"not available: {predictor.plain_because}"


def stop_unless_possible(predictor: Predictor, rows: int) -> None:
    """Check a request before it is predicted.

    Raises:
        RequestError: 422, too many rows, or the model has no form that explains.
    """
    if rows > MOST_ROWS:
        raise RequestError(422, f"explain: {rows:,} rows, at most {MOST_ROWS} are explained in one request")
    if predictor.arrays is None:
        raise RequestError(422, f"explain: {availability(predictor)}")


def as_json(found: Contributions, columns: Mapping[str, Sequence[Any]], task: str) -> list[dict[str, Any]]:
    """Return the contributions by row.

    Args:
        found: of the rows.
        columns: of their predictions, see cairn.serve.outcomes.
        task: of the model.
    """
    each = {name: values for group in found.columns.values() for name, values in group.items()}
    return [
        {
            "output": _output(task, columns, at),
            "baseline": float(base),
            "groups": {name: float(values[at]) for name, values in found.groups.items()},
            "columns": {name: float(values[at]) for name, values in each.items()},
        }
        for at, base in enumerate(found.base)
    ]


def _output(task: str, columns: Mapping[str, Sequence[Any]], at: int) -> str:
    if task == "multiclass":
        return f"probability_{columns['prediction'][at]}"
    return "probability" if task == "binary" else "prediction"
