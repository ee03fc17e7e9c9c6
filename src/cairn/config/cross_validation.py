"""Section `cross_validation`: more folds than one split, never touching test."""

from typing import Literal

from pydantic import Field

from cairn.config.base import Section


class CrossValidationConfig(Section):
    """none: skip; kfold: random (or group) folds; rolling: train on the past, score the next period."""

    kind: Literal["none", "kfold", "rolling"]
    folds: int = Field(ge=2)
