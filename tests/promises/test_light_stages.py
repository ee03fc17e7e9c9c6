"""No stage imports torch unless it trains or applies a torch model: the import takes seconds."""

import subprocess
import sys

import pytest

STAGES = [
    "prepare",
    "split",
    "explore",
    "baseline",
    "train",
    "cross_validate",
    "calibrate",
    "evaluate",
    "explain",
    "report",
]
REFUSING = """
import runpy, sys
class Refused:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise RuntimeError("torch is imported")
sys.meta_path.insert(0, Refused())
sys.argv = ["src/cairn", *sys.argv[1:]]
runpy.run_path("src/cairn", run_name="__main__")
"""


def run(folder, *words):
    done = subprocess.run(
        [sys.executable, "-c", REFUSING, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


@pytest.mark.slow
def test_every_stage_of_a_model_without_torch_runs_where_torch_cannot_be_imported(snapshot, tmp_path):
    folder = snapshot.clone(tmp_path / "cairn", share_cache=False).path
    for words in (["ingest", "diabetes"], ["code"], ["compose", "data=diabetes"], *([s] for s in STAGES)):
        assert run(folder, *words) == (0, "") or words == ["ingest", "diabetes"]
    assert run(folder, "compose", "model=mlp")[0] == 0
    code, said = run(folder, "train")
    assert code and "torch is imported" in said  # the test can fail
