"""DVC's experiments as git stores them: commits below refs/exps, one ref for each experiment that succeeded.

Read from git and not from `dvc exp show`, which gives a failed or running experiment its baseline's metrics.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cairn.errors import UserError

EXPERIMENTS = "refs/exps"
INPUTS = ("conf", "src", "data", "dvc.yaml", "constraints.txt")
"""What an experiment takes from a commit; not what a run writes: params.yaml, dvc.lock, metrics, plots."""
DATA_LOCK = "data/dvc.lock"


@dataclass(frozen=True)
class Experiment:
    """An experiment of DVC: refs/exps/AB/CDEF.../NAME, its commit and the message of that commit."""

    ref: str
    sha: str
    message: str

    @property
    def name(self) -> str:
        """Its name; experiments of other baselines may have the same."""
        return self.ref.rpartition("/")[2]


def git(root: Path, *words: str, given: str | None = None, **environment: str) -> str:
    """Run git in a folder and return what it printed, without the last newline.

    Args:
        root: the folder.
        words: the command.
        given: on its standard input.
        environment: variables that it is run with, besides the variables of this process.
    """
    done = subprocess.run(
        ["git", *words],
        cwd=root,
        env={**os.environ, **environment},
        input=given,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        reason = done.stderr.strip() or f"exit {done.returncode}"
        raise UserError(f"git {words[0]}: {' '.join(reason.split())}")
    return done.stdout.rstrip("\n")


def uncommitted(root: Path) -> list[str]:
    """Return the inputs of experiments that differ from HEAD.

    data/dvc.lock is one only where it names other data: a new version of the code that made the same data
    changes nothing for an experiment.
    """
    changed = [line[3:] for line in git(root, "status", "--porcelain", "--", *INPUTS).splitlines()]
    if DATA_LOCK in changed and (root / DATA_LOCK).exists():
        new = _data_of((root / DATA_LOCK).read_bytes())
        if new is not None and new == _data_of(read_file(root, "HEAD", DATA_LOCK) or b""):
            changed.remove(DATA_LOCK)
    return changed


def _data_of(lock: bytes) -> dict[str, Any] | None:
    """Return the outputs of each stage in a lock of DVC, or None if it cannot be read."""
    try:
        stages = yaml.safe_load(lock)["stages"]
        return {name: stage["outs"] for name, stage in stages.items()}
    except (yaml.YAMLError, TypeError, KeyError, AttributeError):
        return None


def commit_of(root: Path, revision: str) -> str:
    """Return the full hash of a revision's commit, or raise UserError."""
    try:
        return git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    except UserError as error:
        raise UserError(
            f"no revision '{revision}' in this repository; `git log --oneline` lists them"
        ) from error


def ref_of(baseline: str, name: str) -> str:
    """Return where DVC keeps the experiment of this name on a baseline's full hash."""
    return f"{EXPERIMENTS}/{baseline[:2]}/{baseline[2:]}/{name}"


def experiments_of(root: Path, baseline: str) -> dict[str, Experiment]:
    """Return the experiments that started from one commit (its full hash), by name."""
    return {found.name: found for found in _listed(root, f"{EXPERIMENTS}/{baseline[:2]}/{baseline[2:]}")}


def every_experiment(root: Path) -> list[Experiment]:
    """Return the experiments of all baselines, the newest last."""
    return _listed(root, EXPERIMENTS)


def read_file(root: Path, revision: str, path: str) -> bytes | None:
    """Return the content of a tracked file at a revision; None if the file does not exist."""
    done = subprocess.run(["git", "show", f"{revision}:{path}"], cwd=root, capture_output=True, check=False)
    return None if done.returncode else done.stdout


def _listed(root: Path, below: str) -> list[Experiment]:
    form = "%(refname)%00%(objectname)%00%(contents:subject)"
    lines = git(root, "for-each-ref", "--sort=committerdate", f"--format={form}", below).splitlines()
    found = []
    for line in lines:
        ref, sha, message = line.split("\0")
        parts = ref.split("/")
        if len(parts) == 5 and len(parts[2]) == 2:  # the others are DVC's own: its queue, its stashes
            found.append(Experiment(ref, sha, message))
    return found
