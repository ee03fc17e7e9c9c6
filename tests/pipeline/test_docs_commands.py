"""Every page is followed to its end, from top to bottom, in a real clone: what it shows is what happens.

Libraries that run the code of Markdown (Sybil, mktestdocs, pytest-codeblocks and others) take each block as a
test of its own; here a page is one, because every command builds on those before it.
"""

import doctest
import os
import subprocess
import sys
from pathlib import Path

import pytest
from closure import ROOT
from pages import PAGES, TYPED, blocks, start

pytestmark = pytest.mark.slow
VENV = ROOT / ".venv"
END = "--- the command has ended: "
FOLLOWED = [page for page in PAGES if any(b.language in (*TYPED, "diff") for b in blocks(page))]


class Shell:
    """One bash, in which commands are typed one after the other as a reader does."""

    def __init__(self, folder: Path, environment: dict[str, str]):
        self.process = subprocess.Popen(
            ["bash", "--norc"], cwd=folder, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def type(self, command: str) -> tuple[int, str]:
        """Return the exit code and what the command printed."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{{ {command}\n}} </dev/null\nprintf '\\n{END}%s\\n' $?\n")
        self.process.stdin.flush()
        printed = []
        for line in self.process.stdout:
            if line.startswith(END):
                return int(line.removeprefix(END)), "".join(printed).rstrip("\n")
            printed.append(line)
        raise AssertionError(f"{command}: the shell has ended:\n{''.join(printed)}")

    def close(self) -> None:
        """End the shell."""
        self.process.communicate("exit\n", timeout=60)


@pytest.fixture(scope="session")
def flights(snapshot, tmp_path_factory):
    """A clone in which two months of flights are the default, run and committed."""
    checkout = snapshot.clone(tmp_path_factory.mktemp("flights") / "cairn", share_cache=False)
    checkout.replace("conf/config.yaml", "- experiment: null", "- experiment: tiny")
    checkout.dvc("repro")
    checkout.git("commit", "--quiet", "--all", "--message=Two months are enough")
    return checkout


@pytest.fixture(scope="session")
def set_up():
    """Bring .venv in step, so that `python3 bootstrap.py` has nothing left to do where it is borrowed."""
    subprocess.run([sys.executable, ROOT / "bootstrap.py"], check=True)


@pytest.fixture
def shell(request, tmp_path, snapshot, set_up):
    """A shell where the page of this test begins, at the home of somebody who has just arrived."""
    others = ("DVC_", "CAIRN_", "OMP_", "GIT_", "PYTEST_", "VIRTUAL_ENV")
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
        if block.comment.startswith("not run: "):
            continue
        where = f"{page.relative_to(ROOT)}:{block.line}"
        if block.comment == "write":
            first = block.text.partition("\n")[0]
            type_in(shell, f"cat > '{first.split()[1]}' <<'END_OF_FILE'\n{block.text}END_OF_FILE", "", where)
        elif block.language == "diff":
            type_in(shell, f"git apply - <<'END_OF_FILE'\n{block.text}END_OF_FILE", "", where)
        elif block.language in TYPED:
            for command, shown in block.commands():
                type_in(shell, command, shown, where, fails=block.comment == "fails")


def type_in(shell, command, shown, where, *, fails=False):
    """Type a command; what is shown on the page must be what it prints."""
    code, printed = shell.type(command)
    assert (code != 0) == fails, f"{where}: {command}: exit code {code}\n{printed}"
    rule = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    example = doctest.Example(command, shown.replace("…", "...") + "\n")
    checker = doctest.OutputChecker()
    if shown and not checker.check_output(example.want, printed + "\n", rule):
        difference = checker.output_difference(example, printed + "\n", doctest.REPORT_UDIFF)
        pytest.fail(f"{where}: {command}\n{difference}", pytrace=False)
