"""How to read a search, in the terms of Google's tuning playbook: roles, ends of the space, importances."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import CategoricalDistribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.study import Study
from optuna.trial import FrozenTrial

from cairn.errors import UserError, did_you_mean
from cairn.studies.search.dimension import Dimension
from cairn.studies.search.space import Space
from cairn.studies.search.study import ranked, value

EDGE = 0.05
"""Share of a dimension that counts as its end."""
TOP = 5
FEWEST = 4
"""Complete trials that an importance needs at least."""
THIRDS = ("low third", "middle third", "high third")


@dataclass(frozen=True)
class Level:
    """The trials that share a value, or a third of the range, of a scientific hyperparameter."""

    name: str
    trials: int
    best: float
    best_trial: int


def check_scientific(names: Sequence[str], space: Space) -> None:
    """Check that every scientific hyperparameter is in the space.

    Raises:
        UserError: one is not in the space.
    """
    keys = [dimension.key for dimension in space.dimensions]
    wrong = [name for name in names if name not in keys]
    if wrong:
        lines = [f"--scientific {name}: is not in the space{did_you_mean(name, keys)}" for name in wrong]
        raise UserError("\n".join(lines))


def at_end(dimension: Dimension, parameter: Any) -> str | None:
    """Return the end, lower or upper, that a parameter is at; None inside and for a choice."""
    if isinstance(dimension.distribution, CategoricalDistribution):
        return None
    position = dimension.position(parameter)
    if EDGE < position < 1 - EDGE:
        return None
    return "lower" if position <= EDGE else "upper"


def importances(study: Study, space: Space, seed: int) -> dict[str, float]:
    """Return the share of the objective's variance over the space that each dimension explains by itself.

    fANOVA (Hutter, Hoos & Leyton-Brown 2014), by Optuna on scikit-learn's forest; complete trials only. Empty
    where there are too few, or all have one value.
    """
    complete = ranked(study)
    if len(complete) < FEWEST or len({trial.value for trial in complete}) < 2:
        return {}
    evaluator = FanovaImportanceEvaluator(seed=seed)
    return get_param_importances(study, evaluator=evaluator, params=[d.key for d in space.dimensions])


def levels(dimension: Dimension, complete: Sequence[FrozenTrial], *, greater: bool) -> list[Level]:
    """Compare the levels of a scientific hyperparameter, each at its best over the nuisance ones."""
    groups: dict[str, list[FrozenTrial]] = {}
    choices = isinstance(dimension.distribution, CategoricalDistribution)
    for name in dimension.distribution.choices if choices else THIRDS:
        groups[str(name)] = []
    for trial in complete:
        parameter = trial.params[dimension.key]
        name = parameter if choices else THIRDS[min(int(3 * dimension.position(parameter)), 2)]
        groups[str(name)].append(trial)
    pick = max if greater else min
    found = []
    for name, trials in groups.items():
        if trials:
            best = pick(trials, key=value)
            found.append(Level(name, len(trials), value(best), best.number))
    return found
