"""What came out of a search, in words: the best trials beside the values in force."""

from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from cairn.search.objective import greater_is_better
from cairn.search.plan import Plan
from cairn.search.space import Space
from cairn.search.study import default_trial, failed, ranked

SHOWN = 5


def table(study: Study, plan: Plan, space: Space) -> list[str]:
    """Return the lines for the terminal: the best few trials and, below them, the values in force."""
    best = ranked(study)
    default = default_trial(study)
    shown = best[:SHOWN] + ([default] if default is not None and default not in best[:SHOWN] else [])
    heads = ["trial", plan.objective, *(d.key.rpartition(".")[2] for d in space.dimensions)]
    rows = [[*_cells(trial, space)] for trial in shown]
    lines = aligned([heads, *rows])
    if default is not None:
        lines[1 + shown.index(default)] += "  <- values in force"
    pruned = len(study.get_trials(deepcopy=False, states=(TrialState.PRUNED,)))
    direction = "higher" if greater_is_better(plan.objective) else "lower"
    count = f"{len(best)} trials complete, {pruned} stopped early, {len(failed(study))} failed"
    return [f"search {plan.name}: {plan.objective} on validation, {direction} is better; {count}", *lines]


def aligned(rows: list[list[str]]) -> list[str]:
    """Return the rows as text with columns of one width each, right-aligned."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def _cells(trial: FrozenTrial, space: Space) -> list[str]:
    value = "" if trial.value is None else f"{trial.value:.5g}"
    return [str(trial.number), value, *(shown(trial.params[d.key]) for d in space.dimensions)]


def shown(parameter: Any) -> str:
    """Write a parameter for people: numbers with four digits."""
    return f"{parameter:.4g}" if isinstance(parameter, float) else str(parameter)
