"""code/STAGE.txt lists the code of a stage: what is used counts, words do not, and DVC acts on it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from repository import ROOT, SRC

from cairn import imports, run_stage
from cairn.errors import UserError
from cairn.imports import code_of, code_of_stage
from cairn.pipeline import code as code_stage

CODE = OmegaConf.to_container(OmegaConf.load(ROOT / "dvc.yaml"))["stages"]["code"]
STAGES = [Path(out).stem for out in CODE["outs"]]
NOT_SOURCE = shutil.ignore_patterns("__pycache__", "*.pyc")


def hashes(text: str) -> dict[str, str]:
    """Return the hash of every file by its path."""
    return {path: digest for digest, path in (line.split("  ") for line in text.splitlines())}


def forget() -> None:
    imports._scan.cache_clear()
    imports._known.cache_clear()
    imports._templates.cache_clear()


@pytest.fixture
def source(tmp_path, monkeypatch):
    """An empty folder that the functions of cairn.imports take for src."""
    monkeypatch.setattr(imports, "SRC", tmp_path / "src")
    forget()
    yield tmp_path / "src"
    forget()


@pytest.fixture
def copy(source):
    """A copy of src that a test may edit."""
    shutil.copytree(SRC, source, ignore=NOT_SOURCE)
    return source


def edit(folder: Path, paths, change) -> None:
    """Change the text of files that are named as in code/STAGE.txt."""
    for path in paths:
        file = folder.parent / path
        file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")
    forget()


def with_other_words(text: str) -> str:
    """Change a module docstring and add a comment and blank lines, which nothing executes."""
    if imports.READS_DOCSTRINGS.search(text):
        return text + "\n\n# a comment\n"
    return re.sub(r'\A"""', '"""Edited. ', text) + "\n\n# a comment\n"


@pytest.mark.parametrize("stage", STAGES)
def test_code_that_a_stage_uses_counts_and_words_and_other_code_do_not(stage, copy):
    before = hashes(code_of_stage(stage))
    modules = {path for path in before if path.endswith(".py")}
    assert f"src/cairn/pipeline/{stage}.py" in modules
    edit(copy, modules, with_other_words)
    assert hashes(code_of_stage(stage)) == before

    every = {path.relative_to(copy.parent).as_posix() for path in copy.rglob("*.py") if path.stat().st_size}
    edit(copy, every - modules, lambda text: text + "\nCHANGED = True\n")
    assert hashes(code_of_stage(stage)) == before

    edit(copy, before, lambda text: text + "\nCHANGED = True\n")
    after = hashes(code_of_stage(stage))
    assert [path for path in before if after[path] == before[path]] == []


@pytest.mark.slow
def test_everything_of_cairn_that_a_stage_imports_is_on_its_list():
    """Import every stage, the heavy libraries once, and ask Python which modules it has loaded."""
    program = """
import importlib, json, sys
import pandas, sklearn, torch
found = {}
for stage in sys.argv[1:]:
    for name in [name for name in sys.modules if name.startswith("cairn")]:
        del sys.modules[name]
    importlib.import_module(f"cairn.pipeline.{stage}")
    found[stage] = [m.__file__ for n, m in sys.modules.items() if n.startswith("cairn") and m.__file__]
print(json.dumps(found))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, *STAGES], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(SRC)},
    )  # fmt: skip
    loaded = json.loads(done.stdout)
    for stage in STAGES:
        files = {Path(name) for name in loaded[stage] if Path(name).stat().st_size}
        assert {file.relative_to(ROOT).as_posix() for file in files} <= set(hashes(code_of_stage(stage)))


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [
        ("x = 1", "x = 2", True),
        ("x = 1", "x = 1\n\n\n", False),
        ("x = 1", "# why\nx = 1", False),
        ("def f():\n    return 1", 'def f():\n    """Words."""\n    return 1', False),
        ("x = 1", 'x = 1\n"""What x is."""', False),
        ('x = """\na\n"""', 'x = """\n# a\n"""', True),
        ('x = """\n# a\n"""', 'x = """\n# b\n"""', True),
        ('x = """\na\n"""', 'x = """\na\n\n"""', True),
        ('x = """\na\n"""', 'x = """\na \n"""', True),
        ('x = f"""\n# {1}\n"""', 'x = f"""\n# {2}\n"""', True),
        ('"""One."""\nx = __doc__', '"""Two."""\nx = __doc__', True),
    ],
)
def test_what_counts_as_code(source, before, after, counts):
    file = source / "cairn/one.py"
    file.parent.mkdir(parents=True)
    file.write_text(f"{before}\n", encoding="utf-8")
    old = code_of("cairn.one")
    edit(source, ["src/cairn/one.py"], lambda _: f"{after}\n")
    assert (code_of("cairn.one") != old) == counts


@pytest.mark.parametrize(
    "using",
    [
        "import cairn.two.three",
        "from cairn.two import three",
        "from cairn.two.three import name",
        "def f():\n    from cairn.two.three import name",
        "x = 'cairn.two.three.Name'",
        "x = 'cairn.two.three'",
    ],
)
def test_how_a_module_is_used_does_not_matter(source, using):
    for name, text in {
        "one.py": using,
        "two/__init__.py": "x = 1",
        "two/three.py": "y = 1",
        "two/four.py": "z",
    }.items():
        (source / "cairn" / name).parent.mkdir(parents=True, exist_ok=True)
        (source / "cairn" / name).write_text(f"{text}\n", encoding="utf-8")
    (source / "cairn/two/page.html.j2").write_text("<p>", encoding="utf-8")
    names = ("one.py", "two/__init__.py", "two/page.html.j2", "two/three.py")
    assert list(hashes(code_of("cairn.one"))) == [f"src/cairn/{name}" for name in names]


def test_a_stage_that_dvc_runs_stops_where_the_list_of_its_code_is_out_of_date(tmp_path, monkeypatch):
    monkeypatch.setattr(run_stage, "ROOT", tmp_path)
    (tmp_path / "dvc.yaml").write_text("stages: {split: {deps: [code/split.txt], params: [seed]}}\n")
    (tmp_path / "code").mkdir()
    late = "code/split.txt is out of date: run `dvc repro code`"
    passed = "params.yaml does not exist"
    for text, under_dvc, line in (
        (None, True, late),
        ("x  src/cairn/data/split.py\n", True, late),
        (code_of_stage("split"), True, passed),
        (None, False, passed),
    ):
        (tmp_path / "code/split.txt").unlink(missing_ok=True)
        if text is not None:
            (tmp_path / "code/split.txt").write_text(text, encoding="utf-8")
        monkeypatch.setenv("DVC_STAGE", "split") if under_dvc else monkeypatch.delenv("DVC_STAGE")
        with pytest.raises(UserError, match=line) as error:
            run_stage.run_stage("split", ())
        assert len(str(error.value).splitlines()) == 1


def test_a_file_that_an_input_folder_lacks_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(run_stage, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").write_text("stages: {code: {deps: [src]}}\n")
    (tmp_path / "src").mkdir()

    def read(path):
        return lambda: Path(path).read_text(encoding="utf-8")

    monkeypatch.setattr(code_stage, "main", read("src/cairn/one.py"))
    with pytest.raises(UserError, match=r"^src/cairn/one.py does not exist; run `dvc repro code`"):
        run_stage.run_stage("code", ())
    monkeypatch.setattr(code_stage, "main", read("of no input"))
    with pytest.raises(FileNotFoundError, match="of no input"):
        run_stage.run_stage("code", ())


@pytest.mark.parametrize("target", ["subprocess.Popen", "pandas.read_pickle"])
def test_params_that_name_code_which_conf_does_not_list_are_refused_before_any_import(
    tmp_path, monkeypatch, target
):
    monkeypatch.setattr(run_stage, "ROOT", tmp_path)
    (tmp_path / "dvc.yaml").write_text("stages: {prepare: {params: [data]}}\n")
    (tmp_path / "params.yaml").write_text(f"data: {{load: {{_target_: {target}}}}}\n")
    with pytest.raises(UserError, match=rf"^params.yaml: data.load._target_: {target} is not listed"):
        run_stage.run_stage("prepare", ())


@pytest.fixture(scope="module")
def scratch(snapshot, tmp_path_factory):
    """A checkout in which every stage only copies the list of its code; all have run once."""
    checkout = snapshot.clone(tmp_path_factory.mktemp("code") / "repository", share_cache=False)
    for path in [*checkout.path.glob("*/dvc.yaml"), *checkout.path.glob("**/dvc.lock")]:
        path.unlink()
    pipeline = {"code": CODE} | {
        name: {
            "cmd": f"cp code/{name}.txt {name}.out",
            "deps": [f"code/{name}.txt"],  # the only source of a stage, as test_dvc_yaml holds
            "outs": [{f"{name}.out": {"cache": False}}],
        }
        for name in STAGES
    }
    (checkout.path / "dvc.yaml").write_text(OmegaConf.to_yaml({"stages": pipeline}), encoding="utf-8")
    assert rerun(checkout) == {"code", *STAGES}
    return checkout


def rerun(checkout) -> set[str]:
    """Return the stages that `dvc repro` runs."""
    return set(re.findall(r"Running stage '(\w+)'", checkout.dvc("repro")))


def append(checkout, *paths: str) -> None:
    """Add a line of code to each of some files."""
    for path in paths:
        with (checkout.path / path).open("a", encoding="utf-8") as file:
            file.write("\nCHANGED = True\n")


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_editing_a_stage_reruns_it_and_no_other(stage, scratch):
    append(scratch, f"src/cairn/pipeline/{stage}.py")
    assert rerun(scratch) == {"code", stage}


@pytest.mark.slow
@pytest.mark.parametrize("module", ["data/tables", "metrics/scores", "models/loop", "settings/kpi"])
def test_editing_a_module_reruns_the_stages_that_use_it(module, scratch):
    using = {stage for stage in STAGES if f"src/cairn/{module}.py" in code_of_stage(stage)}
    assert using
    append(scratch, f"src/cairn/{module}.py")
    assert rerun(scratch) == {"code", *using}


@pytest.mark.slow
def test_editing_help_commands_and_wings_reruns_only_the_stage_code(scratch):
    used = {path for stage in STAGES for path in hashes(code_of_stage(stage))}
    files = [path.relative_to(ROOT).as_posix() for path in SRC.rglob("*.py") if path.stat().st_size]
    beside = [path for path in files if path not in used and path != "src/cairn/pipeline/code.py"]
    for part in ("__main__.py", "commands/", "doctor", "intake/", "studies/", "experiments/"):
        assert any(path.startswith(f"src/cairn/{part}") for path in beside), part
    append(scratch, *beside)
    assert rerun(scratch) == {"code"}
    assert rerun(scratch) == set()


@pytest.mark.slow
def test_repro_of_a_single_stage_stops_where_its_code_was_edited(snapshot, tmp_path):
    checkout = snapshot.clone(tmp_path / "repository", share_cache=False)
    checkout.dvc("repro", "code")
    (checkout.path / "dvc.yaml").write_text(
        "stages:\n  split:\n    cmd: python src/cairn split\n    deps: [code/split.txt]\n", encoding="utf-8"
    )
    append(checkout, "src/cairn/data/split.py")
    said = checkout.dvc("repro", "-f", "-s", "split", fails=True)
    assert "cairn split: code/split.txt is out of date: run `dvc repro code` first" in said
    assert "Traceback" not in said
