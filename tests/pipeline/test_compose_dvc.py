"""conf/, params.yaml and what DVC composes itself stay in step, whichever of them is touched (real DVC)."""

import json
import re
import time

import pytest

pytestmark = pytest.mark.slow

PIPELINE = """\
stages:
  code:
    cmd: python src/cairn code
    deps: [src]
    outs: [code/compose.txt]
  compose:
    cmd: python src/cairn compose
    deps: [conf, code/compose.txt]
    outs: [params.yaml: {cache: false, persist: true}]
  prepare:
    cmd: cp ${data.source} prepared.txt
    deps: ["${data.source}", "${data.contract}"]
    params: [data]
    outs: [prepared.txt: {cache: false}]
  train:
    cmd: cp params.yaml trained.txt
    deps: [prepared.txt]
    params: [seed, model, train]
    outs: [trained.txt: {cache: false}]
"""


@pytest.fixture
def scratch(snapshot, tmp_path):
    """A clone of the working tree whose pipeline, after compose, only copies files; it has run once."""
    checkout = snapshot.clone(tmp_path / "scratch", share_cache=False)
    for path in [*checkout.path.glob("*/dvc.yaml"), *checkout.path.glob("**/dvc.lock")]:
        path.unlink()
    for name in ("one", "two"):
        (checkout.path / f"{name}.txt").write_text(f"{name}\n", encoding="utf-8")
    (checkout.path / "dvc.yaml").write_text(PIPELINE, encoding="utf-8")
    data = checkout.read("conf/data/flights.yaml")
    data = re.sub(r"^  source: \S+", "  source: one.txt", data, flags=re.MULTILINE)
    (checkout.path / "conf/data/flights.yaml").write_text(data, encoding="utf-8")
    checkout.run("python", "src/cairn", "compose", "--reset")
    checkout.dvc("repro")
    commit(checkout)
    return checkout


def commit(checkout):
    checkout.git("add", "--all")
    checkout.git("commit", "--quiet", "--allow-empty", "--message=next")


def stages_run(said):
    return re.findall(r"Running stage '(\w+)'", said)


def now(said):
    """Return what compose says params.yaml is."""
    (found,) = re.findall(r"^params.yaml = (.*)$", said, re.MULTILINE)
    return found


def in_step(checkout):
    assert "up to date" in checkout.dvc("status")
    assert stages_run(checkout.dvc("repro")) == []
    return True


def recorded(text):
    (found,) = re.findall(r"^# overrides: (.*)$", text, re.MULTILINE)
    return found


def body(text):
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_repro_follows_conf_and_keeps_the_overrides_of_the_last_experiment(scratch):
    scratch.replace("conf/model/hist_gbdt.yaml", "learning_rate: 0.05", "learning_rate: 0.06")
    said = scratch.dvc("repro")
    assert stages_run(said) == ["compose", "train"]
    assert "learning_rate: 0.06" in scratch.read("trained.txt")

    said = scratch.dvc("exp", "run", "-S", "model=mlp", "-S", "train.device=cpu")
    assert now(said) == "conf/ + model=mlp train.device=cpu"
    assert in_step(scratch)

    commit(scratch)
    scratch.replace("conf/model/mlp.yaml", "dropout: 0.3", "dropout: 0.25")
    said = scratch.dvc("repro")
    assert now(said) == "conf/ + model=mlp train.device=cpu"
    assert "dropout: 0.25" in scratch.read("trained.txt")

    scratch.replace("conf/train/default.yaml", "early_stopping: true", "early_stopping: false")
    said = scratch.dvc("exp", "run", "-S", "model=logistic")
    assert now(said) == "conf/ + model=logistic"
    assert "early_stopping: false" in scratch.read("trained.txt")


def test_another_option_or_data_set_replaces_what_the_data_set_says(scratch):
    said = scratch.dvc("exp", "run", "-S", "split=random", "-S", "kpi=none")
    assert now(said) == "conf/ + kpi=none split=random"
    assert not re.search("validation_from|share_saved", scratch.read("params.yaml"))
    assert in_step(scratch)
    assert now(scratch.dvc("exp", "run", "-S", "data=flights_delay")) == "conf/ + data=flights_delay"
    assert "ceiling: {}" in scratch.read("params.yaml")
    assert in_step(scratch)


def test_edits_of_params_are_kept_and_edits_of_both_stop(scratch):
    scratch.replace("params.yaml", "seed: 2013", "seed: 7")
    assert now(scratch.dvc("repro")) == "conf/ + seed=7"
    said = scratch.dvc("exp", "run", "--no-hydra", "-S", "train.device=cpu")
    assert set(now(said).split()) == {"conf/", "+", "seed=7", "train.device=cpu"}
    assert in_step(scratch)

    scratch.replace("params.yaml", "seed: 7", "seed: 8")
    scratch.replace("conf/config.yaml", "threads: 2", "threads: 1")
    before = scratch.read("params.yaml"), scratch.read("trained.txt")
    said = scratch.dvc("repro", fails=True)
    assert "both conf/ and params.yaml were edited" in said
    assert "Traceback" not in said
    assert (scratch.read("params.yaml"), scratch.read("trained.txt")) == before
    (way_out,) = re.findall(r"to keep conf/: (.*)$", said, re.MULTILINE)
    scratch.run(*way_out.split())
    assert set(now(scratch.dvc("repro")).split()) == {"conf/", "+", "seed=7", "train.device=cpu"}
    assert "threads: 1\n" in scratch.read("params.yaml")


def test_a_run_is_saved_as_a_preset_dropped_and_had_again_by_name(scratch):
    scratch.dvc("exp", "run", "-S", "model=mlp", "-S", "model.params.hidden=[8,8]", "-S", "train.device=cpu")
    best = body(scratch.read("params.yaml"))
    scratch.run("python", "src/cairn", "compose", "--save-as", "best")
    assert now(scratch.run("python", "src/cairn", "compose", "--reset")) == "conf/"
    scratch.dvc("repro")
    assert "HistGradientBoosting" in scratch.read("trained.txt")
    commit(scratch)
    assert now(scratch.dvc("exp", "run", "-S", "experiment=best")) == "conf/ + experiment=best"
    assert body(scratch.read("params.yaml")) == best
    said = scratch.dvc("exp", "run", "-S", "experiment=best", "-S", "seed=3")
    assert now(said) == "conf/ + experiment=best seed=3"


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("~model", "params.yaml: model: missing, a section cannot be left out (~model)"),
        ("+train.devise=cpu", "-S +train.devise=cpu: train.devise: unknown key; did you mean 'device'?"),
    ],
)
def test_what_is_wrong_in_an_experiment_stops_it_in_one_line_before_anything_runs(scratch, override, line):
    said = scratch.dvc("exp", "run", "-S", override, fails=True)
    assert line in said
    assert "Traceback" not in said
    assert stages_run(said) == ["compose"]
    scratch.git("checkout", "--quiet", "params.yaml")
    assert in_step(scratch)


def test_experiments_in_the_queue_and_in_temporary_folders_keep_their_overrides(scratch):
    scratch.dvc("exp", "run", "--queue", "-n", "queued", "-S", "model=mlp", "-S", "~model.params.patience")
    scratch.dvc("queue", "start")
    given = ["+model.params.warm_start=false", "train.device=cpu", "split.gap=36h", "data.source=two.txt"]
    words = [word for override in given for word in ("-S", override)]
    scratch.dvc("exp", "run", "--temp", "-n", "temporary", *words)
    assert of(scratch, "temporary", "prepared.txt") == "two\n"
    overrides = json.loads(recorded(of(scratch, "temporary", "params.yaml")))
    assert {override.replace('"', "") for override in overrides} == set(given)
    overrides = json.loads(recorded(of(scratch, "queued", "params.yaml")))
    assert overrides == ["model=mlp", "~model.params.patience"]

    scratch.dvc("exp", "apply", "queued")
    assert in_step(scratch)
    scratch.replace("conf/model/mlp.yaml", "dropout: 0.3", "dropout: 0.25")
    assert now(scratch.dvc("repro")) == "conf/ + model=mlp ~model.params.patience"
    assert "dropout: 0.25" in scratch.read("trained.txt")


def of(checkout, experiment, name):
    """Return a file of an experiment, waiting for the queue to finish it."""
    for _ in range(60):
        refs = checkout.git("for-each-ref", "--format=%(refname)", "refs/exps").splitlines()
        for ref in refs:
            if ref.endswith(f"/{experiment}"):
                return checkout.git("show", f"{ref}:{name}")
        time.sleep(1)
    raise AssertionError(f"{experiment} is not among {refs}")


def test_another_source_stops_repro_once_because_dvc_read_the_old_one_before(scratch):
    scratch.replace("conf/data/flights.yaml", "source: one.txt", "source: two.txt")
    said = scratch.dvc("repro", fails=True)
    assert "params.yaml now says data.source two.txt (was one.txt)" in said
    assert stages_run(said) == ["compose"]
    assert stages_run(scratch.dvc("repro")) == ["compose", "prepare", "train"]
    assert scratch.read("prepared.txt") == "two\n"
    assert in_step(scratch)
    assert (
        now(scratch.run("python", "src/cairn", "compose", "data.source=one.txt"))
        == "conf/ + data.source=one.txt"
    )
    assert now(scratch.run("python", "src/cairn", "compose", "--reset")) == "conf/"
    assert stages_run(scratch.dvc("exp", "run", "-S", "data.source=one.txt")) == [
        "compose",
        "prepare",
        "train",
    ]
    assert scratch.read("prepared.txt") == "one\n"
