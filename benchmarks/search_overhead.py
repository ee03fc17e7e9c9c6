"""What a trial of `cairn search` costs beside the same training under Optuna alone.

The same points, one after the other and in turn, in one process: Optuna's `study.optimize` over a function
that calls the same training, and the loop of our worker with its journal, locks, validation and reports. The
order changes with every trial. On a machine that does other things as well, compare the CPU seconds, and look
at what our worker spends outside the training itself, which is measured apart and varies little.

    python benchmarks/search_overhead.py [--trials 8]
"""

import argparse
import os
import platform
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))
NAME = "overhead-benchmark"
LIBRARIES = ("optuna", "scikit-learn", "numpy")


def main() -> None:
    """Run the pairs and print seconds per trial of both."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--trials", type=int, default=8)
    trials = asked.parse_args().trials
    os.chdir(ROOT)
    from omegaconf import OmegaConf

    threads = str(OmegaConf.load("params.yaml").threads)
    os.environ.update(OMP_NUM_THREADS=threads, OPENBLAS_NUM_THREADS=threads, OMP_WAIT_POLICY="PASSIVE")
    pairs = measure(trials)
    report(pairs, threads)


def measure(trials: int) -> list[dict[str, tuple[float, ...]]]:
    """Return wall and CPU seconds of both for every trial."""
    import optuna

    from cairn.compose.validate import read_config
    from cairn.data.parts import load_prepared
    from cairn.experiments.pool import write_plan
    from cairn.metrics.paired import greater_is_better
    from cairn.studies.protocol import evaluation_set, run_trial
    from cairn.studies.search import driver, worker
    from cairn.studies.search.study import finished, open_study
    from cairn.studies.search.worker import value_of

    words = [f"search.trials={trials}", "search.startup=3", "search.prune=0"]
    plan, space = driver.make_plan(words, name=NAME, storage=None)
    shutil.rmtree(plan.folder, ignore_errors=True)
    plan.folder.mkdir(parents=True)
    study = open_study(plan, space)
    write_plan(plan)
    prepared = load_prepared(Path())
    config = read_config(plan.base, Path())
    sampler = optuna.samplers.TPESampler(seed=0, multivariate=True)
    direction = "maximize" if greater_is_better(plan.objective) else "minimize"
    bare = optuna.create_study(direction=direction, sampler=sampler)

    def objective(trial: optuna.Trial) -> float:
        drawn = {d.key: suggest(trial, d.key, d.distribution) for d in space.dimensions}
        params = {d.key.rpartition(".")[2]: d.value(drawn[d.key]) for d in space.dimensions}
        model = config.model.model_copy(update={"params": config.model.params | params})
        changed = config.model_copy(update={"model": model})
        return value_of(plan.objective, run_trial(changed, prepared), evaluation_set(changed, prepared))

    if not all(d.key.startswith("model.params.") for d in space.dimensions):
        raise SystemExit("choose a model whose space is in params, such as hist_gbdt")
    training, worker.run_trial = apart(run_trial)

    def ours() -> None:
        worker.run(begun, study, plan, space, prepared)

    def theirs() -> None:
        bare.optimize(objective, n_trials=1)

    pairs = []
    run_trial(config, prepared)  # the first training has costs of its own, which are not counted
    for number in range(trials):
        before = clock()
        begun = worker.begin(study, plan, space, "benchmark.lock")
        asking = less(clock(), before)
        bare.enqueue_trial(begun.params)
        runs = {"bare Optuna": theirs, "cairn search": ours}
        order = list(runs) if number % 2 else list(runs)[::-1]
        spent = {name: timed(runs[name]) for name in order}
        spent["cairn search"] = added(spent["cairn search"], asking)
        spent["outside"] = less(spent["cairn search"], training)
        pairs.append(spent)
        print(f"trial {number}: " + ", ".join(f"{k} {v[1]:.2f} CPU s" for k, v in spent.items()), flush=True)
    found = [trial.value for trial in finished(study)]
    if found != [trial.value for trial in bare.trials]:
        raise SystemExit("the two did not do the same work")
    shutil.rmtree(plan.folder)
    return pairs


def apart(run_trial: Callable[..., Any]) -> tuple[list[float], Callable[..., Any]]:
    """Return a place for the wall and CPU seconds of the last training, and a training that notes them there.

    What is called after each iteration is not part of the training: it reports to the study.
    """
    training = [0.0, 0.0]

    def trained(config: Any, prepared: Any, on_iteration: Callable[[int, float], None]) -> Any:
        reports = [0.0, 0.0]

        def told(iteration: int, loss: float) -> None:
            reports[:] = added(reports, timed(lambda: on_iteration(iteration, loss)))

        before = clock()
        fitted = run_trial(config, prepared, told)
        training[:] = less(less(clock(), before), reports)
        return fitted

    return training, trained


def suggest(trial: Any, name: str, distribution: Any) -> Any:
    """Ask for a parameter by the method that fits its distribution."""
    kind = type(distribution).__name__
    if kind == "CategoricalDistribution":
        return trial.suggest_categorical(name, distribution.choices)
    low, high, log = distribution.low, distribution.high, distribution.log
    asked = trial.suggest_int if kind == "IntDistribution" else trial.suggest_float
    return asked(name, low, high, log=log)


def clock() -> tuple[float, float]:
    """Return wall and CPU time in seconds."""
    return time.perf_counter(), time.process_time()


def added(one: Sequence[float], other: Sequence[float]) -> tuple[float, ...]:
    """Return the sums."""
    return tuple(a + b for a, b in zip(one, other, strict=True))


def less(one: Sequence[float], other: Sequence[float]) -> tuple[float, ...]:
    """Return the differences."""
    return tuple(a - b for a, b in zip(one, other, strict=True))


def timed(work: Callable[[], None]) -> tuple[float, ...]:
    """Return the wall and CPU seconds of a call."""
    before = clock()
    work()
    return less(clock(), before)


def report(pairs: list[dict[str, tuple[float, ...]]], threads: str) -> None:
    """Print the table."""
    from importlib.metadata import version

    print(f"\n{len(pairs)} trials, the same points in turn, median seconds per trial")
    print(f"{'':14}{'wall':>8}{'CPU':>8}")
    for name in ("bare Optuna", "cairn search", "outside"):
        wall, cpu = (statistics.median(pair[name][k] for pair in pairs) for k in (0, 1))
        print(f"{name:14}{wall:8.2f}{cpu:8.2f}")
    more = [
        statistics.median(pair["cairn search"][k] / pair["bare Optuna"][k] - 1 for pair in pairs)
        for k in (0, 1)
    ]
    print(f"{'more':14}{more[0]:+8.1%}{more[1]:+8.1%}  (median of the pairs)")
    outside = statistics.median(pair["outside"][1] / pair["bare Optuna"][1] for pair in pairs)
    print(
        f"outside: what cairn search spends outside the training, {outside:.1%} of bare Optuna's CPU seconds"
    )
    libraries = [f"{name} {version(name)}" for name in LIBRARIES]
    machine = f"{os.cpu_count()} cores, {platform.machine()}, threads {threads}"
    print(", ".join([machine, f"Python {platform.python_version()}", *libraries]))


if __name__ == "__main__":
    main()
