"""A worker of a search: runs one trial of the study after another until none is left.

It can be killed at any time, and any number can be started. Data are read and libraries imported once.
"""

import uuid
from collections.abc import Callable
from pathlib import Path
from time import time
from typing import Any

import numpy as np
import optuna
from filelock import FileLock
from optuna.pruners import NopPruner, PercentilePruner
from optuna.samplers import TPESampler
from optuna.study import Study
from optuna.trial import TrialState

from cairn.compose.validate import read_config
from cairn.data.parts import Prepared, load_prepared
from cairn.errors import UserError
from cairn.experiments import pool
from cairn.metrics.paired import EvaluationSet, Predictor, greater_is_better, values_of
from cairn.studies.protocol import evaluation_set, run_trial
from cairn.studies.search.space import Space
from cairn.studies.search.study import (
    DONE,
    ERROR,
    FOLDER,
    FOLLOWED,
    ORIGIN,
    WORKER,
    Plan,
    asking,
    failed,
    finished,
    keys,
    load,
    requeue_dead,
)

MOST_ERRORS = 5
"""Number of failed trials, with none finished, after which a search stops: all of them will fail."""
MOST_IN_A_ROW = 10
"""Number of failed trials in a row after which a worker stops."""
ITERATIONS = ("max_iter", "max_epochs", "n_estimators")
"""Parameters that limit the number of iterations."""
FEWEST = 10
"""Epochs that `max_epochs: auto` stands for at least, see cairn.models.network."""


def work(name: str) -> None:
    """Run trials until the search has all it needs, or its driver is gone or replaced by another.

    While other workers run the last trials this one waits: if one of them is killed, its trial runs here.

    Raises:
        UserError: code or data are not those that the search began with, or trial after trial fails.
    """
    plan = pool.read_plan(Plan, FOLDER / name)
    space = plan.dimensions()
    prepared = load_prepared(Path())
    changed = [what for what, now in keys(plan.base, space, plan.objective).items() if now != plan.key[what]]
    if changed:
        raise UserError(f"{' and '.join(changed)} changed since search '{name}' was started; start it again")
    study = load(plan)
    worker = f"{uuid.uuid4().hex}.lock"
    in_a_row = 0

    def run_next() -> bool:
        nonlocal in_a_row
        trial = begin(study, plan, space, worker)
        if trial is None:
            requeue_dead(study, plan.folder)
            return False
        error = run(trial, study, plan, space, prepared)
        in_a_row = in_a_row + 1 if error else 0
        if in_a_row == MOST_IN_A_ROW:
            raise UserError(f"{in_a_row} trials failed one after the other; the last error: {error}")
        return True

    with FileLock(plan.folder / worker):
        pool.work(plan, is_over=lambda: is_over(study, plan), run_next=run_next)


def is_over(study: Study, plan: Plan) -> bool:
    """Whether no trial may begin any more, however the running ones end."""
    done = len(finished(study))
    late = plan.until is not None and time() > plan.until
    return late or done >= plan.trials or (not done and len(failed(study)) >= MOST_ERRORS)


def begin(study: Study, plan: Plan, space: Space, worker: str) -> optuna.Trial | None:
    """Begin the next trial: a queued point if there is one, else one that TPE proposes.

    Tree-structured Parzen estimator, all parameters together (Falkner et al. 2018); running trials count as
    bad ones, so that workers side by side do not propose the same (Ginsbourger et al. 2010).

    Returns:
        The trial with its parameters, or None if enough are done or running, or time is up.
    """
    with asking(plan.folder):
        trials = study.get_trials(deepcopy=False)
        begun = sum(trial.state in (*DONE, TrialState.RUNNING) for trial in trials)
        if begun >= plan.trials or is_over(study, plan):
            return None
        # The number of trials is part of the seed: a resumed study would repeat its first draws.
        seed = np.random.SeedSequence([plan.base["seed"], len(trials)]).generate_state(1)[0]
        study.sampler = TPESampler(n_startup_trials=2, seed=int(seed), multivariate=True, constant_liar=True)
        study.pruner = _pruner(plan)
        trial = study.ask({d.key: d.distribution for d in space.dimensions})
        if ORIGIN not in trial.user_attrs:
            trial.set_user_attr(ORIGIN, FOLLOWED)
        trial.set_user_attr(WORKER, worker)
    return trial


def run(trial: optuna.Trial, study: Study, plan: Plan, space: Space, prepared: Prepared) -> str | None:
    """Train, score on validation and tell the study; return why the trial failed, or None."""
    # The result of the same parameters would be bit for bit the same.
    done = next((other for other in finished(study) if other.params == trial.params), None)
    if done is not None:
        print(f"trial {trial.number}: the same parameters as trial {done.number}", flush=True)
        value = done.value if done.state == TrialState.COMPLETE else None
        study.tell(trial.number, value, state=done.state)
        return None
    try:
        config = read_config(space.values(plan.base, trial.params), Path(), lambda _: "trial")
        fitted = run_trial(config, prepared, _watch(trial, greater=greater_is_better(plan.objective)))
        value = value_of(plan.objective, fitted, evaluation_set(config, prepared))
        if not np.isfinite(value):
            raise UserError(f"{plan.objective} is {value}")
    except optuna.TrialPruned:
        print(f"trial {trial.number}: pruned", flush=True)
        study.tell(trial.number, state=TrialState.PRUNED)
    except Exception as error:
        reason = (str(error) if isinstance(error, UserError) else repr(error)).splitlines()[0]
        print(f"trial {trial.number}: {reason}", flush=True)
        trial.set_user_attr(ERROR, reason)
        study.tell(trial.number, state=TrialState.FAIL)
        return reason
    else:
        # Printed first: when the driver reads of the last trial in the study it ends the workers.
        print(f"trial {trial.number}: {value:.6g}", flush=True)
        study.tell(trial.number, value)
    return None


def value_of(objective: str, fitted: Predictor, rows: EvaluationSet) -> float:
    """Return the objective of a trial on the validation rows."""
    return values_of(rows.task, rows.y, fitted, rows.costs, [objective], weights=rows.weights)[objective]


def _watch(trial: optuna.Trial, *, greater: bool) -> Callable[[int, float], None]:
    """Report the loss at iterations 1, 2, 4, 8, …: few enough to cost nothing, the same in all trials."""

    def on_iteration(iteration: int, loss: float) -> None:
        if iteration & (iteration - 1):
            return
        # Optuna reads what is reported in the direction of the objective.
        trial.report(-loss if greater else loss, iteration)
        if trial.should_prune():
            raise optuna.TrialPruned

    return on_iteration


def _pruner(plan: Plan) -> optuna.pruners.BasePruner:
    settings: dict[str, Any] = plan.base["search"]
    if settings["prune"] == 0:
        return NopPruner()
    params = plan.base["model"].get("params", {})
    limits = [FEWEST if params[name] == "auto" else params[name] for name in ITERATIONS if name in params]
    most = max([0, *(limit for limit in limits if isinstance(limit, int))])  # -1 is scikit-learn's no limit
    return PercentilePruner(
        100 * (1 - settings["prune"]),
        n_startup_trials=settings["startup"],
        n_warmup_steps=round(settings["warmup"] * most),
    )
