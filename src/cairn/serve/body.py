"""Bodies of requests and responses: JSON to rows, and what is wrong as a status and one line."""

import asyncio
from collections.abc import KeysView, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.responses import Response

from cairn.serve.envelope import DISCONNECTED, Message, Receive
from cairn.serve.fields import Violation

Body = bytes | bytearray
MOST_SHOWN = 100
"""Violations in an error, and characters of a value that is shown."""


@dataclass(frozen=True)
class Limits:
    """The largest request.

    Args:
        rows: rows of one request.
        bytes: length of its body.
        seconds: time that the body may take to arrive.
    """

    rows: int = 1000
    bytes: int = 4_000_000
    seconds: float = 30.0


class RequestError(Exception):
    """A request without an answer: a status of HTTP, one line, and the values that are wrong."""

    def __init__(self, status: int, message: str, violations: list[Violation] | None = None) -> None:
        """Keep what the response says."""
        super().__init__(message)
        self.status, self.message, self.violations = status, message, violations or []

    def body(self) -> dict[str, Any]:
        """Return the body of the response."""
        found: dict[str, Any] = {"error": self.message}
        if self.violations:
            found["violations"] = [
                {"row": violation.row} | as_json(violation) for violation in self.violations[:MOST_SHOWN]
            ]
            found["violation_count"] = len(self.violations)
        return found


def as_json(violation: Violation) -> dict[str, Any]:
    """Return a violation without its row; a long value is cut."""
    return {"column": violation.column, "reason": violation.reason, "value": _shown(violation.value)}


def _shown(value: Any) -> Any:
    if isinstance(value, list | dict):
        value = orjson.dumps(value).decode()
    return value[:MOST_SHOWN] if isinstance(value, str) else value


async def read_body(scope: Message, receive: Receive, limits: Limits) -> bytearray:
    """Return the body of a request.

    Raises:
        RequestError: 408, it does not arrive in time; 413, it is too long; 415, it is compressed; 499, the
            client went away.
    """
    if dict(scope["headers"]).get(b"content-encoding", b"identity") != b"identity":
        raise RequestError(415, "Content-Encoding: a compressed body is not supported")
    body = bytearray()
    first = _arrived(receive)
    if first is None or _add(first, body, limits):
        try:
            async with asyncio.timeout(limits.seconds):
                while _add(await receive(), body, limits):
                    pass
        except TimeoutError:
            raise RequestError(408, f"the body did not arrive in {limits.seconds:g} seconds") from None
    return body


def _arrived(receive: Receive) -> Message | None:
    """Return the first message if it is there: a clock, which waiting needs, costs a tenth of a request."""
    waiting = receive().__await__()
    try:
        next(waiting)
    except StopIteration as found:
        return found.value
    waiting.close()
    return None


def _add(message: Message, body: bytearray, limits: Limits) -> bool:
    """Append a part of the body; return whether there are more."""
    if message["type"] == "http.disconnect":
        raise RequestError(DISCONNECTED, "the client went away")
    body += message.get("body", b"")
    if len(body) > limits.bytes:
        raise RequestError(413, f"the body is longer than {limits.bytes:,} bytes (--max-bytes)")
    return message.get("more_body", False)


def decoded(body: Body) -> Any:
    """Return what JSON of UTF-8 stands for.

    Raises:
        RequestError: 400, it is not JSON; NaN and numbers beyond a float are not.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(400, f"the body is not JSON: {error}") from None


@dataclass(frozen=True)
class Asked:
    """The rows of a request, and whether their predictions are to be explained."""

    rows: list[Mapping[str, Any]]
    explain: bool


def read_rows(
    body: bytes | bytearray, query: Mapping[str, str], columns: KeysView[str], limits: Limits
) -> Asked:
    """Return what is asked: an object of columns, or an object with a list of such as `rows`.

    `explain` stands in the query, or beside `rows`.

    Raises:
        RequestError: 400, not JSON; 413, too many rows; 422, of another shape.
    """
    given = decoded(body)
    if not isinstance(given, dict):
        raise RequestError(422, 'the body is neither an object of columns nor {"rows": [...]}')
    rows = given.get("rows")
    explain: Any = query.get("explain", "false")
    if "rows" in given and "rows" not in columns and not isinstance(rows, list):
        raise RequestError(422, "rows: must be a list of objects of columns")
    if not isinstance(rows, list):
        rows = [given]
    else:
        explain = given.get("explain", explain)
        extra = [str(name)[:MOST_SHOWN] for name in given if name not in ("rows", "explain")]
        if extra:
            raise RequestError(422, f"only explain may stand beside rows, here is: {', '.join(extra[:4])}")
    if isinstance(explain, str):
        explain = {"true": True, "false": False}.get(explain)
    if not isinstance(explain, bool):
        raise RequestError(422, "explain: must be true or false")
    if not rows:
        raise RequestError(422, "rows: is empty")
    if len(rows) > limits.rows:
        raise RequestError(413, f"rows: {len(rows):,} rows, at most {limits.rows:,} are allowed (--max-rows)")
    for at, row in enumerate(rows):
        if not isinstance(row, dict):
            raise RequestError(422, f"rows: row {at} is not an object of columns")
        if columns.isdisjoint(row):
            raise RequestError(
                422, f"row {at} has no column of the model, whose columns are {_some(columns)}"
            )
    return Asked(rows, explain)


def _some(columns: KeysView[str]) -> str:
    first = list(columns)[:4]
    more = len(columns) - len(first)
    return ", ".join(first) + (f" and {more} more" if more > 0 else "")


def as_response(content: Any, status: int = 200) -> Response:
    """Return a response of JSON; a float that is not a number becomes null."""
    return Response(orjson.dumps(content), status, media_type="application/json")
