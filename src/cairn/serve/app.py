"""The HTTP service: one application that predicts rows, describes itself, and says how it is."""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import AsyncGenerator, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from cairn.errors import UserError
from cairn.report.service.page import form_page
from cairn.serve.body import RequestError, as_response
from cairn.serve.description import describe, fields_of
from cairn.serve.envelope import Envelope, Message, Receive, Send
from cairn.serve.inference import protocol
from cairn.serve.predict import Predict
from cairn.serve.schema import operation, schemas
from cairn.serve.served_model import ServedModel
from cairn.serve.service import Options, Service

TITLE = "cairn"


def create_app(
    options: Options, stop: Callable[[], None] = lambda: None, *, loaded_first: bool = False
) -> FastAPI:
    """Return the application; its model is loaded when it starts.

    Args:
        options: of the user.
        stop: ends the server when the first model cannot be loaded.
        loaded_first: whether no request is taken before the model is loaded.

    Raises:
        UserError: the environment variable of the API key is not set.
    """
    service = Service(options, stop)
    around = {"telemetry": service.telemetry, "key": api_key(options.api_key_env)}
    app = _Application(title=TITLE, lifespan=_lifespan, docs_url=None, redoc_url=None)
    app.predict = Envelope(Predict(service), **around)
    app.state.service, app.state.loaded_first = service, loaded_first
    app.add_middleware(Envelope, **around)
    app.add_exception_handler(RequestError, _bad_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.openapi = lambda: _openapi(app)
    _routes(app, service)
    app.include_router(protocol(service))
    return app


class _Application(FastAPI):
    """FastAPI for all paths but the path of Predict, whose requests would take a third longer with it."""

    predict: Envelope

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        direct = scope["type"] == "http" and scope["path"] == Predict.path
        await (self.predict if direct else super().__call__)(scope, receive, send)


def api_key(name: str | None) -> str | None:
    """Return the key in an environment variable.

    Raises:
        UserError: the variable is not set, or empty.
    """
    if name is None:
        return None
    if not os.environ.get(name):
        raise UserError(f"--api-key-env: the environment variable {name} is not set, or empty")
    return os.environ[name].strip()


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None]:
    service: Service = app.state.service
    loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    def load() -> asyncio.Task[None]:
        task = loop.create_task(service.load())
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    if hasattr(signal, "SIGHUP") and threading.current_thread() is threading.main_thread():
        loop.add_signal_handler(signal.SIGHUP, load)
    loading = load()
    if app.state.loaded_first:
        await loading
    if service.options.follow is not None:
        tasks.add(loop.create_task(service.follow(service.options.follow)))
    yield
    for task in tasks:
        task.cancel()
    await service.close()


def _routes(app: FastAPI, service: Service) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        model = service.current()
        return HTMLResponse(form_page(model.about(), fields_of(model)))

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        model, paths = service.current(), app.openapi()["paths"]
        address, key = str(request.base_url), service.options.api_key_env
        return HTMLResponse(await asyncio.to_thread(describe, model, paths, address, key))

    @app.get("/model", summary="The model and how it was made", tags=["about"])
    async def about() -> Response:
        return as_response(service.current().about())

    @app.get("/example", summary="A row that works", tags=["predict"])
    async def example() -> Response:
        return as_response(service.current().example)

    @app.get("/health", summary="Whether the process answers", tags=["state"])
    async def health() -> Response:
        return as_response({"status": "alive"})

    @app.get(
        "/ready", summary="Whether a model is loaded and has predicted its reference rows", tags=["state"]
    )
    async def ready() -> Response:
        return as_response({"status": "ready", "version": service.current().version})

    @app.get("/metrics", summary="Metrics for Prometheus", tags=["state"])
    async def metrics() -> Response:
        return Response(service.telemetry.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _bad_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return as_response(error.body(), error.status)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = as_response({"error": str(error.detail).lower()}, error.status_code)
    response.headers.update(error.headers or {})
    return response


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Return the schema of the current model."""
    model: ServedModel | None = app.state.service.model
    found = get_openapi(title=TITLE, version="1", routes=app.routes)
    if model is None:
        return found
    found["info"] = {
        "title": model.name,
        "version": model.version,
        "description": f"Predicts `{model.package.target}`. The columns of a row are described under *Row*.",
    }
    found["paths"] = {"/predict": {"post": operation(model)}} | found["paths"]
    found.setdefault("components", {}).setdefault("schemas", {}).update(schemas(model))
    return found
