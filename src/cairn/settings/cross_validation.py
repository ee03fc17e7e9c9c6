"""Section `cross_validation`: more folds than one split, never touching test."""

from typing import Literal

from pydantic import Field, model_validator

from cairn.settings.section import Section


class CrossValidationConfig(Section):
    """none: skip; kfold: random (or group) folds; rolling: train on the past, score the next period.

    Attributes:
        kind: which folds; whole groups where data.group is set; never any of test
        folds: parts; each is scored once by a model fitted on others
    """

    kind: Literal["none", "kfold", "rolling"]
    folds: int = Field(ge=2)

    @model_validator(mode="after")
    def _leave_a_fold_to_fit_on(self) -> "CrossValidationConfig":
        if self.kind == "kfold" and self.folds < 3:
            raise ValueError(
                "kfold needs 3 folds or more: one is scored, one is stopped on, the others are fitted on"
            )
        return self
