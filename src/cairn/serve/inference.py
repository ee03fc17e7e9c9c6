"""The Open Inference Protocol, version 2: rows as named tensors in JSON.

https://github.com/open-inference/open-inference-protocol; the extension for binary tensors is not supported.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version as library_version
from typing import Any

import orjson
import pyarrow as pa
from fastapi import APIRouter, Request, Response

from cairn.serve.body import Body, Limits, RequestError, as_json, as_response, decoded, read_body
from cairn.serve.fields import Field
from cairn.serve.outcomes import output_columns
from cairn.serve.served_model import ServedModel
from cairn.serve.service import Answered, Service

NUMBERS = frozenset(f"{kind}{size}" for kind in ("INT", "UINT") for size in (8, 16, 32, 64)) | {
    "FP16",
    "FP32",
    "FP64",
}
TYPES = NUMBERS | {"BOOL", "BYTES"}
OF_ARROW = {pa.float64(): "FP64", pa.bool_(): "BOOL", pa.int64(): "INT64", pa.string(): "BYTES"}
KINDS = {"numeric": "FP64", "boolean": "BOOL", "categorical": "BYTES", "datetime": "BYTES"}
MESSAGES = "violations"
"""An output: by row, a JSON list of what is wrong with it."""
DEEPEST = 8


@dataclass(frozen=True)
class Inference:
    """A request of the protocol."""

    id: str | None
    rows: list[dict[str, Any]]
    wanted: list[str] | None


def protocol(service: Service) -> APIRouter:
    """Return the paths of the protocol."""
    router = APIRouter(prefix="/v2", tags=["Open Inference Protocol"])
    limits = service.options.limits

    def named(name: str, version: str | None) -> ServedModel:
        model = service.current()
        if name != model.name or version not in (None, model.version):
            said = name if version is None else f"{name}, version {version}"
            raise RequestError(404, f"no model {said}; this is {model.name}, version {model.version}")
        return model

    @router.get("", summary="The server")
    async def server() -> Response:
        return as_response({"name": "cairn", "version": library_version("cairn"), "extensions": []})

    @router.get("/health/live", summary="Whether the process answers")
    async def live() -> Response:
        return as_response({"live": True})

    @router.get("/health/ready", summary="Whether a model is loaded")
    async def ready() -> Response:
        service.current()
        return as_response({"ready": True})

    @router.get("/models/{name}", summary="Inputs and outputs as tensors")
    @router.get("/models/{name}/versions/{version}", include_in_schema=False)
    async def about(name: str, version: str | None = None) -> Response:
        return as_response(metadata(named(name, version)))

    @router.get("/models/{name}/ready", summary="Whether this model is loaded")
    @router.get("/models/{name}/versions/{version}/ready", include_in_schema=False)
    async def model_ready(name: str, version: str | None = None) -> Response:
        model = named(name, version)
        return as_response({"name": model.name, "ready": True})

    @router.post("/models/{name}/infer", summary="Predict rows as tensors")
    @router.post("/models/{name}/versions/{version}/infer", include_in_schema=False)
    async def infer(request: Request, name: str, version: str | None = None) -> Response:
        model = named(name, version)
        if "inference-header-content-length" in request.headers:
            raise RequestError(400, "binary tensors are not supported; send JSON (binary_data=False)")
        asked = read_inference(await read_body(request.scope, request.receive, limits), model, limits)
        answered = await service.predict(model, asked.rows, request.state.request_id)
        request.state.fields = {"rows": len(asked.rows), "version": model.version}
        return as_response(inferred(model, asked, answered))

    return router


def metadata(model: ServedModel) -> dict[str, Any]:
    """Return the metadata of the model: its inputs and outputs as tensors."""
    return {
        "name": model.name,
        "versions": [model.version],
        "platform": "cairn",
        "inputs": [_tensor(name, _type_of(field)) for name, field in model.fields.items()],
        "outputs": [_tensor(name, kind) for name, kind in output_types(model).items()],
    }


def output_types(model: ServedModel) -> dict[str, str]:
    """Return the data type of each output, by name."""
    types = {name: OF_ARROW[kind] for name, kind in output_columns(model.package).items()}
    return types | {MESSAGES: "BYTES"}


def read_inference(body: Body, model: ServedModel, limits: Limits) -> Inference:
    """Return the rows of a request of the protocol.

    Raises:
        RequestError: 400, not a request of the protocol; 413, too many rows.
    """
    given = decoded(body)
    inputs = given.get("inputs") if isinstance(given, dict) else None
    if not isinstance(inputs, list) or not inputs:
        raise RequestError(400, "inputs: must be a list of tensors")
    columns: dict[str, list[Any]] = {}
    for at, tensor in enumerate(inputs):
        name, values = _values(tensor, f"inputs[{at}]", model.fields)
        if name in columns:
            raise RequestError(400, f"inputs[{at}]: '{name}' is there twice")
        columns[name] = values
    counts = {len(values) for values in columns.values()}
    if len(counts) > 1:
        raise RequestError(
            400, f"inputs: have different numbers of rows: {', '.join(map(str, sorted(counts)))}"
        )
    (count,) = counts
    if not 0 < count <= limits.rows:
        raise RequestError(413 if count else 400, f"inputs: {count:,} rows, 1 to {limits.rows:,} are allowed")
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    identity = given.get("id")
    if identity is not None and not isinstance(identity, str):
        raise RequestError(400, "id: must be a text")
    return Inference(identity, rows, _wanted(given.get("outputs"), model))


def _wanted(outputs: Any, model: ServedModel) -> list[str] | None:
    if not outputs:
        return None
    known = output_types(model)
    listed = outputs if isinstance(outputs, list) else [None]
    names = [one.get("name") if isinstance(one, dict) else None for one in listed]
    if not all(isinstance(name, str) and name in known for name in names):
        raise RequestError(400, f"outputs: the model has {', '.join(known)}")
    return [str(name) for name in names]


def _values(tensor: Any, where: str, fields: Mapping[str, Field]) -> tuple[str, list[Any]]:
    if not isinstance(tensor, dict):
        raise RequestError(400, f"{where}: is not a tensor")
    name, shape, kind, data = (tensor.get(key) for key in ("name", "shape", "datatype", "data"))
    if not isinstance(name, str) or name not in fields:
        raise RequestError(400, f"{where}.name: is not a column of the model")
    if not isinstance(kind, str) or kind not in TYPES:
        raise RequestError(400, f"{where}.datatype: must be one of {', '.join(sorted(TYPES))}")
    if not isinstance(data, list):
        raise RequestError(400, f"{where}.data: must be a list; binary tensors are not supported")
    sized = isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape)
    if not sized or len(shape) not in (1, 2) or shape[1:] not in ([], [1]):
        raise RequestError(400, f"{where}.shape: must be [rows] or [rows, 1]")
    values = list(_flat(data, where, DEEPEST))
    if len(values) != shape[0]:
        raise RequestError(400, f"{where}.data: has {len(values)} values, shape says {shape[0]}")
    return name, values


def _flat(data: list[Any], where: str, depth: int) -> Iterator[Any]:
    if not depth:
        raise RequestError(400, f"{where}.data: is nested too deep")
    for value in data:
        if isinstance(value, list):
            yield from _flat(value, where, depth - 1)
        else:
            yield value


def inferred(model: ServedModel, request: Inference, answered: Answered) -> dict[str, Any]:
    """Return the body of the response of the protocol."""
    types = output_types(model)
    said: list[list[dict[str, Any]]] = [[] for _ in request.rows]
    for violation in answered.violations:
        said[violation.row].append(as_json(violation))
    columns: dict[str, Sequence[Any]] = {
        **answered.columns,
        MESSAGES: [orjson.dumps(one).decode() for one in said],
    }
    outputs = []
    for name in request.wanted or types:
        texts = types[name] == "BYTES"
        data = [str(value) for value in columns[name]] if texts else columns[name]
        outputs.append({"name": name, "datatype": types[name], "shape": [len(data)], "data": data})
    found = {"model_name": model.name, "model_version": model.version, "outputs": outputs}
    return found if request.id is None else found | {"id": request.id}


def _tensor(name: str, kind: str) -> dict[str, Any]:
    return {"name": name, "datatype": kind, "shape": [-1]}


def _type_of(field: Field) -> str:
    if (field.column.format or "").startswith("unix"):
        return "INT64"
    return KINDS[field.column.kind]
