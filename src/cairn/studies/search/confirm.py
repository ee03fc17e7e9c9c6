"""The best few of a search as DVC experiments under several seeds, compared with the current values.

The best of many trials on the same rows is partly luck. Which one wins is decided here by its mean on
validation over the seeds; its score on test is read after that, for the winner and the current values only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from optuna.study import Study

from cairn.compose.overrides import key_of
from cairn.errors import UserError
from cairn.experiments.refs import commit_of, experiments_of, read_file, uncommitted
from cairn.experiments.sweep import Job, Outcome, refuse_other_settings, run_sweep
from cairn.metrics.evaluation import MODEL, Evaluation
from cairn.metrics.paired import Difference, greater_is_better, seed_difference
from cairn.settings.search import SAVING
from cairn.studies.search.space import Space
from cairn.studies.search.study import Plan, ranked

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Contender:
    """A point of the space, run under every seed.

    Attributes:
        name: of its experiments, less the seed.
        number: of its trial; None for the current values.
        overrides: that turn conf/ into it.
        experiments: one name for each seed.
        validation: the objective on validation, one for each seed; empty before the experiments have run.
        test: the same on test.
    """

    name: str
    number: int | None
    overrides: tuple[str, ...]
    experiments: tuple[str, ...] = ()
    validation: tuple[float, ...] = ()
    test: tuple[float, ...] = ()


@dataclass(frozen=True)
class Confirmed:
    """What the seeds showed.

    Attributes:
        contenders: the current values first.
        winner: position among them of the best mean on validation.
        seeds: that each ran with.
        on_validation: the winner compared with the current values, seed by seed; None where they are the
            same or there is only one seed.
        on_test: the same on test, read after the choice.
    """

    contenders: tuple[Contender, ...]
    winner: int
    seeds: tuple[int, ...]
    on_validation: Difference | None = None
    on_test: Difference | None = None


def confirm(plan: Plan, contenders: Sequence[Contender], *, workers: int, engine: str) -> Confirmed:
    """Run every contender under every seed, and choose by the mean on validation.

    Raises:
        UserError: what trials used is not committed, or experiments failed.
    """
    root = Path.cwd()
    # The seed of the search is left out: under it these trials were the best of many, partly by its luck.
    seeds = tuple(plan.base["seed"] + 1 + k for k in range(plan.base["search"]["seeds"]))
    revision = commit_of(root, "HEAD")
    jobs = [
        Job(f"{plan.name}-{contender.name}-seed{seed}", (*contender.overrides, f"seed={seed}"))
        for contender in contenders
        for seed in seeds
    ]
    if not {job.name for job in jobs} <= experiments_of(root, revision).keys():
        changed = uncommitted(root)
        if changed:
            raise UserError(
                "the search is finished; its best trials become experiments, which start from a commit:"
                f" commit {', '.join(changed)}, then run the same command again (--top 0: no experiments)"
            )
    refuse_other_settings(root, jobs, revision)
    outcomes = run_sweep(
        root,
        jobs,
        name=f"search-{plan.name}",
        workers=workers,
        engine=engine,
        revision=revision,
        **plan.demand,
    )
    failed = [f"{o.job.name}: {o.error} ({o.log.relative_to(root)})" for o in outcomes if o.sha is None]
    if failed:
        raise UserError(
            "\n".join(["experiments of the best trials failed; run the same command to try again", *failed])
        )
    found = []
    for k, contender in enumerate(contenders):
        mine = outcomes[k * len(seeds) : (k + 1) * len(seeds)]
        scores = [_scores(root, outcome, plan) for outcome in mine]
        validation, test = zip(*scores, strict=True)
        names = tuple(outcome.job.name for outcome in mine)
        found.append(replace(contender, experiments=names, validation=validation, test=test))
    return chosen(found, seeds, greater=greater_is_better(plan.objective))


def chosen(contenders: Sequence[Contender], seeds: tuple[int, ...], *, greater: bool) -> Confirmed:
    """Choose by the mean on validation (the earlier of equal ones), then compare with the current values."""
    sign = 1 if greater else -1
    winner = max(range(len(contenders)), key=lambda k: (sign * float(np.mean(contenders[k].validation)), -k))
    default, best = contenders[0], contenders[winner]
    if not winner:
        return Confirmed(tuple(contenders), winner, seeds)
    return Confirmed(
        tuple(contenders),
        winner,
        seeds,
        seed_difference(
            default.validation, best.validation, confidence=CONFIDENCE, tests=len(contenders) - 1
        ),
        seed_difference(default.test, best.test, confidence=CONFIDENCE),
    )


def contenders(study: Study, plan: Plan, space: Space, top: int) -> list[Contender]:
    """Return the current values and, after them, the best few other trials."""
    others = [trial for trial in ranked(study) if trial.params != space.default]
    best = [t for k, t in enumerate(others) if all(t.params != o.params for o in others[:k])][:top]
    return [
        Contender("default", None, job_overrides(plan, [])),
        *(
            Contender(
                f"trial{trial.number}",
                trial.number,
                job_overrides(plan, space.overrides(trial.params)),
            )
            for trial in best
        ),
    ]


def job_overrides(plan: Plan, overrides: Sequence[str]) -> tuple[str, ...]:
    """Return the overrides that turn conf/ into a point, without the search's own."""
    return (*(word for word in plan.overrides if not key_of(word).startswith("search")), *overrides)


def _scores(root: Path, outcome: Outcome, plan: Plan) -> tuple[float, float]:
    """Return the objective of an experiment on validation and on test."""
    path, objective, cure = "metrics/evaluation.json", plan.objective, "remove it with `dvc exp remove`"
    content = read_file(root, str(outcome.sha), path)
    if content is None:
        raise UserError(f"experiment {outcome.job.name} has no {path}; {cure}")
    found = Evaluation.model_validate_json(content)
    if objective == SAVING:
        validation = found.validation_kpi[MODEL][SAVING] if found.validation_kpi else None
        test = found.kpi.policies[MODEL].saving.value if found.kpi else None
    else:
        validation, test = found.validation[MODEL][objective], found.scores[MODEL][objective].value
    if validation is None or test is None:
        raise UserError(f"experiment {outcome.job.name}: {path} has no {objective}; {cure}")
    return validation, test
