"""Every run that commits, tags, branches and experiments record, read from git by two processes.

A run is one result under some settings. Commits that only keep it are not runs of their own; the
branches, tags and experiments among them name it.
"""

import hashlib
import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from tqdm import tqdm

from cairn.compose.conf import leaves
from cairn.errors import UserError
from cairn.experiments.history import (
    PREDICTIONS,
    RECORD,
    SETTINGS,
    TABLE,
    WORKSPACE,
    History,
    Revision,
    as_run,
)
from cairn.experiments.refs import every_experiment, git
from cairn.metrics.evaluation import Evaluation
from cairn.settings.purpose import PURPOSE, PurposeConfig
from cairn.settings.yaml_text import parse_yaml

LOCK = "dvc.lock"
RANDOM = re.compile(r"[a-z]{5}-[a-z]{4}")
"""A name that DVC gives, such as squat-fore; one that a person chose comes before it."""
DERIVED = frozenset({"baseline.refit", "train.reads"})
"""What conf/config.yaml takes from other settings."""
FILES = (RECORD, SETTINGS, LOCK)
CARD = "reports/model_card.html"
KINDS = {"refs/heads/": "branch", "refs/tags/": "tag", "refs/remotes/": "remote", "refs/exps/": "experiment"}


@dataclass(frozen=True)
class Run:
    """A result, and where it stands.

    Attributes:
        names: of the branches, tags and experiments that hold it, as git and DVC know them.
        kind: of the first name; `commit` without one.
        commit: the oldest that holds it; None for the files of the workspace.
        at: seconds since 1970 of that commit.
        subject: first line of its message.
        record: what was evaluated.
        settings: dotted key and value of every setting it was run with, but those of `purpose`.
        purpose: what the model is for.
        outputs: MD5 by path, as dvc.lock has it, of the table, the predictions and the model card.
    """

    names: tuple[str, ...]
    kind: str
    commit: str | None
    at: int
    subject: str
    record: Evaluation
    settings: Mapping[str, Any]
    purpose: PurposeConfig
    outputs: Mapping[str, str]

    @property
    def name(self) -> str:
        """What commands take for this run."""
        return self.names[0] if self.names else (self.commit or WORKSPACE)[:7]

    @property
    def data(self) -> str:
        """The data set and its version."""
        return " ".join(filter(None, [str(self.settings.get("data.name", "")), self.version]))

    @property
    def version(self) -> str:
        """The first digits of the MD5 of the prepared table: other rows, another version."""
        return self.outputs.get(TABLE, "")[:7]


@dataclass(frozen=True)
class Runs:
    """What `read_runs` found.

    Attributes:
        found: the runs, the newest first.
        unreadable: names of the runs whose records this version cannot read, the newest first.
        current: the run whose records are in the workspace.
        waiting: settings that params.yaml has now and the current run did not, as `differences` lists them.
    """

    found: list[Run]
    current: Run | None
    unreadable: list[str]
    waiting: Mapping[str, Any] = field(default_factory=dict)


def read_runs(root: Path) -> Runs:
    """Read every run; the workspace is a run of its own where neither a commit nor an experiment holds it.

    Raises:
        UserError: not a git repository.
    """
    names = _names(root)
    commits = _commits(root, names)
    blobs = _blobs(root, commits)
    texts = _contents(root, {blob for found in blobs.values() for blob in found if blob})
    groups: dict[tuple[str, str], list[str]] = {}
    parsed: dict[tuple[str, str], tuple[dict[str, Any], PurposeConfig, str]] = {}
    for commit in tqdm(commits, desc="reading runs", unit="commit", delay=1, leave=False, disable=None):
        record, settings, lock = blobs[commit]
        if record and settings:
            if (settings, lock) not in parsed:
                parsed[settings, lock] = _settings(texts[settings], texts.get(lock, b""), f"{commit[:7]}: ")
            groups.setdefault((record, parsed[settings, lock][2]), []).append(commit)
    found, current, unreadable = [], None, []
    head = git(root, "rev-parse", "HEAD")
    for (record, _), members in groups.items():
        evaluation = _evaluation(texts[record])
        oldest, held = members[-1], [one for commit in members for one in names.get(commit, ())]
        held.sort(key=lambda one: one[0] == "experiment" and bool(RANDOM.fullmatch(one[1])))
        if evaluation is None:  # git knows no experiment by its name
            unreadable.append(held[0][1] if held and held[0][0] != "experiment" else oldest[:7])
            continue
        settings, purpose, _ = parsed[blobs[members[0]][1], blobs[members[0]][2]]
        at, subject = commits[oldest]
        kind = held[0][0] if held else "commit"
        outputs = _outputs(texts.get(blobs[members[0]][2], b""))
        run = Run(
            tuple(name for _, name in held), kind, oldest, at, subject, evaluation, settings, purpose, outputs
        )
        found.append(run)
        current = run if head in members else current
    here, asked = _workspace(root)
    if here is not None:
        known = [run for run in found if run.record == here.record and run.settings == here.settings]
        current = next(iter(known), here)
        found += [] if known else [here]
    waiting = differences(replace(here, settings=asked), here) if here else {}
    return Runs(sorted(found, key=lambda run: (-run.at, run.name)), current, unreadable, waiting)


def _names(root: Path) -> dict[str, list[tuple[str, str]]]:
    """Return kind and name of each branch, tag and experiment by its commit, in this order."""
    form = "%(refname)%00%(refname:short)%00%(objectname)%00%(*objectname)"
    names: dict[str, list[tuple[str, str]]] = {}
    for line in git(
        root, "for-each-ref", f"--format={form}", "refs/heads", "refs/tags", "refs/remotes"
    ).splitlines():
        ref, short, sha, peeled = line.split("\0")
        kind = next(kind for start, kind in KINDS.items() if ref.startswith(start))
        if not ref.endswith("/HEAD"):
            names.setdefault(peeled or sha, []).append((kind, short))
    for one in every_experiment(root):
        names.setdefault(one.sha, []).append(("experiment", one.name))
    return names


def _commits(root: Path, names: Mapping[str, Any]) -> dict[str, tuple[int, str]]:
    """Return time and subject of every commit that a name or HEAD reaches, the newest first."""
    wanted = "\n".join([*names, "HEAD"])
    lines = git(root, "log", "--stdin", "--format=%H%x00%ct%x00%s", given=wanted).splitlines()
    parts = (line.split("\0", 2) for line in lines)
    return {sha: (int(at), subject) for sha, at, subject in parts}


def _blobs(root: Path, commits: Iterable[str]) -> dict[str, list[str]]:
    """Return the object of each of FILES by commit; an empty text where it has none."""
    wanted = [f"{commit}:./{path}" for commit in commits for path in FILES]
    lines = git(root, "cat-file", "--batch-check=%(objectname)", given="\n".join(wanted)).splitlines()
    found = iter("" if line.endswith(" missing") else line for line in lines)
    return {commit: [next(found) for _ in FILES] for commit in commits}


def _contents(root: Path, blobs: Iterable[str]) -> dict[str, bytes]:
    given = "".join(f"{blob}\n" for blob in blobs).encode()
    done = subprocess.run(
        ["git", "cat-file", "--batch"], cwd=root, input=given, capture_output=True, check=False
    )
    if done.returncode:
        raise UserError(f"git cat-file: {done.stderr.decode(errors='replace').strip()}")
    return dict(_objects(done.stdout))


def _objects(answer: bytes) -> Iterator[tuple[str, bytes]]:
    at = 0
    while at < len(answer):
        end = answer.index(b"\n", at)
        blob, _, size = answer[at:end].decode().split()
        yield blob, answer[end + 1 : end + 1 + int(size)]
        at = end + int(size) + 2


def _settings(
    text: bytes, lock: bytes, name: str, *, always: bool = False
) -> tuple[dict[str, Any], PurposeConfig, str]:
    """Return the settings as run, the purpose of params.yaml and a digest of the settings.

    The lock is parsed only where it holds another MD5 of params.yaml, or always, which also sees a run
    that was broken off: to parse 3,000 takes half a minute.
    """
    values = _mapping(text, f"{name}{SETTINGS}")
    said = values.pop(PURPOSE, None) or {}
    if always or hashlib.md5(text, usedforsecurity=False).hexdigest() != _digest(lock, SETTINGS):
        values = as_run(values, _mapping(lock, f"{name}{LOCK}"))
    flat = _flat(values)
    digest = hashlib.sha256(json.dumps(flat, sort_keys=True, default=str).encode()).hexdigest()
    try:
        purpose = PurposeConfig.model_validate(said)
    except ValidationError:
        purpose = PurposeConfig()
    return flat, purpose, digest


def _mapping(text: bytes, name: str) -> dict[str, Any]:
    """Return what a YAML file holds; nothing where it is not a mapping."""
    try:
        values = parse_yaml(text.decode("utf-8", "replace"), name)
    except UserError:
        return {}
    return values if isinstance(values, dict) else {}


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        ".".join(map(str, path)): value
        for path, value in leaves(values).items()
        if path and path[0] != PURPOSE
    }


def _evaluation(text: bytes) -> Evaluation | None:
    try:
        return Evaluation.model_validate_json(text)
    except ValidationError:  # a version of Cairn before the record had its type
        return None


def _outputs(lock: bytes) -> dict[str, str]:
    """Return the MD5 of these outputs in a dvc.lock."""
    found = {path: _digest(lock, path) for path in (TABLE, PREDICTIONS, CARD)}
    return {path: digest for path, digest in found.items() if digest}


def _digest(lock: bytes, path: str) -> str | None:
    """Return the MD5 of an output in a dvc.lock, searched for as text, which is faster than to parse it."""
    pattern = rf"path: {re.escape(path)}\n(?: +(?!- )\w+: .*\n)*? +md5: (\w+)".encode()
    match = re.search(pattern, lock)
    return match[1].decode() if match else None


def _workspace(root: Path) -> tuple[Run | None, dict[str, Any]]:
    """Return the run whose records are in the workspace, if there is one, and the settings of params.yaml."""
    history, here = History(root), Revision(WORKSPACE, None)
    texts = [history.text(here, path) for path in FILES]
    record, settings, lock = (text.encode() if text else b"" for text in texts)
    evaluation = _evaluation(record) if record else None
    asked = _flat(_mapping(settings, SETTINGS))
    if evaluation is None:
        return None, asked
    flat, purpose, _ = _settings(settings, lock, "", always=True)
    at = int((root / RECORD).stat().st_mtime)
    return Run((WORKSPACE,), WORKSPACE, None, at, "", evaluation, flat, purpose, _outputs(lock)), asked


def has_predictions(run: Run, history: History) -> bool:
    """Tell whether the workspace or DVC's cache holds the predictions of a run, which a comparison needs."""
    if run.commit is None:
        return (history.root / PREDICTIONS).exists()
    return history.stored(run.outputs.get(PREDICTIONS, "")) is not None


def differences(run: Run, reference: Run) -> dict[str, Any]:
    """Return the settings of a run that differ from the reference; last, as None, those it does not have.

    Where another option is chosen (`model.name`, `split.kind`), its keys are not listed one by one.
    """
    keys = [key for key in dict.fromkeys([*run.settings, *reference.settings]) if key not in DERIVED]
    changed = [key for key in keys if run.settings.get(key) != reference.settings.get(key)]
    changed.sort(key=lambda key: run.settings.get(key) is None)
    options = [key for key in changed if key.endswith((".name", ".kind"))]
    below = tuple(f"{key.rpartition('.')[0]}." for key in options)
    kept = [key for key in changed if key in options or not key.startswith(below)]
    return {key: run.settings.get(key) for key in kept}
