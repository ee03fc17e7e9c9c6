"""Section `search`: how better values are looked for; what may vary stands with the model, as `space`."""

from pydantic import Field

from cairn.settings.section import Section

SAVING = "saving"
"""The objective that is no metric: money saved against doing nothing, per 1,000 rows, by the cost model."""


class SearchConfig(Section):
    """What is best, how long to look, and what is done with the best.

    Attributes:
        objective: best on validation: a metric of the task, or saving (money, by conf/kpi); null:
            evaluate.primary
        trials: trials to finish; stopped ones count
        startup: trials that explore: the values in force, then quasi-random points; later ones follow what
            was good
        prune: share of the trials that is stopped early, the worst at iterations 1, 2, 4, 8, …; 0 stops none
        warmup: share of the model's iterations that no trial is stopped in; small learning rates start slowly
        timeout: minutes after which no trial begins; null: no limit
        top: best trials that become DVC experiments, beside the values in force; 0: none
        seeds: seeds that each of them runs with; how much luck there is takes 2 at least
    """

    objective: str | None
    trials: int = Field(ge=2)
    startup: int = Field(ge=1)
    prune: float = Field(ge=0, lt=1)
    warmup: float = Field(ge=0, le=1)
    timeout: float | None = Field(gt=0)
    top: int = Field(ge=0)
    seeds: int = Field(ge=1)
