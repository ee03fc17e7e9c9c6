"""A real search on a small table: every trial counts once, whatever is killed, and none reads test."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest
from filelock import FileLock
from optuna.trial import TrialState
from sklearn.metrics import roc_auc_score
from toy_search import QUICK, STRENGTH, begun, visits, worked

from cairn.commands.app import run as run_command
from cairn.compose import params_file
from cairn.compose.validate import read_config
from cairn.data.parts import load_prepared
from cairn.errors import UserError
from cairn.experiments.pool import DRIVER, read_plan, write_plan
from cairn.report.studies.search import table, write_report
from cairn.studies import protocol
from cairn.studies.protocol import run_trial
from cairn.studies.search import driver
from cairn.studies.search.study import (
    DEFAULT,
    ERROR,
    EXPLORED,
    FOLLOWED,
    ORIGIN,
    Plan,
    asking,
    default_trial,
    failed,
    finished,
    keyed,
    keys,
    load,
    open_study,
    ranked,
    requeue_dead,
)
from cairn.studies.search.worker import begin, run, work

BOOSTED = ["model=hist_gbdt", "model.params.min_samples_leaf=20"]
SINGLE = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@pytest.mark.slow
def test_a_search_starts_from_the_current_values_then_explores_then_follows_tpe(toy):
    assert not (toy / "data/splits/test.parquet").exists()
    plan, space, study = worked()
    origins = [trial.user_attrs[ORIGIN] for trial in study.trials]
    assert origins == [DEFAULT, EXPLORED, EXPLORED, FOLLOWED, FOLLOWED, FOLLOWED]
    assert study.trials[0].params == space.default
    prepared = load_prepared(Path())
    alone = run_trial(read_config(plan.base, Path()), prepared)
    expected = roc_auc_score(prepared.validation["returned"], alone.prediction)
    assert study.trials[0].value == pytest.approx(expected, abs=1e-6)
    assert default_trial(study).number == 0
    (row,) = [line for line in table(study, plan, space) if line.endswith("current values")]
    assert row.split()[0] == "0"


@pytest.mark.slow
def test_a_resumed_search_runs_only_the_missing_trials(toy):
    plan, _, study = worked()
    values = [trial.value for trial in finished(study)]
    write_plan(replace(plan, trials=8))
    with FileLock(plan.folder / DRIVER):
        work(plan.name)
    assert [trial.value for trial in finished(study)][:6] == values
    assert len(finished(study)) == 8
    points = [tuple(trial.params.values()) for trial in study.trials]
    assert len(set(points)) == 8, "a draw was repeated"


def test_a_worker_whose_driver_is_gone_begins_nothing(toy):
    plan, _, study = begun()
    work(plan.name)
    assert not finished(study)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ([f"{STRENGTH}=interval(0.01, 5)"], "other space"),
        ([f"{STRENGTH}=0.2"], "other settings and space"),
        (["search.objective=log_loss"], "other settings"),
    ],
)
def test_a_study_begun_with_other_settings_is_not_resumed(toy, change, message):
    begun()
    with pytest.raises(UserError, match=message):
        plan, space = driver.make_plan([*QUICK, *change], name="toy", storage=None)
        open_study(keyed(plan, space), space)


@pytest.mark.slow
def test_other_data_or_code_are_noticed(toy):
    begun()
    with (toy / "src/cairn/studies/search/worker.py").open("a") as file:
        file.write("CHANGED = True\n")
    (toy / "data/prepared/contract.json").write_text((toy / "data/prepared/contract.json").read_text() + " ")
    done = driver_process(toy, 1, *QUICK, check=False)
    assert "was begun with other code and data" in done.stderr


def test_trials_of_dead_workers_run_again_and_those_of_living_ones_do_not(toy):
    plan, space, study = begun()
    first = begin(study, plan, space, "dead.lock")
    with FileLock(plan.folder / "alive.lock"):
        second = begin(study, plan, space, "alive.lock")
        with asking(plan.folder):
            cut_short = study.ask()  # killed before it had a name or parameters
        assert requeue_dead(study, plan.folder) == 2
        states = {trial.number: trial.state for trial in study.trials}
        assert states[first.number] == states[cut_short.number] == TrialState.FAIL
        assert states[second.number] == TrialState.RUNNING
        assert requeue_dead(study, plan.folder) == 0
    assert requeue_dead(study, plan.folder) == 1
    with FileLock(plan.folder / DRIVER):
        work(plan.name)
    done = finished(study)
    assert len(done) == plan.trials
    assert not failed(study)
    assert default_trial(study).params == first.params == space.default
    assert sum(trial.user_attrs[ORIGIN] == EXPLORED for trial in done) == 2


@pytest.mark.slow
def test_a_worker_reruns_the_last_trial_of_a_killed_worker(toy):
    plan, space, study = begun()
    first = begin(study, plan, space, "other.lock")
    released = []

    def die():
        while len(finished(study)) < plan.trials - 1:
            time.sleep(0.05)
        released.append(len(finished(study)))
        other.release()

    other = FileLock(plan.folder / "other.lock", thread_local=False)
    other.acquire()
    death = Thread(target=die)
    death.start()
    with FileLock(plan.folder / DRIVER):
        work(plan.name)
    death.join()
    assert released == [plan.trials - 1]
    assert len(finished(study)) == plan.trials
    assert study.trials[first.number].state == TrialState.FAIL
    assert default_trial(study).params == space.default


def test_workers_of_a_killed_driver_end_when_another_takes_over(toy):
    plan, _, study = begun("search.trials=60")

    def take_over():
        while not finished(study):
            time.sleep(0.05)
        write_plan(replace(plan, driver="the next one"))

    next_driver = Thread(target=take_over)
    next_driver.start()
    with FileLock(plan.folder / DRIVER):
        work(plan.name)
    next_driver.join()
    assert 1 <= len(finished(study)) < plan.trials


def test_a_worker_refuses_data_other_than_that_of_the_search(toy):
    plan, _, study = begun()
    visits(300, 9).to_parquet("data/splits/train.parquet")
    with FileLock(plan.folder / DRIVER), pytest.raises(UserError, match="data changed since search 'toy'"):
        work(plan.name)
    assert finished(study) == []


@pytest.mark.slow
def test_a_worker_whose_trials_fail_one_after_the_other_stops(toy):
    plan, space, study = begun("search.trials=30")
    with FileLock(plan.folder / "mine.lock"):
        run(begin(study, plan, space, "mine.lock"), study, plan, space, load_prepared(Path()))
    broken = replace(plan, base=plan.base | {"model": plan.base["model"] | {"params": {"no_such": 1}}})
    write_plan(replace(broken, key=keys(broken.base, space, plan.objective)))
    with FileLock(plan.folder / DRIVER), pytest.raises(UserError, match=r"10 trials failed .*no_such"):
        work(plan.name)
    assert len(finished(study)) == 1
    assert len(failed(study)) == 10


def test_no_more_trials_begin_than_requested(toy):
    plan, space, study = begun()
    under_way = [begin(study, plan, space, "a.lock") for _ in range(plan.trials)]
    assert all(under_way)
    assert begin(study, plan, space, "b.lock") is None


def test_the_same_point_is_not_trained_twice(toy):
    plan, space, study = begun()
    prepared = load_prepared(Path())
    run(begin(study, plan, space, "a.lock"), study, plan, space, prepared)
    study.enqueue_trial(space.default)
    trials = [begin(study, plan, space, "a.lock") for _ in range(3)]
    again = next(trial for trial in trials if trial.params == space.default)
    run(again, study, plan, space, prepared=None)  # nothing to train on
    assert study.trials[again.number].value == study.trials[0].value


def test_a_failed_trial_records_why_and_the_search_continues(toy):
    *_, study = worked("model.params.max_iter=choice(1000, -5)", "search.trials=4")
    assert len(finished(study)) == 4
    assert failed(study)
    assert all("max_iter" in trial.user_attrs[ERROR] for trial in failed(study))


@pytest.mark.slow
def test_a_search_stops_when_every_trial_fails(toy):
    done = driver_process(toy, 1, *QUICK, "model.params.max_iter=-5", check=False)
    assert "every trial fails; the last error: model 'logistic'" in done.stderr
    assert "max_iter" in done.stderr


class NoDvc:
    """Stands in for `dvc repro split`."""

    returncode = 0


def test_a_study_accepts_every_override_and_keeps_those_that_the_prepared_data_need(toy, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    before = Path("params.yaml").read_bytes()
    monkeypatch.setattr(protocol.subprocess, "run", lambda *_, **__: NoDvc)
    assert protocol.prepare(["model=hist_gbdt"]).model.name == "hist_gbdt"
    assert capsys.readouterr().err.splitlines() == [
        "settings: conf/ + threads=1 model=hist_gbdt; from params.yaml: threads=1"
        " (`python src/cairn compose --reset` drops these)",
        "updating the prepared data: dvc repro split",
    ]
    assert Path("params.yaml").read_bytes() == before
    assert protocol.prepare(["seed=5", "search.trials=3"]).seed == 5
    first, second, _ = capsys.readouterr().err.splitlines()
    assert first.startswith("settings: conf/ + threads=1 model=logistic seed=5 search.trials=3; from")
    assert second.startswith("params.yaml now has these settings, because seed changed")
    assert second.endswith("to go back: `python src/cairn compose --reset`")
    assert params_file.recorded_in(Path("params.yaml")) == ["threads=1", "model=logistic", "seed=5"]
    assert protocol.current_settings([]).values["seed"] == 5


@pytest.mark.slow
def test_a_study_checks_its_options_before_it_writes_or_computes_anything(toy, monkeypatch):
    before = Path("params.yaml").read_bytes()
    monkeypatch.setattr(protocol.subprocess, "run", lambda *_, **__: pytest.fail("it computes"))
    for words, said in (
        (("ablate", "-S", "seed=5", "--groups", "nothing"), "--groups nothing: "),
        (("ablate", "-S", "seed=5", "--decide-by", "rmse"), "--decide-by rmse: "),
        (("learning-curve", "-S", "seed=5", "--decide-by", "rmse"), "--decide-by rmse: "),
        (("learning-curve", "-S", "seed=5", "--html", "."), "--html: . is a folder"),
        (("search", "-S", "seed=5", "--scientific", "nothing"), "--scientific nothing: "),
        (("search", "-S", "seed=5", "--on", "slurm"), "--on slurm needs --workers N"),
    ):
        with pytest.raises(UserError) as error:
            run_command(*words)
        assert str(error.value).startswith(said)
    assert Path("params.yaml").read_bytes() == before


@pytest.mark.slow
def test_bad_trials_are_stopped_early_and_win_nothing(toy):
    words = ["search.prune=0.9", "search.warmup=0", "search.startup=2", "search.trials=12"]
    plan, space, study = worked(*BOOSTED, *words, "model.params.max_iter=40")
    pruned = [trial for trial in study.trials if trial.state == TrialState.PRUNED]
    assert pruned
    assert len(finished(study)) == 12
    assert all(step & (step - 1) == 0 for trial in study.trials for step in trial.intermediate_values)
    assert not {trial.number for trial in pruned} & {trial.number for trial in ranked(study)}
    assert all(max(trial.intermediate_values) < 40 for trial in pruned)
    page = write_report(study, plan, space, None, []).read_text(encoding="utf-8")
    assert f"{len(pruned)} stopped early" in page


@pytest.mark.slow
def test_workers_on_one_journal_survive_kill_9_of_worker_and_driver(toy):
    words = [*BOOSTED, "model.params.max_iter=60", "search.trials=16", "search.startup=6"]
    output = Path("driver.txt")
    with output.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "driver.py", "2", *words], stdout=out, stderr=out, env=SINGLE
        )
    try:
        study = wait_for(3)
        pids = subprocess.check_output(["pgrep", "-P", str(process.pid)], text=True).split()
        os.kill(int(pids[0]), signal.SIGKILL)
        wait_for(7)
        while "was killed by signal 9" not in output.read_text(encoding="utf-8"):
            assert process.poll() is None
            time.sleep(0.1)
    finally:
        process.kill()
        process.wait()
    before = {trial.number: (trial.value, trial.params) for trial in finished(study)}
    driver_process(toy, 2, *words)
    after = {trial.number: (trial.value, trial.params) for trial in finished(study)}
    assert len(before) >= 7
    assert len(after) == 16
    assert before.items() <= after.items()
    assert len({tuple(params.values()) for _, params in after.values()}) == 16
    assert not [trial for trial in study.trials if trial.state in (TrialState.RUNNING, TrialState.WAITING)]


def test_a_torn_last_line_of_the_journal_does_no_harm(toy):
    plan, space, study = begun()
    with FileLock(plan.folder / DRIVER):
        begin(study, plan, space, "gone.lock")
    with (plan.folder / "journal.log").open("ab") as file:
        file.write(b'{"op_code":5,"wor')
    requeue_dead(load(plan), plan.folder)
    with FileLock(plan.folder / DRIVER):
        work(plan.name)
    assert len(finished(load(plan))) == plan.trials


def test_any_storage_of_optuna_works(toy):
    plan, space = driver.make_plan(QUICK, name="toy", storage="sqlite:///study.db")
    plan = keyed(plan, space)
    plan.folder.mkdir(parents=True)
    study = open_study(plan, space)
    write_plan(plan)
    with FileLock(plan.folder / DRIVER):
        work(plan.name)
    assert len(finished(study)) == 6
    assert (plan.folder / "plan.json").stat().st_mode & 0o077 == 0, "others could read a password"


def test_a_study_in_a_shared_storage_is_not_resumed_from_another_checkout(toy):
    url = f"sqlite:///{toy}/study.db"
    plan, space = driver.make_plan(QUICK, name="toy", storage=url)
    plan.folder.mkdir(parents=True)
    open_study(plan, space)
    open_study(plan, space)
    (plan.folder / "place").unlink()
    with pytest.raises(UserError, match="begun in another checkout"):
        open_study(plan, space)


def test_a_missing_storage_is_a_one_line_error(toy):
    plan, space = driver.make_plan(QUICK, name="toy", storage="sqlite:////nowhere/study.db")
    with pytest.raises(UserError, match="--storage: cannot be opened") as error:
        open_study(plan, space)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train.device=auto,gpu"], "space: train.device=gpu"),
        (["search.objective=rocauc"], "did you mean 'roc_auc"),
        (["search.objective=saving"], "needs a cost model"),
    ],
)
def test_invalid_settings_are_refused_before_any_trial(toy, words, message):
    with pytest.raises(UserError, match=message):
        driver.make_plan(words, name="toy", storage=None)


def wait_for(count: int):
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        try:
            study = load(read_plan(Plan, Path(".dvc/tmp/search/toy")))
            if len(finished(study)) >= count:
                return study
        except (UserError, KeyError):
            pass
        time.sleep(0.1)
    raise AssertionError(f"no {count} trials in four minutes")


def driver_process(root: Path, workers: int, *words: str, check: bool = True):
    return subprocess.run(
        [sys.executable, "driver.py", str(workers), *words],
        cwd=root,
        capture_output=True,
        text=True,
        check=check,
    )
