"""What an operator needs: metrics that count, a key that is asked for, lines of JSON, no traceback."""

import base64
import json
import logging

import pytest
from http_service import GOOD, in_thread, saved

from cairn.serve.telemetry import JsonLines

KEY = "s3cret-ключ"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("model"))


def metrics(client):
    """Return the samples of /metrics, by name with labels."""
    lines = client.get("/metrics").content.decode().splitlines()
    return {
        name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")
    }


def test_requests_rows_predictions_and_violations_are_counted(model):
    rows = [GOOD, GOOD | {"load": "x"}, GOOD | {"load": "y", "stop": None}, GOOD | {"línea": 3}]
    with in_thread(model) as (client, _):
        answers = client.predict({"rows": rows}).json["predictions"]
        client.predict(b"{")
        client.get("/nothing/here")
        found = metrics(client)
    acted = sum(answer["decision"] for answer in answers)
    assert found["cairn_rows_total"] == len(rows)
    assert found.get('cairn_predictions_total{outcome="true"}', 0) == acted
    assert found.get('cairn_predictions_total{outcome="false"}', 0) == len(rows) - acted
    assert found['cairn_violations_total{column="load"}'] == 2
    assert found['cairn_violations_total{column="stop"}'] == 1
    assert 'cairn_violations_total{column="línea"}' not in found
    for status in ("200", "400"):
        assert found[f'cairn_request_seconds_count{{path="/predict",status="{status}"}}'] == 1
    assert found['cairn_request_seconds_count{path="other",status="404"}'] == 1


def test_each_way_to_send_the_key_is_accepted_and_nothing_else(model, monkeypatch):
    monkeypatch.setenv("CAIRN_TEST_KEY", KEY)
    sent = KEY.encode().decode("latin-1")
    basic = base64.b64encode(f"any:{KEY}".encode()).decode()
    right = [
        {"X-API-Key": sent},
        {"Authorization": f"Bearer {sent}"},
        {"Authorization": f"Basic {basic}"},
    ]
    wrong = [{}, {"X-API-Key": "s3cret"}, {"X-API-Key": ""}, {"Authorization": "Basic !"}]
    with in_thread(model, api_key_env="CAIRN_TEST_KEY") as (client, _):
        assert [client.predict(GOOD, **headers).status for headers in right] == [200] * 3
        assert [client.predict(GOOD, **headers).status for headers in wrong] == [401] * 4
        for path in ("/", "/docs", "/model", "/metrics", "/example", "/openapi.json"):
            assert client.get(path).status == 401
        assert client.get("/health").status == client.get("/ready").status == 200
        assert client.get("/model").headers["www-authenticate"].startswith("Basic")


def test_a_fault_of_the_service_is_one_line_for_the_client_and_a_traceback_in_the_log(
    model, monkeypatch, caplog
):
    with in_thread(model) as (client, app), caplog.at_level(logging.INFO):
        monkeypatch.setattr(app.state.service, "predict", None)
        answer = client.predict(GOOD, **{"X-Request-ID": "fault"})
        assert client.get("/health").status == 200
    assert answer.status == 500 and set(answer.json) == {"error"} and "fault" in answer.json["error"]
    assert b"Traceback" not in answer.content and answer.headers["x-request-id"] == "fault"
    (record,) = [record for record in caplog.records if record.exc_info]
    line = json.loads(JsonLines().format(record))
    assert line["status"] == 500 and line["request_id"] == "fault" and "TypeError" in line["traceback"]


def test_a_line_of_the_log_stays_one_line_whatever_is_logged():
    record = logging.LogRecord("x", logging.INFO, "", 0, "one\ntwo %s", ("\u2028",), None)
    record.fields = {"path": 'a"\n{', "odd": {1}}
    line = JsonLines().format(record)
    assert (
        "\n" not in line
        and json.loads(line)["path"] == 'a"\n{'
        and json.loads(line)["message"] == "one\ntwo \u2028"
    )
