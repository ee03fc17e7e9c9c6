"""A real server on a free port, in a thread or as `cairn serve`, and a client that sends any bytes."""

import contextlib
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, replace
from functools import cache

import uvicorn
from repository import ROOT
from synthetic import fit, rows

from cairn.models.package import reference_rows, save
from cairn.serve.app import create_app
from cairn.serve.served_model import plain_rows
from cairn.serve.service import Options

PRICES = {"kind": "cost", "currency": "USD", "action": 100.0, "loss": 1000.0, "share_saved": 0.4}
GOOD = {"load": 0.5, "noise": 1, "night": True, "línea": "Ω", "stop": "s1"}
PATIENCE = 180


@cache
def package(name="hist_gbdt", task="binary", **params):
    made = fit(name, task, **params)
    config = made.config | {"kpi": PRICES if task == "binary" else {"kind": "none"}}
    return replace(made, config=config, reference=reference_rows(made, rows(600, seed=1)))


def saved(folder, *args, **params):
    """Save a small model below the folder and return its path."""
    save(package(*args, **params), folder / "model")
    return str(folder / "model")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict
    content: bytes

    @property
    def json(self):
        return json.loads(self.content)


@dataclass(frozen=True)
class Client:
    port: int

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.ask("GET", path, headers=headers)

    def post(self, path, content, **headers):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.ask("POST", path, body, headers)

    def predict(self, content, **headers):
        return self.post("/predict", content, **headers)

    def raw(self, sent, seconds=5):
        """Send bytes as they are; return what comes back until the server closes, or nothing more comes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
            connection.sendall(sent)
            connection.settimeout(seconds)
            found = b""
            with contextlib.suppress(TimeoutError, ConnectionError):
                while part := connection.recv(65536):
                    found += part
                    if b"content-length: 0" in found or b"}" in found[-2:]:
                        break
            return found

    def wait_until_ready(self, seconds=PATIENCE):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                if self.get("/ready").status == 200:
                    return self
            time.sleep(0.05)
        raise AssertionError("not ready")


@contextlib.contextmanager
def in_thread(model, **options):
    """A server in a thread of this process, and its application."""
    app = create_app(Options(model, **options))
    config = uvicorn.Config(app, log_config=None, access_log=False, port=0, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + PATIENCE
    while not server.started and time.monotonic() < end:
        time.sleep(0.01)
    client = Client(server.servers[0].sockets[0].getsockname()[1])
    try:
        yield client.wait_until_ready(), app
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive()


class Process:
    """`cairn serve` in a process; its log is read as it comes."""

    def __init__(self, *args, folder=ROOT, **environment):
        command = [sys.executable, "src/cairn", "serve", "--port", "0", *args]
        self.process = subprocess.Popen(
            command, cwd=folder, stderr=subprocess.PIPE, env=os.environ | environment
        )
        self.lines, self._rest = [], b""

    def until(self, message, seconds=PATIENCE, times=1):
        """Read the log until it has said something; return the last such line."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = [line for line in self.lines if line.get("message") == message]
            if len(found) >= times:
                return found[-1]
            if not self._read(end - time.monotonic()):
                break
        raise AssertionError(f"never said {message}: {self.lines[-5:]}")

    def listen(self, seconds):
        """Read the log for a while; a server whose log nobody reads waits."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._read(end - time.monotonic())

    def _read(self, seconds):
        stream = self.process.stderr.fileno()
        if not select.select([stream], [], [], max(seconds, 0))[0]:
            return False
        part = os.read(stream, 65536)
        *whole, self._rest = (self._rest + part).split(b"\n")
        self.lines += [json.loads(line) if line[:1] == b"{" else {"text": line.decode()} for line in whole]
        return bool(part)

    def client(self):
        return Client(self.until("listening")["port"])

    def send(self, number):
        self.process.send_signal(number)

    def wait(self):
        """Return the exit code, with all that was logged read."""
        end = time.monotonic() + PATIENCE
        while self._read(end - time.monotonic()):
            pass
        return self.process.wait(PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stderr.close()


def join(process, threads):
    """Wait for threads; meanwhile read the log, for which the server would wait."""
    while any(thread.is_alive() for thread in threads):
        process.listen(0.1)


def examples(name="hist_gbdt", task="binary", count=20):
    """Rows of the source as JSON has them, and what the model scores them."""
    from cairn.serve.predictor import Predictor

    model = package(name, task)
    table = rows(count, seed=7)
    return plain_rows(table, Predictor(model).fields), model.scores(table)
