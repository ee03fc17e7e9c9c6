"""Section `cross_validation`: several folds instead of one split, without test."""

from typing import Literal

from pydantic import Field, model_validator

from cairn.settings.section import Section


class CrossValidationConfig(Section):
    """none: skip; kfold: random (or group) folds; rolling: train on the past, score the next period.

    Attributes:
        kind: how folds are made; whole groups where data.group is set; test is never used
        folds: number of folds; each is scored once by a model fitted on others
    """

    kind: Literal["none", "kfold", "rolling"]
    folds: int = Field(ge=2)

    @model_validator(mode="after")
    def _leave_a_fold_to_fit_on(self) -> "CrossValidationConfig":
        if self.kind == "kfold" and self.folds < 3:
            raise ValueError(
                "kfold needs at least 3 folds: one to score, one for early stopping, the others to fit"
            )
        return self
