"""The driver of a search: makes the plan, starts the workers, shows their progress.

Its whole state is in the study: after a kill the same command resumes the search.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from time import time
from typing import Any

from optuna.study import Study

from cairn.compose import params_file
from cairn.compose.conf import Composed, compose
from cairn.compose.overrides import differing, replaced
from cairn.compose.params_file import recorded_in, settings_line
from cairn.compose.validate import Origin, read_config
from cairn.errors import UserError
from cairn.experiments import pool
from cairn.experiments.engines.start import start
from cairn.studies.search.objective import objective_of
from cairn.studies.search.plan import FOLDER, Plan, keys
from cairn.studies.search.space import Space, read_space, split_words
from cairn.studies.search.study import ERROR, failed, finished, open_study, ranked, requeue_dead
from cairn.studies.search.worker import MOST_ERRORS
from cairn.studies.trial import SHARED

CONF, PARAMS = Path("conf"), Path("params.yaml")


def make_plan(words: Sequence[str], *, name: str | None, storage: str | None) -> tuple[Plan, Space]:
    """Make the plan of a search from params.yaml and the words of `-S`.

    Args:
        words: each fixes or varies a value.
        name: of the search; None: that of the model.
        storage: see Plan.

    Returns:
        The plan and its space.

    Raises:
        UserError: one line for each error in conf/ or the words.
    """
    fixed, varied = split_words(words)
    base = _base(fixed)
    config = read_config(base.values, Path(), Origin(CONF, base, "-S {}").of)
    space = read_space(CONF, base, config.data.task, fixed=fixed, varied=varied)
    _check(space, base.values)
    objective = objective_of(config)
    minutes = config.search.timeout
    plan = Plan(
        folder=FOLDER / _checked(name or config.model.name),
        storage=storage,
        base=base.values,
        overrides=list(base.overrides),
        space=[(d.key, d.words) for d in space.dimensions],
        groups={d.key: d.options for d in space.dimensions if d.key in base.choices},
        objective=objective,
        trials=config.search.trials,
        until=None if minutes is None else time() + 60 * minutes,
    )
    return replace(plan, key=keys(base.values, space, objective)), space


def run(plan: Plan, space: Space, *, workers: int, engine: str) -> Study:
    """Run trials until the plan's number of them is finished.

    Returns:
        The study.

    Raises:
        UserError: another process runs this search, its study cannot be resumed, or its trials or workers
            fail.
    """
    with pool.driving(plan.folder, "search"):
        study = open_study(plan, space)
        pool.write_plan(plan)
        print(settings_line(plan.overrides, recorded_in(PARAMS)), flush=True)
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


def _base(fixed: Sequence[str]) -> Composed:
    """Return the current settings, changed by the fixed words."""
    found = params_file.read(PARAMS)
    if found is None or found.overrides is None:
        raise UserError("params.yaml is out of date; run `dvc repro compose`")
    base = compose(CONF, replaced(found.overrides, fixed))
    changed = [key for key in differing(found.values, base.values) if key.partition(".")[0] in SHARED]
    if changed:
        raise UserError(
            f"-S changes {', '.join(changed[:3])}, which the prepared data or the workers depend on: run"
            f" `python src/cairn compose {' '.join(fixed)}` first, then search without these -S"
        )
    return base


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


def _checked(name: str) -> str:
    if not name.replace("_", "").replace("-", "").isalnum():
        raise UserError(f"--name {name}: use letters, digits, _ and -")
    return name
