"""Promotions, rollbacks and the list of models, with the real git, DVC and GTO."""

import json
import shutil
from contextlib import chdir
from pathlib import Path

import gto.api
import numpy as np
import pytest
import yaml
from repository import ROOT
from toy_registry import copied, make_toy, model, part
from toy_storage import damage

import cairn
from cairn.commands.app import run
from cairn.errors import UserError
from cairn.experiments.history import MODEL, History
from cairn.experiments.versions import ARTIFACT, read_registry
from cairn.registry.listing import Listed
from cairn.registry.promotion import plan_promotion
from cairn.registry.record import Headline
from cairn.registry.tags import publish
from cairn.report.registry import message, models_table
from cairn.studies.compare.comparison import compare
from cairn.studies.retrain.record import Retrained
from cairn.studies.retrain.windows import Parts, Period

WEAK, FAIR, GOOD, LIKE_GOOD = 1, 20, 60, 80
"""Trees of the models; the last two do not differ by more than chance."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_toy(tmp_path_factory.mktemp("registry"), WEAK, FAIR, GOOD, LIKE_GOOD)


@pytest.fixture
def commits(made):
    return dict(zip((WEAK, FAIR, GOOD, LIKE_GOOD), made[1], strict=True))


@pytest.fixture
def toy(made, tmp_path):
    return copied(made[0], tmp_path)


@pytest.fixture
def command(capsys):
    """Run a command in a clone, in this process; return its exit code and all that it said."""

    def call(toy, *words):
        capsys.readouterr()
        with chdir(toy.path):
            try:
                code = run(*words)
            except SystemExit as stopped:
                code = stopped.code
            except UserError as error:
                return 1, f"{capsys.readouterr().out}{error}"
        said = capsys.readouterr()
        return code, said.out + said.err

    return call


def gto_stage(toy, stage="prod"):
    """Return the version and the commit that GTO finds in a stage."""
    (found,) = gto.api.show(toy.path, f"model#{stage}")
    return found["version"], found["commit_hexsha"]


def test_a_tag_says_what_git_and_dvc_say_and_gto_and_dvc_read_it(toy, commits, command, tmp_path):
    from dvc.repo.artifacts import Artifacts

    code, said = command(toy, "promote", "HEAD~3", "--stage", "prod", "--reason", "the first")
    assert code == 0 and "model@v0.0.1 model#prod#1" in said
    commit, tag = commits[WEAK], yaml.safe_load(toy.git("cat-file", "-p", "model#prod#1").split("\n\n", 2)[2])
    lock = yaml.safe_load(toy.git("show", f"{commit}:dvc.lock"))["stages"]["evaluate"]
    outs, deps = ({one["path"]: one["md5"] for one in lock[kind]} for kind in ("outs", "deps"))
    assert toy.git("cat-file", "-t", "model#prod#1").strip() == "tag"
    assert (tag["commit"], toy.rev("model#prod#1"), toy.rev("model@v0.0.1")) == (commit,) * 3
    assert (tag["version"], tag["stage"], tag["reason"]) == ("v0.0.1", "prod", "the first")
    assert (tag["model"], tag["data"]) == (outs[MODEL], outs["data/prepared/table.parquet"])
    assert tag["inputs"] == deps
    assert tag["config"] == yaml.safe_load(toy.git("show", f"{commit}:params.yaml"))
    assert tag["by"] == "Ann <ann@example.org>"
    assert tag["headline"] == {"metric": "roc_auc", "value": 0.51, "low": 0.01, "high": 0.61}
    assert gto_stage(toy) == ("v0.0.1", commit)
    events = [(one["event"], one["version"], one["ref"]) for one in gto.api.history(toy.path)]
    assert events == [("assignment", "v0.0.1", "model#prod#1"), ("registration", "v0.0.1", "model@v0.0.1")]
    for n, how in enumerate(({"stage": "prod"}, {"version": "v0.0.1"})):
        Artifacts.get(str(toy.path), "model", out=str(tmp_path / f"got{n}"), **how)
        assert (tmp_path / f"got{n}/package.json").read_bytes() == (
            History(toy.path).tracked_folder(History(toy.path).resolve(commit), MODEL) / "package.json"
        ).read_bytes()


def test_only_a_model_that_is_shown_to_be_better_on_validation_is_promoted(toy, commits, command):
    assert command(toy, "promote", commits[FAIR], "--stage", "prod")[0] == 0
    code, said = command(toy, "promote", "main~1", "--stage", "prod")
    assert code == 0 and "prod: v0.0.2" in said and "main~1 is better than model@v0.0.1: ROC AUC +0.0" in said
    record = toy.records()["model#prod#2"]
    found = compare(toy.path, [commits[FAIR], commits[GOOD]], part="validation")
    expected = found.candidates[0].differences["roc_auc"]
    kept = record["comparison"]
    assert (kept["part"], kept["decides"], kept["decision"]) == ("validation", "roc_auc", "promote")
    assert (kept["with_version"], kept["with_commit"]) == ("v0.0.1", commits[FAIR])
    for name in ("reference", "value", "difference", "low", "high", "p"):
        assert kept["quantities"]["roc_auc"][name] == pytest.approx(getattr(expected, name), rel=1e-5)
    assert (record["replaces"], record["forced"]) == ("v0.0.1", False)
    before = toy.tags()
    for trees, decision in ((LIKE_GOOD, "no evidence"), (WEAK, "not better"), (FAIR, "not better")):
        code, said = command(toy, "promote", commits[trees], "--stage", "prod")
        assert code == 3 and decision in said and toy.tags() == before
    code, said = command(toy, "promote", commits[WEAK], "--stage", "prod", "--force")
    assert code == 1 and "--reason" in said and toy.tags() == before
    assert command(toy, "promote", "v2", "--stage", "prod")[0] == 0 and toy.tags() == before
    force = ("--force", "--reason", "the others leak")
    assert command(toy, "promote", commits[WEAK], "--stage", "prod", *force)[0] == 0
    record = toy.records()["model#prod#3"]
    assert (record["forced"], record["comparison"]["outcome"]) == (True, "worse")
    assert gto_stage(toy) == ("v0.0.3", commits[WEAK])


@pytest.mark.slow
def test_models_of_other_rows_are_promoted_by_force_only(toy, commits, command):
    command(toy, "promote", commits[WEAK], "--stage", "staging")
    toy.commit(GOOD, rows=2)
    code, said = command(toy, "promote", "HEAD", "--stage", "staging")
    assert code == 3 and "other validation rows" in said and "--force" in said
    assert command(toy, "promote", "HEAD", "--stage", "staging", "--force", "--reason", "newer rows")[0] == 0
    assert toy.records()["model#staging#2"]["comparison"] is None


def test_a_revision_has_many_names(toy, commits, command, monkeypatch):
    base = toy.rev("main")
    toy.git("update-ref", f"refs/exps/{base[:2]}/{base[2:]}/tuned", commits[GOOD])
    toy.git("tag", "light", commits[FAIR])
    assert command(toy, "promote", "light", "--stage", "staging")[0] == 0
    assert command(toy, "promote", "tuned", "--stage", "staging")[0] == 0
    assert command(toy, "promote", "v1", "--stage", "prod")[0] == 0
    assert command(toy, "promote", "@staging", "--stage", "prod")[0] == 0
    resolved = {
        name: History(toy.path).resolve(name).commit for name in ("@prod", "@staging", "v1", "v0.0.2")
    }
    assert resolved == {
        "@prod": commits[GOOD], "@staging": commits[GOOD], "v1": commits[FAIR], "v0.0.2": commits[GOOD]
    }  # fmt: skip
    monkeypatch.chdir(toy.path)
    scores = cairn.load_model("@prod").scores(part("test"))
    np.testing.assert_array_equal(scores, model(GOOD).scores(part("test")))
    for name, said in (
        ("workspace", "only a commit"),
        ("nowhere", "no branch, tag, commit"),
        ("v7", "v7: no branch"),
        ("@prdo", r"did you mean '@prod'"),
    ):
        code, found = command(toy, "promote", name, "--stage", "prod")
        assert code == 1 and said in found and found.count("\n") == 0
    toy.git("tag", "v1", commits[WEAK])
    with pytest.raises(UserError, match=r"2 revisions have this name: .* model@v0\.0\.1"):
        History(toy.path).resolve("v1")


def test_each_rollback_goes_one_version_further_back(toy, commits, command):
    for trees in (WEAK, FAIR, GOOD):
        assert command(toy, "promote", commits[trees], "--stage", "prod")[0] == 0
    seen = []
    for _ in range(2):
        assert command(toy, "rollback")[0] == 0
        seen.append(gto_stage(toy))
        assert History(toy.path).resolve("@prod").commit == seen[-1][1]
    assert seen == [("v0.0.2", commits[FAIR]), ("v0.0.1", commits[WEAK])]
    code, said = command(toy, "rollback")
    assert code == 1 and "v0.0.1 is the first version in it" in said
    code, said = command(toy, "promote", "v3", "--stage", "prod")
    assert code == 0 and "note: v0.0.3 was rolled back from prod on 2" in said
    assert command(toy, "rollback", "--reason", "late")[0] == 0
    assert gto_stage(toy) == ("v0.0.1", commits[WEAK])
    record = toy.records()["model#prod#7"]
    assert (record["action"], record["restores"]) == ("rollback", "model#prod#5")
    assert (record["replaces"], record["reason"]) == ("v0.0.3", "late")
    times = [tag.at for tag in read_registry(toy.path).history]
    assert times == sorted(set(times))
    assert command(toy, "rollback", "--stage", "staging")[0] == 1


@pytest.mark.slow
def test_what_gto_writes_is_read(toy, commits, command):
    gto.api.register(toy.path, "model", commits[FAIR], version="v1.2.0")
    gto.api.assign(toy.path, "model", "prod", version="v1.2.0")
    gto.api.assign(toy.path, "model", "staging", ref=commits[WEAK])
    assert command(toy, "promote", commits[GOOD], "--stage", "prod")[0] == 0
    assert gto_stage(toy) == ("v1.2.2", commits[GOOD])
    assert command(toy, "rollback")[0] == 0
    assert gto_stage(toy) == ("v1.2.0", commits[FAIR])
    gto.api.deregister(toy.path, "model", version="v1.2.2")
    code, said = command(toy, "promote", commits[GOOD], "--stage", "staging")
    assert code == 1 and "v1.2.2 of this commit was deregistered" in said
    assert command(toy, "promote", commits[LIKE_GOOD], "--stage", "staging")[0] == 0
    assert gto_stage(toy, "staging") == ("v1.2.3", commits[LIKE_GOOD])
    gto.api.unassign(toy.path, "model", ref=commits[LIKE_GOOD], stage="staging")
    gto.api.unassign(toy.path, "model", ref=commits[WEAK], stage="staging")
    with pytest.raises(UserError, match="no model is in this stage"):
        History(toy.path).resolve("@staging")
    assert command(toy, "models", "--verify")[0] == 0


def test_the_table_of_tasks_with_different_metrics_has_80_columns_too():
    scores = {"balanced_accuracy": (0.7781, 0.7547, 0.799), "rmse": (541, 519, 564), "ece": (0.01, 0, 0.02)}
    found = []
    for name, (value, low, high) in scores.items():
        score = Headline(metric=name, value=value, low=low, high=high)
        found.append(Listed("v0.0.1", "c" * 40, 0, ["staging"], "d" * 32, score, "undecided", {}))
    assert max(map(len, models_table(found))) <= 80
    for one in found:
        assert max(map(len, models_table([one]))) <= 80


def test_a_retraining_of_the_same_two_models_decides_instead_of_validation(toy, commits, command):
    command(toy, "promote", commits[WEAK], "--stage", "prod")
    history, pair = History(toy.path), (commits[WEAK], commits[GOOD])
    period = Period(rows=1, first="2024-01-01", last="2024-01-02")
    parts = Parts(train=period, validation=period, test=period)
    found = Retrained(
        verdict="keep",
        experiment="retrain-1",
        model="toy",
        window="expanding",
        overrides=[],
        champion=parts,
        challenger=parts,
        models=[history.digest(history.resolve(name), MODEL) for name in pair],
        already_tested=0,
        min_gain=0.5,
        comparison=compare(toy.path, pair, part="test"),
    )
    (toy.path / "found.json").write_text(found.model_dump_json(), encoding="utf-8")
    toy.git("update-ref", "refs/cairn/retrain/retrain-1", toy.git("hash-object", "-w", "found.json").strip())
    plan = plan_promotion(toy.path, read_registry(toy.path), commits[GOOD], "prod")
    assert plan.is_refused and (plan.decision, plan.comparison.part) == ("keep", "test")
    plan = plan_promotion(toy.path, read_registry(toy.path), commits[GOOD], "prod", decides="log_loss")
    assert plan.comparison.part == "validation"
    plan = plan_promotion(toy.path, read_registry(toy.path), commits[FAIR], "prod")
    assert (plan.decision, plan.comparison.part) == ("promote", "validation")


def test_two_promotions_in_one_clone_do_not_overwrite_each_other(toy, commits, command):
    planned = plan_promotion(toy.path, read_registry(toy.path), commits[GOOD], "prod")
    command(toy, "promote", commits[WEAK], "--stage", "staging")
    command(toy, "promote", commits[WEAK], "--stage", "prod")
    before = toy.tags()
    with pytest.raises(UserError, match=r"model@v0\.0\.1: another promotion has just taken this name"):
        publish(toy.path, planned.drafts, planned.at, message, None)
    assert toy.tags() == before


def test_dvc_yaml_names_the_model_as_the_tags_do():
    artifacts = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["artifacts"]
    assert artifacts[ARTIFACT]["path"] == MODEL


@pytest.mark.slow
def test_two_people_who_promote_at_once_do_not_overwrite_each_other(toy, commits, command):
    other = toy.another("other")
    assert command(toy, "promote", commits[WEAK], "--stage", "prod", "--push")[0] == 0
    assert command(other, "promote", commits[FAIR], "--stage", "prod", "--push")[0] == 0
    assert other.tags() == ["model#prod#1", "model#prod#2", "model@v0.0.1", "model@v0.0.2"]
    # While this clone pushes, the other one is faster.
    command(other, "promote", commits[LIKE_GOOD], "--stage", "prod")
    hook = toy.path / ".git/hooks/pre-push"
    hook.write_text(f"#!/bin/sh\ncd {other.path} && env -u GIT_DIR git push -q origin 'refs/tags/model*'\n")
    hook.chmod(0o755)
    code, said = command(toy, "promote", commits[GOOD], "--stage", "prod", "--push")
    assert code == 1 and "another promotion reached origin first" in said
    assert toy.tags() == ["model#prod#1", "model#prod#2", "model@v0.0.1", "model@v0.0.2"]
    assert command(toy, "promote", commits[GOOD], "--stage", "prod", "--push")[0] == 3
    assert toy.tags() == other.tags() and gto_stage(toy) == ("v0.0.3", commits[LIKE_GOOD])


@pytest.mark.slow
def test_tags_that_were_not_pushed_and_collide_are_named(toy, commits, command):
    other = toy.another("other")
    command(toy, "promote", commits[WEAK], "--stage", "prod")
    command(other, "promote", commits[FAIR], "--stage", "prod", "--push")
    code, said = command(toy, "models", "--verify")
    assert code == 1 and "model#prod#1: not the same tag here and on origin" in said
    code, said = command(toy, "promote", commits[GOOD], "--stage", "prod", "--push")
    assert code == 1 and "git tag --delete model#prod#1 model@v0.0.1" in said
    toy.git("tag", "--delete", "model#prod#1", "model@v0.0.1")
    assert command(toy, "promote", commits[GOOD], "--stage", "prod", "--push")[0] == 0
    assert command(toy, "models", "--verify")[0] == 0


@pytest.mark.slow
def test_every_byte_of_a_model_is_verified_in_the_cache_or_on_the_remote(toy, commits, command):
    command(toy, "promote", commits[WEAK], "--stage", "prod", "--push")
    command(toy, "promote", commits[FAIR], "--stage", "prod", "--push")
    cache = toy.path.parent / "cache/files/md5"
    listing = History(toy.path).digest(History(toy.path).resolve("v1"), MODEL)
    entry = json.loads((cache / listing[:2] / listing[2:]).read_text())[0]
    name = f"{entry['md5'][:2]}/{entry['md5'][2:]}"
    shutil.rmtree(cache)
    assert command(toy, "models", "--verify")[0] == 0
    damage(toy.store / "files/md5" / name, "flipped")
    code, said = command(toy, "models", "--verify")
    assert code == 1 and f"model@v0.0.1: models/model/{entry['relpath']} has other content" in said
    assert "model@v0.0.2" not in said.replace("model@v0.0.2 verified", "")
    code, said = command(toy, "rollback", "--push")
    assert code == 1 and f"v0.0.1: models/model/{entry['relpath']}: not on the remote" in said
    found = json.loads(command(toy, "models", "--verify", "--json")[1].rpartition("}")[0] + "}")
    assert [one["kind"] for one in found["problems"]] == ["damaged"]


@pytest.mark.slow
def test_a_model_that_was_not_pushed_is_not_published(toy, command):
    toy.commit(30)
    code, said = command(toy, "promote", "HEAD", "--stage", "prod", "--push")
    assert code == 1 and "not on the remote" in said and "cairn push" in said and toy.tags() == []
    assert command(toy, "promote", "HEAD", "--stage", "prod")[0] == 0


@pytest.mark.slow
def test_moved_and_light_tags_are_not_believed(toy, commits, command):
    command(toy, "promote", commits[WEAK], "--stage", "prod", "--push")
    command(toy, "promote", commits[FAIR], "--stage", "prod", "--push")
    toy.git("tag", "model#prod#3", commits[GOOD])
    assert History(toy.path).resolve("@prod").commit == commits[FAIR]
    code, said = command(toy, "models", "--verify")
    assert code == 1 and "model#prod#3: ignored: not an annotated tag" in said
    toy.git("tag", "--delete", "model#prod#3")
    message = toy.git("for-each-ref", "--format=%(contents)", "refs/tags/model#prod#2")
    toy.git("tag", "--force", "--annotate", f"--message={message}", "model#prod#2", commits[GOOD])
    with pytest.raises(UserError, match=r"@prod: the tag model#prod#2 points to .* it was moved"):
        History(toy.path).resolve("@prod")
    code, said = command(toy, "models", "--verify")
    assert code == 1 and "model#prod#2: moved" in said and "model#prod#2: not the same tag" in said
    toy.git("fetch", "--quiet", "--force", "origin", "tag", "model#prod#2")
    assert command(toy, "models", "--verify")[0] == 0


@pytest.mark.slow
def test_a_changed_workspace_and_a_shallow_clone_are_not_promoted(toy, commits, command):
    toy.replace("params.yaml", "seed: 7", "seed: 8")
    code, said = command(toy, "promote", "main", "--stage", "prod")
    assert code == 1 and "params.yaml" in said and commits[LIKE_GOOD] in said
    assert command(toy, "promote", commits[LIKE_GOOD], "--stage", "prod", "--push")[0] == 0
    shallow = toy.another("shallow", "--depth=1", "--no-local")
    for words in (("promote", "HEAD", "--stage", "prod"), ("rollback",)):
        code, said = command(shallow, *words)
        assert code == 1 and "git fetch --unshallow --tags" in said
    with pytest.raises(UserError, match="git fetch --unshallow --tags"):
        History(shallow.path).resolve("@staging")


def test_models_lists_versions_within_80_columns_and_as_json(toy, commits, command):
    assert "no version" in command(toy, "models")[1]
    command(toy, "promote", commits[WEAK], "--stage", "prod")
    Path(toy.path / "metrics/monitor.json").write_text('{"retrain": "undecided"}')
    toy.git("add", "--force", "metrics/monitor.json")
    toy.git("commit", "--quiet", "--message=monitored")
    for stage in ("prod", "staging"):
        code, said = command(toy, "promote", "HEAD", "--stage", stage)
        assert code == 0, said
    code, said = command(toy, "models")
    lines = said.splitlines()
    assert code == 0 and max(map(len, lines)) <= 80
    assert lines[1].split()[:3] == ["v0.0.2", "both", toy.rev("HEAD")[:7]] and lines[1].endswith("undecided")
    assert lines[2].split()[:2] == ["v0.0.1", commits[WEAK][:7]]
    found = json.loads(command(toy, "models", "--json")[1])
    newest = found["versions"][0]
    assert (newest["stages"], newest["monitor"]) == (["prod", "staging"], "undecided")
    assert (
        newest["headline"]["value"] == 1.3
        and newest["record"]["config"]["model"]["params"]["max_iter"] == LIKE_GOOD
    )
    assert [one["tag"] for one in found["history"]] == ["model#prod#1", "model#prod#2", "model#staging#1"]


@pytest.mark.slow
def test_git_without_a_name_and_without_a_remote_is_one_line(toy, command, monkeypatch):
    code, said = command(toy, "promote", "HEAD", "--stage", "prod", "--push")
    toy.git("remote", "remove", "origin")
    code, said = command(toy, "rollback", "--push")
    assert code == 1 and "git remote add origin" in said
    for key in ("user.name", "user.email"):
        toy.git("config", "--unset", key)
    monkeypatch.setenv("HOME", str(toy.path.parent))
    monkeypatch.setenv("EMAIL", "")
    toy.git("config", "user.useConfigOnly", "true")
    code, said = command(toy, "promote", "HEAD~1", "--stage", "staging")
    assert code == 1 and "git config user.name" in said
