"""With the real DVC: a sweep loses nothing, whatever is killed, and does not touch the user's workspace."""

import signal
import subprocess
import time

import pytest
from toy_repository import jobs, kill, parent, processes, until

from cairn.errors import UserError
from cairn.experiments.pool import PAUSE_SECONDS
from cairn.experiments.refs import commit_of, every_experiment, git, read_file
from cairn.experiments.sweep import Job, best_of, refuse_other_settings, run_sweep

pytestmark = pytest.mark.slow


def state_of(root):
    """Return all that a user would see change: branch, commit, index, files, stash."""
    words = (["status", "--porcelain=2", "--branch"], ["diff"], ["diff", "--cached"], ["stash", "list"])
    return [git(root, *each) for each in (*words, ["symbolic-ref", "HEAD"], ["ls-files", "--stage"])]


def finish(driver):
    output, errors = driver.communicate(timeout=120)
    assert driver.returncode == 0, errors
    return dict(line.split(" ", 1) for line in output.splitlines())


def test_a_sweep_makes_dvc_experiments_and_leaves_the_workspace_unchanged(toy):
    (toy.root / "conf/config.yaml").write_text("x: 99  # not committed\nthreads: 1\n")
    git(toy.root, "rm", "--quiet", "--cached", "stage.py")
    before = state_of(toy.root)
    outcomes = run_sweep(toy.root, [*jobs(1, 0), Job("fails", ("x=13",))], name="toy", workers=2)
    assert state_of(toy.root) == before
    assert [(outcome.job.name, outcome.error) for outcome in outcomes] == [
        ("toy-1", None),
        ("toy-0", None),
        ("fails", "train: thirteen cannot be trained"),
    ]
    assert "thirteen" in outcomes[2].log.read_text()
    assert toy.experiments() == {"toy-1": "x=1", "toy-0": "x=0"}
    ref, sha = next((one.ref, one.sha) for one in every_experiment(toy.root) if one.name == "toy-1")
    assert (ref.rpartition("/")[2], sha) == ("toy-1", outcomes[0].sha)
    assert read_file(toy.root, sha, "score.json") == b'{"score": 1.0}'
    assert read_file(toy.root, sha, "nothing.json") is None
    assert toy.trained() == ["1", "13"], "prepare, and train with x=0, are as in the commit"
    assert [stage for stage, _, _ in toy.begun() if stage == "prepare"] == []
    assert not list(toy.folder.glob("clones/*/")), "the clones are gone"

    again = run_sweep(toy.root, jobs(1, 2), name="toy", workers=1)
    assert [outcome.error for outcome in again] == [None, None]
    assert toy.trained() == ["1", "13", "2"], "what is done is not run again"
    with pytest.raises(UserError, match=r"toy-1 exists with x=1, not x=3.*another name"):
        refuse_other_settings(toy.root, [Job("toy-1", ("x=3",))], commit_of(toy.root, "HEAD"))
    reworded = run_sweep(toy.root, [Job("toy-1", ("x=1", "threads=1"))], name="toy", workers=1)
    assert [outcome.sha for outcome in reworded] == [outcomes[0].sha], "names follow from settings"

    git(toy.root, "reset", "--quiet", "--hard")
    subprocess.run(["dvc", "exp", "apply", "toy-2"], cwd=toy.root, check=True, capture_output=True)
    assert (toy.root / "model.txt").read_text() == "2"
    assert "x: 2" in (toy.root / "params.yaml").read_text()


def test_the_best_has_the_highest_score_or_the_lowest_loss():
    assert best_of({"a": {"val_roc_auc": 0.7}, "b": {"val_roc_auc": 0.8}, "c": {}}) == "b"
    assert best_of({"a": {"val_log_loss": 0.7}, "b": {"val_log_loss": 0.8}}) == "a"
    assert best_of({"a": {}, "b": {}}) == "a"


@pytest.mark.slow
def test_a_job_of_a_killed_worker_runs_once_and_another_publishes_it(toy):
    toy.hold(1)
    driver = toy.drive(jobs(1, 2), workers=2)
    until(toy.trained)
    (dvc,) = processes("-m dvc exp run", "toy-1")
    kill(parent(dvc))
    until(lambda: "toy-2" in toy.experiments())
    time.sleep(3 * PAUSE_SECONDS)  # the other worker would take the job now if it were free
    toy.release(1)
    assert finish(driver) == {"toy-1": "done", "toy-2": "done"}
    assert toy.trained() == ["1", "2"], "its DVC kept running, and no other worker ran the job beside it"
    assert "Running stage 'train'" in (toy.folder / "jobs/toy-1.log").read_text(), "nor after it"


@pytest.mark.slow
def test_workers_of_a_killed_driver_end_and_the_same_call_resumes(toy):
    toy.hold(1, 2)
    first = toy.drive(jobs(1, 2, 3))
    until(toy.trained)
    (old,) = processes("--worker", str(toy.folder))
    kill(first.pid)
    second = toy.drive(jobs(1, 2, 3))
    until(lambda: toy.trained() == ["1", "2"])
    toy.release(1)
    until(lambda: old not in processes("--worker"))
    assert toy.experiments() == {"toy-1": "x=1"}
    assert toy.trained() == ["1", "2"], "the old worker ended and left the third job to the new one"
    toy.release(2)
    assert finish(second) == {"toy-1": "done", "toy-2": "done", "toy-3": "done"}
    assert toy.trained() == ["1", "2", "3"]
    until(lambda: not processes(str(toy.folder)))


@pytest.mark.slow
def test_without_a_driver_a_worker_ends_after_its_job(toy):
    toy.hold(1)
    driver = toy.drive(jobs(1, 2))
    until(toy.trained)
    kill(driver.pid)
    toy.release(1)
    until(lambda: not processes(str(toy.folder)))
    assert toy.experiments() == {"toy-1": "x=1"}


@pytest.mark.slow
def test_a_kill_of_dvc_ends_its_stage_and_the_job_is_tried_again(toy):
    toy.hold(1)
    driver = toy.drive(jobs(1, 2))
    until(toy.trained)
    kill(*processes("-m dvc exp run", "toy-1"))
    ((_, _, stage),) = toy.begun()
    until(lambda: stage not in processes("stage.py train"))
    toy.release(1)
    assert finish(driver) == {"toy-1": "DVC was ended by SIGKILL", "toy-2": "done"}
    assert finish(toy.drive(jobs(1, 2))) == {"toy-1": "done", "toy-2": "done"}
    assert toy.trained() == ["1", "1", "2"]
    assert "resumed" in (toy.folder / "jobs/toy-1.log").read_text(), "in the clone with its snapshot"
    assert not list(toy.folder.glob("clones/*/"))


@pytest.mark.slow
def test_after_a_kill_of_everything_the_same_call_resumes(toy):
    toy.hold(1, 2)
    driver = toy.drive(jobs(1, 2, 3), workers=2)
    until(lambda: len(toy.trained()) == 2)
    stages = [pid for stage, _, pid in toy.begun() if stage == "train"]
    kill(driver.pid, *processes("--worker", str(toy.folder)), *processes("-m dvc exp run", "toy-"), *stages)
    assert driver.wait() < 0
    assert toy.experiments() == {}
    toy.release(1, 2)
    assert finish(toy.drive(jobs(1, 2, 3), workers=2)) == {"toy-1": "done", "toy-2": "done", "toy-3": "done"}
    assert toy.trained() == ["1", "1", "2", "2", "3"]
    for name in ("toy-1", "toy-2"):
        assert "resumed" in (toy.folder / f"jobs/{name}.log").read_text()


@pytest.mark.slow
def test_a_second_driver_is_refused_and_ctrl_c_ends_all_processes(toy):
    toy.hold(1)
    driver = toy.drive(jobs(1))
    until(toy.trained)
    with pytest.raises(UserError, match="sweep toy is running in another process"):
        run_sweep(toy.root, jobs(2), name="toy", workers=1)
    driver.send_signal(signal.SIGINT)
    assert driver.wait(timeout=30) != 0
    assert not processes(str(toy.folder))
    assert not processes("-m dvc exp run", "toy-1")
    ((_, _, stage),) = toy.begun()
    assert stage not in processes("stage.py")
