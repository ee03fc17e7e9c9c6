"""The log holds every answered row, in whole files, and never delays or fails an answer."""

import signal
import threading
import time

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from http_service import GOOD, Process, examples, in_thread, package, saved
from prometheus_client import CollectorRegistry, Counter

from cairn.models.package import save
from cairn.serve import prediction_log
from cairn.serve.prediction_log import Entry, PredictionLog
from cairn.serve.served_model import load_model


@pytest.fixture
def counter():
    return Counter("rows", "x", ["result"], registry=CollectorRegistry())


def counted(counter, result):
    return counter.labels(result)._value.get()


def logged(folder):
    return sorted(
        ds.dataset(folder, format="parquet").to_table().to_pylist(),
        key=lambda line: (line["time"], line["row"]),
    )


def entry(model, rows=1, request_id="a"):
    return Entry(
        model, 1.7e9, request_id, [GOOD] * rows, {"probability": [0.5] * rows, "decision": [True] * rows}, []
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def served(model):
    return load_model(model, "flag")


def test_every_answered_row_is_in_the_log_with_what_was_answered(model, tmp_path):
    folder = tmp_path / "log"
    rows, _ = examples()
    odd = GOOD | {"load": "x", "línea": 3, "night": [], "more": 1}
    with in_thread(model, log=str(folder)) as (client, _):
        many = client.predict({"rows": rows}, **{"X-Request-ID": "many"}).json
        one = client.predict(odd, **{"X-Request-ID": "odd"}).json
        client.predict(b"{")
        client.predict({"load": 1, "x": "y"} | {"noise": None})
    lines = {key: [line for line in logged(folder) if line["request_id"] == key] for key in ("many", "odd")}
    assert len(logged(folder)) == len(rows) + 2
    for line, row, said in zip(lines["many"], rows, many["predictions"], strict=True):
        assert line["inputs"] == row
        assert line["outputs"] | {"violations": line["violations"]} == said
        assert line["model"] == "toy" and line["model_version"] == many["version"]
    (line,) = lines["odd"]
    assert line["inputs"] == GOOD | {"load": None, "night": None, "línea": "3"}
    texts = [
        violation | {"value": str(violation["value"])} for violation in one["predictions"][0]["violations"]
    ]
    assert line["violations"] == texts and len(texts) == 2
    assert abs(line["time"].timestamp() - time.time()) < 300


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_the_outputs_of_every_task_are_kept(task, tmp_path):
    with in_thread(saved(tmp_path, "hist_gbdt", task), log=str(tmp_path / "log")) as (client, _):
        said = client.predict(GOOD).json["predictions"][0]
    (line,) = logged(tmp_path / "log")
    assert line["outputs"] | {"violations": []} == said


def test_a_file_ends_after_rows_or_seconds_and_is_never_seen_half_written(served, counter, tmp_path):
    log = PredictionLog(tmp_path, counter, rows=10, seconds=0.2)
    for _ in range(4):
        log.add(entry(served, 5))
    end = time.monotonic() + 30
    while counted(counter, "written") < 20 and time.monotonic() < end:
        for path in tmp_path.glob("*.parquet"):
            assert pq.read_table(path).num_rows >= 5
    log.add(entry(served))
    while counted(counter, "written") < 21 and time.monotonic() < end:
        time.sleep(0.01)
    log.close()
    assert counted(counter, "written") == 21 and counted(counter, "dropped") == 0
    assert len(list(tmp_path.glob("*.parquet"))) >= 2
    assert [path for path in tmp_path.iterdir() if path.suffix != ".parquet"] == []


def test_a_model_that_changes_starts_another_file(served, counter, tmp_path):
    save(package(max_iter=5), tmp_path / "model")
    other = load_model(str(tmp_path / "model"), "flag")
    log = PredictionLog(tmp_path / "log", counter, seconds=0.2)
    for one in (served, other, other):
        log.add(entry(one))
    log.close()
    files = [pq.read_table(path) for path in sorted((tmp_path / "log").iterdir())]
    versions = [{line["model_version"] for line in table.to_pylist()} for table in files]
    assert sorted(map(sorted, versions)) == sorted([[served.version], [other.version]])


def test_a_folder_that_cannot_be_written_loses_rows_and_fails_no_request(model, tmp_path):
    (tmp_path / "log").write_text("a file where the folder should be")
    with in_thread(model, log=str(tmp_path / "log")) as (client, app):
        assert [client.predict(GOOD).status for _ in range(3)] == [200] * 3
    assert counted(app.state.service.telemetry.logged, "dropped") == 3


def test_a_disk_that_hangs_delays_no_request_and_what_has_no_room_is_dropped(
    served, counter, tmp_path, monkeypatch
):
    hang = threading.Event()
    write = prediction_log.write_segment
    monkeypatch.setattr(prediction_log, "write_segment", lambda *args: hang.wait(60) and write(*args))
    monkeypatch.setattr(prediction_log, "WAITING", 10)
    log = PredictionLog(tmp_path, counter, rows=1)
    start = time.monotonic()
    for _ in range(100):
        log.add(entry(served))
    assert time.monotonic() - start < 5
    hang.set()
    log.close()
    written, dropped = counted(counter, "written"), counted(counter, "dropped")
    assert written + dropped == 100 and 10 <= written <= 30
    assert len(logged(tmp_path)) == written


@pytest.mark.slow
def test_a_stop_writes_the_rest_and_a_kill_leaves_only_whole_files(model, tmp_path):
    for number, least in ((signal.SIGTERM, 1), (signal.SIGKILL, 0)):
        folder = tmp_path / number.name
        with Process("--model", model, "--log", str(folder)) as process:
            client = process.client().wait_until_ready()
            assert client.predict(GOOD).status == 200
            process.send(number)
            process.wait()
        files = list(folder.iterdir()) if folder.exists() else []
        assert len(files) >= least and all(pq.read_table(path).num_rows for path in files)
    assert len(list((tmp_path / "SIGTERM").iterdir())) == 1
