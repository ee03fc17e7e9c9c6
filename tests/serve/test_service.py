"""The HTTP service answers as the model predicts, describes itself, and says what is wrong with a request."""

import json
import threading

import numpy as np
import pytest
from http_service import GOOD, PRICES, Client, examples, in_thread, package, saved
from synthetic import TARGETS

from cairn.serve import service
from cairn.serve.body import Limits


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def client(model):
    with in_thread(model, limits=Limits(rows=50, bytes=100_000, seconds=2)) as (client, _):
        yield client


@pytest.mark.parametrize("task", TARGETS)
def test_rows_are_answered_as_the_model_predicts_them(task, tmp_path):
    rows, scores = examples(task=task)
    with in_thread(saved(tmp_path, "hist_gbdt", task)) as (client, _):
        said = client.predict({"rows": rows}).json
        alone = [client.predict(row).json["predictions"][0] for row in rows[:5]]
    assert alone == said["predictions"][:5]
    if task == "binary":
        found = np.array([one["probability"] for one in said["predictions"]])
        acts = scores > package().threshold
        savings = np.where(acts, scores * PRICES["loss"] * PRICES["share_saved"] - PRICES["action"], 0)
        assert [one["decision"] for one in said["predictions"]] == acts.tolist()
        given = [one["expected_saving"] for one in said["predictions"]]
        np.testing.assert_allclose(given, savings, rtol=1e-12, atol=1e-9)
    elif task == "multiclass":
        classes = package(task=task).classes
        found = np.array([[one[f"probability_{name}"] for name in classes] for one in said["predictions"]])
        assert [one["prediction"] for one in said["predictions"]] == [
            classes[k] for k in scores.argmax(axis=1)
        ]
    else:
        found = np.array([one["prediction"] for one in said["predictions"]])
    np.testing.assert_array_equal(found, scores)


def test_a_model_that_is_not_of_trees_answers_the_same(tmp_path):
    rows, scores = examples("logistic")
    with in_thread(saved(tmp_path, "logistic")) as (client, _):
        said = client.predict({"rows": rows}).json["predictions"]
    np.testing.assert_array_equal([one["probability"] for one in said], scores)


def test_what_is_wrong_with_a_row_is_reported_with_it(client):
    said = client.predict({"rows": [GOOD, GOOD | {"load": "high", "more": 1}]}).json
    assert said["predictions"][0]["violations"] == []
    assert said["predictions"][1]["violations"] == [
        {"column": "load", "reason": "is not a number", "value": "high"}
    ]
    assert said["ignored_columns"] == ["more"]


def test_the_policy_refuse_names_row_column_value_and_reason(model):
    with in_thread(model, policy="refuse") as (client, _):
        said = client.predict({"rows": [GOOD, GOOD | {"noise": None}]})
        assert client.predict(GOOD).status == 200
    assert said.status == 422
    assert said.json["violations"] == [{"row": 1, "column": "noise", "reason": "missing", "value": None}]
    assert "row 1" in said.json["error"] and "noise" in said.json["error"]


WRONG = [
    (b"", 400),
    (b"{", 400),
    (b'{"load": NaN}', 400),
    (b'{"load": 1e999}', 400),
    (b'{"load": "\xff"}', 400),
    (json.dumps(GOOD).encode("utf-16"), 400),
    (b"[" * 5000, 400),
    (b"[" * 500 + b"]" * 500, 422),
    (b"3", 422),
    (b"[]", 422),
    (b"{}", 422),
    (b'{"rows": []}', 422),
    (b'{"rows": [3]}', 422),
    (b'{"rows": [{"a": 1}]}', 422),
    (b'{"rows": [{"load": 1}], "more": 1}', 422),
    (json.dumps({"rows": [GOOD] * 51}).encode(), 413),
    (b" " * 100_001, 413),
]


@pytest.mark.parametrize(("body", "status"), WRONG)
def test_a_body_of_another_shape_has_the_right_status_and_one_line(client, body, status):
    said = client.predict(body)
    assert said.status == status
    assert said.json["error"] and "\n" not in said.json["error"] and "Traceback" not in said.json["error"]


def test_other_paths_methods_and_encodings_are_refused(client):
    assert client.get("/no/such/path").status == 404
    assert client.get("/predict").status == 405
    assert client.ask("POST", "/predict", b"x", {"Content-Encoding": "gzip"}).status == 415


def test_a_body_that_does_not_arrive_is_given_up(client):
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
    assert client.raw(head, seconds=10).startswith(b"HTTP/1.1 408")


def test_the_service_says_what_it_is(client):
    about = client.get("/model").json
    assert client.get("/health").status == client.get("/ready").status == 200
    assert about["name"] == "toy" and about["task"] == "binary" and about["threshold"] == package().threshold
    assert about["version"] == client.predict(GOOD).json["version"] == client.get("/ready").json["version"]


def test_the_schema_is_a_data_dictionary_with_an_example_that_works(client):
    schema = client.get("/openapi.json").json
    row = schema["components"]["schemas"]["Row"]
    assert list(row["properties"]) == list(package().contract.columns)
    assert row["properties"]["load"]["type"] == ["number", "null"]
    assert set(row["required"]) == {"noise", "night", "stop"}
    content = schema["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    for example in content["examples"].values():
        assert all(one["violations"] == [] for one in client.predict(example["value"]).json["predictions"])
    answer = schema["components"]["schemas"]["Answer"]["properties"]["predictions"]["items"]
    assert set(answer["properties"]) == set(client.predict(GOOD).json["predictions"][0])
    assert client.get("/docs").status == 200


def test_a_request_id_is_kept_if_it_is_plain_and_made_otherwise(client):
    assert client.predict(GOOD, **{"X-Request-ID": "abc-1"}).headers["x-request-id"] == "abc-1"
    made = {client.predict(GOOD, **{"X-Request-ID": "a b"}).headers["x-request-id"] for _ in range(2)}
    assert len(made) == 2 and "a b" not in made


def test_before_the_model_is_loaded_the_service_is_alive_and_not_ready(model, monkeypatch):
    wait, load = threading.Event(), service.load_model
    monkeypatch.setattr(service, "load_model", lambda *args: wait.wait(60) and load(*args))
    monkeypatch.setattr(Client, "wait_until_ready", lambda self: self)
    with in_thread(model) as (client, _):
        found = [client.get("/health").status, client.get("/ready").status, client.predict(GOOD).status]
        wait.set()
    assert found == [200, 503, 503]
