"""The contract as a schema of OpenAPI: what a row has, with units and bounds, and what is answered."""

from typing import Any

from cairn.features.encode import MISSING
from cairn.serve import explained
from cairn.serve.fields import Field
from cairn.serve.served_model import ServedModel
from cairn.settings.contract import Column

MOST_EXAMPLES = 10

VIOLATION = {
    "type": "object",
    "properties": {
        "column": {"type": "string"},
        "reason": {"type": "string", "examples": ["is above 24"]},
        "value": {"description": "as it was sent; a long text is cut"},
    },
}
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {"type": "string", "description": "one line"},
        "violations": {
            "type": "array",
            "items": VIOLATION | {"properties": {"row": {"type": "integer"}} | VIOLATION["properties"]},
        },
        "violation_count": {"type": "integer"},
    },
}
REASONS = {
    400: "not JSON, or not UTF-8",
    401: "no API key, or a wrong one",
    408: "the body did not arrive in time",
    413: "too many rows or bytes",
    415: "a compressed body",
    422: "values that the policy refuses, or a body of another shape; names column, value and reason",
    503: "no model is loaded yet",
}


def row_schema(model: ServedModel) -> dict[str, Any]:
    """Return the schema of a row: one property per column."""
    fields = model.fields
    return {
        "type": "object",
        "title": f"A row of {model.name}",
        "properties": {name: column_schema(field, model.example.get(name)) for name, field in fields.items()},
        "required": [name for name, field in fields.items() if not field.column.nullable],
    }


def column_schema(field: Field, example: Any = None) -> dict[str, Any]:
    """Return the schema of a column: type, bounds, allowed values, unit, description and an example."""
    column = field.column
    types = _types(field) + (["null"] if column.nullable else [])
    found: dict[str, Any] = {"type": types[0] if len(types) == 1 else types}
    if column.description or column.unit:
        found["description"] = " ".join(
            filter(None, [column.description, f"({column.unit})" if column.unit else ""])
        )
    if column.unit:
        found["x-unit"] = column.unit
    bounds = {"minimum": column.min, "maximum": column.max}
    found |= {key: value for key, value in bounds.items() if value is not None}
    if column.allowed is not None:
        found["enum"] = [*column.allowed, *([None] if column.nullable else [])]
    if column.kind == "datetime":
        found |= {"format": "date-time"} if column.format is None else {"x-format": column.format}
    examples = [] if example is None else [example]
    if column.kind == "categorical" and column.allowed is None and field.type == "text":
        known = sorted((field.known or frozenset()) - {MISSING, example})
        examples += known[: MOST_EXAMPLES - len(examples)]
    return found | ({"examples": examples} if examples else {})


def _types(field: Field) -> list[str]:
    column: Column = field.column
    if column.kind == "datetime":
        return ["integer"] if (column.format or "").startswith("unix") else ["string"]
    if column.kind == "categorical":
        return ["string"] if field.type == "text" else ["string", "number"]
    if column.decimal is not None:
        return ["number", "string"]
    return ["number" if column.kind == "numeric" else "boolean"]


def answer_schema(model: ServedModel) -> dict[str, Any]:
    """Return the schema of the answer of POST /predict."""
    package = model.package
    text: dict[str, Any] = {"type": "string"}
    columns: dict[str, Any] = {}
    if package.task == "binary":
        columns = {
            "probability": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "description": f"of {package.target}",
            },
            "decision": {"type": "boolean", "description": f"probability above {package.threshold:g}"},
        }
        if model.costs is not None:
            saving = "what the decision is expected to save compared with doing nothing"
            columns["expected_saving"] = {
                "type": "number",
                "description": f"{saving} ({model.costs.currency})",
                "x-unit": model.costs.currency,
            }
    elif package.task == "multiclass":
        columns = {f"probability_{name}": {"type": "number"} for name in package.class_names}
        columns["prediction"] = {"enum": package.classes}
    else:
        column = package.raw.columns.get(package.target)
        columns = {
            "prediction": {"type": "number", "description": column.description if column else package.target}
        }
    columns["violations"] = {"type": "array", "items": VIOLATION}
    return {
        "type": "object",
        "properties": {
            "model": text,
            "version": text | {"description": "hash of the model"},
            "predictions": {
                "type": "array",
                "description": "one per row, in their order",
                "items": {
                    "type": "object",
                    "properties": columns | {"contributions": explained.SCHEMA},
                    "required": list(columns),
                },
            },
            "ignored_columns": {
                "type": "array",
                "items": text,
                "description": "columns of the request that the model does not use",
            },
        },
    }


def operation(model: ServedModel) -> dict[str, Any]:
    """Return what the schema says of POST /predict."""
    row = {"$ref": "#/components/schemas/Row"}
    explain = {"type": "boolean", "default": False}
    rows = {
        "type": "object",
        "required": ["rows"],
        "properties": {"rows": {"type": "array", "items": row}, "explain": explain},
    }
    why = f"add contributions to each prediction, of at most {explained.MOST_ROWS} rows"
    errors = {
        str(status): {
            "description": reason,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
        for status, reason in REASONS.items()
    }
    return {
        "summary": "Predict one row or many",
        "tags": ["predict"],
        "operationId": "predict",
        "parameters": [{"name": "explain", "in": "query", "description": why, "schema": explain}],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"oneOf": [row, rows]},
                    "examples": {
                        "one row": {"value": model.example},
                        "many rows": {"value": {"rows": [model.example, model.example]}},
                    },
                }
            },
        },
        "responses": {
            "200": {
                "description": "a prediction for each row",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Answer"}}},
            },
            **errors,
        },
    }


def schemas(model: ServedModel) -> dict[str, Any]:
    """Return the named schemas."""
    return {"Row": row_schema(model), "Answer": answer_schema(model), "Error": ERROR}
