"""A toy repository, made once and copied for each test."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from toy_repository import DVC_YAML, STAGE, Toy, kill, processes


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Path:
    """A committed toy repository whose stages have run once with x=0."""
    root = tmp_path_factory.mktemp("template") / "toy"
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


@pytest.fixture
def toy(template, tmp_path, monkeypatch) -> Toy:
    root = tmp_path / "toy"
    shutil.copytree(template, root)
    trace = tmp_path / "trace"
    trace.mkdir()
    monkeypatch.setenv("TOY", str(trace))
    yield Toy(root, trace)
    kill(*processes(str(tmp_path)))
