"""Section `search`: how better values are looked for; what may vary stands with the model, as `space`."""

from pydantic import Field

from cairn.config.base import Section

SAVING = "saving"
"""The objective that is no metric: money saved against doing nothing, per 1,000 rows, by the cost model."""


class SearchConfig(Section):
    """What is best, how long to look, and what is done with the best."""

    objective: str | None
    trials: int = Field(ge=2)
    startup: int = Field(ge=1)
    prune: float = Field(ge=0, lt=1)
    warmup: float = Field(ge=0, le=1)
    timeout: float | None = Field(gt=0)
    top: int = Field(ge=0)
    seeds: int = Field(ge=1)
