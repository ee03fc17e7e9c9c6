"""What each part of the features is worth: the model with it and without it, on the same validation rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tqdm import tqdm

from cairn.data.parts import Prepared
from cairn.metrics.multiplicity import holm
from cairn.metrics.threshold import decision_threshold
from cairn.models.baseline import one_hot, prior
from cairn.models.labels import class_labels
from cairn.report.ablation.background import Background, background_of
from cairn.settings.config import Config
from cairn.studies.ablation.measure import (
    Jury,
    Measured,
    Weighed,
    jury_of,
    mean_score,
    measure,
    refit_noise,
    weigh,
)
from cairn.studies.ablation.parts import FULL, Left, Parts, every_subset, leave_one_out, shapley_weights
from cairn.studies.trial import run_trial

Verdict = Literal["keep", "drop", "unclear"]


@dataclass(frozen=True)
class Worth:
    """What one part is worth.

    Attributes:
        part: a group or a column.
        columns: how many columns it has.
        without: score of the model without it.
        gain: by quantity, score with it less score without it, higher being better.
        alone: score of the model that has nothing else; None where that was not fitted.
        share: by quantity its Shapley value; empty where not every combination was fitted.
        corrected: p of the deciding gain after Holm's correction over all parts.
        verdict: keep or drop where the corrected p is below 1 - confidence, else unclear.
    """

    part: str
    columns: int
    without: Weighed
    gain: dict[str, Weighed]
    alone: Weighed | None
    share: dict[str, Weighed]
    corrected: float
    verdict: Verdict


@dataclass(frozen=True)
class Ablation:
    """What the parts of a model's features are worth, the most first.

    Attributes:
        background: what the numbers rest on.
        noise: standard deviation of the deciding quantity between seeds; None for one seed.
        full: the model with everything, by quantity.
        nothing: score of the prior; None where not every combination was fitted.
        parts: what was left out.
    """

    background: Background
    noise: float | None
    full: dict[str, Weighed]
    nothing: Weighed | None
    parts: list[Worth]


def ablate(
    config: Config,
    prepared: Prepared,
    groups: Parts,
    parts: Parts,
    *,
    seeds: int,
    alone: bool,
    subsets: bool,
    decides: str | None = None,
) -> Ablation:
    """Fit the model with and without each part, under several seeds.

    Args:
        config: the whole config.
        prepared: the rows.
        groups: every feature in use, by group.
        parts: what is left out, see parts_of.
        seeds: config.seed and the ones after it.
        alone: fit each part by itself, too.
        subsets: fit every combination of the parts, which are then all the groups.
        decides: see jury_of.

    Raises:
        UserError: see run_trial, jury_of and every_subset.
    """
    every = frozenset(name for names in groups.values() for name in names)
    fits = every_subset(parts) if subsets else leave_one_out(every, parts, alone=alone)
    jury = jury_of(config, prepared, decides)
    measured = _measured(config, prepared, jury, fits, seeds)
    if subsets:
        measured[every] = _prior(config, prepared, jury)
    shares = {part: shapley_weights(parts, part) if subsets else {} for part in parts}
    worths = [
        _worth(jury, measured, part=part, columns=frozenset(names), every=every, share=shares[part])
        for part, names in parts.items()
    ]
    worths = sorted(_judged(worths, jury), key=lambda one: -one.gain[jury.decides].value)
    return Ablation(
        background=background_of(config, jury, seeds),
        noise=refit_noise(measured.values(), jury.decides),
        full={name: mean_score(jury, measured[FULL], name) for name in jury.quantities},
        nothing=mean_score(jury, measured[every], jury.decides) if subsets else None,
        parts=worths,
    )


def _measured(
    config: Config, prepared: Prepared, jury: Jury, fits: Sequence[Left], seeds: int
) -> dict[Left, Measured]:
    """Fit every model under every seed, and score each as soon as it has all of them."""
    measured: dict[Left, Measured] = {}
    with tqdm(total=len(fits) * seeds, desc="ablate", unit="fit", disable=None, leave=False) as bar:
        for left in fits:
            judged = []
            for seed in range(config.seed, config.seed + seeds):
                trial = run_trial(_less(config, left, seed), prepared)
                judged.append((trial.prediction, trial.package.threshold))
                bar.update()
            measured[left] = measure(jury, judged)
    return measured


def _less(config: Config, left: Left, seed: int) -> Config:
    """Return the config with these columns left out, under another seed."""
    features = config.features.model_copy(update={"exclude": [*config.features.exclude, *sorted(left)]})
    return config.model_copy(update={"features": features, "seed": seed})


def _prior(config: Config, prepared: Prepared, jury: Jury) -> Measured:
    """Score the prior, which is what a model without any feature comes to."""
    target = prepared.train[config.data.target]
    classes = [str(label) for label in class_labels(target, jury.task)]
    prediction = prior(one_hot(target, jury.task, classes), len(jury.y))
    if jury.task != "multiclass":
        prediction = prediction[:, 0]
    threshold = 0.5
    if jury.task == "binary":
        threshold = decision_threshold(jury.y, prediction, config.kpi, probability=True)
    return measure(jury, [(prediction, threshold)])


def _worth(
    jury: Jury,
    measured: Mapping[Left, Measured],
    *,
    part: str,
    columns: Left,
    every: Left,
    share: Mapping[Left, float],
) -> Worth:
    gain = {name: weigh(jury, measured, {FULL: 1.0, columns: -1.0}, name) for name in jury.quantities}
    alone = every - columns
    return Worth(
        part=part,
        columns=len(columns),
        without=mean_score(jury, measured[columns], jury.decides),
        gain=gain,
        alone=mean_score(jury, measured[alone], jury.decides) if alone in measured else None,
        share={name: weigh(jury, measured, share, name) for name in jury.quantities} if share else {},
        corrected=gain[jury.decides].p,
        verdict="unclear",
    )


def _judged(worths: list[Worth], jury: Jury) -> list[Worth]:
    """Correct the p-values for the number of parts, and say what each gain proves."""
    judged = []
    for one, p in zip(worths, holm([one.corrected for one in worths]), strict=True):
        verdict: Verdict = "unclear"
        if p < 1 - jury.confidence:
            verdict = "keep" if one.gain[jury.decides].value > 0 else "drop"
        judged.append(replace(one, corrected=p, verdict=verdict))
    return judged
