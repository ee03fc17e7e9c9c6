"""Section `baseline`: what a model has to beat: the current rules and a simple linear model."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from cairn.settings.model import ModelConfig
from cairn.settings.section import Section


class RateRule(Section):
    """The target's mean (or class shares) per combination of columns on train, shrunk to the overall one.

    Attributes:
        kind: a table of means
        by: columns known before the prediction; one mean for each combination of their values
        smoothing: rows; a combination with this many rows is weighted half, the overall mean the other half
    """

    kind: Literal["rate"]
    by: list[str] = Field(min_length=1)
    smoothing: float = Field(ge=0)


class ColumnRule(Section):
    """A column known before the prediction, used as the prediction; where missing, a value or the prior.

    Attributes:
        kind: the values of a column
        column: its name
        missing: prediction where it is missing; null: the prior
    """

    kind: Literal["column"]
    column: str
    missing: float | None = None


TAKEN = frozenset({"model", "linear", "prior", "nothing", "always", "oracle", "row_id", "part", "target"})

Rule = Annotated[RateRule | ColumnRule, Field(discriminator="kind")]


class BaselineConfig(Section):
    """Rules by name, and the linear model; the prior is always included.

    Attributes:
        rules: the current rules, each a NAME with its kind
        linear: the linear model
        candidates: for `classifier` and `regressor`, values to try of parameters of the linear model: the
            one with the lowest log loss (rmse) on validation is used; {}: the linear model as it is
        refit: validation: test is predicted by baselines fitted on train and validation, as the model is;
            conf/config.yaml takes it from train.refit
    """

    rules: dict[str, Rule]
    linear: ModelConfig
    candidates: dict[Literal["classifier", "regressor"], dict[str, list[int | float]]] = Field(
        default_factory=dict
    )
    refit: Literal["none", "validation"] = "none"

    @field_validator("rules")
    @classmethod
    def _names_are_free(cls, rules: dict[str, Rule]) -> dict[str, Rule]:
        taken = [name for name in rules if name in TAKEN or "|" in name]
        if taken:
            raise ValueError(f"{', '.join(taken)}: reserved in the results, choose another name")
        return rules
