"""The contract of a table: what each column is, which values are allowed, and when it is known."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from cairn.errors import UserError
from cairn.settings.messages import lines
from cairn.settings.section import Section
from cairn.settings.yaml_text import read_yaml

Kind = Literal["numeric", "categorical", "boolean", "datetime"]
Thousands = Literal[".", ",", "'", "’", " "]


class Column(Section):
    """One column: its kind, its allowed values, and whether a model may use it.

    Attributes:
        kind: type of its values
        known: before the prediction is made, or only after; a column known after cannot be a feature
        group: makes the column a feature; features.groups chooses among the groups; null: not a feature
        nullable: whether values may be missing
        missing: texts that mean missing besides blank, NA and the like, such as - or ? or -999
        labels: whether NA, None and the like are values; only blank ones are missing then
        min: smallest possible number
        max: largest possible number
        allowed: all possible values; null: any
        protected: whether the model card compares how the values are treated; for binary tasks
        format: how a datetime is written, such as %d.%m.%Y, unix, unix_ms, quarter or week; null: ISO 8601
        decimal: decimal sign of numbers written as text, such as 1.063,5; null: plain numbers
        thousands: thousands separator, such as . or ' or a space; null: none
        accounting: whether negative numbers may also be written 5- or (5)
        unit: of a number; where decimal is set, it may stand before or after each
        description: for documentation
    """

    kind: Kind
    known: Literal["before", "after"] = "before"
    group: str | None = None
    nullable: bool = False
    # Left out where they say nothing, so that older contracts and models keep their bytes.
    missing: list[str] = Field(default_factory=list, exclude_if=lambda texts: not texts)
    labels: bool = Field(default=False, exclude_if=lambda labels: not labels)
    min: float | None = None
    max: float | None = None
    allowed: list[str | int | bool] | None = None
    protected: bool = Field(default=False, exclude_if=lambda protected: not protected)
    format: str | None = None
    decimal: Literal[".", ","] | None = Field(default=None, exclude_if=lambda sign: sign is None)
    thousands: Literal[".", ",", "'", "’", " "] | None = Field(
        default=None, exclude_if=lambda sign: sign is None
    )
    accounting: bool = Field(default=False, exclude_if=lambda accounting: not accounting)
    unit: str = ""
    description: str = ""

    @model_validator(mode="after")
    def _bounds_make_sense(self) -> "Column":
        if self.known == "after" and self.group is not None:
            raise ValueError(
                f"group '{self.group}' makes it a feature, but a column with known: after cannot be one"
            )
        if self.kind == "datetime" and self.group is not None:
            raise ValueError(
                "a date cannot be a feature: derive numbers from it (hour, weekday), or remove its group"
            )
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")
        if self.kind != "numeric" and (self.min is not None or self.max is not None):
            raise ValueError(f"min and max are for numeric columns, this one is {self.kind}")
        if self.kind == "datetime" and self.protected:
            raise ValueError("a date cannot be protected: derive a category from it")
        if self.kind != "datetime" and self.format is not None:
            raise ValueError(f"format is for datetime columns, this one is {self.kind}")
        if self.kind != "numeric" and self.decimal is not None:
            raise ValueError(f"decimal is for numeric columns, this one is {self.kind}")
        if self.labels and self.kind != "categorical":
            raise ValueError(f"labels is for categorical columns, this one is {self.kind}")
        if self.decimal is None and (self.thousands is not None or self.accounting):
            raise ValueError("thousands and accounting are for numbers that are written as text: set decimal")
        if self.decimal is not None and self.decimal == self.thousands:
            raise ValueError(f"decimal and thousands are both {self.decimal!r}")
        return self


class Contract(Section):
    """Every column of a table, in order, and the columns that identify a row.

    Attributes:
        key: columns that are unique together; empty: rows have no identifier
        columns: one entry per column, by NAME
    """

    key: list[str] = Field(default_factory=list)
    columns: dict[str, Column]

    @model_validator(mode="after")
    def _key_is_declared(self) -> "Contract":
        missing = [name for name in self.key if name not in self.columns]
        if missing:
            raise ValueError(f"key names columns that are not declared: {', '.join(missing)}")
        return self

    @property
    def protected(self) -> list[str]:
        """Names of the protected columns."""
        return [name for name, column in self.columns.items() if column.protected]


def read_contract(path: Path, name: str = "") -> Contract:
    """Read a contract file, called by its path or by another name in messages.

    Raises:
        UserError: no such file, not YAML, or one line per key that is wrong.
    """
    name = name or path.as_posix()
    try:
        written = read_yaml(path, name)
    except FileNotFoundError as error:
        raise UserError(f"data.contract: {name} does not exist") from error
    try:
        return Contract.model_validate(written)
    except ValidationError as error:
        raise lines(name, error, Contract, written) from error
