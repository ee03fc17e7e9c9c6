"""The runs of a repository are those that its commits, branches, tags and experiments record, each once."""

import pytest
from board_history import OTHER_TABLE, SETTINGS, START, TABLE, Repository, evaluation, lock, run_of

from cairn.errors import UserError
from cairn.experiments.board import condition_of, ordered, reference_of, value_of
from cairn.experiments.history import as_run
from cairn.experiments.runs import differences, read_runs

NOW = START + 10 * 86_400


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path)


def with_model(name, **more):
    return SETTINGS | {"model": {"name": name, "params": more}}


def test_every_result_is_one_run_named_by_what_holds_it(repository, tmp_path):
    first = repository.commit(evaluation(0.70), message="first")
    repository.commit(evaluation(0.70), message="only code")  # carries the same result on
    repository.git("tag", "-a", "-m", "v", "v1")
    repository.experiment("mlp", evaluation(0.71), with_model("mlp"))
    repository.git("branch", "older", first)
    better = repository.commit(evaluation(0.72), with_model("boost"), locked=lock(OTHER_TABLE))
    found = read_runs(tmp_path)
    assert [(run.name, run.kind, run.names, run.record.score.value) for run in found.found] == [
        ("main", "branch", ("main",), 0.72),
        ("mlp", "experiment", ("mlp",), 0.71),
        ("v1", "tag", ("v1", "older"), 0.70),
    ]
    assert found.found[2].commit == first
    assert found.found[2].subject == "first"
    assert found.found[2].at == START + 100
    assert found.current is not None
    assert found.current.commit == better
    assert [run.version for run in found.found] == [OTHER_TABLE[:7], TABLE[:7], TABLE[:7]]
    assert found.found[0].outputs["reports/model_card.html"] == "d" * 32


def test_a_name_that_a_person_chose_comes_before_one_that_dvc_gave(repository, tmp_path):
    repository.commit(evaluation(0.70), message="first")
    for name in ("squat-fore", "tiny"):
        repository.experiment(name, evaluation(0.71), with_model("mlp"))
    names = {run.names for run in read_runs(tmp_path).found}
    assert ("tiny", "squat-fore") in names


def test_a_purpose_said_in_other_words_makes_no_new_run(repository, tmp_path):
    repository.commit(evaluation(), SETTINGS)
    repository.commit(
        evaluation(), SETTINGS | {"purpose": {"owner": "me", "goal": {"measure": "roc_auc", "value": 0.5}}}
    )
    (run,) = read_runs(tmp_path).found
    assert run.purpose.owner == "me"
    assert not any(key.startswith("purpose") for key in run.settings)


def test_the_workspace_is_a_run_where_no_commit_and_no_experiment_holds_it(repository, tmp_path):
    repository.commit(evaluation(0.7))
    assert [run.name for run in read_runs(tmp_path).found] == ["main"]
    applied = repository.experiment("mlp", evaluation(0.71), with_model("mlp"))
    repository.write(evaluation(0.71), with_model("mlp"))
    found = read_runs(tmp_path)
    assert [run.name for run in found.found] == ["mlp", "main"]
    assert found.current is not None
    assert found.current.commit == applied
    repository.write(evaluation(0.75), SETTINGS | {"seed": 2})
    found = read_runs(tmp_path)
    assert sorted(run.name for run in found.found) == ["main", "mlp", "workspace"]
    assert found.current is not None
    assert (found.current.name, found.current.commit) == ("workspace", None)
    assert differences(found.current, next(run for run in found.found if run.name == "main")) == {"seed": 2}


OTHER = SETTINGS | {"data": {"name": "houses", "target": "price"}, "seed": 2}


def test_a_run_has_the_settings_of_dvc_lock_where_params_yaml_was_edited_since(repository, tmp_path):
    ran = lock(ran={"evaluate": OTHER, "train": SETTINGS})
    repository.commit(evaluation(), OTHER, locked=ran)
    repository.commit(evaluation(), SETTINGS, locked=ran, message="back to conf/, without a run")
    found = read_runs(tmp_path)
    (run,) = found.found
    assert (run.settings["data.name"], run.settings["seed"]) == ("houses", 2)
    assert found.current is run
    assert found.waiting == {"data.name": "flights", "seed": 1}
    repository.write(evaluation(), OTHER, locked=ran)
    assert read_runs(tmp_path).waiting == {}


def test_records_that_cannot_be_read_are_named_and_commits_without_one_left_out(repository, tmp_path):
    repository.commit(None)
    old = repository.commit('{"task": "binary"}')
    repository.commit(evaluation())
    repository.commit(evaluation(), SETTINGS | {"seed": 2})
    found = read_runs(tmp_path)
    assert (len(found.found), found.unreadable) == (2, [old[:7]])


def test_a_folder_without_git_and_one_without_commits_are_answered_with_a_line(tmp_path):
    with pytest.raises(UserError, match="git"):
        read_runs(tmp_path)


def test_another_option_stands_for_its_keys():
    one = run_of(1)
    other = run_of(
        1, settings={"model.name": "mlp", "model.params.depth": None, "model.params.lr": 0.1, "x.kind": "a"}
    )
    assert differences(other, one) == {"model.name": "mlp", "x.kind": "a"}
    assert differences(one, run_of(1, settings={"model.params.depth": 4})) == {"model.params.depth": 3}


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("seed=2", [2]),
        ("seed!=2", [1, 3]),
        ("seed>=2", [2, 3]),
        ("roc_auc>0.71", [3]),
        ("roc_auc<=0.71", [1, 2]),
        ("model.name=mlp", [2]),
        ("model.name~m", [2]),
        ("run~FIRST", [1]),
        ("data=flights bbbbbbb", [3]),
        ("age<9.9", [3]),
        ("saving>1", [1, 2]),
        ("model.params.lr=null", [1, 3]),
    ],
)
def test_a_condition_chooses_runs_by_any_key(text, seeds):
    runs = [
        run_of(1, 0.70, names=["first"]),
        run_of(2, 0.71, settings={"model.name": "mlp", "model.params.lr": 0.1}),
        run_of(3, 0.72, table=OTHER_TABLE, priced=False),
    ]
    wanted = condition_of(text, runs)
    assert [run.settings["seed"] for run in runs if wanted.holds(run, NOW)] == seeds


@pytest.mark.parametrize(
    ("text", "said"),
    [("roc_acu>0.7", "no run has roc_acu; did you mean 'roc_auc'?"), ("seed", "is not KEY=VALUE")],
)
def test_a_condition_on_nothing_is_answered_with_the_nearest_key(text, said):
    with pytest.raises(UserError, match=said.replace("?", r"\?")):
        condition_of(text, [run_of(1)])


def test_the_best_comes_first_whichever_direction_is_better_and_what_is_unknown_last():
    runs = [run_of(1, 0.70), run_of(2, 0.72, priced=False), run_of(3, 0.71)]
    assert [run.settings["seed"] for run in ordered(runs, "roc_auc", NOW)] == [2, 3, 1]
    assert [run.settings["seed"] for run in ordered(runs, "roc_auc", NOW, reverse=True)] == [1, 3, 2]
    assert [run.settings["seed"] for run in ordered(runs, "saving", NOW)][-1] == 2
    assert [run.settings["seed"] for run in ordered(runs, "age", NOW)] == [3, 2, 1]
    assert runs[0].record.better["log_loss"] == "lower"
    losses = [value_of(run, "log_loss", NOW) for run in ordered(runs, "log_loss", NOW)]
    assert losses == sorted(losses)


def test_the_reference_is_the_current_run_or_the_one_that_is_named():
    runs = [run_of(1), run_of(2, names=["mlp"])]
    assert reference_of(runs, None, runs[1]) is runs[1]
    assert reference_of(runs, None, None) is runs[0]
    assert reference_of(runs, "mlp", runs[0]) is runs[1]
    assert reference_of(runs, runs[0].commit[:7], None) is runs[0]
    with pytest.raises(UserError, match="--against: no run mpl; did you mean 'mlp'"):
        reference_of(runs, "mpl", None)


@pytest.mark.parametrize("broke_off", [False, True])
def test_scores_of_a_run_that_broke_off_have_the_settings_they_were_computed_with(broke_off):
    record = {"path": "metrics/evaluation.json", "md5": "a" * 32}
    features = {"exclude": ["day"]} if broke_off else {"exclude": []}
    lock = {
        "stages": {
            "train": {"params": {"params.yaml": {"features": features}}, "outs": [{"path": "models/fitted"}]},
            "evaluate": {
                "params": {"params.yaml": {"seed": 1}},
                "deps": [{"path": "models/fitted"}],
                "outs": [record],
            },
            "explain": {"params": {"params.yaml": {"features": {"exclude": ["old"]}}}},
            "report": {"params": {"params.yaml": {"features": {"exclude": []}, "seed": 1}}, "deps": [record]},
        }
    }
    assert as_run({"features": features, "seed": 2}, lock) == {"features": {"exclude": []}, "seed": 1}
    lock["stages"]["report"]["deps"] = [record | {"md5": "b" * 32}]
    assert as_run({"features": features, "seed": 2}, lock)["features"] == features
