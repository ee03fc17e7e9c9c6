"""Section `baseline`: what a model has to beat: today's rules and a simple linear model."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from cairn.settings.model import ModelConfig
from cairn.settings.section import Section


class RateRule(Section):
    """The target's mean (or class shares) per combination of columns on train, drawn to the overall one.

    Attributes:
        kind: a table of means
        by: columns known before whose combinations are told apart
        smoothing: rows; a combination with this many counts half, the overall mean the other half
    """

    kind: Literal["rate"]
    by: list[str] = Field(min_length=1)
    smoothing: float = Field(ge=0)


class ColumnRule(Section):
    """A column known in time, taken as the prediction; where it is missing, a given value or the prior.

    Attributes:
        kind: a column as it stands
        column: the column
        missing: prediction where it is missing; null: the prior
    """

    kind: Literal["column"]
    column: str
    missing: float | None = None


TAKEN = frozenset({"model", "linear", "prior", "nothing", "always", "oracle", "row_id", "part", "target"})

Rule = Annotated[RateRule | ColumnRule, Field(discriminator="kind")]


class BaselineConfig(Section):
    """Rules by name, and the linear model beside them; the prior is always there.

    Attributes:
        rules: today's rules, each a NAME with its kind
        linear: the linear model
    """

    rules: dict[str, Rule]
    linear: ModelConfig

    @field_validator("rules")
    @classmethod
    def _names_are_free(cls, rules: dict[str, Rule]) -> dict[str, Rule]:
        taken = [name for name in rules if name in TAKEN or "|" in name]
        if taken:
            raise ValueError(
                f"{', '.join(taken)}: this name means something else in the results, choose another"
            )
        return rules
