"""What the pages of the service say of its model: the columns of a row, an example and its answer."""

import shlex
from collections.abc import Mapping
from typing import Any

from cairn.features.encode import MISSING
from cairn.report.service.page import Field, docs_page
from cairn.serve.explained import MOST_ROWS
from cairn.serve.outcomes import outcomes
from cairn.serve.schema import REASONS, answer_schema
from cairn.serve.served_model import ServedModel
from cairn.serve.service import Answered, answer


def fields_of(model: ServedModel) -> list[Field]:
    """Return the columns of a row, grouped."""
    fields = [
        Field(
            name,
            field.column,
            field.type != "text",
            sorted((field.known or set()) - {MISSING}),
            model.example[name],
        )
        for name, field in model.fields.items()
    ]
    groups = list(dict.fromkeys(field.column.group for field in fields))
    return sorted(fields, key=lambda field: groups.index(field.column.group))


def describe(
    model: ServedModel, paths: Mapping[str, Mapping[str, Any]], address: str, key: str | None
) -> str:
    """Return the page /docs.

    Args:
        model: the current one.
        paths: of OpenAPI.
        address: of the service, as the browser knows it.
        key: environment variable of the API key; None if there is none.
    """
    found = model.predictor.rows([model.example])
    columns = outcomes(model.package, found.scores, model.costs)
    answered = Answered({name: values.tolist() for name, values in columns.items()}, found.violations)
    return docs_page(
        model.about(),
        fields_of(model),
        command=_command(address, key),
        example=model.example,
        answer=None if found.refused.any() else answer(model, [model.example], answered),
        outputs=answer_schema(model)["properties"]["predictions"]["items"]["properties"],
        requests=[
            (path, method.upper(), said.get("summary", ""))
            for path, methods in paths.items()
            for method, said in methods.items()
        ],
        errors=REASONS,
        most_explained=MOST_ROWS,
    )


def _command(address: str, key: str | None) -> str:
    header = f' --header "X-API-Key: ${key}"' if key else ""
    example, predict = (shlex.quote(address + path) for path in ("example", "predict"))
    return f"curl --silent{header} {example} > row.json\ncurl --silent{header} {predict} --data @row.json"
