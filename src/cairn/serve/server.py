"""Run the service with uvicorn: one process, or several workers behind one socket."""

import json
import logging
import os
import signal
import socket
import tempfile
from dataclasses import asdict
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from cairn.errors import UserError
from cairn.serve.app import api_key, create_app
from cairn.serve.body import Limits
from cairn.serve.model import stop_without_model
from cairn.serve.served_model import load_model
from cairn.serve.service import Options
from cairn.serve.telemetry import SHARED, log_json_lines

SETTINGS = "CAIRN_SERVE"
"""The environment variable in which a worker finds the options."""
PATIENCE = 30
"""Seconds that requests in progress get when the server stops."""
log = logging.getLogger("cairn.serve")


def serve(options: Options, host: str, port: int, workers: int) -> None:
    """Answer requests until SIGTERM or Ctrl-C; requests in progress are finished.

    Raises:
        UserError: the model cannot be loaded, or the address cannot be used.
    """
    log_json_lines()
    api_key(options.api_key_env)
    with _bound(host, port) as listening:
        stop_without_model(options.model, Path())
        if workers > 1:  # a model that cannot be loaded would restart every worker for ever
            load_model(options.model, options.policy, options.trust)
        address = listening.getsockname()
        log.info("listening", extra={"fields": {"host": address[0], "port": address[1], "workers": workers}})
        if workers == 1:
            _serve_alone(options, listening)
        else:
            _serve_with_workers(options, listening, workers)


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.set_inheritable(True)
    except (OSError, OverflowError) as error:
        raise UserError(f"--host, --port: cannot listen on {host}:{port}: {error}") from error
    return found


def _config(app: FastAPI | str, workers: int = 1) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=PATIENCE,
        timeout_worker_healthcheck=60,
        ws="none",
    )


def _serve_alone(options: Options, listening: socket.socket) -> None:
    def stop() -> None:
        server.should_exit = True

    app = create_app(options, stop)
    server = uvicorn.Server(_config(app))
    # Once uvicorn has stopped it raises SIGTERM again, which would end a clean stop with an error code.
    signal.signal(signal.SIGTERM, lambda *_: None)
    server.run(sockets=[listening])
    if failure := app.state.service.failure:
        raise UserError(failure)


class _Workers(Multiprocess):
    """Several workers, which all load the model again on SIGHUP instead of being restarted."""

    def handle_hup(self) -> None:
        for process in self.processes:
            if process.pid is not None:
                os.kill(process.pid, signal.SIGHUP)


def _serve_with_workers(options: Options, listening: socket.socket, workers: int) -> None:
    with tempfile.TemporaryDirectory(prefix="cairn-metrics-") as shared:
        os.environ |= {SETTINGS: json.dumps(asdict(options)), SHARED: shared}
        config = _config("cairn.serve.server:worker", workers)
        _Workers(config, [listening]).run()


def worker() -> FastAPI:
    """Return the application of one worker."""
    log_json_lines()
    options = json.loads(os.environ[SETTINGS])
    options |= {"limits": Limits(**options["limits"]), "trust": tuple(options["trust"])}
    # A worker without a model ends, and is started again; the others answer until it has one.
    return create_app(Options(**options), lambda: signal.raise_signal(signal.SIGTERM), loaded_first=True)
