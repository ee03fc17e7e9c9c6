"""Section `train`: how the chosen model is fitted."""

from typing import Literal

from cairn.settings.section import Section


class TrainConfig(Section):
    """The device of torch models, and whether fitting may stop by the loss on validation.

    Attributes:
        device: where torch models run; auto: cuda if there is one, else cpu; other models ignore it
        early_stopping: give validation to models that can stop on it; false: they see train alone
    """

    device: Literal["auto", "cpu", "cuda"]
    early_stopping: bool
