"""A sweep loses nothing, whatever is killed, and leaves the user's workspace alone: with the real DVC."""

import subprocess

import pytest
from toy_repository import jobs, kill, processes, until

from cairn.config.base import ConfigError
from cairn.experiments.plan import Job
from cairn.experiments.refs import experiment_refs, git, read_file
from cairn.experiments.sweep import run_sweep


def state_of(root):
    """Return all that a user would see change: branch, commit, index, files, stash."""
    words = (["status", "--porcelain=2", "--branch"], ["diff"], ["diff", "--cached"], ["stash", "list"])
    return [git(root, *each) for each in (*words, ["symbolic-ref", "HEAD"], ["ls-files", "--stage"])]


def finish(driver):
    said, complaint = driver.communicate(timeout=120)
    assert driver.returncode == 0, complaint
    return dict(line.split(" ", 1) for line in said.splitlines())


def test_experiments_are_dvc_s_and_the_workspace_stays_as_it_is(toy):
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
    ref, sha = experiment_refs(toy.root)["toy-1"]
    assert (ref.rpartition("/")[2], sha) == ("toy-1", outcomes[0].sha)
    assert read_file(toy.root, sha, "score.json") == b'{"score": 1.0}'
    assert read_file(toy.root, sha, "nothing.json") is None
    assert toy.trained() == ["1", "13"], "prepare, and train with x=0, are taken from the cache"
    assert [stage for stage, _, _ in toy.begun() if stage == "prepare"] == []
    assert not list(toy.folder.glob("clones/*/")), "the clones are gone"

    again = run_sweep(toy.root, jobs(1, 2), name="toy", workers=1)
    assert [outcome.error for outcome in again] == [None, None]
    assert toy.trained() == ["1", "13", "2"], "what is done is not run again"
    with pytest.raises(ConfigError, match=r"toy-1 exists with x=1 instead of x=3.*another name"):
        run_sweep(toy.root, [Job("toy-1", ("x=3",))], name="toy", workers=1)

    git(toy.root, "reset", "--quiet", "--hard")
    subprocess.run(["dvc", "exp", "apply", "toy-2"], cwd=toy.root, check=True, capture_output=True)
    assert (toy.root / "model.txt").read_text() == "2"
    assert "x: 2" in (toy.root / "params.yaml").read_text()


@pytest.mark.slow
def test_a_job_of_a_killed_worker_ends_once_and_is_taken_over(toy):
    toy.hold()
    driver = toy.drive(jobs(1, 2, 3), workers=2)
    until(lambda: len(toy.trained()) == 2)
    worker, *_ = processes("--worker", str(toy.folder))
    kill(worker)
    toy.release()
    assert finish(driver) == {"toy-1": "done", "toy-2": "done", "toy-3": "done"}
    assert toy.trained() == ["1", "2", "3"], "its DVC went on, and nobody ran the job beside it"


@pytest.mark.slow
def test_after_a_kill_of_the_driver_workers_end_and_the_same_call_goes_on(toy):
    toy.hold()
    driver = toy.drive(jobs(1, 2, 3))
    until(toy.trained)
    kill(driver.pid)
    second = toy.drive(jobs(1, 2, 3))
    until(lambda: len(processes("--worker", str(toy.folder))) == 2)
    toy.release()
    assert finish(second) == {"toy-1": "done", "toy-2": "done", "toy-3": "done"}
    assert toy.trained() == ["1", "2", "3"]
    until(lambda: not processes(str(toy.folder)))


@pytest.mark.slow
def test_without_its_driver_a_worker_ends_after_the_job_it_is_at(toy):
    toy.hold()
    driver = toy.drive(jobs(1, 2))
    until(toy.trained)
    kill(driver.pid)
    toy.release()
    until(lambda: not processes(str(toy.folder)))
    assert toy.experiments() == {"toy-1": "x=1"}


@pytest.mark.slow
def test_a_kill_of_dvc_takes_its_stage_along_and_is_a_failure_that_is_tried_again(toy):
    toy.hold()
    driver = toy.drive(jobs(1, 2))
    until(toy.trained)
    kill(*processes("-m dvc exp run", "toy-1"))
    _, _, stage = toy.begun()[0]
    until(lambda: stage not in processes("stage.py train"))
    toy.release()
    assert finish(driver) == {"toy-1": "DVC was ended by SIGKILL", "toy-2": "done"}
    assert finish(toy.drive(jobs(1, 2))) == {"toy-1": "done", "toy-2": "done"}
    assert toy.trained() == ["1", "1", "2"]
    assert "resumed" in (toy.folder / "jobs/toy-1.log").read_text(), "in the clone with its snapshot"
    assert not list(toy.folder.glob("clones/*/"))


@pytest.mark.slow
def test_after_a_kill_of_everything_the_same_call_goes_on(toy):
    toy.hold()
    driver = toy.drive(jobs(1, 2, 3), workers=2)
    until(lambda: len(toy.trained()) == 2)
    stages = [pid for stage, _, pid in toy.begun() if stage == "train"]
    kill(driver.pid, *processes("--worker", str(toy.folder)), *processes("-m dvc exp run", "toy-"), *stages)
    driver.wait()
    assert toy.experiments() == {}
    toy.release()
    assert finish(toy.drive(jobs(1, 2, 3), workers=2)) == {"toy-1": "done", "toy-2": "done", "toy-3": "done"}
    assert toy.trained() == ["1", "1", "2", "2", "3"]
    for name in ("toy-1", "toy-2"):
        assert "resumed" in (toy.folder / f"jobs/{name}.log").read_text()


@pytest.mark.slow
def test_a_second_driver_of_the_same_sweep_is_refused(toy):
    toy.hold()
    driver = toy.drive(jobs(1))
    until(toy.trained)
    with pytest.raises(ConfigError, match="sweep toy is under way in another process"):
        run_sweep(toy.root, jobs(2), name="toy", workers=1)
    toy.release()
    assert finish(driver) == {"toy-1": "done"}
