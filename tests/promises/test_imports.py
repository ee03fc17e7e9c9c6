"""Who may import whom (pyproject.toml), and code/STAGE.txt against another reader of imports."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest
from repository import ROOT, SRC

from cairn.imports import code_of_stage

STAGES = sorted(path.stem for path in (SRC / "cairn/pipeline").glob("[a-z]*.py"))


def broken_rules(root: Path) -> set[str]:
    """Return the names of the rules that the checkout breaks."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=root, env={**os.environ, "PYTHONPATH": str(root / "src")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    rules = [line.rpartition(" ") for line in done.stdout.splitlines() if line.endswith((" KEPT", " BROKEN"))]
    assert len(rules) == 3, done.stdout + done.stderr
    assert (done.returncode != 0) == any(verdict == "BROKEN" for _, _, verdict in rules)
    return {rule for rule, _, verdict in rules if verdict == "BROKEN"}


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(SRC, tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_this_repository_keeps_every_rule():
    assert broken_rules(ROOT) == set()


@pytest.mark.parametrize(
    ("module", "line", "rule"),
    [
        ("metrics/scores.py", "from cairn.pipeline.train import main", "nobody imports a stage"),
        ("commands/compare.py", "from cairn.pipeline import prepare", "nobody imports a stage"),
        ("models/build.py", "def late():\n    import cairn.studies.protocol", "no stage reaches a wing"),
        ("report/numbers.py", "from cairn.doctor import examine", "no stage reaches a wing"),
        ("settings/section.py", "import cairn.report.table", "no import cycle"),
    ],
)
def test_a_planted_violation_is_found(copy, module, line, rule):
    with (copy / "src/cairn" / module).open("a", encoding="utf-8") as file:
        file.write(f"\n\n{line}\n")
    assert rule in broken_rules(copy)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_names_every_module_that_another_reader_of_imports_finds(stage):
    graph = grimp.build_graph("cairn", cache_dir=None)
    reached = graph.find_upstream_modules(f"cairn.pipeline.{stage}") | {f"cairn.pipeline.{stage}"}
    files = {SRC.joinpath(*name.split(".")).with_suffix(".py") for name in reached}
    listed = {line.split("  ")[1] for line in code_of_stage(stage).splitlines()}
    assert {path.relative_to(ROOT).as_posix() for path in files if path.exists()} <= listed
