"""Every page is followed to its end, from top to bottom, in a real clone: what it shows is what happens.

Libraries that run the code of Markdown (Sybil, mktestdocs, pytest-codeblocks and others) take each block as a
test of its own; here a page is one, because every command builds on those before it.
"""

import os
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest
from pages import NOT_RUN, PAGES, TYPED, blocks, start
from reader import Shell, follow
from repository import ROOT

pytestmark = pytest.mark.slow
VENV = ROOT / ".venv"
FOLLOWED = [
    page
    for page in PAGES
    if any(b.language in (*TYPED, "diff") and not b.comment.startswith(NOT_RUN) for b in blocks(page))
]


@pytest.fixture(scope="session")
def flights(tiny, tmp_path_factory):
    """A clone in which three weeks of flights are the default, run and committed."""
    checkout = tiny.clone(tmp_path_factory.mktemp("flights") / "cairn", share_cache=False)
    shutil.copytree(tiny.path / ".dvc/cache", checkout.path / ".dvc/cache")
    checkout.replace("conf/config.yaml", "- experiment: null", "- experiment: tiny")
    checkout.dvc("repro")
    checkout.git("commit", "--quiet", "--all", "--message=Three weeks are enough")
    return checkout


@pytest.fixture(scope="session")
def set_up():
    """Stop where `python3 bootstrap.py` on a page would find something to do: .venv is only lent."""
    bootstrap = runpy.run_path(str(ROOT / "bootstrap.py"))
    assert bootstrap["STAMP"].read_text(encoding="utf-8") == bootstrap["_fingerprint"](), "run bootstrap.py"


@pytest.fixture
def shell(request, tmp_path, snapshot, set_up):
    """A shell where the page of this test begins, in the home folder of a new user."""
    others = ("DVC_", "CAIRN_", "OMP_", "GIT_", "PYTEST_", "VIRTUAL_ENV", "COLUMNS")  # 80 in pytest-xdist
    environment = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    environment |= {
        "PATH": f"{VENV / 'bin'}{os.pathsep}{environment['PATH']}",
        "VIRTUAL_ENV": str(VENV),
        # What is installed in .venv is this checkout, not the one of the page.
        "PYTHONPATH": str(tmp_path / "cairn/src"),
        "HOME": str(tmp_path),
    }
    arrive(tmp_path, snapshot.path, environment)
    folder = tmp_path if start(request.param) == "an empty folder" else tmp_path / "cairn"
    if start(request.param) == "a fresh clone":
        snapshot.clone(folder, share_cache=False)
    elif folder != tmp_path:
        request.getfixturevalue("flights").clone(folder, share_cache=True).dvc("checkout", "--quiet")
    if folder != tmp_path:
        (folder / ".venv").symlink_to(VENV)
    shell = Shell(folder, environment)
    yield shell
    shell.close()


def arrive(home: Path, repository: Path, environment: dict[str, str]) -> None:
    """Tell git who types, where the address of the pages is, and to lend each clone the environment."""
    hooks = home / ".template/hooks"
    hooks.mkdir(parents=True)
    (hooks / "post-checkout").write_text(f"#!/bin/sh\n[ -e .venv ] || ln -s {VENV} .venv\n", encoding="utf-8")
    (hooks / "post-checkout").chmod(0o755)
    (home / ".ignored").write_text(".venv\n", encoding="utf-8")
    settings = {
        "user.name": "test",
        "user.email": "test@example.org",
        "core.excludesFile": str(home / ".ignored"),
        "init.templateDir": str(home / ".template"),
        f"url.{repository}.insteadOf": "https://example.org/cairn.git",
    }
    for key, value in settings.items():
        subprocess.run(["git", "config", "--global", key, value], env=environment, check=True)


@pytest.mark.parametrize(("shell", "page"), [(page, page) for page in FOLLOWED], indirect=["shell"],
                         ids=[page.relative_to(ROOT).as_posix() for page in FOLLOWED])  # fmt: skip
def test_a_page_can_be_followed_to_its_end(shell, page):
    for block in blocks(page):
        follow(shell, block, f"{page.relative_to(ROOT)}:{block.line}")
