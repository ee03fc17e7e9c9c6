"""Section `train`: how the chosen model is fitted."""

from typing import Literal

from cairn.config.base import Section


class TrainConfig(Section):
    """The device of torch models, and whether fitting may stop by the loss on validation."""

    device: Literal["auto", "cpu", "cuda"]
    early_stopping: bool
