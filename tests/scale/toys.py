"""A search and a sweep of seconds, whose workers an engine starts."""

import os
import subprocess
import sys
from pathlib import Path

import optuna
from toy_repository import Toy, jobs, make_toy_repository
from toy_search import make_toy_search

from cairn.experiments.sweep import run_sweep

DRIVER = """\
import sys
sys.path.insert(0, "src")
from cairn.studies.search import driver

engine, storage, *words = sys.argv[1:]
plan, space = driver.make_plan(words, name="toy", storage=storage)
driver.run(plan, space, workers=2, engine=engine)
"""


def search(root: Path, engine: str, storage: str, *words: str) -> subprocess.Popen:
    """Begin a search of two workers in a toy checkout, or resume it; return its driver."""
    if not (root / "conf").exists():
        make_toy_search(root)
    command = [sys.executable, "-c", DRIVER, engine, storage, *words]
    return subprocess.Popen(command, cwd=root, env=os.environ | {"OMP_NUM_THREADS": "1"})


def finished(storage: str) -> dict[int, tuple[float, dict]]:
    """Return value and parameters of the trials that are complete, by number."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    (summary, *_) = optuna.get_all_study_summaries(storage) or [None]
    if summary is None:
        return {}
    study = optuna.load_study(study_name="toy", storage=storage)
    complete = study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
    return {trial.number: (trial.value, trial.params) for trial in complete}


def done_by_workers(root: Path) -> list[int]:
    """Return the numbers of the trials in the logs of the workers, sorted."""
    logs = (root / ".dvc/tmp/search/toy/workers").glob("worker-*.log")
    lines = [line.split() for log in logs for line in log.read_text().splitlines()]
    return sorted(int(words[1].rstrip(":")) for words in lines if words[0] == "trial")


def sweep(folder: Path, engine: str) -> dict[str, str]:
    """Run three experiments in two workers; return what each of them set, by name."""
    root = make_toy_repository(folder / "toy")
    (folder / "trace").mkdir()
    outcomes = run_sweep(root, jobs(1, 2, 3), name="toy", workers=2, engine=engine)
    assert [outcome.error for outcome in outcomes] == [None] * 3
    return Toy(root, folder / "trace").experiments()
