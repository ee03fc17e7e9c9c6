"""The page of a running service: a form with one field per column of a row, and the prediction beside it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from cairn.report.numbers import percent
from cairn.report.page import bounds, render
from cairn.settings.contract import Column

TEMPLATE = Path(__file__).with_name("page.html.j2")
MOST_CHOICES = 200
"""Categories that a field suggests."""


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


def form_page(about: dict[str, Any], fields: Sequence[Field]) -> str:
    """Return the page.

    Args:
        about: the model: name, version, revision, task, target, classes, threshold, currency, and whether
            contributions are available.
        fields: in the order in which they are shown, those of a group together.
    """
    by_group = groupby(fields, key=lambda field: field.column.group or "")
    said = {key: about[key] for key in ("task", "target", "threshold", "currency", "contributions")}
    threshold = about["threshold"]
    return render(
        TEMPLATE,
        about=about,
        groups=[(name, list(each)) for name, each in by_group],
        most=MOST_CHOICES,
        said=said | {"limit": None if threshold is None else percent(threshold)},
    )
