"""From a fresh clone through run, compare, push, loss of everything, and pull: nothing has changed."""

import json
import shutil

import pytest

pytestmark = pytest.mark.slow


def in_step(checkout):
    """Whether all but the stage in monitor/, which `dvc repro` leaves alone, is up to date."""
    return "Data and pipelines are up to date." in checkout.dvc("status", "dvc.yaml", "data/dvc.yaml")


def outputs(checkout):
    lock = checkout.read("dvc.lock")
    metrics = {path.name: path.read_bytes() for path in sorted((checkout.path / "metrics").glob("*.json"))}
    return lock, metrics


def test_a_run_leaves_lock_params_and_metrics_in_step(tiny):
    assert in_step(tiny)
    assert "up to date" in tiny.dvc("repro")
    assert "Data and pipelines are up to date." in tiny.dvc("repro", "--dry", "--allow-missing")


def test_the_tiny_preset_takes_less_than_a_minute_of_computing(tiny, seconds_of_tiny):
    assert seconds_of_tiny < 60


def test_forcing_every_stage_again_changes_no_byte(tiny, tmp_path):
    again = tiny.clone(tmp_path / "again", share_cache=True)
    again.git("fetch", "--quiet", "origin", "refs/exps/*:refs/exps/*")
    again.dvc("exp", "apply", "tiny")
    again.dvc("pull", "--allow-missing")
    before = outputs(again)
    again.dvc("repro", "--force")
    assert outputs(again) == before == outputs(tiny)


def test_a_second_clone_with_no_cache_reaches_the_same_lock_and_metrics(tiny, snapshot, tmp_path):
    other = snapshot.clone(tmp_path / "other", share_cache=False)
    other.dvc("exp", "run", "-S", "experiment=tiny")
    assert outputs(other) == outputs(tiny)
    for name in ("models/model/model.skops", "models/model/package.json"):
        assert (other.path / name).read_bytes() == (tiny.path / name).read_bytes()


def test_an_experiment_runs_the_code_of_its_own_folder(tiny, tmp_path):
    checkout = tiny.clone(tmp_path / "changed", share_cache=True)
    checkout.git("fetch", "--quiet", "origin", "refs/exps/*:refs/exps/*")
    checkout.dvc("exp", "apply", "tiny")
    checkout.git("commit", "--quiet", "--all", "--message=tiny")
    checkout.replace(
        "src/cairn/pipeline/split.py",
        'write_json(done.record, Path("metrics/split.json"))',
        'write_json({**done.record, "marked": True}, Path("metrics/split.json"))',
    )
    checkout.dvc("exp", "run", "--temp", "--no-hydra", "-n", "marked")
    (ref,) = [line.split()[1] for line in checkout.git("show-ref").splitlines() if line.endswith("/marked")]
    assert json.loads(checkout.git("show", f"{ref}:metrics/split.json"))["marked"] is True


def test_push_lose_everything_pull_and_nothing_has_changed(tiny, tmp_path):
    checkout = tiny.clone(tmp_path / "pushed", share_cache=True)
    checkout.git("fetch", "--quiet", "origin", "refs/exps/*:refs/exps/*")
    checkout.dvc("exp", "apply", "tiny")
    checkout.git("commit", "--quiet", "--all", "--message=tiny")
    checkout.dvc("pull", "--allow-missing")
    checkout.dvc("push")
    assert (tmp_path / "cairn-store").is_dir()
    fresh = checkout.clone(tmp_path / "fresh", share_cache=False)
    fresh.dvc("pull")
    assert in_step(fresh)
    assert fresh.git("status", "--porcelain") == ""
    shutil.rmtree(fresh.path / ".dvc/cache")
    shutil.rmtree(fresh.path / "models")
    fresh.dvc("pull")
    assert (fresh.path / "models/model/package.json").read_bytes() == (
        tiny.path / "models/model/package.json"
    ).read_bytes()
    assert in_step(fresh)


def test_changing_one_setting_reruns_what_depends_on_it_and_nothing_else(tiny, tmp_path):
    checkout = tiny.clone(tmp_path / "other_kpi", share_cache=True)
    checkout.git("fetch", "--quiet", "origin", "refs/exps/*:refs/exps/*")
    checkout.dvc("exp", "apply", "tiny")
    said = checkout.dvc("exp", "run", "-S", "experiment=tiny", "-S", "kpi.action=150")
    ran = {line.split("'")[1] for line in said.splitlines() if line.startswith("Running stage")}
    assert ran == {"compose", "calibrate", "evaluate", "explain", "report"}
    shown = checkout.dvc("exp", "show", "--only-changed", "--csv")
    assert "kpi.action" in shown
    assert "roc_auc" in shown


def test_a_violated_contract_stops_the_run_and_leaves_earlier_results_alone(tiny, tmp_path):
    checkout = tiny.clone(tmp_path / "violated", share_cache=True)
    checkout.git("fetch", "--quiet", "origin", "refs/exps/*:refs/exps/*")
    checkout.dvc("exp", "apply", "tiny")
    checkout.dvc("pull", "--allow-missing")
    before = {p: p.read_bytes() for p in checkout.path.glob("data/prepared/*")}
    assert before
    checkout.replace("conf/contract/flights.yaml", "columns:", "columns:\n  planted: {kind: numeric}")
    said = checkout.dvc("repro", fails=True)
    assert "planted: in the contract, not in the table" in said
    assert "Traceback" not in said
    assert {p: p.read_bytes() for p in checkout.path.glob("data/prepared/*")} == before
    assert (checkout.path / "models/model/package.json").exists()


def test_other_pins_rerun_the_stages_and_stop_where_something_else_is_installed(tiny, tmp_path):
    checkout = tiny.clone(tmp_path / "pins", share_cache=True)
    checkout.git("fetch", "--quiet", "origin", "refs/exps/*:refs/exps/*")
    checkout.dvc("exp", "apply", "tiny")
    checkout.replace("constraints.txt", "scikit-learn==", "scikit-learn==0.")
    said = checkout.dvc("repro", fails=True)
    assert "Running stage 'prepare'" in said
    assert "scikit-learn" in said
    assert "is installed, the pin is 0." in said
    assert "Traceback" not in said
