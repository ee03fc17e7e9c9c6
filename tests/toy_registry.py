"""A repository whose commits hold small models, with what compares, monitors and registers them."""

import json
import shutil
import subprocess
import sys
from contextlib import chdir
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import synthetic
from checkouts import Checkout, start_repository
from http_service import PRICES
from omegaconf import OmegaConf
from repository import ROOT

from cairn.data.records import write_json
from cairn.data.tables import write_table
from cairn.models.package import reference_rows, save

PER_DAY = 60
FIRST_DAY = {"train": 0, "validation": 40, "test": 55, "new": 70}
DAYS = {"train": 40, "validation": 15, "test": 15, "new": 6}
STAGES = """\
stages:
  evaluate:
    cmd: "true"
    deps: [pins]
    outs:
      - data/prepared/table.parquet
      - data/splits/train.parquet
      - data/splits/validation.parquet
      - data/splits/test.parquet
      - models/model
      - predictions/model.parquet
artifacts:
  model: {path: models/model, type: model}
"""
CONFIG = """\
[core]
    remote = store
    analytics = false
['remote "store"']
    url = {store}
"""
IGNORED = """\
/src/
/constraints.txt
/pyproject.toml
/LICENSE
/metrics/monitor.json
"""
DATA = {"name": "toy", "source": "data.csv", "contract": "contract.yaml", "task": "binary", "time": "day"}
SETTINGS = {
    "seed": 7,
    "threads": 1,
    "data": DATA | {"target": "late", "load": None},
    "split": {"kind": "time"},
    "kpi": PRICES,
    "evaluate": {
        "primary": None, "resamples": 200, "confidence": 0.95, "block": "1D", "slices": [],
        "min_slice_rows": 100, "ceiling": {},
    },
}  # fmt: skip
CONTRACT = """\
key: [id]
columns:
  id: {kind: numeric}
  day: {kind: datetime}
  load: {kind: numeric, group: g, nullable: true}
  noise: {kind: numeric, group: g}
  night: {kind: boolean, group: g}
  línea: {kind: categorical, group: g, nullable: true}
  stop: {kind: categorical, group: g}
  late: {kind: numeric, known: after}
  class: {kind: categorical, known: after}
  delay: {kind: numeric, known: after}
"""


@cache
def part(name: str) -> pd.DataFrame:
    """Rows of some days, with their target."""
    count = DAYS[name] * PER_DAY
    made = synthetic.rows(count, seed=FIRST_DAY[name])
    first = pd.Timestamp("2024-01-01") + pd.Timedelta(days=FIRST_DAY[name])
    made["day"] = first + pd.to_timedelta(np.arange(count) * (86400 // PER_DAY), unit="s")
    made["id"] = made["row_id"] = np.arange(count) + FIRST_DAY[name] * PER_DAY
    return made


@cache
def model(trees: int):
    """A model that is better the more trees it has, up to some twenty."""
    made = synthetic.fit(
        "hist_gbdt", train=part("train"), validation=part("validation"), max_iter=trees, max_leaf_nodes=4
    )
    config = made.config | {"data": SETTINGS["data"], "kpi": PRICES}
    return replace(made, config=config, reference=reference_rows(made, part("validation")))


@dataclass(frozen=True)
class Toy(Checkout):
    """A clone of the repository."""

    @property
    def store(self) -> Path:
        """The remote of DVC."""
        return self.path.parent / "store"

    def rev(self, name: str) -> str:
        return self.git("rev-parse", f"{name}^{{commit}}").strip()

    def tags(self) -> list[str]:
        return self.git("tag", "--list", "model*").split()

    def write(self, trees: int, rows: int = 1) -> None:
        """Write what a run with so many trees leaves in the workspace, with one in so many rows."""
        package = model(trees)
        save(package, self.path / "models/model")
        tables = [part(name).assign(part=name, model=package.scores(part(name))) for name in list(DAYS)[1:3]]
        table = pd.concat(tables, ignore_index=True).rename(columns={"late": "target"})[::rows]
        table = table[["row_id", "target", "part", "model"]].reset_index(drop=True)
        write_table(table, self.path / "predictions/model.parquet")
        params = OmegaConf.merge(SETTINGS, {"model": package.config["model"]})
        (self.path / "params.yaml").write_text(OmegaConf.to_yaml(params), encoding="utf-8")
        score = {"roc_auc": {"value": 0.5 + trees / 100, "low": trees / 100, "high": 0.6 + trees / 100}}
        record = {
            "task": "binary", "target": "late", "model": "toy", "thresholds": {"model": 0.25},
            "primary": "roc_auc", "better": {"roc_auc": "higher"}, "best_baseline": "prior", "same_as": [],
            "confidence": 0.95, "resamples": 200, "block": "1D", "rows": len(part("test")), "validation": {},
            "scores": {"model": score, "prior": score}, "gains": {"prior": score},
        }  # fmt: skip
        write_json(record, self.path / "metrics/evaluation.json")

    def commit(self, trees: int, rows: int = 1) -> str:
        """Run and commit; return the commit."""
        from dvc.repo import Repo

        self.write(trees, rows)
        with chdir(self.path), Repo() as repo:
            repo.commit(force=True)
        self.git("add", "--all")
        self.git("commit", "--quiet", f"--message={trees} trees")
        return self.rev("HEAD")

    def push(self) -> None:
        """Push the objects of every commit, and the branch."""
        from dvc.repo import Repo

        with chdir(self.path), Repo() as repo:
            repo.push(all_commits=True)
        self.git("push", "--quiet", "origin", "main")

    def another(self, name: str, *options: str) -> "Toy":
        """Clone git's remote again, with the same cache."""
        path = self.path.parent / name
        url = self.git("remote", "get-url", "origin").strip()
        subprocess.run(["git", "clone", "--quiet", *options, url, str(path)], check=True)
        configure(path, self.path.parent / "cache")
        return Toy(path)

    def cairn(self, *words: str, fails: bool = False) -> str:
        """Run a command of Cairn in a process; return what it printed."""
        return self.run(sys.executable, "src/cairn", *words, fails=fails)

    def with_code(self) -> "Toy":
        """Add the code, which git ignores."""
        shutil.copytree(ROOT / "src", self.path / "src", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("constraints.txt", "pyproject.toml", "LICENSE"):
            shutil.copy(ROOT / name, self.path)
        return self

    def records(self) -> dict:
        """Return what `cairn models --json` says of each tag that was put on a stage, by its name."""
        from cairn.experiments.versions import read_registry

        return {tag.name: tag.record for tag in read_registry(self.path).history}


def configure(path: Path, cache_folder: Path) -> None:
    """Say who commits, and where the cache is."""
    for key, value in {"user.email": "ann@example.org", "user.name": "Ann"}.items():
        subprocess.run(["git", "config", key, value], cwd=path, check=True)
    (path / ".dvc/config.local").write_text(f"[cache]\n    dir = {cache_folder}\n", encoding="utf-8")


def make_toy(folder: Path, *trees: int) -> tuple[Toy, list[str]]:
    """Make the repository with a commit for each number of trees; git's remote is origin.git beside it."""
    toy = Toy(folder / "repository")
    start_repository(toy, CONFIG.format(store=toy.store), STAGES)
    configure(toy.path, folder / "cache")
    subprocess.run(
        ["git", "init", "--quiet", "--bare", "--initial-branch=main", str(folder / "origin.git")], check=True
    )
    toy.git("remote", "add", "origin", str(folder / "origin.git"))
    (toy.path / ".gitignore").write_text(IGNORED, encoding="utf-8")
    (toy.path / "contract.yaml").write_text(CONTRACT, encoding="utf-8")
    (toy.path / "pins").write_text("1", encoding="utf-8")
    write_table(pd.concat([part("train"), part("validation")]), toy.path / "data/prepared/table.parquet")
    for name in ("train", "validation", "test"):
        write_table(part(name), toy.path / f"data/splits/{name}.parquet")
    commits = [toy.commit(count) for count in trees]
    toy.push()
    return toy, commits


def copied(toy: Toy, folder: Path) -> Toy:
    """Return a copy of the repository with its remotes and its cache."""
    shutil.copytree(toy.path.parent, folder / "toy")
    copy = Toy(folder / "toy/repository")
    copy.git("remote", "set-url", "origin", str(folder / "toy/origin.git"))
    copy.replace(".dvc/config", str(toy.store), str(copy.store))
    configure(copy.path, folder / "toy/cache")
    return copy


def as_json(text: str) -> dict:
    return json.loads(text)
