"""`cairn serve` as a process: signals, workers, the log, and one line for what is wrong."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from repository import ROOT
from running import GOOD, Process, package, saved

from cairn.models.package import save


def cairn(*args):
    command = [sys.executable, "src/cairn", "serve", *args]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def test_a_model_is_replaced_under_load_and_a_stop_is_graceful(tmp_path):
    """Every response is of one of the two models as a whole; the last ones are answered after SIGTERM."""
    model = saved(tmp_path)
    with Process("--model", model) as server:
        client = server.client().wait_until_ready()
        before = client.predict(GOOD).json
        found, stop = [], threading.Event()

        def ask():
            while not stop.is_set():
                found.append(client.predict({"rows": [GOOD] * 20}))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        save(package(max_iter=5), tmp_path / "model")
        server.send(signal.SIGHUP)
        server.until("model loaded", times=2)
        time.sleep(0.2)
        stop.set()
        for thread in threads:
            thread.join()
        after = client.predict(GOOD).json
        (tmp_path / "model/package.json").write_text("{}")
        server.send(signal.SIGHUP)
        server.until("model not loaded")
        assert client.predict(GOOD).json == after
        server.send(signal.SIGTERM)
        assert server.wait() == -signal.SIGTERM
    assert {answer.status for answer in found} == {200}
    seen = {(a.json["version"], tuple(p["probability"] for p in a.json["predictions"])) for a in found}
    expected = {(said["version"], (said["predictions"][0]["probability"],) * 20) for said in (before, after)}
    assert before["version"] != after["version"] and seen == expected
    assert any(line.get("message") == "Application shutdown complete." for line in server.lines)
    asked = [line for line in server.lines if line.get("path") == "/predict"]
    assert len(asked) == len(found) + 3
    assert {"request_id", "status", "ms", "rows", "version", "time", "level"} <= set(asked[0])
    assert not any(line.get("path") == "/ready" for line in server.lines)


@pytest.mark.slow
def test_workers_share_the_port_and_the_metrics_and_are_replaced(tmp_path):
    with Process("--model", saved(tmp_path), "--workers", "2") as server:
        client = server.client()
        server.until("model loaded", times=2)
        for _ in range(10):
            assert client.predict(GOOD).status == 200
        assert "cairn_rows_total 10.0" in client.get("/metrics").content.decode()
        os.kill(workers_of(server.process.pid)[-1], signal.SIGKILL)
        server.until("model loaded", times=3)
        assert {client.predict(GOOD).status for _ in range(10)} == {200}
        server.send(signal.SIGTERM)
        assert server.wait() == 0


def workers_of(pid):
    """Return the workers of a process; multiprocessing's own helper is not one."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()]


def test_what_is_wrong_is_one_line(tmp_path):
    for model in ("no-such-model", str(tmp_path)):
        done = cairn("--model", model, "--port", "0")
        last = done.stderr.splitlines()[-1]
        assert done.returncode == 1 and last.startswith("cairn serve: ") and model in last
        assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = cairn("--model", str(tmp_path), "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1 and "--port" in done.stderr and "Traceback" not in done.stderr
