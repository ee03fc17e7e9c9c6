"""Run a commit again from git, raw data and its pins alone, and compare every byte with its record."""

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cairn.errors import UserError
from cairn.experiments.clone import cache_of
from cairn.experiments.history import Revision
from cairn.experiments.refs import experiments_of
from cairn.reproduction import environment
from cairn.reproduction.artifacts import Artifact, artifact
from cairn.reproduction.differences import with_differences
from cairn.reproduction.judge import StageResult, Verdict, judge, verdict
from cairn.reproduction.lock import Stage, Tree, is_part, makers, raw_data, stages_of
from cairn.reproduction.place import (
    Place,
    clone_alone,
    fetch,
    last_lines,
    python_paths,
    run_again,
    run_pipeline,
    set_up,
    temporary_place,
    variables,
)

SETTINGS = "params.yaml"
PINS = ("constraints.txt", "constraints-dev.txt")
DEFINITION = ("bootstrap.py", "dvc.yaml", "pyproject.toml", *PINS)
"""Files of git that are inputs without being named by a stage."""


@dataclass(frozen=True)
class Asked:
    """What is to be reproduced, and how.

    Attributes:
        revision: the commit, as the user has named it.
        settings: other settings, as in `dvc exp run -S`.
        environment: `new` or `current`.
        remote: name of the remote that has the raw data, None for the default one.
        keep: whether the temporary folder stays.
    """

    revision: Revision
    settings: tuple[str, ...] = ()
    environment: str = "new"
    remote: str | None = None
    keep: bool = False


@dataclass(frozen=True)
class Reproduction:
    """A commit that was run again, and how that compares with what was recorded.

    Attributes:
        asked: what was to be reproduced.
        commit: full hash.
        record: name of the experiment whose record was compared; the commit's own hash, or None for none.
        verdict: of all stages.
        stages: in the order in which they run.
        inputs: everything that came from outside of the pipeline.
        outputs: everything that was made.
        environment: see `environment.describe`.
        began, ended: times in UTC.
        error: the last lines that were printed, if a stage failed.
        folder: the temporary folder, if it was to be kept.
    """

    asked: Asked
    commit: str
    record: str | None
    verdict: Verdict
    stages: list[StageResult]
    inputs: list[Artifact]
    outputs: list[Artifact]
    environment: dict[str, Any]
    began: datetime
    ended: datetime
    error: list[str]
    folder: Path | None


def reproduce(
    root: Path,
    asked: Asked,
    step: Callable[[str], None] = lambda name: None,
    begin: Callable[[str | None], None] = lambda name: None,
) -> Reproduction:
    """Run a commit in a fresh clone with an empty cache, and compare.

    Args:
        root: of the repository.
        asked: what, and how.
        step: called with the name of each step that begins.
        begin: called with the name of each stage that begins, and with None after the last.

    Raises:
        UserError: raw data is missing, or the environment cannot be set up.
    """
    commit = asked.revision.commit
    if commit is None:
        raise UserError("the workspace is not a commit: `git commit` first, then `cairn reproduce HEAD`")
    began = datetime.now(UTC)
    with temporary_place(keep=asked.keep) as place:
        step("clone")
        clone_alone(place, root, commit)
        step("raw data")
        fetched = _raw(place, root, Tree(root, commit), asked)
        step("environment")
        python = set_up(place, asked.environment, commit)
        here = Tree(place.repository, None)
        step("pipeline")
        seconds, succeeded = run_pipeline(place, python, asked.settings, begin)
        found = _considered(stages_of(here), seconds)
        if not succeeded:  # the last stage; another folder's lock comes from the commit
            found = {name: one for name, one in found.items() if one.is_main or name != list(seconds)[-1]}
        record, recorded = _record(root, commit, asked, here)
        recorded = _considered(recorded, seconds)
        if succeeded:  # a stage of the record that dvc.yaml does not have any more
            recorded = {name: stage for name, stage in recorded.items() if name in found}
        step("hashes")
        # Before a stage runs again, which may write other bytes.
        inputs, outputs = _inputs(here, found, fetched), _outputs(here, found)
        results = judge(recorded, found, seconds)
        tree = Tree(root, record[1]) if record else None
        if tree:
            results = [with_differences(one, here, tree, cache_of(root)) for one in results]
        results = [_with_repeat(result, place, python, found, step) for result in results]
        return Reproduction(
            asked=asked,
            commit=commit,
            record=record[0] if record else None,
            verdict=verdict(results, failed=not succeeded),
            stages=results,
            inputs=inputs,
            outputs=outputs,
            environment=_environment(place, python, here),
            began=began,
            ended=datetime.now(UTC),
            error=[] if succeeded else last_lines(place),
            folder=place.folder if asked.keep else None,
        )


def _raw(place: Place, root: Path, tree: Tree, asked: Asked) -> list[str]:
    """Get the raw data that git does not have; return what the remote had.

    What it does not have is left to the stage that writes it.
    """
    read = {path for stage in stages_of(tree).values() if stage.is_main for path in stage.deps}
    wanted = [
        path
        for path in raw_data(tree)
        # With other settings the pipeline may read other data than the record says.
        if (asked.settings or any(is_part(one, path) or is_part(path, one) for one in read) or not read)
        and not (place.repository / path).exists()
    ]
    missing = fetch(place, root, wanted, asked.remote)
    lost = [path for path in missing if not list(makers(stages_of(tree).values(), path))]
    if lost and not asked.settings:
        raise UserError(
            f"{', '.join(lost)}: raw data that neither git nor the remote has ({missing[lost[0]]});"
            " `cairn push` it in a clone that has it"
        )
    return [path for path in wanted if path not in missing]


def _considered(stages: Mapping[str, Stage], ran: Mapping[str, float]) -> dict[str, Stage]:
    """Return the stages of dvc.yaml, and the stages of other folders that had to run."""
    return {name: stage for name, stage in stages.items() if stage.is_main or name in ran}


def _record(
    root: Path, commit: str, asked: Asked, here: Tree
) -> tuple[tuple[str, str] | None, dict[str, Stage]]:
    """Return what to compare with: its name and commit, and its stages.

    With other settings it is an experiment of the commit that has ended with the same params.yaml.
    """
    if not asked.settings:
        stages = stages_of(Tree(root, commit))
        return ((commit, commit) if stages else None), stages
    for one in experiments_of(root, commit).values():
        if Tree(root, one.sha).yaml(SETTINGS) == here.yaml(SETTINGS):
            return (one.name, one.sha), stages_of(Tree(root, one.sha))
    return None, {}


def _inputs(here: Tree, found: Mapping[str, Stage], fetched: list[str]) -> list[Artifact]:
    paths = {
        path for stage in found.values() for path in stage.deps if not list(makers(found.values(), path))
    }
    tracked = here.files()
    paths |= {name for name in tracked if name.rpartition("/")[2] in DEFINITION or name.endswith(".dvc")}
    return [
        artifact(here, path, "remote" if path in fetched else "git")
        for path in sorted(paths)
        if (here.root / path).exists() and not any(is_part(path, one) for one in paths - {path})
    ]


def _outputs(here: Tree, found: Mapping[str, Stage]) -> list[Artifact]:
    paths = sorted({path for stage in found.values() for path in stage.outs})
    return [artifact(here, path) for path in paths if (here.root / path).exists()]


def _with_repeat(
    result: StageResult, place: Place, python: str, found: Mapping[str, Stage], step: Callable[[str], None]
) -> StageResult:
    """Run a stage that differs for no visible reason once more: does it repeat itself?"""
    if result.state != "cause" or result.changed:
        return result
    step(f"{result.name} once more")
    if not run_again(place, python, result.name):
        return result
    again = stages_of(Tree(place.repository, None))[result.name]
    return replace(result, repeats=again.outs == found[result.name].outs)


def _environment(place: Place, python: str, here: Tree) -> dict[str, Any]:
    from cairn.run_stage import THREADS

    threads = here.yaml(SETTINGS).get("threads")
    count = dict.fromkeys(THREADS, str(threads)) if isinstance(threads, int) else {}
    pins = [str(place.repository / name) for name in PINS if (place.repository / name).exists()]
    done = subprocess.run(
        [python, environment.__file__, *pins],
        env=variables({**python_paths(python), **count}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        why = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise UserError(f"the environment cannot be described: {why[0]}")
    return {**json.loads(done.stdout), "threads": threads}
