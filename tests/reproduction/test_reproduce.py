"""`cairn reproduce` on a toy repository, with the real git and DVC and a real remote."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from cairn.commands.app import run as command
from cairn.errors import UserError
from cairn.experiments.history import History
from cairn.report.reproduction import lines, reasons
from cairn.reproduction.place import temporary_place
from cairn.reproduction.reproduce import Asked, reproduce
from cairn.reproduction.statement import statement

PIPELINE = """\
stages:
  edit:
    cmd: sed s/1,/2,/ data/table.csv > data/edited.csv
    deps: [data/table.csv]
    outs: [data/edited.csv]
  count:
    cmd: python count.py
    deps: [count.py, data/edited.csv, data/parts, raw/unit.txt]
    params: [factor]
    outs: [counts, {metrics.json: {cache: false}}]
  page:
    cmd: cp metrics.json page.txt
    deps: [metrics.json]
    outs: [page.txt]
"""
COUNT = """\
import json, time, pathlib
text = pathlib.Path("data/edited.csv").read_text()
factor = int(pathlib.Path("params.yaml").read_text().split("factor: ")[1])
pathlib.Path("counts").mkdir(exist_ok=True)
for digit in "23":
    pathlib.Path("counts", digit + ".txt").write_text(f"{text.count(digit) * factor}\\n")
pathlib.Path("metrics.json").write_text(json.dumps({"digits": sum(map(int, filter(str.isdigit, text)))}))
"""
RAW = """\
stages:
  origin:
    cmd: cp seed.txt raw/unit.txt
    wdir: ..
    deps: [seed.txt]
    outs: [raw/unit.txt]
"""
ORIGIN = "raw/dvc.yaml:origin"
STAGES = {ORIGIN, "edit", "count", "page"}
SET_UP = "import os, sys\nos.symlink(sys.prefix, '.venv')\n"


@pytest.fixture(scope="module")
def history(made_storage, tmp_path_factory):
    """A repository with the tags whole@v1.0.0, byte and clock, and an experiment; its raw data is pushed."""
    checkout = made_storage.copied(tmp_path_factory.mktemp("reproduce")).checkout
    root = checkout.path

    def write(files):
        for name, text in files.items():
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")

    def commit(tag):
        checkout.git("add", "--all")
        checkout.git("commit", "--quiet", f"--message={tag}")
        checkout.git("tag", tag)

    write({"dvc.yaml": PIPELINE, "count.py": COUNT, "bootstrap.py": SET_UP})
    write({"raw/dvc.yaml": RAW, "seed.txt": "1\n"})
    write({"params.yaml": "factor: 1\n", "conf/config.yaml": "factor: 1\n"})
    write({".dvc/config": checkout.read(".dvc/config") + "[hydra]\n    enabled = true\n"})
    checkout.dvc("repro", "--quiet")
    commit("whole@v1.0.0")
    checkout.dvc("exp", "run", "--quiet", "--name", "double", "--set-param", "factor=2")
    checkout.git("reset", "--quiet", "--hard")
    table = (root / "data/table.csv").read_text(encoding="utf-8")
    (root / "data/table.csv").unlink()
    write({"data/table.csv": table.replace("1,2", "1,3", 1)})
    checkout.dvc("add", "--quiet", "data/table.csv")
    checkout.dvc("push", "--quiet", "data/table.csv")
    commit("byte")
    checkout.git("reset", "--quiet", "--hard", "whole@v1.0.0")
    write({"count.py": COUNT.replace('{"digits"', '{"at": time.time_ns(), "digits"')})
    checkout.dvc("repro", "--quiet")
    commit("clock")
    checkout.git("reset", "--quiet", "--hard", "whole@v1.0.0")
    checkout.dvc("checkout", "--quiet")
    return checkout


@pytest.fixture
def run(history, tmp_path, monkeypatch):
    """Reproduce a revision; nothing may be left of it, and nothing changed."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def reproduced(name, *settings, **options):
        before = state(history)
        asked = Asked(History(history.path).resolve(name), settings, "current")
        try:
            return reproduce(history.path, replace(asked, **options))
        finally:
            assert state(history) == before
            assert options.get("keep") or list(tmp_path.glob("cairn-*")) == []

    return reproduced


def state(checkout):
    refs = checkout.git("for-each-ref"), checkout.git("rev-parse", "HEAD"), checkout.git("stash", "list")
    files = sorted(path for path in checkout.path.rglob("*") if ".dvc/tmp" not in str(path))
    return refs, checkout.git("status", "--porcelain"), files


def by_name(done):
    return {one.name: one for one in done.stages}


@pytest.mark.slow
def test_a_tag_is_reproduced_and_its_statement_has_the_hash_of_everything(run, history):
    done = run("whole@v1.0.0", environment="new", keep=True)
    assert (done.folder / "repository/.venv/bin/python").exists()
    assert done.verdict == "identical"
    assert {one.name: one.state for one in done.stages} == dict.fromkeys(STAGES, "identical")
    assert all(one.seconds is not None for one in done.stages), "a stage was not run"
    assert done.record == done.commit == history.git("rev-parse", "whole@v1.0.0").strip()
    record = statement(done, ["why"])
    assert record["_type"] == "https://in-toto.io/Statement/v1"
    assert record["predicateType"] == "https://slsa.dev/provenance/v1"
    assert set(record) == {"_type", "subject", "predicateType", "predicate"}
    predicate = record["predicate"]
    assert set(predicate) == {"buildDefinition", "runDetails", "cairn_reproduction"}
    build, details = predicate["buildDefinition"], predicate["runDetails"]
    assert set(build) == {"buildType", "externalParameters", "internalParameters", "resolvedDependencies"}
    for uri in (build["buildType"], details["builder"]["id"]):
        assert re.match(r"[a-z]+:", uri)
    asked = {"revision": "whole@v1.0.0", "settings": [], "environment": "new"}
    assert build["externalParameters"] == asked
    assert build["internalParameters"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert build["internalParameters"]["packages"]["dvc"]
    times = details["metadata"]["startedOn"], details["metadata"]["finishedOn"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", time) for time in times)
    assert times == tuple(sorted(times))
    source, *inputs = build["resolvedDependencies"]
    assert source["digest"] == {"gitCommit": done.commit}
    here = Path(history.path)
    for descriptors, names in (
        (
            record["subject"],
            {"raw/unit.txt", "data/edited.csv", "counts", "counts/2.txt", "counts/3.txt", "metrics.json",
             "page.txt"},
        ),
        (
            inputs,
            {"data/table.csv", "data/parts", *(f"data/parts/{x}.csv" for x in "xyz"), "count.py", "dvc.yaml",
             "bootstrap.py", "data/table.csv.dvc", "data/parts.dvc", "raw/dvc.yaml", "seed.txt"},
        ),
    ):  # fmt: skip
        assert {one["name"] for one in descriptors} == names
        for one in descriptors:
            assert set(one) == {"name", "digest", "annotations"}
            file = here / one["name"]
            if file.is_dir():
                assert one["annotations"]["dvc"] == one["digest"]["md5"] + ".dir"
                assert one["annotations"]["members"] == len(list(file.iterdir()))
                continue
            content = file.read_bytes()
            assert one["digest"]["sha256"] == hashlib.sha256(content).hexdigest()
            assert one["digest"]["md5"] == hashlib.md5(content, usedforsecurity=False).hexdigest()
            assert one["annotations"]["size"] == len(content)
    listed = {out["path"]: out["md5"] for out in locked(history)}
    found = {one["name"]: one["annotations"].get("dvc", one["digest"]["md5"]) for one in record["subject"]}
    assert {name: found[name] for name in listed} == listed
    sources = {one["name"]: one["annotations"]["source"] for one in inputs}
    assert (sources["data/table.csv"], sources["data/parts/x.csv"], sources["count.py"]) == (
        "remote", "remote", "git",
    )  # fmt: skip
    result = predicate["cairn_reproduction"]
    assert (result["verdict"], result["reasons"], result["error"]) == ("identical", ["why"], [])
    assert {one["name"] for one in result["stages"]} == STAGES
    assert str(here) not in json.dumps(record) and str(Path.home()) not in json.dumps(record)


def locked(history):
    import yaml

    return [out for one in yaml.safe_load(history.read("dvc.lock"))["stages"].values() for out in one["outs"]]


@pytest.mark.slow
def test_one_changed_byte_of_the_data_is_named_with_the_stage_that_reads_it(run):
    done = run("byte")
    edit, count, page = (by_name(done)[name] for name in ("edit", "count", "page"))
    assert done.verdict == "different"
    assert (edit.state, edit.repeats) == ("cause", None)
    (table,) = edit.changed
    assert (table.path, table.difference) == (
        "data/table.csv",
        {"line": 2, "recorded": "1,2", "found": "1,3"},
    )
    assert edit.outputs[0].difference == {"line": 2, "recorded": "2,2", "found": "2,3"}
    assert (count.state, count.after) == ("consequence", ["edit"])
    assert {one.path: one.is_identical for one in count.outputs} == {"counts": False, "metrics.json": False}
    assert count.outputs[0].difference["files"] == ["2.txt", "3.txt"]
    assert (page.state, page.after) == ("consequence", ["count"])
    (reason,) = reasons(done)
    assert reason.startswith("edit: ") and "data/table.csv" in reason
    assert any(line.split()[:1] == ["count"] and line.endswith("edit") for line in lines(done, [reason]))


@pytest.mark.slow
def test_a_clock_is_the_cause_and_what_reads_its_stage_a_consequence(history, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(history.path)
    monkeypatch.setenv("PWD", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        command("reproduce", "clock", "--environment", "current", "--output", "x/audit.json", "--json")
    assert ended.value.code == 4
    said = capsys.readouterr()
    record = json.loads(said.out)
    assert record == json.loads((tmp_path / "x/audit.json").read_text(encoding="utf-8"))
    timed = [line.split() for line in said.err.splitlines()]
    assert {name for name, *_, unit in timed if unit == "s"} >= STAGES
    result = record["predicate"]["cairn_reproduction"]
    *before, count, page = result["stages"]
    assert [one["state"] for one in result["stages"]] == ["identical", "identical", "cause", "consequence"]
    assert {one["name"] for one in before} == {ORIGIN, "edit"}
    assert (count["changed"], count["repeats"], page["after"]) == ([], False, ["count"])
    differs = [one for one in count["outputs"] if one["recorded"] != one["found"]]
    assert [(one["path"], one["difference"]["line"]) for one in differs] == [("metrics.json", 1)]
    assert [reason.partition(":")[0] for reason in result["reasons"]] == ["count"]


@pytest.mark.slow
def test_other_settings_are_compared_with_the_experiment_that_had_them(run):
    done = run("whole@v1.0.0", "factor=2")
    assert (done.verdict, done.record) == ("identical", "double")
    again = run("double")
    assert (again.verdict, again.outputs) == ("identical", done.outputs)


@pytest.mark.slow
def test_a_set_up_that_fails_is_one_line(run, history):
    history.replace("bootstrap.py", SET_UP, "raise SystemExit('no version 9 of numpy')\n")
    history.git("commit", "--quiet", "--all", "--message=gone")
    try:
        with pytest.raises(UserError, match=r"pins of commit \w{7} cannot be installed \(no version 9"):
            run("HEAD", environment="new")
    finally:
        history.git("reset", "--quiet", "--hard", "whole@v1.0.0")


@pytest.mark.slow
def test_raw_data_that_is_nowhere_and_a_remote_that_is_unknown_stop_it(run, history):
    store = history.path.parent / "store"
    store.rename(store.with_name("away"))
    try:
        with pytest.raises(UserError, match=r"data/parts, data/table.csv: raw data that neither"):
            run("whole@v1.0.0")
    finally:
        store.with_name("away").rename(store)
    with pytest.raises(UserError, match="--remote other: no such remote"):
        run("whole@v1.0.0", remote="other")
    with pytest.raises(UserError, match="the workspace is not a commit"):
        run("workspace")


@pytest.mark.slow
def test_a_stage_that_fails_is_reported_with_what_it_printed(run, history):
    history.replace("raw/dvc.yaml", "cmd: cp", "cmd: echo no source >&2; false")
    history.git("commit", "--quiet", "--all", "--message=fails")
    try:
        done = run("HEAD")
    finally:
        history.git("reset", "--quiet", "--hard", "whole@v1.0.0")
    assert done.verdict == "failed"
    states = {one.name: one.state for one in done.stages}
    assert {name for name, state in states.items() if state == "not run"} >= {ORIGIN, "count", "page"}
    assert "no source" in done.error
    assert "raw/unit.txt" not in [one.path for one in done.outputs]


@pytest.mark.slow
def test_what_a_killed_one_has_left_is_removed_by_the_next(history, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = state(history)
    code = (
        "import sys, pathlib, tempfile; from cairn.experiments.history import History\n"
        "from cairn.reproduction.reproduce import Asked, reproduce\n"
        "root = pathlib.Path(sys.argv[1])\n"
        "def begin(name): print(name, flush=True)\n"
        "reproduce(root, Asked(History(root).resolve('HEAD'), (), 'current'), begin=begin)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", code, str(history.path)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().strip() in STAGES
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert state(history) == before
    (left,) = tmp_path.glob("cairn-reproduce-*")
    while any(str(left) in command_line for command_line in running()):
        time.sleep(0.05)
    with temporary_place(keep=False):
        assert not left.exists()


def running():
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            yield str((folder / "cwd").readlink())
        except OSError:
            continue
