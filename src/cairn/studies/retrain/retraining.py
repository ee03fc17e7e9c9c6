"""Retrain: a challenger on advanced windows, trained as a DVC experiment, against the champion.

The comparison is on the test rows of the challenger. It is kept as refs/cairn/retrain/NAME, a ref of git to
the record, so that the same is not tried twice; `git push` and `git fetch` share it between checkouts. NAME
is that of the experiment and follows from the champion, the inputs and the windows.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from cairn.compose.overrides import key_overrides, replaced
from cairn.compose.params_file import parse
from cairn.data.load import load
from cairn.data.predictions import predictions_table
from cairn.data.prepare import prepare_table
from cairn.data.tables import read_table
from cairn.errors import UserError
from cairn.experiments.history import MODEL as MODEL_FOLDER
from cairn.experiments.history import SETTINGS, History, Revision
from cairn.experiments.refs import INPUTS, commit_of, experiments_of, git, read_file, uncommitted
from cairn.experiments.sweep import Combination, Job, check_combinations, run_sweep
from cairn.metrics.evaluation import MODEL
from cairn.metrics.paired import decision
from cairn.models.package import load as load_model
from cairn.progress import elapsed
from cairn.settings.config import Config
from cairn.settings.contract import read_contract
from cairn.settings.split import TimeSplit
from cairn.studies.compare.comparison import compare_evidence
from cairn.studies.compare.evidence import ROWS, Evidence, read_evidence
from cairn.studies.retrain.record import Retrained
from cairn.studies.retrain.windows import Seen, Window, Windows, advance, parts_of, seen_by, stop_in_cool_down

TRIED = "refs/cairn/retrain"
NAME = "retrain"
SPLIT = "metrics/split.json"


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        champion: a revision.
        overrides: of conf/, besides those that params.yaml records.
        window: see `advance`, as for holdout.
        cool_down: see `stop_in_cool_down`.
        decides: the quantity that decides; None for evaluate.primary of the champion.
        min_gain: in that quantity, which the whole interval must exceed.
    """

    champion: str = "HEAD"
    overrides: tuple[str, ...] = ()
    window: Window = "expanding"
    holdout: timedelta | None = None
    cool_down: timedelta | None = None
    decides: str | None = None
    min_gain: float = 0.0


@dataclass(frozen=True)
class Plan:
    """What is to be run.

    Attributes:
        revision: the commit that the experiment starts from.
        model: folder of the champion's model, named by its content.
        tried: the result, if the same was run before.
    """

    request: Request
    revision: str
    champion: Revision
    model: Path
    seen: Seen
    windows: Windows
    job: Job
    config: Config
    tried: Retrained | None


def plan_retraining(root: Path, request: Request) -> Plan:
    """Find the champion and the windows of the challenger; nothing is trained.

    Raises:
        NothingNewError: see `advance` and `stop_in_cool_down`.
        UserError: inputs that are not committed, a split that is not by time, or see `advance`.
    """
    if changed := uncommitted(root):
        raise UserError(f"not committed: {', '.join(changed)}; the challenger starts from a commit")
    history, revision = History(root), commit_of(root, "HEAD")
    champion = history.resolve(request.champion)
    if champion.commit is None:
        raise UserError("--champion workspace: name a commit, a branch, a tag or an experiment")
    seen = _seen(history, champion)
    base = _recorded(root, revision, request.overrides)
    (now,) = check_combinations(root, revision, [tuple(base)])
    split = _split_by_time(now.config, history.settings(champion)["data"], champion.name)
    newest = newest_row(root, now.config)
    windows = advance(
        seen,
        newest,
        request.window,
        block=now.config.evaluate.block,
        gap=split.gap,
        holdout=request.holdout,
    )
    keys = split.model_dump()
    overrides = replaced(base, key_overrides({"split": keys}, {"split": keys | windows.settings()}))
    (combination,) = check_combinations(root, revision, [tuple(overrides)])
    model = history.tracked_folder(champion, MODEL_FOLDER)
    name, earlier = name_of(root, revision, model, combination), tries(root)
    tried = next((one for one in earlier if one.experiment == name), None)
    if tried is not None:
        stop_on_other_terms(tried, request)
    else:
        ends = [one.challenger.test.last for one in earlier if one.model == now.config.data.name]
        stop_in_cool_down(seen, newest, ends, request.cool_down)
    return Plan(
        request=request,
        revision=revision,
        champion=champion,
        model=model,
        seen=seen,
        windows=windows,
        job=Job(name, combination.overrides),
        config=combination.config,
        tried=tried,
    )


def stop_on_other_terms(tried: Retrained, request: Request) -> None:
    """Raise UserError if what was tried was decided by other terms: the same rows are compared once."""
    asked = request.decides or tried.comparison.decides, request.min_gain
    if asked != (tried.comparison.decides, tried.min_gain):
        raise UserError(
            f"{tried.experiment} was compared already, by {tried.comparison.decides} with --min-gain"
            f" {tried.min_gain:g}: {tried.verdict}; to forget: git update-ref -d {TRIED}/{tried.experiment}"
        )


def _recorded(root: Path, revision: str, overrides: tuple[str, ...]) -> list[str]:
    """Return the overrides of the committed params.yaml, and those that are given."""
    text = (read_file(root, revision, SETTINGS) or b"").decode("utf-8")
    return replaced(parse(text, SETTINGS).overrides or [] if text else [], overrides)


def _split_by_time(config: Config, champions: dict[str, Any], name: str) -> TimeSplit:
    """Return the split of the challenger; raise UserError if it predicts something else than the champion."""
    for key, theirs in (("task", config.data.task), ("target", config.data.target)):
        if champions[key] != theirs:
            raise UserError(f"data.{key}: {theirs}, but {champions[key]} for {name}: they cannot be compared")
    if not isinstance(config.split, TimeSplit) or config.data.time is None:
        raise UserError(_no_time(f"split.kind: {config.split.kind}"))
    return config.split


def _no_time(why: str) -> str:
    return f"{why}: only a split by time (data.time and split=time) has newer rows that no model has seen"


def _seen(history: History, champion: Revision) -> Seen:
    settings, record = history.settings(champion), history.text(champion, SPLIT)
    if record is None or "split" not in settings:
        raise UserError(f"{champion.name}: no {SPLIT}: the pipeline never ran there; name a later revision")
    kind = settings["split"].get("kind")
    if kind != "time":
        raise UserError(_no_time(f"{champion.name}: split.kind: {kind}"))
    return seen_by(TimeSplit.model_validate(settings["split"]), parts_of(json.loads(record)))


def newest_row(root: Path, config: Config) -> pd.Timestamp:
    """Return the time of the newest row that has a target and keeps the contract.

    Raises:
        UserError: the data in the workspace differ from the last commit, or break the contract.
    """
    stop_on_other_data(root, config.data.source)
    data = config.data
    with elapsed(f"reading the rows of {data.name}"):
        contract = read_contract(root / data.contract, data.contract)
        table = prepare_table(load(data, contract), contract, data).table
    return table[data.time].max()


def stop_on_other_data(root: Path, source: str) -> None:
    """Raise UserError if the source is not what DVC recorded: the experiment would take another one."""
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        found = repo.data_status().get("uncommitted", {})
    changed = [Path(path) for kind in ("modified", "added", "deleted") for path in found.get(kind, ())]
    if mine := [path for path in changed if path.is_relative_to(source) or Path(source).is_relative_to(path)]:
        raise UserError(
            f"data.source: {mine[0].as_posix()} is not what DVC tracks: `dvc checkout {source}` for that, or"
            f" `dvc commit {source}` and `git commit` for this"
        )


def name_of(root: Path, revision: str, model: Path, combination: Combination) -> str:
    """Return the name of a challenger: the same for the same champion, inputs and windows.

    It does not depend on the commit: one that leaves the inputs of experiments alone changes nothing.
    """
    inputs = git(root, "ls-tree", revision, "--", *INPUTS)
    known = f"{model.name} {combination.digest} {inputs}"
    return f"{NAME}-{hashlib.sha256(known.encode()).hexdigest()[:7]}"


def tries(root: Path) -> list[Retrained]:
    """Return what was tried in this repository, the same inputs and windows once.

    Raises:
        UserError: a record of another version of Cairn.
    """
    found = []
    for ref in git(root, "for-each-ref", "--format=%(refname)", TRIED).splitlines():
        try:
            found.append(Retrained.model_validate_json(git(root, "cat-file", "blob", ref)))
        except ValidationError as error:
            raise UserError(f"{ref}: not a record of this version; `git update-ref -d {ref}`") from error
    return found


def run_retraining(root: Path, plan: Plan, *, again: bool = False) -> Retrained:
    """Train the challenger, compare it with the champion and record the result.

    What was tried before is not run again, unless `again`; an experiment that exists is not trained again.

    Raises:
        UserError: the experiment failed, or the champion cannot predict the rows.
    """
    if plan.tried and not again:
        return plan.tried
    threads, gpus = plan.config.threads, int(plan.config.train.device == "cuda")
    (outcome,) = run_sweep(
        root, [plan.job], name=NAME, workers=1, revision=plan.revision, threads=threads, gpus=gpus
    )
    if outcome.sha is None:
        raise UserError(f"{plan.job.name}: {outcome.error}; {outcome.log.relative_to(root)}")
    with elapsed("comparing the models"):
        found = _compared(root, plan, Revision(plan.job.name, outcome.sha))
    _remember(root, found)
    return found


def is_experiment(root: Path, plan: Plan) -> bool:
    """Whether the challenger exists as an experiment of the current commit, so that it can be applied."""
    return plan.job.name in experiments_of(root, plan.revision)


def _compared(root: Path, plan: Plan, challenger: Revision) -> Retrained:
    history = History(root)
    theirs = read_evidence(history, challenger, "test")
    rows = read_table(history.tracked(challenger, ROWS["test"]))
    ours = champion_evidence(history, plan.champion, plan.model, rows, challenger.name)
    comparison = compare_evidence(history, ours, [theirs], rows_of=challenger, decides=plan.request.decides)
    (candidate,) = comparison.candidates
    return Retrained(
        verdict=decision(candidate.differences, comparison.decides, comparison.level, plan.request.min_gain),
        experiment=challenger.name,
        model=plan.config.data.name,
        window=plan.request.window,
        overrides=list(plan.job.overrides),
        champion=parts_of(json.loads(history.text(plan.champion, SPLIT) or "")),
        challenger=parts_of(json.loads(history.text(challenger, SPLIT) or "")),
        models=(history.digest(plan.champion, MODEL_FOLDER), history.digest(challenger, MODEL_FOLDER)),
        already_tested=int((rows[plan.config.data.time] <= plan.seen.windows.last).sum()),
        min_gain=plan.request.min_gain,
        comparison=comparison,
    )


def champion_evidence(
    history: History, champion: Revision, model: Path, rows: pd.DataFrame, of: str
) -> Evidence:
    """Return what a model predicts for prepared rows that it has not seen; `of` is whose rows they are.

    Raises:
        UserError: it cannot predict them.
    """
    package = load_model(model, history.trusted(champion))
    try:
        table = predictions_table(
            {"test": rows},
            {"test": package.scores(rows)},
            name=MODEL,
            target=package.target,
            classes=package.class_names,
        )
    except (ValueError, KeyError) as error:
        raise UserError(f"{champion.name}: its model cannot predict the rows of {of}: {error}") from error
    settings = history.settings(champion)
    return Evidence(
        revision=champion,
        settings=settings,
        task=package.task,
        target=package.target,
        model=settings["model"]["name"],
        threshold=package.threshold,
        classes=package.class_names if package.task == "multiclass" else [],
        table=table,
    )


def _remember(root: Path, found: Retrained) -> None:
    """Keep a result in git, beside its branches: a ref to a blob."""
    blob = git(root, "hash-object", "-w", "--stdin", given=found.model_dump_json(indent=1))
    git(root, "update-ref", f"{TRIED}/{found.experiment}", blob)
