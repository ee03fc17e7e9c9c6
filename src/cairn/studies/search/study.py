"""A search: what driver and workers agree on, and its study in Optuna's storage.

The study is opened, resumed, cleared of what a killed worker left, and read.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna.distributions import CategoricalDistribution, distribution_to_json, json_to_distribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from cairn.data.parts import CONTRACT, PARTS
from cairn.errors import UserError, did_you_mean
from cairn.experiments import pool
from cairn.imports import code_of
from cairn.metrics.paired import greater_is_better
from cairn.models.resume import resume_key
from cairn.pins import PINS
from cairn.studies.search.space import Dimension, Space

FOLDER = Path(".dvc/tmp/search")
DONE = (TrialState.COMPLETE, TrialState.PRUNED)
DEFAULT, EXPLORED, FOLLOWED = "current values", "quasi-random", "TPE"
"""Where the point of a trial came from."""
KEY, PLACE, ORIGIN, WORKER, ERROR = "key", "place", "origin", "worker", "error"
"""Names of Optuna's user attributes."""
EDGE = 0.05
"""Share of a dimension that counts as its end."""
TOP = 5
FEWEST = 4
"""Complete trials that an importance needs at least."""
THIRDS = ("low third", "middle third", "high third")


@dataclass(frozen=True, kw_only=True)
class Plan(pool.Plan):
    """A search: what it starts from, what it varies, and when it ends.

    Attributes:
        storage: an Optuna storage, or None for a journal in the search's folder.
        base: the current sections, of which every trial changes a few values.
        overrides: that make conf/ into base.
        space: its dimensions; conf/ may be edited during the search.
        objective: a metric, or `saving` in currency per 1,000 rows, of the validation rows.
        key: hashes of code, data, settings and space, see `keyed`: a study is resumed only with the same.
        trials: how many to finish.
        until: seconds since 1970 after which no trial begins, or None.
    """

    storage: str | None
    base: dict[str, Any]
    overrides: list[str]
    space: list[dict[str, Any]]
    objective: str
    trials: int
    until: float | None
    key: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the search and its study."""
        return self.folder.name

    @property
    def demand(self) -> dict[str, int]:
        """Cores of a worker, and a GPU if the network is trained on one."""
        return {"threads": self.base["threads"], "gpus": int(self.base["train"]["device"] == "cuda")}

    def dimensions(self) -> Space:
        """Return the space."""
        distributions: list[Any] = [json_to_distribution(one["distribution"]) for one in self.space]
        dimensions = zip(self.space, distributions, strict=True)
        return Space(tuple(Dimension(**one | {"distribution": made}) for one, made in dimensions))


def packed(space: Space) -> list[dict[str, Any]]:
    """Return a space as plan.json holds it."""
    return [asdict(d) | {"distribution": distribution_to_json(d.distribution)} for d in space.dimensions]


def keys(base: Mapping[str, Any], space: Space, objective: str) -> dict[str, str]:
    """Return the hashes that a study depends on: of code, prepared data, settings and space."""
    judged = {"startup", "prune", "warmup"}
    settings = {name: values for name, values in base.items() if name != "search"}
    search = {name: value for name, value in base["search"].items() if name in judged}
    return {
        "code": resume_key([PINS], {"code": code_of("cairn.studies.search.worker")}),
        "data": resume_key([CONTRACT, *PARTS.values()], {}),
        "settings": resume_key([], {**settings, "search": search, "objective": objective}),
        "space": resume_key([], {d.key: [d.words, d.options] for d in space.dimensions}),
    }


def keyed(plan: Plan, space: Space) -> Plan:
    """Return the plan with its key, which needs the prepared data."""
    return replace(plan, key=keys(plan.base, space, plan.objective))


@dataclass(frozen=True)
class Level:
    """The trials that share a value, or a third of the range, of a scientific hyperparameter."""

    name: str
    trials: int
    best: float
    best_trial: int


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
            if worker is not None and pool.is_held(folder / worker):
                continue
            queued = trial.system_attrs.get("fixed_params", {}) | trial.params
            attributes = {ORIGIN: trial.user_attrs[ORIGIN]} if ORIGIN in trial.user_attrs else {}
            # In this order a kill in between repeats a trial at worst, and loses none.
            study.enqueue_trial(queued, user_attrs=attributes)
            study.tell(trial.number, state=TrialState.FAIL)
            dead += 1
    return dead


def check_scientific(names: Sequence[str], space: Space) -> None:
    """Raise UserError if a scientific hyperparameter is not in the space."""
    keys = list(space.default)
    wrong = [name for name in names if name not in keys]
    if wrong:
        known = f"(space: {', '.join(keys)})"
        lines = [f"--scientific {name}: not in the space{did_you_mean(name, keys)} {known}" for name in wrong]
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
    is_choice = isinstance(dimension.distribution, CategoricalDistribution)
    groups: dict[str, list[FrozenTrial]] = {
        str(name): [] for name in (dimension.distribution.choices if is_choice else THIRDS)
    }
    for trial in complete:
        parameter = trial.params[dimension.key]
        name = parameter if is_choice else THIRDS[min(int(3 * dimension.position(parameter)), 2)]
        groups[str(name)].append(trial)
    best = {name: (max if greater else min)(trials, key=value) for name, trials in groups.items() if trials}
    return [Level(name, len(groups[name]), value(trial), trial.number) for name, trial in best.items()]


def _place(folder: Path) -> str:
    """Return an id of this search's folder, which one of the same name in another clone does not have."""
    path = folder / "place"
    if not path.exists():
        path.write_text(uuid.uuid4().hex, encoding="utf-8")
    return path.read_text(encoding="utf-8")


def _enqueue_start(study: Study, plan: Plan, space: Space) -> None:
    """Queue the first points; after a kill in between the next driver queues the rest."""
    count = min(plan.base["search"]["startup"], plan.trials)
    study.enqueue_trial(space.default, user_attrs={ORIGIN: DEFAULT}, skip_if_exists=True)
    for point in space.quasi_random(count - 1, plan.base["seed"]):
        study.enqueue_trial(point, user_attrs={ORIGIN: EXPLORED}, skip_if_exists=True)


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
