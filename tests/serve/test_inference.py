"""The Open Inference Protocol: what it says of the model, rows as tensors, and what is refused.

The schemas are those of https://github.com/open-inference/open-inference-protocol (rest/inference_rest.md).
"""

import math

import numpy as np
import pytest
from http_service import GOOD, examples, in_thread, package, saved

from cairn.serve.body import Limits

KINDS = {"load": "FP64", "noise": "FP64", "night": "BOOL", "línea": "BYTES", "stop": "BYTES"}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def client(model):
    with in_thread(model, limits=Limits(rows=50)) as (client, _):
        yield client


def tensors(rows):
    return [
        {"name": name, "datatype": kind, "shape": [len(rows)], "data": [row[name] for row in rows]}
        for name, kind in KINDS.items()
    ]


def outputs(said):
    for tensor in said["outputs"]:
        assert math.prod(tensor["shape"]) == len(tensor["data"])
    return {tensor["name"]: tensor["data"] for tensor in said["outputs"]}


def test_the_server_and_the_model_describe_themselves(client):
    about = client.get("/v2/models/toy").json
    assert {tensor["name"]: tensor["datatype"] for tensor in about["inputs"]} == KINDS
    assert [t["name"] for t in about["outputs"]] == [
        "probability",
        "decision",
        "expected_saving",
        "violations",
    ]
    assert client.get("/v2").json["name"] == "cairn"
    for path in (
        "health/live",
        "health/ready",
        "models/toy/ready",
        f"models/toy/versions/{about['versions'][0]}",
    ):
        assert client.get(f"/v2/{path}").status == 200
    for path in ("models/other", "models/other/ready", "models/toy/versions/1"):
        assert client.get(f"/v2/{path}").status == 404


def test_tensors_are_predicted_as_rows_are(client):
    rows, scores = examples()
    said = client.post("/v2/models/toy/infer", {"id": "a", "inputs": tensors(rows)}).json
    found = outputs(said)
    np.testing.assert_array_equal(found["probability"], scores)
    assert found["decision"] == (scores > package().threshold).tolist()
    assert said["id"] == "a" and said["model_name"] == "toy" and set(found["violations"]) == {"[]"}
    rows = [one["probability"] for one in client.predict({"rows": rows}).json["predictions"]]
    assert found["probability"] == rows


def test_the_classes_of_a_multiclass_model_are_outputs(tmp_path):
    rows, scores = examples(task="multiclass")
    with in_thread(saved(tmp_path, "hist_gbdt", "multiclass")) as (client, _):
        found = outputs(client.post("/v2/models/toy/infer", {"inputs": tensors(rows)}).json)
    classes = package(task="multiclass").classes
    np.testing.assert_array_equal(np.array([found[f"probability_{name}"] for name in classes]).T, scores)
    assert found["prediction"] == [classes[k] for k in scores.argmax(axis=1)]


def test_only_the_outputs_asked_for_come_back_and_columns_may_be_tall(client):
    tall = [tensor | {"shape": [1, 1], "data": [tensor["data"]]} for tensor in tensors([GOOD])]
    said = client.post("/v2/models/toy/infer", {"inputs": tall, "outputs": [{"name": "probability"}]}).json
    assert list(outputs(said)) == ["probability"]


def test_violations_are_an_output(client):
    inputs = tensors([GOOD, GOOD | {"noise": None}])
    found = outputs(client.post("/v2/models/toy/infer", {"inputs": inputs}).json)
    assert found["violations"][0] == "[]" and "noise" in found["violations"][1]


LOAD = {"name": "load", "datatype": "FP64", "shape": [1], "data": [1]}
WRONG = [
    ([], 400),
    ({}, 400),
    ({"inputs": []}, 400),
    ({"inputs": [3]}, 400),
    ({"inputs": [LOAD | {"name": "other"}]}, 400),
    ({"inputs": [LOAD | {"name": ["load"]}]}, 400),
    ({"inputs": [LOAD | {"datatype": "FP6"}]}, 400),
    ({"inputs": [LOAD | {"datatype": []}]}, 400),
    ({"inputs": [LOAD | {"data": 1}]}, 400),
    ({"inputs": [LOAD | {"data": [1, 2]}]}, 400),
    ({"inputs": [LOAD | {"shape": [-1]}]}, 400),
    ({"inputs": [LOAD | {"shape": [1, 2]}]}, 400),
    ({"inputs": [LOAD | {"shape": [True]}]}, 400),
    ({"inputs": [LOAD | {"shape": []}]}, 400),
    ({"inputs": [LOAD | {"shape": [0], "data": []}]}, 400),
    ({"inputs": [LOAD | {"shape": [51], "data": [1] * 51}]}, 413),
    ({"inputs": [LOAD | {"data": [[[[[[[[[[1]]]]]]]]]]}]}, 400),
    ({"inputs": [LOAD, LOAD]}, 400),
    ({"inputs": [LOAD, LOAD | {"name": "noise", "shape": [2], "data": [1, 2]}]}, 400),
    ({"inputs": [LOAD], "outputs": [{"name": "other"}]}, 400),
    ({"inputs": [LOAD], "outputs": {"name": []}}, 400),
    ({"inputs": [LOAD], "outputs": [{"name": []}]}, 400),
    ({"inputs": [LOAD], "id": 3}, 400),
]


@pytest.mark.parametrize(("content", "status"), WRONG)
def test_what_is_not_of_the_protocol_is_refused_in_one_line(client, content, status):
    said = client.post("/v2/models/toy/infer", content)
    assert said.status == status and list(said.json) == ["error"]


def test_binary_tensors_are_refused_in_one_line(client):
    said = client.post("/v2/models/toy/infer", b"{}", **{"Inference-Header-Content-Length": "2"})
    assert said.status == 400 and "binary" in said.json["error"]
