"""Section `evaluate`: intervals, slices, and the score that is too good to be true."""

from pydantic import Field

from cairn.config.base import Section


class EvaluateConfig(Section):
    """How claims are made on the test part."""

    primary: str | None
    resamples: int = Field(ge=100)
    confidence: float = Field(gt=0.5, lt=1)
    block: str | None
    slices: list[str]
    min_slice_rows: int = Field(ge=1)
    ceiling: dict[str, float]
