"""`cairn sweep`, up to where it starts workers: what it refuses, and what it says before anything runs."""

import pytest

from cairn.commands.app import run
from cairn.errors import UserError
from cairn.experiments.engines import crew_size
from cairn.experiments.refs import git, uncommitted

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clone(snapshot, tmp_path_factory):
    return snapshot.clone(tmp_path_factory.mktemp("sweep") / "repository", share_cache=False)


@pytest.fixture
def here(clone, monkeypatch):
    monkeypatch.chdir(clone.path)
    yield clone
    git(clone.path, "reset", "--quiet", "--hard", "origin/main")
    git(clone.path, "clean", "-fdq")


def refusal(*words):
    with pytest.raises(UserError) as error:
        run("sweep", *words)
    return str(error.value).splitlines()


def test_every_bad_combination_is_named_before_anything_runs(here):
    words = ("-S", "model=hist_gbdt,mlp", "-S", "seed=1,-1", "-S", "+model.params.max_depth=3")
    assert [line.split(": ", 1)[0] for line in refusal(*words)] == [
        "model=hist_gbdt seed=-1 +model.params.max_depth=3",
        "model=mlp seed=1 +model.params.max_depth=3",
        "model=mlp seed=-1 +model.params.max_depth=3",
        "model=mlp seed=-1 +model.params.max_depth=3",
    ]
    (unknown,) = refusal("-S", "model=hist_gbtd,mlp")
    assert unknown.startswith("model=hist_gbtd: conf/model: no option 'hist_gbtd'; did you mean 'hist_gbdt'?")
    assert git(here.path, "for-each-ref", "refs/exps") == ""
    assert not (here.path / ".dvc/tmp/sweeps").exists()


def test_combinations_that_mean_the_same_run_once(here, capsys):
    run("sweep", "--dry", "-S", "model=hist_gbdt,logistic", "-S", "seed=2013,7,7", "-S", "threads=2")
    settings, *said = capsys.readouterr().out.splitlines()
    assert settings.startswith("settings: conf/ of commit ")
    assert said[:2] == [
        f"model={model} seed=7 threads=2: the same settings as model={model} seed=7 threads=2; runs once"
        for model in ("hist_gbdt", "logistic")
    ]
    head, *rows = [line.split() for line in said[2:]]
    assert head == ["experiment", "model", "seed"]
    assert [row[1:] for row in rows] == [
        ["hist_gbdt", "2013"], ["hist_gbdt", "7"], ["logistic", "2013"], ["logistic", "7"],
    ]  # fmt: skip


def test_names_follow_from_settings_and_commit_and_not_from_the_words(here, capsys):
    def names(*words):
        run("sweep", "--dry", *words)
        return {line.split()[-1]: line.split()[0] for line in capsys.readouterr().out.splitlines()[2:]}

    few = names("-S", "seed=1,2")
    more = names("-S", "model=hist_gbdt", "-S", "seed=range(0,3)")
    assert few == {seed: more[seed] for seed in ("1", "2")}
    git(here.path, "commit", "--quiet", "--allow-empty", "--message=next")
    assert set(names("-S", "seed=1,2").values()).isdisjoint(few.values())


def test_what_is_not_committed_is_listed_and_can_be_left_out(here, capsys):
    here.replace("conf/config.yaml", "seed: 2013", "seed: 1")
    (here.path / "conf/model/mine.yaml").write_text("{}")
    (line,) = refusal("--dry", "-S", "seed=1,2013")
    assert line.startswith("not committed: conf/config.yaml, conf/model/mine.yaml; ")
    assert "--from HEAD" in line
    run("sweep", "--dry", "--from", "HEAD", "-S", "seed=1,2013")
    assert "runs once" not in capsys.readouterr().out
    (unknown,) = refusal("--dry", "--from", "HEAD", "-S", "model=mine")
    assert unknown.startswith("model=mine: conf/model: no option 'mine'"), "conf/ is that of the commit"
    (revision,) = refusal("--dry", "--from", "nowhere", "-S", "seed=1")
    assert revision.startswith("no revision 'nowhere'")


def test_a_lock_of_other_code_and_the_same_data_does_not_stop_a_sweep(here):
    here.replace("data/dvc.lock", "path: code/ingest.txt", "path: code/other.txt")
    assert uncommitted(here.path) == []
    here.replace("data/dvc.lock", "path: data/raw/digits.csv", "path: data/raw/other.csv")
    assert uncommitted(here.path) == ["data/dvc.lock"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "nothing to vary"),
        (("-S", "seed=1,2", "--name", "a/b"), "--name a/b: use letters"),
        (("-S", "seed=1,2", "--on", "slurm"), "--on slurm needs --workers N"),
    ],
)
def test_other_mistakes_are_one_line(here, words, said):
    (line,) = refusal(*words)
    assert line.startswith(said)


def test_too_many_threads_for_the_cores_are_said_and_not_changed(monkeypatch, capsys):
    monkeypatch.setattr("joblib.cpu_count", lambda: 4)
    assert crew_size(None, "local", 2) == 2
    assert crew_size(None, "local", 8) == 1
    assert "1 workers of 8 threads on 4 cores" in capsys.readouterr().out
    assert crew_size(2, "local", 2) == 2
    assert capsys.readouterr().out == ""
    assert crew_size(3, "local", 2) == 3
    assert "3 workers of 2 threads on 4 cores" in capsys.readouterr().out
    with pytest.raises(UserError, match="--on slurm needs --workers N"):
        crew_size(None, "slurm", 2)
