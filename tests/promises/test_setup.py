"""bootstrap.py passes pip's settings on to uv, sets up once, and reports an error in one line."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from repository import ROOT

spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "bootstrap.py")
bootstrap = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bootstrap)

UV_NAMES = [name for name, _ in bootstrap.UV_NAME_OF.values()]


@pytest.fixture
def no_uv_settings(monkeypatch):
    for name in (*UV_NAMES, "UV_COMPILE_BYTECODE", "UV_INDEX_STRATEGY"):
        monkeypatch.delenv(name, raising=False)


def test_pips_settings_are_translated_to_uvs(no_uv_settings, tmp_path):
    folder = str(tmp_path)
    pip = {
        "find-links": [folder, "https://example.org/wheels"],
        "index-url": ["https://example.org/simple"],
        "extra-index-url": ["https://a.example.org/simple", "https://b.example.org/simple"],
        "cert": [folder],
        "trusted-host": ["example.org"],
    }
    assert bootstrap._uv_settings(pip) == {
        "UV_COMPILE_BYTECODE": "1",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": f"{folder},https://example.org/wheels",
        "UV_DEFAULT_INDEX": "https://example.org/simple",
        "UV_INDEX": "https://a.example.org/simple https://b.example.org/simple",
        "SSL_CERT_FILE": folder,
        "UV_INSECURE_HOST": "example.org",
    }


def test_uv_variables_of_the_user_are_kept(no_uv_settings, monkeypatch):
    monkeypatch.setenv("UV_FIND_LINKS", "mine")
    assert "UV_FIND_LINKS" not in bootstrap._uv_settings({"find-links": ["https://example.org/other"]})


def test_a_missing_folder_is_ignored_as_pip_does(no_uv_settings):
    assert "UV_INDEX" not in bootstrap._uv_settings({"extra-index-url": ["file:///no/such/index"]})


def test_settings_are_read_from_pip_and_the_environment_wins(monkeypatch, tmp_path):
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nfind-links = /from/file\ntimeout = 9\n[install]\ntrusted-host = example.org\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    assert bootstrap._pip_settings(sys.executable)["find-links"] == ["/from/file"]
    monkeypatch.setenv("PIP_FIND_LINKS", "/a /b")
    found = bootstrap._pip_settings(sys.executable)
    assert found["find-links"] == ["/a", "/b"]
    assert found["trusted-host"] == ["example.org"]
    assert "timeout" not in found


def test_a_missing_program_gives_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "bootstrap.py", "no-such-program"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "bootstrap.py: no-such-program: no such program in .venv or on the path\n"


@pytest.mark.slow
def test_an_install_that_fails_gives_its_message_and_one_line(tmp_path):
    for name in ("bootstrap.py", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "constraints-dev.txt").write_text("uv==0.0.0.0\n")
    done = subprocess.run(
        [sys.executable, tmp_path / "bootstrap.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("bootstrap.py: setting up .venv failed at: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("on_terminal", [False, True])
def test_the_install_shows_progress_and_its_failure_is_passed_on(on_terminal, monkeypatch, capfd):
    """On a terminal uv draws it; elsewhere a line is printed every few seconds."""
    monkeypatch.setattr(bootstrap, "HEARTBEAT", 0.1)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: on_terminal)
    code = "import sys, time; time.sleep(0.5); print(sys.argv[1:]); sys.exit(3)"
    with pytest.raises(subprocess.CalledProcessError) as failed:
        bootstrap._run_with_progress([sys.executable, "-c", code], dict(os.environ))
    said = capfd.readouterr().out
    assert failed.value.returncode == 3
    assert ("still installing after" in said) != on_terminal
    assert ("--quiet" in said) != on_terminal


def test_ctrl_c_during_set_up_is_one_line(monkeypatch, capsys, tmp_path):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / "none")
    monkeypatch.setattr(bootstrap, "_set_up", interrupted)
    assert bootstrap.main([]) == 130
    assert capsys.readouterr().err == "bootstrap.py: stopped\n"


def test_make_alone_lists_every_target_with_its_purpose():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = makefile.partition(".PHONY: ")[2].split()
    said = subprocess.check_output(
        ["make", "--no-print-directory"], cwd=ROOT, text=True
    )  # `make test` is above
    assert [line.split()[:2] for line in said.splitlines()] == [["make", name] for name in targets]
    assert all(len(line.split()) > 2 for line in said.splitlines())
    assert max(map(len, said.splitlines())) <= 80


def test_uv_run_uses_the_environment_and_uv_sync_leaves_it_alone(tmp_path):
    uv = shutil.which("uv", path=f"{bootstrap.BIN}{os.pathsep}{os.environ['PATH']}")
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    (tmp_path / ".venv").symlink_to(bootstrap.VENV)
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    environment["COLUMNS"] = "300"  # uv breaks the long path of the test into lines of its own

    def typed(*words):
        command = [uv, *words]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    ran = typed("run", "--offline", "python", "-c", "import dvc, sys; print(sys.prefix)")
    assert ran.stdout.strip().endswith(".venv"), ran.stderr
    refused = typed("sync", "--offline")
    assert refused.returncode != 0
    assert "unmanaged" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert not (tmp_path / "uv.lock").exists()
    assert "`uv sync` is refused" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_target_of_the_makefile_is_one_command_per_line_that_any_shell_can_run():
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    recipes = [line.strip() for line in lines if line.startswith("\t")]
    assert recipes
    for recipe in recipes:
        assert recipe.startswith(("$(PYTHON) bootstrap.py ", '@$(PYTHON) -c "'))
        assert not set("&;<>`") & set(re.sub(r'-c ".*"', "", recipe))


@pytest.mark.scale
def test_the_list_of_packages_names_every_pin():
    """It downloads the tool that writes the list."""
    subprocess.run(["make", "--no-print-directory", f"PYTHON={sys.executable}", "sbom"], cwd=ROOT, check=True)
    file = ROOT / "sbom.json"
    listed = json.loads(file.read_text(encoding="utf-8"))
    assert (listed["bomFormat"], listed["specVersion"]) == ("CycloneDX", "1.6")
    pins = (ROOT / "constraints-dev.txt").read_text(encoding="utf-8").splitlines()
    wanted = {line.partition(";")[0].strip() for line in pins if line and not line.startswith("#")}
    assert {f"{part['name']}=={part['version']}" for part in listed["components"]} == wanted
    file.unlink()


def test_the_hosted_workflow_audits_the_pins_and_ours_does_not():
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]
    (audit,) = [step["run"] for step in jobs["audit"]["steps"] if "pip-audit" in step.get("run", "")]
    assert "--strict" in audit.split()  # or it passes where the index answers for no package
    assert "pip-audit" not in (ROOT / ".ci/run").read_text(encoding="utf-8")
