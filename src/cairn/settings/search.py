"""Section `search`: how hyperparameters are searched; the search space is `space` in the model's file."""

from pydantic import Field

from cairn.settings.section import Section

SAVING = "saving"
"""An objective besides the metrics: money saved per 1,000 rows, compared with never acting."""


class SearchConfig(Section):
    """What to optimize, how long to search, and what to do with the best trials.

    Attributes:
        objective: metric of the task on validation, or saving (money, from conf/kpi); null: evaluate.primary
        trials: number of trials, pruned ones included
        startup: trials before the sampler learns: the current values, then quasi-random points
        prune: share of the trials to prune, the worst at iterations 1, 2, 4, 8, …; 0: none
        warmup: share of the model's iterations before pruning begins; small learning rates start slowly
        timeout: minutes after which no new trial starts; null: no limit
        top: best trials to run as DVC experiments, next to the current values; 0: none
        seeds: seeds each of them is run with; at least 2 to see the variation between seeds
    """

    objective: str | None
    trials: int = Field(ge=2)
    startup: int = Field(ge=1)
    prune: float = Field(ge=0, lt=1)
    warmup: float = Field(ge=0, le=1)
    timeout: float | None = Field(gt=0)
    top: int = Field(ge=0)
    seeds: int = Field(ge=1)
