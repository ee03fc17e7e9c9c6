"""`cairn serve` as a process: signals, workers, the log, and one line for what is wrong."""

import os
import signal
import socket
import threading
from pathlib import Path

import pytest
from http_service import GOOD, Process, join, package, saved

from cairn.__main__ import main
from cairn.models.package import save
from cairn.serve import server


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_model_is_replaced_under_load_and_a_stop_is_graceful(workers, tmp_path):
    """Every response is of one of the two models as a whole; the last ones are answered after SIGTERM."""
    model = saved(tmp_path)
    with Process("--model", model, "--workers", str(workers)) as process:
        client = process.client()
        process.until("model loaded", times=workers)
        client.wait_until_ready()
        before = client.predict(GOOD).json
        found, stop = [], threading.Event()

        def ask():
            while not stop.is_set():
                found.append(client.predict({"rows": [GOOD] * 20}))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        save(package(max_iter=5), tmp_path / "model")
        process.send(signal.SIGHUP)
        process.until("model loaded", times=2 * workers)
        process.listen(0.2)
        stop.set()
        join(process, threads)
        after = client.predict(GOOD).json
        (tmp_path / "model/package.json").write_text("{}")
        process.send(signal.SIGHUP)
        process.until("model not loaded", times=workers)
        assert client.predict(GOOD).json == after
        process.send(signal.SIGTERM)
        assert process.wait() == 0
    assert {answer.status for answer in found} == {200}
    seen = {(a.json["version"], tuple(p["probability"] for p in a.json["predictions"])) for a in found}
    expected = {(said["version"], (said["predictions"][0]["probability"],) * 20) for said in (before, after)}
    assert before["version"] != after["version"] and seen == expected
    assert any(line.get("message") == "Application shutdown complete." for line in process.lines)
    asked = [line for line in process.lines if line.get("path") == "/predict"]
    assert len(asked) == len(found) + 3
    assert {"request_id", "status", "ms", "rows", "version", "time", "level"} <= set(asked[0])
    assert not any(line.get("path") == "/ready" for line in process.lines)


@pytest.mark.slow
def test_workers_share_the_port_and_the_metrics_and_are_replaced(tmp_path):
    with Process("--model", saved(tmp_path), "--workers", "2") as process:
        client = process.client()
        process.until("model loaded", times=2)
        for _ in range(10):
            assert client.predict(GOOD).status == 200
        assert "cairn_rows_total 10.0" in client.get("/metrics").content.decode()
        os.kill(workers_of(process.process.pid)[-1], signal.SIGKILL)
        process.until("model loaded", times=3)
        assert {client.predict(GOOD).status for _ in range(10)} == {200}
        process.send(signal.SIGTERM)
        assert process.wait() == 0


def workers_of(pid):
    """Return the workers of a process; multiprocessing's own helper is not one."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()]


@pytest.fixture
def said(capsys, monkeypatch):
    """What `cairn serve` says of a wrong command line, called in this process."""
    monkeypatch.setattr(server, "log_json_lines", lambda: None)

    def call(*args):
        assert main(["serve", *args]) == 1
        return capsys.readouterr().err

    return call


@pytest.mark.parametrize("model", ["no-such-model", "docs"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_model_that_is_not_there_is_one_line(said, caplog, model, workers):
    caplog.set_level("INFO")
    line = said("--model", model, "--port", "0", "--workers", workers)
    assert line.startswith("cairn serve: ") and model in line and line.count("\n") == 1
    assert "listening" not in caplog.messages


def test_a_damaged_model_is_one_line(said, caplog, tmp_path):
    caplog.set_level("INFO")
    model = saved(tmp_path)
    with (tmp_path / "model/model.skops").open("ab") as file:
        file.write(b"x")
    line = said("--model", str(model), "--port", "0")
    assert "model.skops is not the file that was saved" in line and line.count("\n") == 1
    assert "listening" not in caplog.messages


def test_a_port_that_is_taken_is_one_line(said):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        line = said("--port", str(taken.getsockname()[1]))
    assert line.startswith("cairn serve: --host, --port: ") and line.count("\n") == 1


def test_a_key_that_is_not_in_the_environment_is_one_line(said, monkeypatch):
    monkeypatch.delenv("CAIRN_TEST_KEY", raising=False)
    line = said("--port", "0", "--api-key-env", "CAIRN_TEST_KEY")
    assert "CAIRN_TEST_KEY" in line and line.count("\n") == 1
