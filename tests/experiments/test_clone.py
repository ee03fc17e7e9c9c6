"""One job at a time uses a clone, and a job that was left in one resumes there."""

import subprocess
import sys

from cairn.experiments.clone import jobs_in, remove_clones, slot_for


def test_parallel_jobs_get_their_own_places_and_later_jobs_reuse_them(tmp_path):
    with slot_for(tmp_path, "a") as first, slot_for(tmp_path, "b") as second:
        assert (first.clone.name, second.clone.name) == ("0", "1")
    with slot_for(tmp_path, "c") as third:
        assert third.clone == first.clone


def test_a_job_that_was_left_returns_to_its_place_and_no_other_job_takes_it(tmp_path):
    with slot_for(tmp_path, "a") as slot:
        slot.assign("a")
        slot.clone.mkdir()
    with slot_for(tmp_path, "b") as other:
        assert other.clone != slot.clone
    with slot_for(tmp_path, "a") as again:
        assert again.clone == slot.clone
    assert jobs_in(tmp_path) == {"a"}
    remove_clones(tmp_path, keep={"a"})
    assert slot.clone.exists()
    remove_clones(tmp_path, keep=set())
    assert not slot.clone.exists()
    assert jobs_in(tmp_path) == set()


def test_a_process_that_outlives_its_worker_keeps_the_place(tmp_path):
    with slot_for(tmp_path, "a") as slot:
        slot.assign("a")
        slot.clone.mkdir()
        orphan = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdin=slot.held)
    try:
        with slot_for(tmp_path, "a") as taken:
            assert taken is None
        remove_clones(tmp_path, keep=set())
        assert slot.clone.exists()
    finally:
        orphan.kill()
        orphan.wait()
    with slot_for(tmp_path, "a") as again:
        assert again.clone == slot.clone
