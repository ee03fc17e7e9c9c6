"""The HTTP service answers as the model predicts, describes itself, and says what is wrong with a request."""

import asyncio
import json
import threading
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from http_service import GOOD, PRICES, Client, examples, in_thread, package, saved
from synthetic import TARGETS

from cairn.models.package import save
from cairn.serve import service
from cairn.serve.body import Limits
from cairn.serve.service import Options, Service


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


@pytest.mark.parametrize("task", TARGETS)
def test_contributions_add_up_to_the_prediction_and_do_not_change_it(task, tmp_path):
    rows, _ = examples(task=task, count=3)
    with in_thread(saved(tmp_path, "hist_gbdt", task)) as (client, _):
        said = client.predict({"rows": rows, "explain": True}).json["predictions"]
        plain = client.predict({"rows": rows}).json["predictions"]
        (alone,) = client.post("/predict?explain=true", rows[1]).json["predictions"]
    model = package(task=task)
    assert alone == said[1] and set(said[0]["contributions"]["columns"]) == set(model.features)
    # The mean prediction of 50 reference rows, from the package, which goes through pandas.
    spaced = np.unique(np.linspace(0, len(model.reference) - 1, 50).astype(int))
    means = model.scores(model.reference.iloc[spaced]).mean(axis=0)
    for one, without in zip(said, plain, strict=True):
        given = one.pop("contributions")
        assert one == without
        change = one[given["output"]] - given["baseline"]
        assert sum(given["groups"].values()) == pytest.approx(change, abs=1e-9)
        assert sum(given["columns"].values()) == pytest.approx(change, abs=1e-9)
        if task == "multiclass":
            assert given["output"] == f"probability_{one['prediction']}"
            expected = means[model.classes.index(one["prediction"])]
        else:
            expected = means
        assert given["baseline"] == pytest.approx(expected, abs=1e-12)


def test_a_model_that_goes_through_pandas_says_that_it_explains_nothing(tmp_path):
    save(replace(package(), reference=None), tmp_path / "model")
    with in_thread(str(tmp_path / "model")) as (client, _):
        said = client.post("/predict?explain=true", GOOD)
        about, page = client.get("/model").json, client.get("/").content.decode()
        assert client.predict(GOOD).status == 200
    assert said.status == 422 and "not available" in said.json["error"]
    assert about["contributions"].startswith("not available: the model has no reference rows")
    assert about["contributions"] in page


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
    (b'{"rows": [{"load": 1}], "explain": 1}', 422),
    (json.dumps({"rows": [GOOD] * 21, "explain": True}).encode(), 422),
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
    assert set(answer["required"]) == set(client.predict(GOOD).json["predictions"][0])
    (explained,) = client.post("/predict?explain=true", GOOD).json["predictions"]
    assert set(answer["properties"]) == set(explained)
    inside = answer["properties"]["contributions"]["properties"]
    assert set(inside) == set(explained["contributions"])
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


async def followed(options, change, until):
    """Follow a source, change it, and return the service once `until` holds."""
    service = Service(options)
    await service.load()
    task = asyncio.create_task(service.follow(options.follow))
    change()
    async with asyncio.timeout(60):
        while not until(service):
            await asyncio.sleep(0.05)
    await asyncio.sleep(10 * options.follow)
    task.cancel()
    return service


def test_a_tag_that_moves_is_followed(toy, models, monkeypatch):
    monkeypatch.chdir(toy.path)
    toy.git("tag", "champion", "v1")
    commits = [toy.git("rev-parse", tag).strip() for tag in ("v1", "v2")]
    options = Options("champion", follow=0.1)

    def moved():
        toy.git("tag", "--force", "champion", "v2")

    service = asyncio.run(followed(options, moved, lambda service: service.model.revision == commits[1]))
    found = service.model.predictor.rows([GOOD])
    np.testing.assert_array_equal(found.scores, models["v2"].scores(pd.DataFrame([GOOD])))
    assert service.telemetry.reloads.labels("loaded")._value.get() == 2


def test_a_folder_is_followed_and_a_broken_model_is_tried_once(tmp_path):
    options = Options(saved(tmp_path), follow=0.05)

    def failures(service):
        return service.telemetry.reloads.labels("failed")._value.get()

    def broken():
        (tmp_path / "model/package.json").write_text("{}")

    service = asyncio.run(followed(options, broken, failures))
    assert failures(service) == 1
    first = service.model.version
    save(package(max_iter=5), tmp_path / "model")
    service = asyncio.run(followed(options, lambda: saved(tmp_path), lambda it: it.model.version == first))
    assert service.telemetry.reloads.labels("loaded")._value.get() == 2
