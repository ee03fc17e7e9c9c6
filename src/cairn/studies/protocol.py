"""How a study of the current settings is made: its config, its rows, one training, the seeds of every fit.

A trial runs the same functions in the same order as the stages train and calibrate, so the result is the same
model. Validation rows judge it; nothing here can read the test part.
"""

import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from threadpoolctl import threadpool_limits
from tqdm import tqdm

from cairn.compose import params_file
from cairn.compose.conf import Composed, compose
from cairn.compose.overrides import differing, key_of, replaced
from cairn.compose.params_file import CONF, PARAMS, RESET, settings_line, settle
from cairn.compose.validate import Origin, read_config
from cairn.data.parts import Prepared
from cairn.errors import UserError, did_you_mean
from cairn.metrics.evaluation import row_weights, time_blocks
from cairn.metrics.paired import EvaluationSet, Predictor, Scores, score_fits
from cairn.models.build import stops_early
from cairn.models.calibration import finish
from cairn.models.package import class_labels, target_values
from cairn.models.recipe import Recipe
from cairn.progress import OnIteration
from cairn.run_stage import use_threads
from cairn.settings.config import Config
from cairn.settings.evaluate import METRICS_OF
from cairn.settings.kpi import CostKpi
from cairn.settings.search import SAVING
from cairn.terminal import folded

LOG_LINES = 5
SHARED = ("data", "split", "seed", "threads")
"""Sections that decide the prepared data, or are set before numpy loads; trials of a search share them."""

Key = TypeVar("Key")


@dataclass(frozen=True)
class Protocol:
    """What every number of a study rests on.

    Attributes:
        rows: of validation.
        units: blocks, or rows, that were drawn.
        block: span of time whose rows were drawn together, or None.
        decides: the quantity that verdicts are about.
        currency: of the saving; None where there is none.
        seeds: how many: first_seed and those after it.
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


def current_settings(overrides: Sequence[str]) -> Composed:
    """Return what the next `dvc repro` would use, with the overrides of -S."""
    base, _ = settle(CONF, params_file.read(PARAMS))
    return _with(base, overrides)


def _with(base: Composed, overrides: Sequence[str]) -> Composed:
    return compose(CONF, replaced(base.overrides, overrides)) if overrides else base


def prepare(overrides: Sequence[str], check: Callable[[Config], object] = lambda _: None) -> Config:
    """Print the settings of a study and update params.yaml and the prepared data to them.

    Where -S changes a section that decides the prepared data, params.yaml is written with the overrides.

    Args:
        overrides: of -S.
        check: raises UserError where the settings do not fit the other options; called before anything is
            written or computed.

    Raises:
        UserError: an override that does not compose, what `check` raises, or `dvc repro split` failed.
    """
    base = current_settings([])
    composed = _with(base, overrides)
    config = read_config(composed.values, Path(), Origin(CONF, composed, "-S {}").of)
    check(config)
    print(folded(settings_line(composed.overrides, base.overrides)), file=sys.stderr)
    changed = {key.partition(".")[0] for key in differing(base.values, composed.values)} & {*SHARED}
    if changed:
        # What a search fixes for itself decides no data.
        kept = compose(CONF, [o for o in composed.overrides if key_of(o).partition(".")[0] != "search"])
        values = {name: kept.values[name] for name in Config.model_fields}
        params_file.write(PARAMS, params_file.text_of(values, kept.overrides))
        print(
            folded(
                f"params.yaml now has these settings, because {', '.join(sorted(changed))} changed and the"
                f" data have to be prepared again; to go back: `{RESET}`"
            ),
            file=sys.stderr,
        )
    if "threads" in changed:
        use_threads(config.threads)  # of libraries that are not loaded yet
        threadpool_limits(config.threads)
    print("updating the prepared data: dvc repro split", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro", "split"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines()[-LOG_LINES:]
        raise UserError("\n".join(["`dvc repro split`, which prepares the data, failed:", *said]))
    return config


def run_trial(config: Config, prepared: Prepared, on_iteration: OnIteration | None = None) -> Predictor:
    """Fit on train, calibrate and choose the threshold on validation, predict validation."""
    rows = prepared.validation
    recipe = Recipe(
        prepared.contract,
        config.data,
        config.features,
        config.model,
        config.train,
        config.seed,
        config.threads,
    )
    fitted = recipe.fit(prepared.train, rows, on_iteration=on_iteration)
    package = finish(fitted, rows, config.calibration, config.kpi)
    return Predictor(package.scores(rows), package.threshold)


def evaluation_set(config: Config, prepared: Prepared) -> EvaluationSet:
    """Return the validation rows as models of this config are compared on them."""
    task, rows, target = config.data.task, prepared.validation, config.data.target
    time = rows[config.data.time] if config.data.time else None
    allowed = prepared.contract.columns[target].allowed
    return EvaluationSet(
        task=task,
        y=target_values(rows[target], task, class_labels(prepared.train[target], task, allowed)),
        blocks=time_blocks(time, config.evaluate.block),
        costs=config.kpi if isinstance(config.kpi, CostKpi) else None,
        resamples=config.evaluate.resamples,
        seed=config.seed,
        confidence=config.evaluate.confidence,
        weights=row_weights(rows, config.evaluate.weight),
    )


def deciding(config: Config, asked: str | None) -> str:
    """Return the quantity that verdicts are about: a metric of the task, or saving; None: evaluate.primary.

    Raises:
        UserError: the task has no such metric, or saving without a cost model.
    """
    task = config.data.task
    known = [*METRICS_OF[task], *([SAVING] if isinstance(config.kpi, CostKpi) else [])]
    decides = asked or config.evaluate.primary_of(task)
    if decides not in known:
        near = did_you_mean(decides, known)
        raise UserError(f"--decide-by {decides}: a {task} task has no such metric{near} ({', '.join(known)})")
    return decides


def protocol_of(config: Config, rows: EvaluationSet, *, seeds: int, decides: str | None) -> Protocol:
    """Return what a study rests on; see deciding for `decides`."""
    return Protocol(
        data=config.data.name,
        model=config.model.name,
        rows=len(rows.y),
        units=rows.units,
        block=config.evaluate.block if rows.blocks is not None else None,
        resamples=rows.resamples,
        confidence=rows.confidence,
        decides=deciding(config, decides),
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

    `variant` returns the config and the rows of a way of fitting under a seed.
    """
    scores: dict[Key, Scores] = {}
    keys = list(keys)
    total = len(keys) * protocol.seeds
    with tqdm(total=total, desc=progress, unit="fit", disable=None, leave=False) as bar:
        for key in keys:
            predictors = []
            for seed in protocol.numbers:
                predictors.append(run_trial(*variant(key, seed)))
                bar.update()
            scores[key] = score_fits(rows, [predictors], protocol.quantities)[0]
    return scores
