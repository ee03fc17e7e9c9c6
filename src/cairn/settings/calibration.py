"""Section `calibration`: how the model's scores become probabilities, on validation alone."""

from typing import Literal

from cairn.settings.section import Section


class CalibrationConfig(Section):
    """none: as the model gives them; sigmoid (Platt); isotonic; temperature (one number).

    Attributes:
        method: how a classifier's scores become probabilities; a regression has nothing to calibrate
    """

    method: Literal["none", "sigmoid", "isotonic", "temperature"]
