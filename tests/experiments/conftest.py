"""A toy repository, made once and copied for each test."""

import shutil
from pathlib import Path

import pytest
from toy_repository import Toy, kill, make_toy_repository, processes


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
