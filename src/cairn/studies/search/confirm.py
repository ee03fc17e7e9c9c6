"""The best few of a search as DVC experiments under several seeds, beside the values in force.

The best of many trials on the same rows is partly luck. Which one wins is decided here by its mean on
validation over the seeds; its score on test is read after that, for the winner and the values in force only.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cairn.compose.overrides import key_of
from cairn.errors import UserError
from cairn.experiments.refs import commit_of, experiments_of, git, read_file
from cairn.experiments.sweep import Job, Outcome, refuse_other_settings, run_sweep
from cairn.metrics.bootstrap import Estimate
from cairn.metrics.evaluation import MODEL
from cairn.metrics.kpi import PER_ROWS
from cairn.settings.search import SAVING
from cairn.studies.search.objective import greater_is_better
from cairn.studies.search.plan import Plan

DECIDES = ("conf", "src", "data", "dvc.yaml", "constraints.txt")
"""What experiments take from a commit and trials from the workspace."""


@dataclass(frozen=True)
class Contender:
    """A point of the space, run under every seed.

    Attributes:
        name: of its experiments, less the seed.
        number: of its trial; None for the values in force.
        parameters: of its point.
        overrides: that turn conf/ into it.
        experiments: by seed, the name of the experiment.
        validation: the objective on validation, one for each seed; empty before the experiments have run.
        test: likewise on test.
    """

    name: str
    number: int | None
    parameters: dict[str, Any]
    overrides: tuple[str, ...]
    experiments: tuple[str, ...] = ()
    validation: tuple[float, ...] = ()
    test: tuple[float, ...] = ()


@dataclass(frozen=True)
class Confirmed:
    """What the seeds said.

    Attributes:
        contenders: the values in force first.
        winner: position among them of the best mean on validation.
        seeds: that each ran with.
        gain: of the winner over the values in force on validation, positive where better; None where they
            are the same or one seed says nothing of luck.
        gain_on_test: likewise on test, looked at after the choice.
    """

    contenders: tuple[Contender, ...]
    winner: int
    seeds: tuple[int, ...]
    gain: Estimate | None
    gain_on_test: Estimate | None


def confirm(plan: Plan, contenders: Sequence[Contender], *, workers: int, engine: str) -> Confirmed:
    """Run every contender under every seed, and choose by the mean on validation.

    Args:
        plan: of the search; the seeds are those that follow its own.
        contenders: the values in force first.
        workers: see run_sweep.
        engine: see run_sweep.

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
        _stop_on_changes(root)
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
    _stop_on_failures(root, outcomes)
    found = []
    for k, contender in enumerate(contenders):
        mine = outcomes[k * len(seeds) : (k + 1) * len(seeds)]
        scores = [_scores(root, outcome, plan) for outcome in mine]
        validation, test = zip(*scores, strict=True)
        names = tuple(outcome.job.name for outcome in mine)
        found.append(
            Contender(
                contender.name,
                contender.number,
                contender.parameters,
                contender.overrides,
                names,
                validation,
                test,
            )
        )
    return chosen(found, seeds, greater=greater_is_better(plan.objective))


def chosen(contenders: Sequence[Contender], seeds: tuple[int, ...], *, greater: bool) -> Confirmed:
    """Choose by the mean on validation (the earlier of equal ones), then compare with the values in force."""
    sign = 1 if greater else -1
    winner = max(range(len(contenders)), key=lambda k: (sign * float(np.mean(contenders[k].validation)), -k))
    default, best = contenders[0], contenders[winner]
    if not winner:
        return Confirmed(tuple(contenders), winner, seeds, None, None)
    gain = paired_gain(default.validation, best.validation, sign, chosen_of=len(contenders) - 1)
    return Confirmed(
        tuple(contenders), winner, seeds, gain, paired_gain(default.test, best.test, sign, chosen_of=1)
    )


def paired_gain(
    before: Sequence[float], after: Sequence[float], sign: int, *, chosen_of: int
) -> Estimate | None:
    """Return the mean gain over pairs of one seed each with its 95 % t interval; None for fewer than two.

    The interval is about the luck of the seed alone: the rows are the same.

    Args:
        before: scores, one for each seed.
        after: likewise.
        sign: -1 where less is better.
        chosen_of: among how many the best gain was picked on these scores: the interval holds for all of
            them at once (Bonferroni).
    """
    from scipy.stats import t

    gains = sign * (np.asarray(after) - np.asarray(before))
    n = len(gains)
    if n < 2:
        return None
    mean, reach = (
        float(gains.mean()),
        float(t.ppf(1 - 0.025 / chosen_of, n - 1) * gains.std(ddof=1) / math.sqrt(n)),
    )
    return Estimate(mean, mean - reach, mean + reach)


def job_overrides(plan: Plan, overrides: Sequence[str]) -> tuple[str, ...]:
    """Return the words that make conf/ into a point; how the search went about it is no part of that."""
    return (*(word for word in plan.overrides if not key_of(word).startswith("search")), *overrides)


def _stop_on_changes(root: Path) -> None:
    changed = [line[3:] for line in git(root, "status", "--porcelain", "--", *DECIDES).splitlines()]
    if changed:
        raise UserError(
            f"the search is finished; its best become experiments, which start from a commit: commit"
            f" {', '.join(changed)}, then the same command goes on (--top 0: no experiments)"
        )


def _stop_on_failures(root: Path, outcomes: Sequence[Outcome]) -> None:
    failed = [outcome for outcome in outcomes if outcome.sha is None]
    if failed:
        lines = [f"{o.job.name}: {o.error} ({o.log.relative_to(root)})" for o in failed]
        raise UserError(
            "\n".join(["experiments of the best trials failed; the same command tries again", *lines])
        )


def _scores(root: Path, outcome: Outcome, plan: Plan) -> tuple[float, float]:
    """Return the objective of an experiment on validation and on test."""
    record, split = (_json(root, outcome, f"metrics/{name}.json") for name in ("evaluation", "split"))
    if plan.objective == SAVING:
        rate = split["parts"]["validation"]["rate"]
        validation = saving_from_rates(record["validation"][MODEL], rate, plan.base["kpi"])
        return validation, record["kpi"]["policies"][MODEL]["saving"]["value"]
    return (
        record["validation"][MODEL][plan.objective],
        record["scores"][MODEL][plan.objective]["value"],
    )


def saving_from_rates(scores: dict[str, float], rate: float, kpi: dict[str, Any]) -> float:
    """Return the saving per 1,000 rows from accuracy and recall, which say how many were acted on.

    Args:
        scores: accuracy and recall of the decisions.
        rate: share of the events.
        kpi: action, loss and share_saved, see CostKpi.
    """
    caught = scores["recall"] * rate
    acted = 1 - rate + 2 * caught - scores["accuracy"]
    return PER_ROWS * (caught * kpi["loss"] * kpi["share_saved"] - acted * kpi["action"])


def _json(root: Path, outcome: Outcome, path: str) -> dict[str, Any]:
    content = read_file(root, str(outcome.sha), path)
    if content is None:
        raise UserError(f"experiment {outcome.job.name} has no {path}; remove it with `dvc exp remove`")
    return json.loads(content)
