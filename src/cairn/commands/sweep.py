"""`cairn sweep`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from typer import Option

from cairn.commands.options import Engine, Workers
from cairn.errors import UserError

if TYPE_CHECKING:
    from cairn.experiments.sweep import Outcome


def main(
    *,
    settings: list[str] | None = Option(
        None,
        "-S",
        "--set-param",
        metavar="KEY=A,B",
        help="Setting with one value or several: a,b choice(a,b) range(1,4) (without 4) sort() shuffle()"
        " (repeatable: every combination)",
    ),
    name: str = Option("sweep", metavar="NAME", help="Name of the sweep; its experiments are NAME-DIGEST"),
    workers: Workers = None,
    on: Engine = "local",
    start: str | None = Option(
        None,
        "--from",
        metavar="REV",
        help="Commit to start from",
        show_default="HEAD, and everything must be committed",
    ),
    dry: bool = Option(False, "--dry", help="List the combinations and stop"),
    worker: str | None = Option(None, hidden=True),
) -> None:
    """Run every combination of some settings, each as a DVC experiment.

    Takes the -S of `dvc exp run --queue` and runs the experiments in parallel
    in clones; the workspace is not touched. If anything is killed, the same
    command resumes the sweep.

    Examples:
      cairn sweep -S model=logistic,hist_gbdt -S 'seed=range(1,4)'
      cairn sweep -S experiment=tiny -S seed=1,2 --dry     show, run nothing
      cairn sweep --on slurm --workers 16 -S seed=1,2,3,4
    """
    if worker:
        from cairn.experiments.sweep import work

        work(Path(worker))
        return
    if not settings:
        raise UserError(
            "nothing to vary; use -S, for example -S model=logistic,hist_gbdt -S 'seed=range(1,4)'"
        )
    from cairn.experiments.engines import crew_size
    from cairn.experiments.pool import checked as checked_name
    from cairn.experiments.refs import commit_of, experiments_of, uncommitted
    from cairn.experiments.sweep import (
        SWEEPS,
        check_combinations,
        combinations,
        job_of,
        run_sweep,
        starts_from,
        without_repeats,
    )
    from cairn.report.sweep import sweep_table
    from cairn.terminal import folded

    root = Path.cwd()
    checked_name(name)
    listed = combinations(settings)
    if start is None and (changed := uncommitted(root)):
        raise UserError(
            f"not committed: {', '.join(changed)}; experiments start from a commit:"
            " commit these files, or run without these changes: --from HEAD"
        )
    revision = commit_of(root, start or "HEAD")
    print(folded(starts_from(root, revision, listed)))
    checked, dropped = without_repeats(check_combinations(root, revision, listed))
    for line in dropped:  # a list for other programs too: in a pipe each stays one line
        print(folded(line) if sys.stdout.isatty() else line)
    jobs = [job_of(combination, name, revision) for combination in checked]
    if dry:
        done = experiments_of(root, revision)
        states = {job.name: {"state": "done"} for job in jobs if job.name in done}
        print("\n".join(sweep_table(jobs, states)))
        return
    threads = max(combination.config.threads for combination in checked)
    gpus = int(any(combination.config.train.device == "cuda" for combination in checked))
    crew = crew_size(workers, on, threads)
    print(f"{len(jobs)} experiments, {crew} side by side; logs: {SWEEPS / name}/jobs", flush=True)
    outcomes = run_sweep(
        root,
        jobs,
        name=name,
        workers=crew,
        engine=on,
        revision=revision,
        threads=threads,
        gpus=gpus,
    )
    _report(root, outcomes, start or "HEAD")


def _to_compare_with(root: Path, best: str, others: Sequence[str]) -> str | None:
    """Return the first of the others that predicted the same rows: a sweep may be on other data."""
    from cairn.experiments.history import History
    from cairn.studies.compare.evidence import comparable

    history = History(root)
    revision = history.resolve(best)
    return next((name for name in others if comparable(history, history.resolve(name), revision)), None)


def _report(root: Path, outcomes: Sequence["Outcome"], baseline: str) -> None:
    """Print the results and the next commands; raise if any failed."""
    from cairn.experiments.sweep import best_of, scores_of
    from cairn.report.sweep import score_cells, sweep_table

    done = [outcome for outcome in outcomes if outcome.sha]
    if done:
        scores = {outcome.job.name: scores_of(root, outcome) for outcome in done}
        best = best_of(scores)
        cells = {name: score_cells(found) for name, found in scores.items()}
        print("\n".join(sweep_table([outcome.job for outcome in done], cells)))
        print(f"look      cairn board --where run~{done[0].job.name.rpartition('-')[0]}-")
        if other := _to_compare_with(root, best, [baseline, *(name for name in scores if name != best)]):
            print(f"compare   cairn compare {other} {best}")
        print(f"keep      dvc exp apply {best}, or dvc exp branch {best} NAME")
    failed = [f"{o.job.name}: {o.error}; {o.log.relative_to(root)}" for o in outcomes if not o.sha]
    if failed:
        count = f"{len(failed)} of {len(outcomes)} failed; the same command tries them again"
        raise UserError("\n".join([count, *failed]))
