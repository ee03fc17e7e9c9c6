"""Section `calibration`: how the model's scores become probabilities, on validation alone."""

from typing import Literal

from cairn.config.base import Section


class CalibrationConfig(Section):
    """none: as the model gives them; sigmoid (Platt); isotonic; temperature (one number)."""

    method: Literal["none", "sigmoid", "isotonic", "temperature"]
