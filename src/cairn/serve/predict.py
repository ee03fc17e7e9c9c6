"""POST /predict, answered without FastAPI."""

from typing import Any
from urllib.parse import parse_qsl

from cairn.serve.body import RequestError, read_body, read_rows
from cairn.serve.envelope import Message, Receive, Send, respond
from cairn.serve.explained import stop_unless_possible
from cairn.serve.service import Service, answer


class Predict:
    """An application of ASGI that answers one path."""

    path = "/predict"

    def __init__(self, service: Service) -> None:
        """Take what predicts."""
        self.service = service

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope["route"] = self  # the label of the metrics
        if scope["method"] != "POST":
            await respond(send, 405, {"error": "method not allowed"}, ((b"allow", b"POST"),))
            return
        try:
            found = await self._answer(scope, receive)
        except RequestError as error:
            await respond(send, error.status, error.body())
        else:
            await respond(send, 200, found)

    async def _answer(self, scope: Message, receive: Receive) -> dict[str, Any]:
        service, state = self.service, scope["state"]
        model, limits = service.current(), service.options.limits
        body = await read_body(scope, receive, limits)
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"))) if scope["query_string"] else {}
        asked = read_rows(body, query, model.fields.keys(), limits)
        rows = asked.rows
        if asked.explain:
            stop_unless_possible(model.predictor, len(rows))
        answered = await service.predict(model, rows, state["request_id"])
        state["fields"] = {"rows": len(rows), "version": model.version}
        found = answer(model, rows, answered)
        if asked.explain:
            explained = await service.explain(model, rows, answered)
            for prediction, contributions in zip(found["predictions"], explained, strict=True):
                prediction["contributions"] = contributions
        return found
