"""A study on a real PostgreSQL server: several workers, one of them killed, and no finished trial lost."""

import os
import signal
import subprocess

import pytest
from servers import postgresql, wait_until
from toys import finished, search

pytestmark = pytest.mark.scale

WORDS = ["model=hist_gbdt", "model.params.min_samples_leaf=20", "model.params.max_iter=60", "search.prune=0"]


def test_a_study_on_a_server_survives_kill_9_of_worker_and_driver(tmp_path):
    words = [*WORDS, "search.trials=16", "search.startup=6"]
    with postgresql() as storage:
        driver = search(tmp_path / "search", "local", storage, *words)
        wait_until(lambda: len(finished(storage)) >= 3)
        workers = subprocess.check_output(["pgrep", "-P", str(driver.pid)], text=True).split()
        assert len(workers) == 2
        os.kill(int(workers[0]), signal.SIGKILL)
        wait_until(lambda: len(finished(storage)) >= 7)
        driver.kill()
        driver.wait()
        before = finished(storage)
        assert search(tmp_path / "search", "local", storage, *words).wait(120) == 0
        after = finished(storage)
    assert len(after) == 16
    assert before.items() <= after.items()
    assert len({tuple(parameters.values()) for _, parameters in after.values()}) == 16
