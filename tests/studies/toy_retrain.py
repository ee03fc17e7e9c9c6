"""A repository whose table grows in a database: the real stages, DVC and git, with remotes in folders."""

import os
import re
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from checkouts import BIN, Checkout
from omegaconf import OmegaConf

PER_DAY = 40
FIRST = 100
"""Days of the first snapshot: 70 of train, 15 of validation, 15 of test."""
STAGES = ("code", "compose", "prepare", "split", "baseline", "train", "calibrate", "evaluate")
DATA = """\
# @package _global_
defaults:
  - override /split: time
  - override /kpi: cost
  - override /model: logistic
  - _self_

data:
  name: visits
  source: data/raw/visits.parquet
  contract: conf/contract/visits.yaml
  load: null
  task: binary
  target: returned
  positive: 1
  time: day
  group: null
  derive: {}
  drop_where: {}
  leakage: {max_single_score: 0.99, min_null_rows: 50, trusted: []}

baseline: {rules: {}}
evaluate: {block: 1D, resamples: 200}

split: # values that differ from conf/split/time.yaml
  gap: 0D # a comment that stays
"""
CONTRACT = """\
key: [id]
columns:
  id: {kind: numeric}
  day: {kind: datetime}
  age: {kind: numeric, group: person}
  nights: {kind: numeric, group: stay}
  returned: {kind: numeric, known: after}
"""

GH = """\
#!/usr/bin/env bash
printf '%s\\n' "$@" | sed 's#.*/report.md#REPORT#' > "$(dirname "$0")/asked"
"""
"""A stand-in for GitHub's command, which keeps what it is asked for."""


def visits(first: int, days: int, weights: tuple[float, float]) -> pd.DataFrame:
    """Rows of some days; the weights say how age and nights act on the target."""
    rng = np.random.default_rng(first)
    count = days * PER_DAY
    age, nights = rng.normal(size=count), rng.normal(size=count)
    day = np.repeat(pd.date_range("2024-01-01", periods=days) + pd.Timedelta(days=first), PER_DAY)
    chance = 1 / (1 + np.exp(-(weights[0] * age + weights[1] * nights)))
    return pd.DataFrame(
        {
            "id": np.arange(count) + first * PER_DAY,
            "day": day.astype(str),
            "age": age,
            "nights": nights,
            "returned": (rng.random(count) < chance).astype(int),
        }
    )


@dataclass(frozen=True)
class Growing:
    """The checkout, the git remote, the folder of the DVC remote, and the database."""

    checkout: Checkout
    origin: Path
    store: Path
    database: Path

    def add(self, first: int, days: int, weights: tuple[float, float]) -> None:
        """Add days to the table of the database."""
        with closing(sqlite3.connect(self.database)) as database, database:
            visits(first, days, weights).to_sql("visits", database, if_exists="append", index=False)

    def script(
        self, sources: Sequence[str] = ("visits",), **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run .ci/retrain as cron would."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "CAIRN_", "OMP_", "GIT_"))}
        path = os.pathsep.join([str(self.origin.parent / "bin"), str(BIN), kept["PATH"]])
        kept |= {"PATH": path, "VIRTUAL_ENV": str(BIN.parent)} | environment
        return subprocess.run(
            [".ci/retrain", *sources],
            cwd=self.checkout.path, env=kept, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def cairn(self, *words: str, fails: bool = False) -> str:
        """Run a command of Cairn in the checkout."""
        return self.checkout.run("python", "src/cairn", *words, fails=fails)

    def pull_request(self) -> list[str]:
        """Return what gh was asked for last."""
        return (self.origin.parent / "bin/asked").read_text(encoding="utf-8").splitlines()

    def branches(self) -> list[str]:
        """Return the branches of the git remote, without main."""
        listed = self.checkout.git("ls-remote", "--heads", "origin")
        return [name for name in re.findall(r"refs/heads/(\S+)", listed) if name != "main"]

    def state(self) -> tuple[str, ...]:
        """Return what must be the same before and after the script: branch, commit, changes, data."""
        git = self.checkout.git
        stored = self.checkout.path / "data/raw/visits.parquet"
        rows = len(pd.read_parquet(stored, columns=["id"]))
        return git("symbolic-ref", "HEAD"), git("rev-parse", "HEAD"), git("status", "--porcelain"), str(rows)


def make_growing(snapshot: Checkout, folder: Path) -> Growing:
    """Make the repository: the first snapshot is taken, run, committed and pushed."""
    checkout = snapshot.clone(folder / "repository", share_cache=False)
    root = checkout.path
    growing = Growing(checkout, folder / "origin.git", folder / "cairn-store", folder / "visits.db")
    for name in (
        *(f"{folder}/dvc.{kind}" for folder in ("data", "monitor") for kind in ("yaml", "lock")),
        "dvc.lock",
    ):
        (root / name).unlink()
    pipeline = OmegaConf.load(root / "dvc.yaml")
    pipeline.stages = {name: pipeline.stages[name] for name in STAGES}
    OmegaConf.save(pipeline, root / "dvc.yaml")
    checkout.replace("conf/config.yaml", "- data: flights", "- data: visits")
    checkout.replace("conf/config.yaml", "threads: 2", "threads: 1")
    for name, text in {
        "conf/data/visits.yaml": DATA,
        "conf/contract/visits.yaml": CONTRACT,
        "data/sql/visits.yaml": "connection: VISITS\ntable: visits\norder_by: [id]\n",
    }.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    checkout.dvc("config", "--local", "db.VISITS.url", f"sqlite:///{growing.database}")
    growing.add(0, FIRST, (1.5, 0.0))
    growing.cairn("update", "visits")
    growing.cairn("compose", "--reset")
    checkout.dvc("repro")
    checkout.git("add", "--all")
    checkout.git("commit", "--quiet", "--message=visits")
    subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", str(growing.origin)], check=True)
    checkout.git("remote", "set-url", "origin", str(growing.origin))
    checkout.git("push", "--quiet", "origin", "main")
    checkout.dvc("push", "--quiet")
    gh = folder / "bin/gh"
    gh.parent.mkdir()
    gh.write_text(GH, encoding="utf-8")
    gh.chmod(0o755)
    return growing
