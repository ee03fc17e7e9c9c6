"""A repository of git alone, with the records of a few runs, and how a board reads it."""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from random import Random

import yaml
from card_inputs import record_of
from repository import ROOT

from cairn.compose.conf import leaves
from cairn.experiments.runs import Run
from cairn.metrics.evaluation import Evaluation
from cairn.settings.purpose import PurposeConfig

SETTINGS = {
    "seed": 1,
    "data": {"name": "flights", "target": "late"},
    "split": {"kind": "time", "gap": "1D"},
    "model": {"name": "forest", "params": {"depth": 3}},
}
START = 1_700_000_000
TABLE, OTHER_TABLE = "a" * 32, "b" * 32


def evaluation(score=0.7, *, priced=True, task="binary"):
    """Return a record whose primary score is this one, from 0.01 below to 0.01 above."""
    record = record_of(task, priced=priced)
    primary = record["primary"]
    record["scores"]["model"][primary] = {"value": score, "low": score - 0.01, "high": score + 0.01}
    return record


def lock(table=TABLE, predictions="c" * 32, card="d" * 32, rows="f" * 32, ran=None):
    """Return a dvc.lock in DVC's order of keys; `ran` has the settings of a stage by its name."""
    paths = {"data/prepared/table.parquet": table, "predictions/model.parquet": predictions}
    paths |= {"reports/model_card.html": card, "data/splits/test.parquet": rows}
    outs = [{"path": path, "hash": "md5", "md5": digest, "size": 1} for path, digest in paths.items()]
    stages = {
        "all": {
            "cmd": "run",
            "deps": [{"path": "src", "hash": "md5", "md5": "e" * 32 + ".dir"}],
            "outs": outs,
        }
    }
    stages |= {name: {"cmd": "run", "params": {"params.yaml": found}} for name, found in (ran or {}).items()}
    return yaml.safe_dump({"schema": "2.0", "stages": stages}, sort_keys=False)


class Repository:
    """Commits one second apart, each with a record, settings and the lock."""

    def __init__(self, root: Path):
        self.root, self.time = root, START
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words):
        when = f"{self.time} +0000"
        named = {
            f"GIT_{who}_{what}": "x@y.z" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        dated = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        done = subprocess.run(["git", *words], cwd=self.root, env={**os.environ, **named, **dated},
                              capture_output=True, text=True, check=True)  # fmt: skip
        return done.stdout.strip()

    def write(self, record, settings=SETTINGS, locked=None):
        files = {"params.yaml": yaml.safe_dump(settings), "dvc.lock": locked or lock()}
        if record is not None:
            files["metrics/evaluation.json"] = record if isinstance(record, str) else json.dumps(record)
        for name, text in files.items():
            (self.root / name).parent.mkdir(exist_ok=True)
            (self.root / name).write_text(text, encoding="utf-8")

    def commit(self, record, settings=SETTINGS, *, locked=None, message="try"):
        self.time += 100
        self.write(record, settings, locked)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", f"--message={message}")
        return self.git("rev-parse", "HEAD")

    def experiment(self, name, record, settings, **more):
        """Commit on HEAD, name it as DVC does, and go back."""
        base = self.git("rev-parse", "HEAD")
        sha = self.commit(record, settings, **more)
        self.git("update-ref", f"refs/exps/{base[:2]}/{base[2:]}/{name}", sha)
        self.git("reset", "--quiet", "--hard", base)
        return sha


def run_of(number, score=0.7, *, names=(), settings=None, table=TABLE, goal=None, priced=True):
    """Return a run without a repository; the number tells runs apart and orders them in time."""
    flat = {"seed": number, "data.name": "flights", "model.name": "forest", "model.params.depth": 3}
    purpose = {"question": "Will it be late?", "owner": "the desk"} | ({"goal": goal} if goal else {})
    return Run(
        names=tuple(names),
        kind="experiment" if names else "commit",
        commit=f"{number:040x}"[::-1],
        at=START + 3600 * number,
        subject=f"try {number}",
        record=Evaluation.model_validate(evaluation(score, priced=priced)),
        settings=flat | (settings or {}),
        purpose=PurposeConfig.model_validate(purpose),
        outputs={"data/prepared/table.parquet": table, "predictions/model.parquet": f"{number:032x}"},
    )


def many_runs(count):
    """Return runs with all that those of the flights have: metrics, money, settings, long messages."""
    draw = Random(1)
    record = Evaluation.model_validate_json((ROOT / "metrics/evaluation.json").read_bytes())
    settings = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    flat = {".".join(map(str, path)): value for path, value in leaves(settings).items()}
    one = run_of(0)
    tuned = [key for key in flat if key.startswith("model.params.")]
    runs = []
    for number in range(count):
        ours = record.scores["model"]
        scores = {name: shifted(score, draw.uniform(-0.1, 0.1)) for name, score in ours.items()}
        scores["roc_auc"] = shifted(ours["roc_auc"], draw.uniform(-0.18, 0.02))
        several = record.model_copy(update={"scores": record.scores | {"model": scores}})
        mlp = draw.random() < 0.5
        model = {"model.name": "mlp", **{f"model.params.mlp_{at}": draw.randrange(9) for at in range(12)}}
        tried = {key: round(draw.uniform(0, 1), 4) for key in tuned}
        run = replace(
            one,
            commit=f"{number:040x}"[::-1],
            at=START + 3600 * number,
            names=(f"sweep-of-learning-rates-{number}",) if number % 2 else (),
            kind="experiment" if number % 2 else "commit",
            settings=flat | {"seed": number} | (model if mlp else {"model.name": "forest"} | tried),
            subject=f"Try {draw.randrange(10**6)} of the values that the search of last week proposed",
            outputs=one.outputs | {"data/prepared/table.parquet": OTHER_TABLE if number % 4 else TABLE},
            record=several,
        )
        runs.append(run)
    return runs


def shifted(score, by):
    """Return a score and its interval, moved."""
    ends = {end: getattr(score, end) for end in ("value", "low", "high")}
    return score.model_copy(update={end: value + by for end, value in ends.items() if value is not None})
