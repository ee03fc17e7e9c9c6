"""What a finished or killed `dvc exp run` leaves in git, and the commands of `cairn doctor` that fix it."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from toy_repository import kill, processes, until

from cairn.doctor import git_state
from cairn.experiments.refs import git

pytestmark = pytest.mark.slow

DVC = Path(sys.executable).with_name("dvc")


def exp_run(toy, *words):
    return subprocess.run(
        [DVC, "exp", "run", *words], cwd=toy.root, capture_output=True, text=True, check=False
    )


def killed(toy, words, when):
    """Start `dvc exp run`, and kill -9 it and its stages once a condition is true."""
    run = subprocess.Popen(
        [DVC, "exp", "run", *words], cwd=toy.root, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until(when)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    kill(*processes(str(toy.root)))


def in_the_way(toy):
    """Return what doctor says about git, but for files that are not committed."""
    found = [(state, said) for state, said in git_state(toy.root) if state != "ok"]
    return [(state, said) for state, said in found if "files are not committed" not in said]


def follow(toy, said):
    """Run the commands after the last colon of a line."""
    for command in said.rpartition(": ")[2].partition(",")[0].split("; "):
        subprocess.run(shlex.split(command), cwd=toy.root, check=True, capture_output=True)


@pytest.fixture
def mine(toy):
    """Changes of the user: staged, not staged and not tracked."""
    (toy.root / "staged.txt").write_text("staged")
    git(toy.root, "add", "staged.txt")
    with (toy.root / "stage.py").open("a") as file:
        file.write("# mine\n")
    (toy.root / "untracked.txt").write_text("untracked")
    words = (["diff", "HEAD", "--", "stage.py", "staged.txt"], ["ls-files", "--others", "--exclude-standard"])
    return lambda: [git(toy.root, *each) for each in words]


@pytest.mark.parametrize(("x", "fails"), [(1, False), (13, True)])
def test_a_finished_run_gives_no_warning(toy, x, fails):
    assert (exp_run(toy, "-S", f"x={x}").returncode != 0) == fails
    assert "EXEC_HEAD" in git(toy.root, "for-each-ref", "refs/exps/exec"), (
        "this version of DVC no longer leaves it"
    )
    assert in_the_way(toy) == []


def test_the_commands_of_doctor_repair_a_killed_run_and_nothing_is_lost(toy, mine):
    before = mine()
    toy.hold(1)
    killed(toy, ["-S", "x=1"], lambda: toy.trained() == ["1"])
    (marks, marks_said), (head, head_said) = in_the_way(toy)
    assert (marks, head) == ("wrong", "wrong")
    assert "if it was killed: git update-ref -d refs/exps/exec/EXEC_BASELINE; git update-ref" in marks_said
    assert head_said.endswith("so commits would be lost: git switch main")
    follow(toy, marks_said)
    follow(toy, head_said)
    assert in_the_way(toy) == []
    assert mine() == before
    assert git(toy.root, "branch", "--show-current") == "main"
    assert (toy.root / "params.yaml").read_text().startswith("x: 1"), "dvc repro would use it"

    toy.release(1)
    again = exp_run(toy, "-n", "again", "-S", "x=1")
    assert "resumed" in again.stdout, again.stderr
    assert set(toy.experiments()) == {"again"}
    assert in_the_way(toy) == []
    assert (toy.root / "stage.py").read_text().endswith("# mine\n")


def test_rerunning_alone_leaves_a_detached_head_whose_commits_are_kept(toy):
    toy.hold(1)
    killed(toy, ["-S", "x=1"], lambda: toy.trained() == ["1"])
    toy.release(1)
    assert exp_run(toy, "-S", "x=1").returncode == 0
    ((state, said),) = in_the_way(toy)
    assert (state, said.rpartition(": ")[2]) == ("warn", "git switch main")
    git(toy.root, "commit", "--quiet", "--all", "--message=on no branch")
    commit = toy.head
    ((state, said),) = in_the_way(toy)
    assert said.endswith("git switch -c NEW_BRANCH, which keeps the 1 made here")
    follow(toy, said)
    assert git(toy.root, "rev-parse", "NEW_BRANCH") == commit
    assert in_the_way(toy) == []


def test_without_a_previous_branch_none_is_named(toy):
    git(toy.root, "switch", "--quiet", "--detach")
    git(toy.root, "commit", "--quiet", "--allow-empty", "--message=next")
    git(toy.root, "tag", "kept")
    git(toy.root, "switch", "--quiet", "--detach", "HEAD~1")
    ((state, said),) = in_the_way(toy)
    assert (state, said.rpartition(": ")[2]) == ("warn", "git switch BRANCH")


def test_a_run_killed_at_its_start_has_the_changes_in_the_stash(toy, mine):
    before = mine()
    killed(toy, ["-S", "x=1"], (toy.root / ".git/refs/stash").exists)
    if not git(toy.root, "branch", "--show-current"):
        git(toy.root, "switch", "--quiet", "main")
    # Whether DVC had taken the changes away by then is chance.
    git(toy.root, "reset", "--quiet", "--hard")
    assert mine() != before
    git(toy.root, "stash", "pop", "--quiet", "--index")
    assert mine() == before
