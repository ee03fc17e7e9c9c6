"""How a study of the current model is made: its config, the rows that judge, the seeds of every fit."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from cairn.compose import params_file
from cairn.compose.conf import compose
from cairn.compose.overrides import differing, replaced
from cairn.compose.params_file import CONF, PARAMS, settle
from cairn.compose.validate import Origin, read_config
from cairn.data.parts import Prepared
from cairn.errors import UserError
from cairn.metrics.evaluation import time_blocks
from cairn.metrics.paired import EvaluationSet, Predictor, Scores, score_fits
from cairn.models.build import stops_early
from cairn.models.package import class_labels, target_values
from cairn.settings.config import Config
from cairn.settings.evaluate import METRICS_OF
from cairn.settings.kpi import CostKpi
from cairn.settings.search import SAVING
from cairn.studies.trial import SHARED, run_trial

Key = TypeVar("Key")


@dataclass(frozen=True)
class Protocol:
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
        stops_early: whether the validation rows also stopped training.
        calibrates: whether they also calibrated the probabilities.
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
    stops_early: bool
    calibrates: bool

    @property
    def quantities(self) -> list[str]:
        """What is measured: the deciding quantity first, then the saving if there is one."""
        return list(dict.fromkeys([self.decides, *([SAVING] if self.currency else [])]))

    @property
    def level(self) -> float:
        """The chance of a false alarm that a family of tests is held to."""
        return 1 - self.confidence

    @property
    def numbers(self) -> range:
        """The seeds themselves."""
        return range(self.first_seed, self.first_seed + self.seeds)


def current_config(words: Sequence[str]) -> Config:
    """Return the config that the next `dvc repro` would use, with the overrides of -S.

    Raises:
        UserError: an override that does not compose, or that would change the prepared rows.
    """
    base, _ = settle(CONF, params_file.read(PARAMS))
    composed = compose(CONF, replaced(base.overrides, words)) if words else base
    changed = [key for key in differing(base.values, composed.values) if key.partition(".")[0] in SHARED]
    if changed:
        raise UserError(
            f"-S changes {', '.join(changed[:3])}, which the prepared rows depend on: first"
            f" `python src/cairn compose {' '.join(words)}`, then the same command without -S"
        )
    return read_config(composed.values, Path(), Origin(CONF, composed, "-S {}").of)


def evaluation_set(config: Config, prepared: Prepared) -> EvaluationSet:
    """Return the validation rows as models of this config are compared on them."""
    task, rows, target = config.data.task, prepared.validation, config.data.target
    time = rows[config.data.time] if config.data.time else None
    return EvaluationSet(
        task=task,
        y=target_values(rows[target], task, class_labels(prepared.train[target], task)),
        blocks=time_blocks(time, config.evaluate.block),
        costs=config.kpi if isinstance(config.kpi, CostKpi) else None,
        resamples=config.evaluate.resamples,
        seed=config.seed,
        confidence=config.evaluate.confidence,
    )


def protocol_of(config: Config, rows: EvaluationSet, *, seeds: int, decides: str | None) -> Protocol:
    """Return what a study of this config rests on.

    Args:
        config: the whole config.
        rows: its evaluation set.
        seeds: config.seed and the ones after it.
        decides: a metric of the task or `saving`; None: evaluate.primary.

    Raises:
        UserError: no such metric for the task, or no prices to compute a saving from.
    """
    known = [*METRICS_OF[rows.task], *([SAVING] if rows.costs else [])]
    decides = decides or config.evaluate.primary_of(rows.task)
    if decides not in known:
        raise UserError(f"--decide-by {decides}: a {rows.task} task has {', '.join(known)}")
    return Protocol(
        data=config.data.name,
        model=config.model.name,
        rows=len(rows.y),
        units=rows.units,
        block=config.evaluate.block if rows.blocks is not None else None,
        resamples=rows.resamples,
        confidence=rows.confidence,
        decides=decides,
        currency=rows.costs.currency if rows.costs else None,
        first_seed=config.seed,
        seeds=seeds,
        stops_early=stops_early(config.model, rows.task, config.train),
        calibrates=config.calibration.method != "none",
    )


def fit_and_score(
    keys: Iterable[Key],
    variant: Callable[[Key, int], tuple[Config, Prepared]],
    rows: EvaluationSet,
    protocol: Protocol,
    *,
    progress: str,
) -> dict[Key, Scores]:
    """Fit every way under every seed, and score each as soon as it has all of them.

    Args:
        keys: what the ways of fitting are known by.
        variant: returns the config and the rows of a way of fitting under a seed.
        rows: the evaluation set.
        protocol: names the quantities and the seeds.
        progress: label of the progress bar.
    """
    scores: dict[Key, Scores] = {}
    keys = list(keys)
    total = len(keys) * protocol.seeds
    with tqdm(total=total, desc=progress, unit="fit", disable=None, leave=False) as bar:
        for key in keys:
            predictors = []
            for seed in protocol.numbers:
                trial = run_trial(*variant(key, seed))
                predictors.append(Predictor(trial.prediction, trial.package.threshold))
                bar.update()
            scores[key] = score_fits(rows, [predictors], protocol.quantities)[0]
    return scores
