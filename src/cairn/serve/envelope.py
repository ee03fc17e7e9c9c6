"""What surrounds every request: its id, the API key, the clock, one line of the log, and no traceback."""

import base64
import binascii
import hmac
import logging
import re
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson

from cairn.serve.telemetry import Telemetry, json_line

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

OPEN = frozenset({"/health", "/ready", "/v2/health/live", "/v2/health/ready"})
"""Paths that need no key: an orchestrator asks for them."""
PROBES = OPEN | {"/metrics"}
"""Paths that are asked for every few seconds: no line of the log for each."""
ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
DISCONNECTED = 499
MESSAGE = "request"
log = logging.getLogger("cairn.serve.request")


class Envelope:
    """Middleware of ASGI around the whole application."""

    def __init__(self, app: App, telemetry: Telemetry, key: str | None) -> None:
        """Take the application, where to count, and the key that requests must have."""
        self.app, self.telemetry = app, telemetry
        self._key = None if key is None else key.encode()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, headers = time.perf_counter(), dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given.decode() if ID.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        failed = None
        try:
            if self._key is not None and scope["path"] not in OPEN and not self._allowed(headers):
                await respond(answer, 401, {"error": "the API key is missing or wrong"}, ASK_FOR_KEY)
            else:
                await self.app(scope, receive, answer)
        except Exception as error:
            failed = error
            if not status:
                said = f"internal error; the log has more under {request_id}"
                await respond(answer, 500, {"error": said})
        self._note(scope, status or DISCONNECTED, time.perf_counter() - start, failed)

    def _note(self, scope: Message, status: int, seconds: float, failed: Exception | None) -> None:
        path = getattr(scope.get("route"), "path", "other")
        self.telemetry.latency(path, str(status)).observe(seconds)
        fields = {
            "request_id": scope["state"]["request_id"],
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "ms": round(1000 * seconds, 3),
        } | scope["state"].get("fields", {})
        if failed or scope["path"] in PROBES:
            level = logging.ERROR if failed else logging.DEBUG
            log.log(level, MESSAGE, extra={"fields": fields}, exc_info=failed)
        elif log.isEnabledFor(logging.INFO):  # a record of logging would take a tenth of the request's time
            sys.stderr.write(json_line(time.time(), "info", log.name, MESSAGE, fields) + "\n")

    def _allowed(self, headers: dict[bytes, bytes]) -> bool:
        """Compare the key in X-API-Key, or in Authorization: a bearer token, or a browser's password."""
        assert self._key is not None
        given = headers.get(b"x-api-key")
        if given is None:
            kind, _, value = headers.get(b"authorization", b"").partition(b" ")
            given = _password(value) if kind.lower() == b"basic" else value
        return hmac.compare_digest(given.strip(), self._key)


ASK_FOR_KEY = ((b"www-authenticate", b'Basic realm="cairn", charset="UTF-8"'),)


def _password(value: bytes) -> bytes:
    try:
        return base64.b64decode(value, validate=True).partition(b":")[2]
    except binascii.Error:
        return b""


async def respond(
    send: Send, status: int, content: Any, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    """Send a response of JSON; a float that is not a number becomes null."""
    body = orjson.dumps(content)
    start = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})
