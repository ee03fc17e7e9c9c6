"""The pipeline is killed, or a file of it is truncated: `dvc repro` ends with the same bytes as before."""

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from checkouts import BIN, Checkout
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from toy_repository import processes, until
from voluptuous import Invalid
from yaml import YAMLError, safe_load

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tiny, tmp_path) -> Checkout:
    """A clone with the run of the tiny preset, and a cache of its own."""
    checkout = tiny.clone(tmp_path / "run", share_cache=False)
    shutil.copytree(tiny.path / ".dvc/cache", checkout.path / ".dvc/cache")
    checkout.git("fetch", "--quiet", "origin", "refs/exps/*:refs/exps/*")
    checkout.dvc("exp", "apply", "tiny")
    checkout.git("commit", "--quiet", "--all", "--message=tiny")
    checkout.dvc("checkout")
    return checkout


def stages(checkout: Checkout) -> dict[str, list[str]]:
    """Return the outputs of each stage, in the order of dvc.yaml."""
    found = {}
    for name, stage in safe_load(checkout.read("dvc.yaml"))["stages"].items():
        found[name] = [out if isinstance(out, str) else next(iter(out)) for out in stage["outs"]]
    return found


def files(checkout: Checkout) -> dict[Path, bytes]:
    """Return the content of every file that a stage writes."""
    outs = [checkout.path / out for each in stages(checkout).values() for out in each]
    inside = [file for out in outs for file in ([out] if out.is_file() else sorted(out.rglob("*")))]
    return {file: file.read_bytes() for file in inside if file.is_file()}


def lock(checkout: Checkout) -> dict[str, Any]:
    """Return what dvc.lock says; the order of its stages is that in which they ended."""
    return safe_load(checkout.read("dvc.lock"))


def group_of(process: int) -> int:
    """Return the group of a process; 0 if it has ended."""
    try:
        return os.getpgid(process)
    except ProcessLookupError:
        return 0


def kill_in(checkout: Checkout, stage: str, after: float) -> None:
    """Start `dvc repro`, and kill -9 all of it some seconds after a stage began."""
    command = subprocess.Popen(
        [BIN / "dvc", "repro"],
        cwd=checkout.path,
        env=os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    words = f"src/cairn {stage} "
    until(
        lambda: any(os.getpgid(pid) == command.pid for pid in processes(words)) or command.poll() is not None
    )
    assert command.poll() is None, f"dvc repro ended before {stage}"
    time.sleep(after)
    os.killpg(command.pid, signal.SIGKILL)
    command.wait()
    if (checkout.path / "dvc.lock").exists() and not is_lock(checkout.read("dvc.lock")):
        # DVC writes it in place, and may be killed then; the cure is the one that a user is told.
        assert "git restore dvc.lock" in checkout.run("python", "src/cairn", "doctor", fails=True)
        checkout.git("restore", "dvc.lock")


def is_lock(text: str) -> bool:
    """Return whether DVC can read a dvc.lock."""
    try:
        COMPILED_LOCKFILE_SCHEMA(safe_load(text))
    except (Invalid, YAMLError):
        return False
    return True


def test_a_pipeline_killed_in_every_stage_ends_with_the_same_bytes(run):
    before = files(run), lock(run)
    (run.path / "dvc.lock").unlink()
    shutil.rmtree(run.path / ".dvc/cache/runs")
    chosen = random.Random(14)
    for stage in stages(run):
        kill_in(run, stage, chosen.uniform(0, 0.6))
    run.dvc("repro")
    assert (files(run), lock(run)) == before


def truncate(file: Path, share: float) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])


@pytest.mark.parametrize("emptied", [0, 1])
def test_truncated_files_of_every_stage_are_made_again(run, emptied):
    """All of them at once: one half is emptied, the other cut somewhere."""
    before = files(run), lock(run)
    chosen = random.Random(14)
    for number, file in enumerate(before[0]):
        if file.name != "params.yaml":
            truncate(file, 0 if number % 2 == emptied else chosen.random())
    run.dvc("repro")
    assert (files(run), lock(run)) == before
    assert run.git("status", "--porcelain") == ""


@pytest.mark.parametrize("share", [0, 0.3, 0.5])
def test_a_truncated_dvc_lock_is_named_with_its_cure_or_costs_no_byte(run, share):
    before = files(run), lock(run)
    truncate(run.path / "dvc.lock", share)
    said = run.run("sh", "-c", "python src/cairn doctor || true")
    if "git restore dvc.lock" in said:
        run.dvc("repro", fails=True)
        run.git("restore", "dvc.lock")
    run.dvc("repro")
    assert (files(run), lock(run)) == before


@pytest.mark.parametrize("share", [0, 0.5])
def test_a_truncated_params_yaml_is_named_and_comes_back(run, share):
    before = files(run)
    truncate(run.path / "params.yaml", share)
    run.dvc("repro", fails=True)
    assert "params.yaml" in run.run("python", "src/cairn", "doctor", fails=True)
    run.run("python", "src/cairn", "compose", "--reset")
    run.run("python", "src/cairn", "compose", "experiment=tiny")
    run.dvc("repro")
    assert files(run) == before
