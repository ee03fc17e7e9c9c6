"""Section `calibration`: how scores become probabilities, fitted on validation."""

from typing import Literal

from cairn.settings.section import Section


class CalibrationConfig(Section):
    """none: unchanged; sigmoid (Platt); isotonic; temperature (one number).

    Attributes:
        method: how a classifier's scores become probabilities; not for a regression
    """

    method: Literal["none", "sigmoid", "isotonic", "temperature"]
