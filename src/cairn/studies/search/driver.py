"""The driver of a search: makes the plan, starts the workers, shows their progress.

Its whole state is in the study: after a kill the same command resumes the search.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import time
from typing import Any

from optuna.study import Study

from cairn.compose.params_file import CONF
from cairn.compose.validate import Origin, read_config
from cairn.errors import UserError
from cairn.experiments import pool
from cairn.experiments.engines import start
from cairn.studies.protocol import current_settings
from cairn.studies.search.space import Space, read_space, split_words
from cairn.studies.search.study import (
    ERROR,
    FOLDER,
    Plan,
    failed,
    finished,
    keyed,
    open_study,
    packed,
    ranked,
    requeue_dead,
)
from cairn.studies.search.worker import MOST_ERRORS


def make_plan(words: Sequence[str], *, name: str | None, storage: str | None) -> tuple[Plan, Space]:
    """Make the plan of a search, and its space, from params.yaml and the words of `-S`.

    Each of the words fixes or varies a value. Without a name the search is named after the model.

    Raises:
        UserError: one line for each error in conf/ or the words.
    """
    fixed, varied = split_words(words)
    base = current_settings(fixed)
    config = read_config(base.values, Path(), Origin(CONF, base, "-S {}").of)
    space = read_space(CONF, base, config.data.task, fixed=fixed, varied=varied)
    _check(space, base.values)
    objective = config.search.objective or config.evaluate.primary_of(config.data.task)
    minutes = config.search.timeout
    return Plan(
        folder=FOLDER / pool.checked(name or config.model.name),
        storage=storage,
        base=base.values,
        overrides=list(base.overrides),
        space=packed(space),
        objective=objective,
        trials=config.search.trials,
        until=None if minutes is None else time() + 60 * minutes,
    ), space


def run(plan: Plan, space: Space, *, workers: int, engine: str) -> Study:
    """Run trials until the plan's number of them is finished; return the study.

    Raises:
        UserError: another process runs this search, its study cannot be resumed, or its trials or workers
            fail.
    """
    plan = keyed(plan, space)
    with pool.driving(plan.folder, "search"):
        study = open_study(plan, space)
        pool.write_plan(plan)
        requeue_dead(study, plan.folder)
        missing = plan.trials - len(finished(study))
        if missing > 0:
            crew = [[sys.executable, "src/cairn", "search", "--worker", plan.name]] * min(workers, missing)
            try:
                started = start(engine, crew, folder=plan.folder / pool.WORKERS, **plan.demand)
                pool.drive(plan, started, _progress(plan, study), total=plan.trials, unit="trial")
            finally:
                requeue_dead(study, plan.folder)
            _stop_if_unfinished(plan, study)
    if not ranked(study):
        raise UserError("no trial is complete yet: raise search.timeout or --trials")
    return study


def _progress(plan: Plan, study: Study) -> Iterator[pool.Progress]:
    before = 0
    while True:
        count, best = len(finished(study)), ranked(study)[:1]
        note = f"best {plan.objective} {best[0].value:.5g} (trial {best[0].number})" if best else ""
        line = f"search: {count}/{plan.trials} trials{', ' if note else ''}{note}"
        # On a terminal the bar shows the same.
        is_news = count > before and not sys.stderr.isatty()
        before = count
        yield pool.Progress(count, note, (line,) if is_news else ())


def _stop_if_unfinished(plan: Plan, study: Study) -> None:
    done, errors = len(finished(study)), failed(study)
    if not done and len(errors) >= MOST_ERRORS:
        raise UserError(f"every trial fails; the last error: {errors[-1].user_attrs[ERROR]}")
    if done < plan.trials and (plan.until is None or time() <= plan.until):
        log = plan.folder / pool.WORKERS / "worker-0.log"
        tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-1:] if log.exists() else []
        raise UserError(
            f"all workers ended with {done} of {plan.trials} trials finished; the same command resumes the"
            f" search (log: {log}{f', last line: {tail[0]}' if tail else ''})"
        )


def _check(space: Space, base: dict[str, Any]) -> None:
    """Validate the whole config at the ends of every dimension, before any trial."""
    wrong = []
    for dimension in space.dimensions:
        for parameter in dimension.ends:
            values = space.values(base, {dimension.key: parameter})
            try:
                read_config(values, Path(), lambda _, d=dimension, p=parameter: f"space: {d.key}={p}")
            except UserError as error:
                wrong += str(error).splitlines()
    if wrong:
        raise UserError("\n".join(dict.fromkeys(wrong)))
