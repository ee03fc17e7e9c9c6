"""Section `model`: any estimator with scikit-learn's interface, and how columns are encoded for it."""

from typing import Any, Literal

from pydantic import Field, field_validator

from cairn.settings.section import Section


class Encoding(Section):
    """How columns become numbers; fitted on train and saved inside the model.

    Attributes:
        numeric: passthrough: as it is, missing values too; standard: mean 0 and variance 1; quantile:
            by rank, drawn to a bell curve
        categorical: ordinal: a code per value; onehot: a column per value
        min_frequency: rows; values seen less often in train share one code
        max_categories: values kept per column; the rarest share one code
    """

    numeric: Literal["passthrough", "standard", "quantile"]
    categorical: Literal["ordinal", "onehot"]
    min_frequency: int = Field(ge=1)
    max_categories: int = Field(ge=2)


class ModelConfig(Section):
    """One candidate: its estimator for either kind of task, their shared parameters, its encoding.

    Attributes:
        name: how tables and reports call it
        classifier: `_target_` is its class for binary and multiclass, other keys are parameters of this class
            alone; null: none
        regressor: likewise for regression
        params: parameters of both classes
        encoding: how columns become numbers
    """

    name: str
    classifier: dict[str, Any] | None
    regressor: dict[str, Any] | None
    params: dict[str, Any]
    encoding: Encoding

    @field_validator("classifier", "regressor")
    @classmethod
    def _names_a_class(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None and not isinstance(value.get("_target_"), str):
            raise ValueError("needs the key _target_, the dotted name of an estimator class")
        return value

    @property
    def trusted(self) -> list[str]:
        """What loading the saved model has to trust beside scikit-learn: a library, or a class of our own."""
        named = [block["_target_"] for block in (self.classifier, self.regressor) if block is not None]
        return sorted(
            {target if target.startswith("cairn.") else target.split(".")[0] for target in named}
            - {"sklearn"}
        )
