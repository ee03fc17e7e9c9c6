"""Section `data`: which table, what is predicted, and how rows are ordered or grouped."""

from typing import Any, Literal

from pydantic import Field, field_validator

from cairn.config.base import Section

Task = Literal["binary", "multiclass", "regression"]


class Leakage(Section):
    """When a single column predicts so well on train that it must be a leak; the run then stops."""

    max_single_score: float = Field(default=0.99, gt=0, le=1)
    min_null_rows: int = Field(default=50, ge=1)
    trusted: list[str] = Field(default_factory=list)


class DataConfig(Section):
    """The table and the question asked of it."""

    name: str
    source: str
    contract: str
    load: dict[str, Any] | None = None
    task: Task
    target: str
    positive: str | int | bool | None = None
    time: str | None = None
    group: str | None = None
    derive: dict[str, str | None] = Field(default_factory=dict)
    drop_where: dict[str, str | None] = Field(default_factory=dict)
    leakage: Leakage = Field(default_factory=Leakage)

    @field_validator("load")
    @classmethod
    def _load_names_a_function(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None and not isinstance(value.get("_target_"), str):
            raise ValueError("needs the key _target_, the dotted name of a function that builds the table")
        return value
