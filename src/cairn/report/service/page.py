"""The pages of a running service: a form with one field per column of a row, and the description of a row."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from cairn.report.numbers import percent
from cairn.report.page import bounds, render
from cairn.settings.contract import Column

FORM, DOCS = (Path(__file__).with_name(f"{name}.html.j2") for name in ("page", "docs"))
MOST_CHOICES, MOST_NAMED = 200, 10
"""Categories that a field suggests, and that the documentation names."""
TYPES = {"number": "number", "boolean": "true or false", "text": "text", "either": "text or number"}


@dataclass(frozen=True)
class Field:
    """A field of the form.

    Args:
        name: of the column.
        column: its contract.
        number: whether a category may be a number.
        choices: categories to suggest.
        value: what the field has at first, as JSON has it.
    """

    name: str
    column: Column
    number: bool
    choices: Sequence[str]
    value: Any

    @property
    def kind(self) -> str:
        """How the page reads the field: number, boolean, text, or either of number and text."""
        if self.column.kind in ("numeric", "boolean"):
            return {"numeric": "number", "boolean": "boolean"}[self.column.kind]
        if (self.column.format or "").startswith("unix"):
            return "number"
        return "either" if self.number else "text"

    @property
    def text(self) -> str:
        """The value as the field shows it."""
        if isinstance(self.value, str):
            return self.value
        if isinstance(self.value, float) and self.value.is_integer():
            return f"{self.value:.0f}"
        return "" if self.value is None else json.dumps(self.value)

    @property
    def allowed(self) -> str:
        """The values that the contract allows, in words."""
        return bounds(self.column) if self.column.allowed is None else ""

    @property
    def type(self) -> str:
        """The type of the value, in words."""
        if self.column.kind == "datetime":
            return f"date, {self.column.format or 'ISO 8601'}"
        return TYPES[self.kind]

    @property
    def values(self) -> str:
        """The values that the contract allows, or the categories that the model knows, in words."""
        if self.column.allowed is not None or not self.choices:
            return bounds(self.column)
        more = len(self.choices) - MOST_NAMED
        return ", ".join(self.choices[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def form_page(about: dict[str, Any], fields: Sequence[Field]) -> str:
    """Return the page.

    Args:
        about: the model: name, version, revision, task, target, classes, threshold, currency, and whether
            contributions are available.
        fields: in the order in which they are shown, each group together.
    """
    said = {key: about[key] for key in ("task", "target", "threshold", "currency", "contributions")}
    threshold = about["threshold"]
    return render(
        FORM,
        about=about,
        groups=_by_group(fields),
        most=MOST_CHOICES,
        said=said | {"limit": None if threshold is None else percent(threshold)},
    )


def docs_page(
    about: Mapping[str, Any],
    fields: Sequence[Field],
    *,
    command: str,
    example: Mapping[str, Any],
    answer: Mapping[str, Any] | None,
    outputs: Mapping[str, Mapping[str, Any]],
    requests: Iterable[tuple[str, str, str]],
    errors: Mapping[int, str],
    most_explained: int,
) -> str:
    """Return the page that describes the service.

    Args:
        about: the model: name, version, revision, target and policy.
        fields: as for form_page.
        command: what to type in a shell to get a prediction of the example.
        example: a row.
        answer: what is answered to it; None if it is refused.
        outputs: JSON schemas of the keys of a prediction.
        requests: path, method and summary of each.
        errors: what each status means.
        most_explained: rows that one request may explain.
    """
    return render(
        DOCS,
        about=about,
        fields=fields,
        groups=_by_group(fields),
        command=command,
        sent=_indented(example),
        answered=answer and _indented(answer),
        outputs=[_output(name, schema) for name, schema in outputs.items()],
        requests=[{"path": path, "method": method, "summary": text} for path, method, text in requests],
        errors=list(errors.items()),
        most_explained=most_explained,
    )


def _by_group(fields: Sequence[Field]) -> list[tuple[str, list[Field]]]:
    by_group = groupby(fields, key=lambda field: field.column.group or "")
    return [(name, list(each)) for name, each in by_group]


def _indented(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False)


def _output(name: str, schema: Mapping[str, Any]) -> dict[str, str]:
    one_of = ", ".join(map(str, schema.get("enum", [])))
    return {
        "name": name,
        "type": schema.get("type", "one of the classes"),
        "unit": schema.get("x-unit", ""),
        "description": schema.get("description", one_of),
    }
