"""`.ci/retrain` against a git remote and a DVC remote in folders: update, monitor, retrain, propose."""

import json

import pandas as pd
import pytest
from toy_retrain import FIRST, PER_DAY, Growing, make_growing

from cairn.errors import UserError
from cairn.studies.retrain.retraining import stop_on_other_data

pytestmark = pytest.mark.slow
NEW = 80
"""Days that come later, in which another column than before says who returns."""


@pytest.fixture(scope="module")
def growing(snapshot, tmp_path_factory) -> Growing:
    return make_growing(snapshot, tmp_path_factory.mktemp("growing"))


@pytest.fixture
def unchanged(growing):
    """The repository, whose checkout must be after the test as it was before."""
    before = growing.state()
    yield growing
    assert growing.state() == before


def test_without_an_alarm_nothing_is_trained_or_pushed(unchanged):
    done = unchanged.script(sources=[])
    assert (done.returncode, done.stdout) == (0, "nothing to do: retrain: no\n"), done.stderr
    assert unchanged.branches() == [] and unchanged.checkout.git("for-each-ref", "refs/exps") == ""


def test_data_that_dvc_does_not_track_are_not_retrained_on(toy_storage):
    root = toy_storage.checkout.path
    for source in ("data/table.csv", "data/parts", "data/edited.csv"):
        stop_on_other_data(root, source)
    (root / "data/parts/new.csv").write_text("1\n", encoding="utf-8")
    stop_on_other_data(root, "data/table.csv")
    with pytest.raises(UserError, match=r"^data.source: data/parts is not what DVC tracks: `dvc checkout "):
        stop_on_other_data(root, "data/parts")


def test_a_better_challenger_is_proposed_once_as_a_branch(unchanged):
    unchanged.add(FIRST, NEW, (0.0, 1.5))
    failed = unchanged.script(MONITOR="--votes 3/2")
    assert failed.returncode == 1 and "--votes: '3/2' is not N/M" in failed.stderr
    assert unchanged.checkout.git("status", "--porcelain") == "" and unchanged.branches() == []

    done = unchanged.script(RETRAIN="--window sliding")
    assert done.returncode == 0, done.stderr
    (name,) = unchanged.branches()
    assert done.stdout.startswith(f"branch {name} proposes:\n**visits: {name} against main**\n\n- Promote: ")
    asked = ["pr", "create", "--head", name, "--base", "main", "--title", f"Retrain: {name}"]
    assert unchanged.pull_request() == [*asked, "--body-file", "REPORT"]

    found = json.loads((unchanged.checkout.path / "metrics/retrain.json").read_text(encoding="utf-8"))
    assert (found["verdict"], found["experiment"], found["already_tested"]) == ("promote", name, 0)
    held_out, fitted = found["challenger"]["test"], found["champion"]["validation"]
    assert held_out["first"] > found["challenger"]["validation"]["last"] > fitted["last"]
    assert held_out["last"] == str(pd.Timestamp("2024-01-01") + pd.Timedelta(days=FIRST + NEW - 1))
    (candidate,) = found["comparison"]["candidates"]
    assert candidate["differences"]["roc_auc"]["low"] > 0.1
    assert found["comparison"]["rows"] == found["champion"]["test"]["rows"] == 15 * PER_DAY

    proposed = unchanged.checkout.clone(unchanged.origin.parent / "reviewer", share_cache=False)
    proposed.git("fetch", "--quiet", str(unchanged.origin), f"{name}:{name}", "refs/cairn/*:refs/cairn/*")
    proposed.git("checkout", "--quiet", name)
    proposed.dvc("pull", "--quiet")
    assert proposed.dvc("status").splitlines()[-1] == "Data and pipelines are up to date."
    conf, params = proposed.read("conf/data/visits.yaml"), proposed.read("params.yaml")
    assert f'validation_from: "{found["challenger"]["validation"]["first"][:10]}"' in conf
    assert "a comment that stays" in conf and "# overrides: []" in params
    record = json.loads(proposed.git("cat-file", "blob", f"refs/cairn/retrain/{name}"))
    assert record["verdict"] == "promote"

    again = unchanged.script(RETRAIN="--window sliding")
    assert (again.returncode, again.stdout) == (0, f"nothing to do: branch {name} proposes this already\n")
    assert f"tried already: {name}, by roc_auc: promote" in again.stderr
