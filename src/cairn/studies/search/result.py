"""What came out of a search, in words: the best trials beside the values in force, and who goes on."""

from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from cairn.studies.search.confirm import Contender, job_overrides
from cairn.studies.search.objective import greater_is_better
from cairn.studies.search.plan import Plan
from cairn.studies.search.space import Space
from cairn.studies.search.study import default_trial, failed, ranked

SHOWN = 5


def table(study: Study, plan: Plan, space: Space) -> list[str]:
    """Return the lines for the terminal: the best few trials and, below them, the values in force."""
    rows = rows_of(study, plan, space)
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    default = default_trial(study)
    lines = [
        f"{line}  <- in force" if default is not None and row[0] == str(default.number) else line
        for row, line in zip(rows, lines, strict=True)
    ]
    pruned = len(study.get_trials(deepcopy=False, states=(TrialState.PRUNED,)))
    direction = "higher" if greater_is_better(plan.objective) else "lower"
    count = f"{len(ranked(study))} trials complete, {pruned} stopped early, {len(failed(study))} failed"
    return [f"search {plan.name}: {plan.objective} on validation, {direction} is better; {count}", *lines]


def rows_of(study: Study, plan: Plan, space: Space) -> list[list[str]]:
    """Return the best few trials as cells, the heads first, the values in force among them or last."""
    best, default = ranked(study)[:SHOWN], default_trial(study)
    listed = best if default is None or default in best else [*best, default]
    heads = ["trial", plan.objective, *(d.key.rpartition(".")[2] for d in space.dimensions)]
    return [heads, *(_cells(trial, space) for trial in listed)]


def contenders(study: Study, plan: Plan, space: Space, top: int) -> list[Contender]:
    """Return the values in force and, after them, the best few other trials."""
    others = [trial for trial in ranked(study) if trial.params != space.default]
    different = {tuple(trial.params.items()): trial for trial in reversed(others)}
    best = sorted(different.values(), key=others.index)[:top]
    return [
        Contender("default", None, space.default, job_overrides(plan, [])),
        *(
            Contender(
                f"trial{trial.number}",
                trial.number,
                trial.params,
                job_overrides(plan, space.overrides(trial.params)),
            )
            for trial in best
        ),
    ]


def shown(parameter: Any) -> str:
    """Write a parameter for people: numbers with four digits."""
    return f"{parameter:.4g}" if isinstance(parameter, float) else str(parameter)


def _cells(trial: FrozenTrial, space: Space) -> list[str]:
    value = "" if trial.value is None else f"{trial.value:.5g}"
    return [str(trial.number), value, *(shown(trial.params[d.key]) for d in space.dimensions)]
