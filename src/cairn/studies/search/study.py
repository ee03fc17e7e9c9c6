"""The study of a search in Optuna's storage: opened, continued, and cleared of what a killed worker left."""

import uuid
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from cairn.errors import UserError
from cairn.experiments.pool import is_held
from cairn.metrics.paired import greater_is_better
from cairn.studies.search.plan import Plan
from cairn.studies.search.space import Space

DONE = (TrialState.COMPLETE, TrialState.PRUNED)
DEFAULT, EXPLORED, FOLLOWED = "current values", "quasi-random", "TPE"
"""Where the point of a trial came from."""
KEY, PLACE, ORIGIN, WORKER, ERROR = "key", "place", "origin", "worker", "error"
"""Names of Optuna's user attributes."""


def open_study(plan: Plan, space: Space) -> Study:
    """Open the study of a search, or begin it with the current values and quasi-random points.

    Raises:
        UserError: the storage cannot be reached, or the study was begun with other code, data, settings or
            space, or in another checkout.
    """
    study = load(plan, begin=True)
    began, place = study.user_attrs.get(KEY), _place(plan.folder)
    if began is None:
        _enqueue_start(study, plan, space)
        study.set_user_attr(PLACE, place)
        study.set_user_attr(KEY, plan.key)
    elif study.user_attrs[PLACE] != place:
        raise UserError(
            f"search '{plan.name}' in this storage was begun in another checkout, whose locks show which"
            " workers live: resume it there, or choose another --name"
        )
    elif began != plan.key:
        other = " and ".join(name for name in plan.key if plan.key[name] != began.get(name))
        raise UserError(
            f"search '{plan.name}' was begun with other {other}, so its trials cannot be compared with new"
            f" ones: choose another name (--name {plan.name}_2), or undo the change"
        )
    return study


def load(plan: Plan, *, begin: bool = False) -> Study:
    """Open the study; with begin, create it if it does not exist."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    direction = "maximize" if greater_is_better(plan.objective) else "minimize"
    storage = _storage(plan.storage, plan.folder)
    if not begin:
        return optuna.load_study(study_name=plan.name, storage=storage)
    return optuna.create_study(
        study_name=plan.name, storage=storage, direction=direction, load_if_exists=True
    )


def finished(study: Study) -> list[FrozenTrial]:
    """Return the trials that are done, complete or pruned, in the order of their numbers."""
    return study.get_trials(deepcopy=False, states=DONE)


def failed(study: Study) -> list[FrozenTrial]:
    """Return the trials that ended in an error; those whose worker was killed run again and do not count."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.FAIL,))
    return [trial for trial in trials if ERROR in trial.user_attrs]


def ranked(study: Study) -> list[FrozenTrial]:
    """Return the complete trials, best first; of equal ones the earlier first."""
    sign = -1 if study.direction == StudyDirection.MAXIMIZE else 1
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return sorted(complete, key=lambda trial: (sign * value(trial), trial.number))


def default_trial(study: Study) -> FrozenTrial | None:
    """Return the trial of the current values, None until it is complete."""
    return next((t for t in ranked(study) if t.user_attrs.get(ORIGIN) == DEFAULT), None)


def value(trial: FrozenTrial) -> float:
    """Return the objective of a complete trial."""
    if trial.value is None:
        raise TypeError(f"trial {trial.number} is complete and has no value")
    return trial.value


def asking(folder: Path) -> FileLock:
    """Return the lock under which trials begin, so that their number and their workers are certain."""
    return FileLock(folder / "ask.lock")


def requeue_dead(study: Study, folder: Path) -> int:
    """Fail the running trials whose worker is gone, and queue their parameters again.

    A worker holds its lock as long as it lives; the operating system then frees it.

    Returns:
        How many there were.
    """
    dead = 0
    with asking(folder):
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            worker = trial.user_attrs.get(WORKER)
            # A trial begins under the lock that is held here: one with no worker's name was cut short there.
            if worker is not None and is_held(folder / worker):
                continue
            queued = trial.system_attrs.get("fixed_params", {}) | trial.params
            attributes = {ORIGIN: trial.user_attrs[ORIGIN]} if ORIGIN in trial.user_attrs else {}
            # In this order a kill in between repeats a trial at worst, and loses none.
            study.enqueue_trial(queued, user_attrs=attributes)
            study.tell(trial.number, state=TrialState.FAIL)
            dead += 1
    return dead


def _place(folder: Path) -> str:
    """Return an id of this search's folder, which one of the same name in another clone does not have."""
    path = folder / "place"
    if not path.exists():
        path.write_text(uuid.uuid4().hex, encoding="utf-8")
    return path.read_text(encoding="utf-8")


def _enqueue_start(study: Study, plan: Plan, space: Space) -> None:
    """Queue the first points; after a kill in between the next driver queues the rest."""
    settings = plan.base["search"]
    count = min(settings["startup"], plan.trials)
    queued = {_id(t.system_attrs.get("fixed_params", {})) for t in study.get_trials(deepcopy=False)}
    points = [(DEFAULT, space.default)]
    points += [(EXPLORED, point) for point in space.quasi_random(count - 1, plan.base["seed"])]
    for origin, point in points:
        if _id(point) not in queued:
            study.enqueue_trial(point, user_attrs={ORIGIN: origin})
            queued.add(_id(point))


def _id(parameters: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(parameters.items()))


def _storage(url: str | None, folder: Path) -> BaseStorage:
    if url is None:
        path = folder / "journal.log"
        # The operating system frees this lock when its holder is killed; Optuna's own would stay for 30 s.
        lock = FileLock(folder / "journal.lock")
        with lock:
            _drop_torn_line(path)
        return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))  # ty: ignore[invalid-argument-type]
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return RDBStorage(url)
    except (SQLAlchemyError, ImportError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"--storage: cannot be opened ({reason}); write a URL such as postgresql+psycopg://user@host/base"
        ) from error


def _drop_torn_line(path: Path) -> None:
    """Cut off the rest of a line that a crash of the machine left: a line after it could not be read."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)
