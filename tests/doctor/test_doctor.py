"""cairn doctor names what was broken on purpose and what to do; nothing stops it, and it changes nothing."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy_storage import damage

from cairn import doctor
from cairn.doctor import (
    disk,
    dvc_config,
    examine,
    git_state,
    line_ends,
    lock,
    objects,
    pins,
    remotes,
    settings,
    torch,
)
from cairn.pins import ESCAPE
from cairn.storage.remote_config import JOURNAL
from cairn.storage.transfer import SEEN


@pytest.fixture
def checkout(snapshot, tmp_path):
    """A fresh clone of the working tree as it stands, with nothing in its cache."""
    return snapshot.clone(tmp_path / "repository", share_cache=False)


@pytest.fixture
def root(checkout):
    return checkout.path


def said(check, root, state):
    return [said for found, said in check(root) if found == state]


def only(check, root, state):
    ((found, said),) = check(root)
    assert found == state, said
    return said


@pytest.mark.slow
def test_a_fresh_clone_has_nothing_wrong_and_stays_as_it_is(checkout):
    before = checkout.git("status", "--porcelain", "--ignored")
    text = checkout.run("python", "src/cairn", "doctor")
    lines = [line for line in text.splitlines() if line]
    assert {line.split()[0] for line in lines} <= {"ok", "warn"}
    subjects = " ".join(lines)
    for subject in (
        "python",
        "pins",
        "torch",
        "disk",
        "git",
        "line ends",
        "dvc",
        "remote",
        "objects",
        "settings",
        "lock",
    ):
        assert f" {subject} " in subjects
    assert "on main, everything is committed" in text
    assert "hydra on, safe links, every remote verifies" in text
    after = checkout.git("status", "--porcelain", "--ignored")
    made = ("__pycache__/", ".dvc/tmp/")  # by Python and by DVC, which git ignores
    assert {line for line in after.splitlines() if not line.endswith(made)} == set(before.splitlines())


@pytest.mark.slow
def test_what_is_wrong_ends_with_exit_code_1_and_every_line_has_a_cure(checkout):
    checkout.dvc("remote", "modify", "local", "verify", "false")
    checkout.dvc("config", "hydra.enabled", "false")
    checkout.replace("conf/model/hist_gbdt.yaml", "max_iter", "max_itr")
    (checkout.path / "README.md").write_bytes(b"one\r\ntwo\r\n")
    checkout.git("switch", "--quiet", "--detach")
    text = checkout.run("python", "src/cairn", "doctor", fails=True)
    for expected in (
        "wrong  dvc         damaged files would be pulled unnoticed: dvc remote modify local verify true",
        "wrong  dvc         -S cannot choose options of conf/: dvc config hydra.enabled true",
        "CRLF in README.md",
        "or after one was killed), so commits would be lost: git switch main",
        "max_itr",
        "things are wrong; each line says what to do",
    ):
        assert expected in text
    assert "Traceback" not in text


@pytest.mark.slow
def test_neither_conflict_markers_nor_a_truncated_file_stop_the_doctor(checkout, root):
    params = checkout.read("params.yaml")
    conflict = f"<<<<<<< HEAD\n{params}=======\n{params}>>>>>>> other\n"
    (root / "params.yaml").write_text(conflict, encoding="utf-8")
    constraints = checkout.read("constraints.txt")
    (root / "constraints.txt").write_text(constraints[: constraints.index("numpy==") + 7], encoding="utf-8")
    text = checkout.run("python", "src/cairn", "doctor", fails=True)
    assert "Traceback" not in text
    wrong = [line for line in text.splitlines() if line.startswith("wrong")]
    assert any("params.yaml" in line and "not valid YAML" in line for line in wrong)
    assert any(
        "constraints.txt: 'numpy==' is not a pin: git checkout constraints.txt" in line for line in wrong
    )
    assert "ok     line ends" in text


def test_a_folder_with_nothing_in_it_is_examined_to_the_end(tmp_path):
    found = {line.subject: line.state for line in examine(tmp_path)}
    assert {"python", "pins", "git", "dvc", "remote", "settings", "lock"} <= set(found)
    assert found["git"] == found["dvc"] == found["settings"] == found["lock"] == "wrong"


@pytest.mark.parametrize(
    "text", ["{", "- a\n- b\n", "seed: !!python/object:os.system\n", "\x00", "# overrides: x\nseed: 1\n"]
)
def test_a_params_yaml_that_cannot_be_read_is_one_line(root, text):
    (root / "params.yaml").write_text(text, encoding="utf-8")
    for _, line in [*settings(root), *torch(root)]:
        assert "\n" not in line
    assert said(settings, root, "wrong")


def test_settings_that_are_behind_edited_twice_or_missing_are_told_apart(checkout, root):
    assert only(settings, root, "ok") == "params.yaml = conf/"
    checkout.run("python", "src/cairn", "compose", "model=logistic")
    assert only(settings, root, "ok") == "params.yaml = conf/ + model=logistic"
    checkout.replace("conf/config.yaml", "seed: 2013", "seed: 2014")
    assert "dvc repro updates it" in only(settings, root, "warn")
    checkout.replace("params.yaml", "threads: 2", "threads: 1")
    assert "both conf/ and params.yaml were edited" in said(settings, root, "wrong")[0]
    (root / "params.yaml").unlink()
    assert only(settings, root, "wrong") == "params.yaml does not exist: dvc repro compose"


def test_changes_and_an_unknown_author_are_named(checkout, root, monkeypatch):
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    checkout.git("config", "--unset", "user.email")
    (root / "new.txt").write_text("x")
    assert "user.email is not set" in said(git_state, root, "wrong")[0]
    assert said(git_state, root, "warn")[0].startswith("1 files are not committed")


def test_without_attributes_line_ends_are_left_to_chance(root):
    assert only(line_ends, root, "ok") == "LF in every text file"
    (root / ".gitattributes").write_text("*.png binary\n")
    assert "git checkout .gitattributes" in only(line_ends, root, "warn")


def test_other_versions_and_the_leave_to_use_them_are_named(root, monkeypatch):
    assert only(pins, root, "ok")
    text = (root / "constraints.txt").read_text().splitlines()
    changed = ["numpy==0.0.1" if line.startswith("numpy==") else line for line in text]
    (root / "constraints.txt").write_text("\n".join(changed))
    monkeypatch.setenv(ESCAPE, "1")
    wrong, allowed = (next(iter(said(pins, root, state))) for state in ("wrong", "warn"))
    assert "the pin is 0.0.1" in wrong
    assert wrong.endswith(": run `python bootstrap.py`")
    assert ESCAPE in allowed


def test_a_cache_of_links_and_a_dvc_that_calls_home_are_named(checkout, root):
    checkout.dvc("config", "cache.type", "hardlink,symlink")
    checkout.dvc("config", "core.analytics", "true")
    assert (
        "an edit in place would corrupt a cache of hardlinks, symlinks" in said(dvc_config, root, "wrong")[0]
    )
    assert said(dvc_config, root, "warn") == ["DVC sends usage data: dvc config core.analytics false"]
    (root / ".dvc/config").write_text("[core\n")
    assert any(line.state == "wrong" and line.subject == "dvc" for line in examine_only(root, "dvc_config"))


def examine_only(root, name):
    """Examine with all other checks left out, as examine() itself would."""
    with pytest.MonkeyPatch.context() as patch:
        for other in (
            "python",
            "pins",
            "torch",
            "disk",
            "git_state",
            "line_ends",
            "settings",
            "lock",
            "remotes",
            "objects",
        ):
            if other != name:
                patch.setattr(doctor, other, lambda _: iter(()))
        return list(examine(root))


def test_a_folder_of_hashes_that_another_user_owns_is_named(root, monkeypatch, tmp_path):
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path))
    (tmp_path / "repo").mkdir()
    assert said(dvc_config, root, "warn") == []
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    (line,) = said(dvc_config, root, "warn")
    assert "CVE-2025-69872" in line and "core.site_cache_dir" in line


def test_a_remote_that_is_a_folder_is_tried(checkout, root, tmp_path):
    store = tmp_path / "store"
    checkout.dvc("remote", "modify", "local", "url", str(store))
    assert only(remotes, root, "ok") == f"local: {store} will be created by the first push"
    store.mkdir()
    assert only(remotes, root, "ok") == f"local: {store} can be written"
    checkout.dvc("remote", "modify", "local", "url", "/proc/store")
    if os.access("/proc", os.W_OK):
        pytest.skip("root may write anywhere")
    assert "cannot be written" in only(remotes, root, "wrong")


def test_a_remote_that_does_not_answer_is_wrong_and_one_that_does_is_not(checkout, root, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    checkout.dvc("remote", "modify", "local", "url", f"http://127.0.0.1:{port}/store")
    assert "cannot be reached" in only(remotes, root, "wrong")
    served = subprocess.Popen(
        [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(tmp_path)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        assert only(remotes, root, "ok").endswith("answers")
    finally:
        served.kill()
        served.wait()


@pytest.mark.slow
def test_a_remote_is_not_waited_for_without_end(checkout, root, monkeypatch):
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        checkout.dvc("remote", "modify", "local", "url", f"http://127.0.0.1:{mute.getsockname()[1]}/store")
        monkeypatch.setattr(doctor, "PATIENCE", 4)
        assert "no answer in 4 s" in only(remotes, root, "wrong")


def test_no_remote_is_a_warning(checkout, root):
    checkout.dvc("remote", "remove", "local")
    assert "dvc remote add --default" in only(remotes, root, "warn")


def test_a_move_that_was_killed_is_a_warning(root):
    (root / JOURNAL).parent.mkdir(parents=True, exist_ok=True)
    (root / JOURNAL).touch()
    assert "run it again" in said(remotes, root, "warn")[0]


def test_a_disk_is_full_before_it_is_full(root, monkeypatch):
    free = shutil.disk_usage(root).free
    assert said(disk, root, "ok" if free >= doctor.LITTLE else "warn")
    monkeypatch.setattr(doctor, "LITTLE", free * 2)
    assert "make room" in said(disk, root, "warn")[0]
    monkeypatch.setattr(doctor, "TOO_LITTLE", free * 2)
    assert "make room" in said(disk, root, "wrong")[0]


def test_a_gpu_that_is_asked_for_and_not_there_is_wrong(checkout, root):
    import torch as library

    if library.cuda.is_available():
        pytest.skip("there is a GPU")
    assert "no GPU" in only(torch, root, "ok")
    checkout.run("python", "src/cairn", "compose", "train.device=cuda")
    assert "set it to auto" in only(torch, root, "wrong")


def test_a_lock_that_is_behind_names_the_stages(checkout, root):
    checkout.replace("dvc.lock", "python src/cairn split", "python src/cairn spilt")
    assert "split" in only(lock, root, "warn")
    Path(root / "dvc.yaml").write_text("stages: [\n", encoding="utf-8")
    assert only(lock, root, "wrong").startswith("dvc repro --dry: './dvc.yaml' is invalid")


def test_code_that_changed_where_no_data_are_yet_is_no_fault(checkout, root):
    program = root / "src/cairn/pipeline/prepare.py"
    program.write_text(program.read_text(encoding="utf-8") + "CHANGED = True\n", encoding="utf-8")
    assert only(lock, root, "warn") == "dvc.lock is out of date (code), its data are not here: dvc repro"


@pytest.mark.slow
def test_damaged_files_and_a_folder_that_has_gone_are_wrong(toy_storage):
    root = toy_storage.checkout.path
    assert [state for state, _ in objects(root)] == ["ok", "ok"]
    damage(toy_storage.file("cache", "file"), "flipped")
    damage(toy_storage.file("remote", "member"), "truncated")
    found = [line for state, line in objects(root) if state == "wrong"]
    assert [line.split(" (")[0] for line in found] == ["cache: data/table.csv", "store: data/parts/x.csv"]
    assert all(line.endswith("cairn verify --repair") for line in found)
    mark = root / SEEN / "store"
    mark.parent.mkdir(parents=True)
    mark.write_text(toy_storage.open().remote.odb.path)
    (root.parent / "store").rename(root.parent / "away")
    assert "does not exist any more" in next(line for state, line in objects(root) if state == "wrong")
