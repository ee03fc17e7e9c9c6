"""Section `train`: how the chosen model is fitted."""

from typing import Literal

from cairn.settings.section import Section


class TrainConfig(Section):
    """The device of torch models, and whether fitting may stop early on validation.

    Attributes:
        device: of torch models; auto: cuda if available, otherwise cpu; other models ignore it
        early_stopping: pass validation to models that support it; false: they see train only
    """

    device: Literal["auto", "cpu", "cuda"]
    early_stopping: bool
