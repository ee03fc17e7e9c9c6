"""One driver and its workers: who may drive, when a worker ends, and what the driver shows."""

import math
from dataclasses import dataclass, replace

import pytest

from cairn.errors import UserError
from cairn.experiments import pool


@dataclass(frozen=True, kw_only=True)
class Counted(pool.Plan):
    jobs: tuple[str, ...]
    limit: float = math.inf


class FakeWorkers:
    """Workers whose exit codes are given, one list for each poll."""

    def __init__(self, *codes):
        self.codes, self.is_cancelled = list(codes), False

    def poll(self):
        if self.codes[0] is KeyboardInterrupt:
            raise KeyboardInterrupt
        return self.codes.pop(0) if len(self.codes) > 1 else self.codes[0]

    def cancel(self):
        self.is_cancelled = True


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "POLL_SECONDS", 0)
    monkeypatch.setattr(pool, "PAUSE_SECONDS", 0)
    plan = Counted(folder=tmp_path / "toy", jobs=("a", "b"))
    pool.write_plan(plan)
    return plan


def progress(*counts):
    yield from (pool.Progress(done, lines=(f"{done} done",)) for done in counts)


def test_a_plan_is_read_as_it_was_written_and_by_its_user_alone(plan):
    assert pool.read_plan(Counted, plan.folder) == plan
    assert (plan.folder / "plan.json").stat().st_mode & 0o077 == 0
    assert [path.name for path in plan.folder.iterdir()] == ["plan.json"]
    with pytest.raises(UserError, match=r"nowhere/plan\.json"):
        pool.read_plan(Counted, plan.folder / "nowhere")


def test_a_worker_runs_until_all_is_done(plan):
    done = []

    def run_next():
        done.append(len(done))
        return len(done) % 2 == 1

    with pool.driving(plan.folder, "sweep"):
        pool.work(plan, is_over=lambda: len(done) == 5, run_next=run_next)
    assert len(done) == 5


def test_a_worker_ends_when_its_driver_is_gone_or_replaced(plan):
    done = []

    def replace_driver():
        done.append(1)
        pool.write_plan(replace(plan, driver="the next one"))
        return True

    pool.work(plan, is_over=lambda: False, run_next=replace_driver)
    assert done == []
    with pool.driving(plan.folder, "sweep"):
        pool.work(plan, is_over=lambda: False, run_next=replace_driver)
    assert done == [1]


def test_the_driver_names_lost_workers_and_stops_when_all_jobs_are_done(plan, capsys):
    workers = FakeWorkers([None, None, None], [-9, None, None], [-9, 3, None])
    pool.drive(plan, workers, progress(0, 1, 2), total=2, unit="job")
    lines = [
        line for line in capsys.readouterr().err.splitlines() if line.startswith(("worker", "0", "1", "2"))
    ]
    log = plan.folder / "workers/worker-0.log"
    assert lines[:3] == ["0 done", f"worker 0 was killed by signal 9 (log: {log}); workers left: 2", "1 done"]
    assert lines[3].startswith("worker 1 ended with code 3")
    assert workers.is_cancelled


def test_the_driver_stops_when_all_workers_have_ended(plan):
    workers = FakeWorkers([0, None], [0, 0])
    pool.drive(plan, workers, progress(0, 1), total=2, unit="job")
    assert workers.is_cancelled


def test_ctrl_c_ends_the_workers_in_one_line(plan):
    workers = FakeWorkers([None], KeyboardInterrupt)
    with pytest.raises(UserError, match=r"^stopped with 1 of 2 jobs finished"):
        pool.drive(plan, workers, progress(1), total=2, unit="job")
    assert workers.is_cancelled
