"""Run every combination of some settings as a DVC experiment, side by side, in clones.

The words are those of `dvc exp run --queue -S`; the experiments are DVC's. The workspace is not touched, and
after a kill of anything the same command goes on.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from cairn.errors import UserError
from cairn.experiments.combinations import check_combinations, combinations, without_repeats
from cairn.experiments.engines.start import ENGINES, crew_size
from cairn.experiments.refs import commit_of, experiments_of, uncommitted
from cairn.experiments.sweep import (
    SWEEPS,
    Outcome,
    best_of,
    job_of,
    run_sweep,
    scores_of,
    starts_from,
    work,
)
from cairn.report.sweep import score_cells, sweep_table


def main(*arguments: str) -> None:
    """Run a sweep, or with --worker the jobs of one.

    Raises:
        UserError: words that cannot be read, a combination that is not valid, changes that are not
            committed, or experiments that failed.
    """
    asked = _parsed(arguments)
    if asked.worker:
        work(Path(asked.worker))
        return
    root = Path.cwd()
    if not asked.set:
        raise UserError("say what to vary: -S model=logistic,hist_gbdt -S 'seed=range(1,4)'")
    listed = combinations(asked.set)
    if asked.revision is None:
        _stop_on_changes(root)
    revision = commit_of(root, asked.revision or "HEAD")
    print(starts_from(root, revision, listed))
    checked, dropped = without_repeats(check_combinations(root, revision, listed))
    for line in dropped:
        print(line)
    jobs = [job_of(combination, asked.name, revision) for combination in checked]
    if asked.dry:
        done = experiments_of(root, revision)
        states = {job.name: {"state": "done"} for job in jobs if job.name in done}
        print("\n".join(sweep_table(jobs, states)))
        return
    threads = max(combination.config.threads for combination in checked)
    gpus = int(any(combination.config.train.device == "cuda" for combination in checked))
    workers = crew_size(asked.workers, asked.on, threads)
    print(f"{len(jobs)} experiments, {workers} side by side; logs: {SWEEPS / asked.name}/jobs", flush=True)
    outcomes = run_sweep(
        root,
        jobs,
        name=asked.name,
        workers=workers,
        engine=asked.on,
        revision=revision,
        threads=threads,
        gpus=gpus,
    )
    _report(root, outcomes, asked.revision or "HEAD")


def _parsed(arguments: tuple[str, ...]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("cairn sweep", allow_abbrev=False, description=__doc__)
    parser.add_argument(
        "-S", "--set-param", dest="set", action="append", default=[], metavar="KEY=A,B",
        help="an override, of one value or several: a,b choice(a,b) range(1,4) (without the 4) sort()"
        " shuffle(); several -S: every combination",
    )  # fmt: skip
    parser.add_argument(
        "--name", default="sweep", help="of the sweep; its experiments are NAME-DIGEST (default: sweep)"
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", help="how many side by side (default: cores // threads)"
    )
    parser.add_argument("--on", choices=ENGINES, default="local", help="what starts them (default: local)")
    parser.add_argument(
        "--from", dest="revision", metavar="REV",
        help="the commit to start from (default: HEAD, and everything must be committed)",
    )  # fmt: skip
    parser.add_argument("--dry", action="store_true", help="list the combinations and stop")
    parser.add_argument(
        "--worker", metavar="FOLDER", help="run jobs of the sweep in FOLDER; engines start this"
    )
    return parser.parse_args(arguments)


def _stop_on_changes(root: Path) -> None:
    changed = uncommitted(root)
    if changed:
        raise UserError(
            f"not committed: {', '.join(changed)}; experiments start from a commit:"
            " commit these files, or run without these changes: --from HEAD"
        )


def _report(root: Path, outcomes: Sequence[Outcome], baseline: str) -> None:
    """Print the results and how to go on; raise if any failed."""
    done = [outcome for outcome in outcomes if outcome.sha]
    if done:
        scores = {outcome.job.name: scores_of(root, outcome) for outcome in done}
        best = best_of(scores)
        cells = {name: score_cells(found) for name, found in scores.items()}
        print("\n".join(sweep_table([outcome.job for outcome in done], cells)))
        print(f"look      dvc exp show --only-changed{'' if baseline == 'HEAD' else f' --rev {baseline}'}")
        print(f"compare   cairn compare {baseline} {best}")
        print(f"keep      dvc exp apply {best}, or dvc exp branch {best} NAME")
    failed = [f"{o.job.name}: {o.error}; {o.log.relative_to(root)}" for o in outcomes if not o.sha]
    if failed:
        count = f"{len(failed)} of {len(outcomes)} failed; the same command tries them again"
        raise UserError("\n".join([count, *failed]))
