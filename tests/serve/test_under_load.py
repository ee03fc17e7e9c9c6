"""Under load no answer is wrong, and what is lost with a process is answered when it is sent again."""

import http.client
import itertools
import os
import signal
import threading

import pytest
from http_service import GOOD, Process, examples, join, saved
from test_serve_command import workers_of

pytestmark = pytest.mark.slow
THREADS = 4
ROWS, SCORES = examples(count=40)


class Clients:
    """Threads that ask for one row after the other; a request whose connection breaks is sent again."""

    def __init__(self, process, client):
        self.process, self.client, self.answers, self.broken = process, client, [], 0
        self._stop, self._places = threading.Event(), itertools.cycle(range(len(ROWS)))
        self._threads = [threading.Thread(target=self._run) for _ in range(THREADS)]

    def _run(self):
        while not self._stop.is_set():
            at = next(self._places)
            self.answers.append((at, self._ask(at)))

    def _ask(self, at):
        for _ in range(5):
            try:
                return self.client.predict(ROWS[at])
            except (OSError, http.client.HTTPException):
                self.broken += 1
        return None

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        join(self.process, self._threads)

    def check(self):
        """Every request was answered, with the prediction of its own row."""
        assert len(self.answers) > len(ROWS)
        assert {answer.status if answer else "lost" for _, answer in self.answers} == {200}
        for at, answer in self.answers:
            assert answer.json["predictions"][0]["probability"] == SCORES[at]


def test_workers_that_are_killed_lose_only_the_requests_they_hold(tmp_path):
    with Process("--model", saved(tmp_path), "--workers", "2") as process:
        client = process.client()
        process.until("model loaded", times=2)
        with Clients(process, client) as clients:
            for kills in (1, 2):
                process.listen(1)
                os.kill(workers_of(process.process.pid)[0], signal.SIGKILL)
                process.until("model loaded", times=2 + kills)
            process.listen(1)
        process.send(signal.SIGTERM)
        assert process.wait() == 0
    clients.check()
    assert clients.broken <= kills * THREADS


INVALID = [
    (b"{", 400),
    (b"[" * 50_000, 400),
    (b'{"load": NaN}', 400),
    (b'{"rows": []}', 422),
    (b'{"rows": [{"load": 1}], "more": 1}', 422),
    (b'{"rows": [' + b'{"load": "x"},' * 1000 + b'{"load": 1}]}', 413),
    (b" " * 4_000_001, 413),
]
BROKEN = [b"\0" * 1000, b"POST /predict HTTP/9\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"]


def test_a_flood_of_invalid_requests_changes_no_answer(tmp_path):
    with Process("--model", saved(tmp_path)) as process:
        client = process.client().wait_until_ready()
        stop, wrong = threading.Event(), []

        def flood():
            for body, status in itertools.cycle(INVALID):
                if stop.is_set():
                    return
                try:
                    found = client.predict(body).status
                except ConnectionError:  # the service answers before it has read a body that is too long
                    found = 413 if status == 413 else "broken"
                if found != status:
                    wrong.append((body[:40], found))

        def broken():
            for sent in itertools.cycle(BROKEN):
                if stop.is_set():
                    return
                client.raw(sent, seconds=0.2)

        floods = [threading.Thread(target=target) for target in (flood, flood, flood, broken)]
        with Clients(process, client) as clients:
            for thread in floods:
                thread.start()
            process.listen(8)
            stop.set()
            join(process, floods)
        assert client.predict(GOOD).status == 200
        process.send(signal.SIGTERM)
        assert process.wait() == 0
    clients.check()
    assert (wrong, clients.broken) == ([], 0)
    refused = [line for line in process.lines if line.get("path") == "/predict" and line["status"] >= 400]
    assert len(refused) > len(INVALID)
    assert not [line for line in process.lines if "traceback" in line or line.get("status", 0) >= 500]
