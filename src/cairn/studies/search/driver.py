"""The driver of a search: makes the plan, starts the workers, shows how far they are.

It keeps nothing that the study does not: killed at any time, the same command goes on where it was.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import sleep, time
from typing import Any
from uuid import uuid4

from filelock import FileLock, Timeout
from optuna.study import Study
from tqdm import tqdm

from cairn.compose import params_file
from cairn.compose.conf import Composed, compose
from cairn.compose.overrides import differing, replaced
from cairn.compose.validate import Origin, read_config
from cairn.errors import UserError
from cairn.experiments.engines.start import Workers, start
from cairn.studies.search.objective import objective_of
from cairn.studies.search.plan import FOLDER, Plan, keys, write
from cairn.studies.search.space import Space, read_space, split_words
from cairn.studies.search.study import ERROR, failed, finished, open_study, ranked, requeue_dead
from cairn.studies.search.worker import DRIVER, MOST_ERRORS
from cairn.studies.trial import SHARED

CONF, PARAMS = Path("conf"), Path("params.yaml")
POLL_SECONDS = 0.5


def make_plan(words: Sequence[str], *, name: str | None, storage: str | None) -> tuple[Plan, Space]:
    """Put the plan of a search together from params.yaml and the words of `-S`.

    Args:
        words: fix or vary values.
        name: of the search; None: that of the model.
        storage: see Plan.

    Returns:
        The plan and its space.

    Raises:
        UserError: something in conf/ or the words cannot work.
    """
    fixed, varied = split_words(words)
    base = _base(fixed)
    config = read_config(base.values, Path(), Origin(CONF, base, "-S {}").of)
    space = read_space(CONF, base, config.data.task, fixed=fixed, varied=varied)
    _check(space, base.values)
    objective = objective_of(config)
    minutes = config.search.timeout
    plan = Plan(
        name=_named(name or config.model.name),
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
    """Work until the plan's trials are finished.

    Returns:
        The study.

    Raises:
        UserError: the search is under way elsewhere, its study cannot be gone on with, or its trials or
            workers fail.
    """
    plan.folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(plan.folder / DRIVER, timeout=3)
    try:
        lock.acquire()
    except Timeout as error:
        raise UserError(
            f"search '{plan.name}' is under way in another process; wait for it, or take another --name"
        ) from error
    with lock:
        study = open_study(plan, space)
        write(replace(plan, driver=uuid4().hex))
        requeue_dead(study, plan.folder)
        wanted = min(workers, plan.trials - len(finished(study)))
        if wanted > 0:
            command = [sys.executable, "src/cairn", "search", "--worker", plan.name]
            crew = start(engine, [command] * wanted, folder=plan.folder, **plan.demand)
            try:
                _follow(plan, study, crew)
            except KeyboardInterrupt as error:
                raise UserError(
                    f"stopped with {len(finished(study))} of {plan.trials} trials finished;"
                    " the same command goes on"
                ) from error
            finally:
                crew.cancel()
                requeue_dead(study, plan.folder)
    if not ranked(study):
        raise UserError("no trial is complete yet; give it more time (search.timeout) or trials")
    return study


def _follow(plan: Plan, study: Study, crew: Workers) -> None:
    """Show the progress until all workers have ended; a trial of one that was killed is queued at once."""
    ended: set[int] = set()
    with tqdm(total=plan.trials, unit="trial", desc=plan.name, disable=None, dynamic_ncols=True) as bar:
        bar.update(len(finished(study)))
        while True:
            codes = crew.poll()
            news = {k: code for k, code in enumerate(codes) if code is not None and k not in ended}
            if news:
                ended |= set(news)
                requeue_dead(study, plan.folder)
            for k, code in news.items():
                if code:
                    bar.write(_lost(plan, k, code, left=len(codes) - len(ended)))
                    sys.stdout.flush()
            _show(bar, plan, study)
            if len(ended) == len(codes):
                break
            sleep(POLL_SECONDS)
    errors = failed(study)
    if not finished(study) and len(errors) >= MOST_ERRORS:
        raise UserError(f"every trial fails; the last one said: {errors[-1].user_attrs[ERROR]}")
    late = plan.until is not None and time() > plan.until
    if len(finished(study)) < plan.trials and not late:
        log = plan.folder / "worker-0.log"
        tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-1:] if log.exists() else []
        raise UserError(
            f"all workers ended with {len(finished(study))} of {plan.trials} trials finished;"
            f" the same command goes on (log: {log}{f', it ends: {tail[0]}' if tail else ''})"
        )


def _lost(plan: Plan, k: int, code: int, *, left: int) -> str:
    why = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    then = f"the other {left} go on" if left > 1 else "the other one goes on" if left else "none is left"
    log = plan.folder / f"worker-{k}.log"
    return f"search: worker {k} {why} (log: {log}); a trial that it was at is queued again, {then}"


def _show(bar: Any, plan: Plan, study: Study) -> None:
    count = len(finished(study))
    best = ranked(study)[:1]
    if best:
        bar.set_postfix_str(f"best {plan.objective} {best[0].value:.5g} (trial {best[0].number})")
    if count > bar.n and bar.disable:
        said = f", best {plan.objective} {best[0].value:.5g} (trial {best[0].number})" if best else ""
        print(f"search: {count}/{plan.trials} trials{said}", flush=True)
    bar.n = count
    bar.refresh()


def _base(fixed: Sequence[str]) -> Composed:
    """Return what is in force with the fixed words on top."""
    found = params_file.read(PARAMS)
    if found is None or found.overrides is None:
        raise UserError("params.yaml is not in step with conf/; run `dvc repro compose`")
    base = compose(CONF, replaced(found.overrides, fixed))
    changed = [key for key in differing(found.values, base.values) if key.partition(".")[0] in SHARED]
    if changed:
        raise UserError(
            f"-S changes {', '.join(changed[:3])}, which the prepared data or the workers depend on:"
            f" first `python src/cairn compose {' '.join(fixed)}`, then search without these words"
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


def _named(name: str) -> str:
    if not name.replace("_", "").replace("-", "").isalnum():
        raise UserError(f"--name {name}: a name is letters, digits, - and _, such as {FOLDER.name}_2")
    return name
