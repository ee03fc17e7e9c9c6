"""Triton's own client speaks to the service by the Open Inference Protocol."""

import numpy as np
import pytest
from http_service import examples, in_thread, package, saved

pytestmark = pytest.mark.scale


def test_a_third_party_client_gets_what_the_model_predicts(tmp_path):
    import tritonclient.http as triton

    rows, scores = examples()
    full = [at for at, row in enumerate(rows) if None not in row.values()]  # an array has no missing value
    rows, scores = [rows[at] for at in full], scores[full]
    with in_thread(saved(tmp_path)) as (client, _):
        other = triton.InferenceServerClient(f"127.0.0.1:{client.port}")
        assert other.is_server_live() and other.is_server_ready() and other.is_model_ready("toy")
        assert not other.is_model_ready("other")
        inputs = [
            _input(triton, tensor["name"], tensor["datatype"], [row[tensor["name"]] for row in rows])
            for tensor in other.get_model_metadata("toy")["inputs"]
        ]
        names = ("probability", "decision", "violations")
        outputs = [triton.InferRequestedOutput(name, binary_data=False) for name in names]
        found = other.infer("toy", inputs, outputs=outputs, request_id="1")
        np.testing.assert_array_equal(found.as_numpy("probability"), scores)
        np.testing.assert_array_equal(found.as_numpy("decision"), scores > package().threshold)
        assert set(found.as_numpy("violations")) == {"[]"} and found.get_response()["id"] == "1"
        wrong = _input(triton, "load", "FP64", [1.0])
        wrong._name = "other"
        with pytest.raises(triton.InferenceServerException, match="not a column"):
            other.infer("toy", [wrong])
        other.close()


def _input(triton, name, kind, values):
    types = {"FP64": np.float64, "BOOL": np.bool_, "BYTES": np.object_}
    found = triton.InferInput(name, [len(values)], kind)
    missing = {"FP64": 0.0, "BOOL": False, "BYTES": ""}
    found.set_data_from_numpy(
        np.array([missing[kind] if v is None else v for v in values], types[kind]), binary_data=False
    )
    return found
