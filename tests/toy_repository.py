"""A small repository with DVC and Hydra, in which a test decides how long an experiment takes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from cairn.experiments.refs import experiments_of, git
from cairn.experiments.sweep import Job

DVC_YAML = """\
stages:
  prepare:
    cmd: python stage.py prepare
    deps: [stage.py]
    outs: [prepared.txt]
  train:
    cmd: python stage.py train
    params: [x]
    deps: [prepared.txt]
    outs: [model.txt]
metrics: [score.json]
"""
STAGE = """\
import os, pathlib, sys, time, json
trace = pathlib.Path(os.environ["TOY"])
with (trace / "began").open("a") as file:
    x = pathlib.Path("params.yaml").read_text().split("x: ")[1].split()[0]
    print(sys.argv[1], x, os.getpid(), file=file)
if sys.argv[1] == "prepare":
    pathlib.Path("prepared.txt").write_text("prepared")
    sys.exit()
if x == "13":
    sys.exit("train: thirteen cannot be trained")
snapshot = pathlib.Path(os.environ["DVC_ROOT"], ".dvc/tmp/resume/toy/snapshot")
print("resumed" if snapshot.exists() else "from the start", flush=True)
snapshot.parent.mkdir(parents=True, exist_ok=True)
snapshot.write_text(x)
while (trace / f"hold-{x}").exists():
    time.sleep(0.05)
snapshot.unlink()
pathlib.Path("model.txt").write_text(x)
pathlib.Path("score.json").write_text(json.dumps({"score": float(x)}))
"""
DRIVER = """\
import json, signal, sys
# A shell starts what runs in the background with Ctrl-C ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
from pathlib import Path
from cairn.experiments.sweep import Job, run_sweep
root, jobs, workers = json.loads(sys.argv[1])
jobs = [Job(name, tuple(overrides)) for name, overrides in jobs]
for outcome in run_sweep(Path(root), jobs, name="toy", workers=workers):
    print(outcome.job.name, outcome.error or "done")
"""


@dataclass(frozen=True)
class Toy:
    """A repository whose stage `train` waits while the file hold-X exists."""

    root: Path
    trace: Path

    @property
    def head(self) -> str:
        return git(self.root, "rev-parse", "HEAD")

    @property
    def folder(self) -> Path:
        return self.root / ".dvc/tmp/sweeps/toy"

    def begun(self) -> list[tuple[str, str, int]]:
        """Return stage, x and process id of every stage that began."""
        file = self.trace / "began"
        lines = file.read_text().splitlines() if file.exists() else []
        return [(stage, x, int(pid)) for stage, x, pid in map(str.split, lines)]

    def trained(self) -> list[str]:
        """Return the x of every training that began, sorted."""
        return sorted(x for stage, x, _ in self.begun() if stage == "train")

    def hold(self, *values: int) -> None:
        for x in values:
            (self.trace / f"hold-{x}").touch()

    def release(self, *values: int) -> None:
        for x in values:
            (self.trace / f"hold-{x}").unlink()

    def drive(self, jobs: list[Job], workers: int = 1) -> subprocess.Popen[str]:
        words = json.dumps([str(self.root), [[job.name, job.overrides] for job in jobs], workers])
        return subprocess.Popen(
            [sys.executable, "-c", DRIVER, words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def experiments(self) -> dict[str, str]:
        """Return what each experiment set, by name."""
        return {name: found.message for name, found in experiments_of(self.root, self.head).items()}


def make_toy_repository(root: Path) -> Path:
    """Commit a toy repository whose stages have run once with x=0."""
    (root / "conf").mkdir(parents=True)
    (root / "conf/config.yaml").write_text("x: 0\nthreads: 1\n")
    (root / "params.yaml").write_text("x: 0\nthreads: 1\n")
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / "stage.py").write_text(STAGE)
    (root / "score.json").write_text("{}")
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "TOY": str(root.parent),
    }
    for words in (
        ("git", "init", "--quiet", "--initial-branch=main"),
        ("git", "config", "user.email", "test@example.org"),
        ("git", "config", "user.name", "test"),
        ("dvc", "init", "--quiet"),
        ("dvc", "config", "hydra.enabled", "true"),
        ("dvc", "config", "core.analytics", "false"),
        ("dvc", "repro", "--quiet"),
        ("git", "add", "--all"),
        ("git", "commit", "--quiet", "--message=toy"),
    ):
        subprocess.run(words, cwd=root, env=environment, check=True, capture_output=True)
    return root


def jobs(*values: int) -> list[Job]:
    return [Job(f"toy-{x}", (f"x={x}",)) for x in values]


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not true after {seconds} s"
        time.sleep(0.05)


def processes(*words: str) -> list[int]:
    """Return the ids of the processes whose command line has all the words."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z" and all(word in line for word in words):
            found.append(int(folder.name))
    return found


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def kill(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Path:
    """A committed toy repository whose stages have run once with x=0."""
    return make_toy_repository(tmp_path_factory.mktemp("template") / "toy")


@pytest.fixture
def toy(template, tmp_path, monkeypatch) -> Toy:
    root = tmp_path / "toy"
    shutil.copytree(template, root)
    trace = tmp_path / "trace"
    trace.mkdir()
    monkeypatch.setenv("TOY", str(trace))
    yield Toy(root, trace)
    kill(*processes(str(tmp_path)))
