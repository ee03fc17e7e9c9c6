"""Section `train`: how the chosen model is fitted."""

from typing import Literal

from pydantic import Field

from cairn.pins import PINS
from cairn.settings.section import Section


class TrainConfig(Section):
    """The device of torch models, whether fitting may stop early on validation, and the final fit.

    Attributes:
        device: of torch models; auto: cuda if available, otherwise cpu; other models ignore it
        early_stopping: pass validation to models that support it; false: they see train only
        refit: validation: fit once more on train and validation, with as many iterations as were best on
            validation; this model is scored on test and deployed, all else uses the one
            fitted on train; settings of older versions, without the key, mean none
        reads: what the model reads beside the table, its file of weights; constraints.txt, which every stage
            reads, if it has none; conf/config.yaml takes it from section model
    """

    device: Literal["auto", "cpu", "cuda"]
    early_stopping: bool
    # Left out of the record of a model where it is none, which older versions did not have.
    refit: Literal["none", "validation"] = Field(default="none", exclude_if=lambda value: value == "none")
    reads: str = Field(default=PINS.name, exclude_if=lambda value: value == PINS.name)
