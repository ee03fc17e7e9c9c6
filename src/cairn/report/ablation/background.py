"""What every number of a study rests on, and numbers with intervals in words."""

import math
from dataclasses import dataclass

from cairn.metrics.bootstrap import Estimate
from cairn.metrics.evaluation import Score
from cairn.metrics.kpi import PER_ROWS
from cairn.models.build import stops_early
from cairn.report.card.words import estimate, metric_name, places
from cairn.report.numbers import ABSENT, number
from cairn.settings.config import Config
from cairn.studies.ablation.measure import SAVING, Jury, Weighed


@dataclass(frozen=True)
class Background:
    """What every number of a study rests on.

    Attributes:
        data: name of the data.
        model: name of the model.
        rows: of validation.
        units: blocks, or rows, that were drawn.
        block: span of time whose rows were drawn together, or None.
        resamples: number of bootstrap draws.
        confidence: of the intervals.
        decides: the quantity that verdicts are about.
        currency: of the saving; None where there is none.
        first_seed: the seed of the config.
        seeds: how many, that one and those after it.
        uses: what the validation rows were used for before.
    """

    data: str
    model: str
    rows: int
    units: int
    block: str | None
    resamples: int
    confidence: float
    decides: str
    currency: str | None
    first_seed: int
    seeds: int
    uses: list[str]


def background_of(config: Config, jury: Jury, seeds: int) -> Background:
    """Return what a study of this config rests on."""
    stops = stops_early(config.model, config.data.task, config.train)
    calibrates = config.calibration.method != "none"
    return Background(
        data=config.data.name,
        model=config.model.name,
        rows=len(jury.y),
        units=jury.units,
        block=config.evaluate.block if jury.blocks is not None else None,
        resamples=jury.resamples,
        confidence=jury.confidence,
        decides=jury.decides,
        currency=jury.costs.currency if jury.costs else None,
        first_seed=config.seed,
        seeds=seeds,
        uses=[
            *(["said when to stop"] if stops else []),
            *(["calibrated the probabilities"] if calibrates else []),
            "led to the settings",
        ],
    )


def notes(background: Background, noise: float | None) -> list[str]:
    """Say on which rows the scores are, what the intervals hold, and what they leave out.

    Args:
        background: of the study.
        noise: standard deviation of the deciding quantity between seeds; None for one seed.
    """
    drawn = f"{background.units} blocks of {background.block}" if background.block else "rows one by one"
    lines = [
        f"Scored on {background.rows:,} validation rows, which also {' and '.join(background.uses)}:"
        " good for choosing, not for a claim. Test is not read.",
    ]
    intervals = (
        f"{100 * background.confidence:g}% intervals: {background.resamples:,} paired draws of {drawn}"
    )
    if noise is None:
        return [
            *lines,
            f"One seed; {intervals}. They leave out what another seed would change: --seeds 3 puts it in.",
        ]
    last = background.first_seed + background.seeds - 1
    name = quantity_name(background.decides, background.currency)
    return [
        *lines,
        f"Means over {background.seeds} seeds, {background.first_seed} to {last}; {intervals} and the spread"
        f" between seeds (standard deviation {plain(noise)} {name}), Student's t. What other training"
        " rows would change is not in them.",
    ]


def gain_in_words(gain: Weighed | Estimate, quantity: str, currency: str | None) -> str:
    """Write `0.085 [0.071, 0.099] of ROC AUC`, or a saving with its currency."""
    of = "" if quantity == SAVING else "of "
    return f"{estimate(as_interval(gain))} {of}{quantity_name(quantity, currency)}"


def quantity_name(quantity: str, currency: str | None) -> str:
    """Name a metric, or the saving by its unit."""
    return f"{currency} per {PER_ROWS:,} rows" if quantity == SAVING else metric_name(quantity)


def quantity_title(quantity: str, currency: str | None) -> str:
    """Name a quantity at the head of a column."""
    return f"{currency}/{PER_ROWS:,} rows" if quantity == SAVING else metric_name(quantity)


def as_interval(weighed: Weighed | Estimate) -> Score:
    """Return a value with its ends as the model card's words take it: None where undefined."""
    return Score(value=weighed.value, low=weighed.low, high=weighed.high)


def column(weighed: list[Weighed | None]) -> list[str]:
    """Write values with their intervals for one column, all with the same decimals; empty for None."""
    digits = places(as_interval(one) for one in weighed if one is not None)
    return ["" if one is None else estimate(as_interval(one), digits) for one in weighed]


def plain(value: float) -> str:
    """Write a value with two digits that count."""
    if not math.isfinite(value) or value == 0:
        return "0" if value == 0 else ABSENT
    return number(value, max(0, 1 - math.floor(math.log10(abs(value)))))
