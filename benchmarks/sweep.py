"""`cairn sweep --workers 2` beside `dvc queue start -j 2`: the same eight experiments, in fresh copies.

    python benchmarks/sweep.py [--work FOLDER] [--values 8]

A clone of HEAD runs `-S experiment=tiny` and commits it, so that the data are prepared; then each side
trains eight models in a copy of that clone, cache and all. The order alternates. The clock of the queue
stops when its last experiment is in git, that of `cairn sweep` when the command has ended. Minutes on two
cores.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
PYTHON = sys.executable
TINY = ["-S", "experiment=tiny"]
SECONDS_AT_MOST = 900


def main() -> None:
    """Run both sides twice and print the walls."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", type=Path, help="folder for the clones (default: a temporary one)")
    parser.add_argument("--values", type=int, default=8, help="experiments on each side (default: 8)")
    asked = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the start; {platform.system()}")
    print(f"Python {platform.python_version()}, DVC {version('dvc')}, {said('git', '--version', at=ROOT)}")
    with TemporaryDirectory(dir=asked.work) as folder:
        compare(Path(folder), asked.values)


def compare(folder: Path, count: int) -> None:
    """Print the walls of both sides in both orders, and stop if their experiments differ."""
    base = folder / "base"
    said("git", "clone", "--quiet", str(ROOT), str(base), at=ROOT)
    for key, value in (("user.name", "benchmark"), ("user.email", "benchmark@example.org")):
        said("git", "config", key, value, at=base)
    print("preparing: the whole pipeline once ...", flush=True)
    said(PYTHON, "-m", "dvc", "exp", "run", "--name", "base", *TINY, at=base)
    said("git", "commit", "--quiet", "--all", "--message=tiny", at=base)
    # Trainings that differ: of two that are the same, one waits for the other in the queue.
    rates = ",".join(f"{0.03 + 0.005 * k:.3f}" for k in range(count))
    words = [*TINY, "-S", f"model.params.learning_rate={rates}"]
    sides = {"cairn sweep": run_sweep, "dvc queue": run_queue}
    print(f"{count} experiments: {' '.join(words)}")
    print(f"{'first':<12} {'cairn sweep --workers 2':>24} {'dvc queue start -j 2':>24} {'ratio':>6}")
    for order in (list(sides), list(sides)[::-1]):
        walls, results = {}, {}
        for side in order:
            copy = folder / "copy"
            shutil.copytree(base, copy, symlinks=True)
            walls[side] = timed(sides[side], copy, words, count)
            results[side] = scores(copy)
            shutil.rmtree(copy)
        if results["cairn sweep"] != results["dvc queue"]:
            sys.exit("the two sides did not end in the same metrics")
        sweep, queue = walls["cairn sweep"], walls["dvc queue"]
        print(f"{order[0]:<12} {sweep:>22.1f} s {queue:>22.1f} s {queue / sweep:>6.2f}", flush=True)


def run_sweep(copy: Path, words: list[str], count: int) -> None:
    """Run the experiments by cairn sweep."""
    said(PYTHON, "src/cairn", "sweep", "--name", "bench", "--workers", "2", *words, at=copy)


def run_queue(copy: Path, words: list[str], count: int) -> None:
    """Run the experiments by DVC's queue, which works in the background."""
    said(PYTHON, "-m", "dvc", "exp", "run", "--queue", "--name", "bench", *words, at=copy)
    said(PYTHON, "-m", "dvc", "queue", "start", "-j", "2", at=copy)
    deadline = time.monotonic() + SECONDS_AT_MOST
    while len(experiments(copy)) < count:
        if time.monotonic() > deadline:
            sys.exit(f"the queue did not end:\n{said(PYTHON, '-m', 'dvc', 'queue', 'status', at=copy)}")
        time.sleep(0.2)


def timed(run: Callable[[Path, list[str], int], None], copy: Path, words: list[str], count: int) -> float:
    """Return the wall time of one side, in seconds."""
    start = time.monotonic()
    run(copy, words, count)
    return time.monotonic() - start


def experiments(copy: Path) -> list[str]:
    """Return the refs of the experiments that the benchmark made."""
    refs = said("git", "for-each-ref", "--format=%(refname)", "refs/exps", at=copy).splitlines()
    return [ref for ref in refs if ref.rpartition("/")[2].startswith("bench-")]


def scores(copy: Path) -> list[tuple[str, str]]:
    """Return settings and test metrics of every experiment, in an order that does not depend on names."""
    return sorted(
        (
            said("git", "show", f"{ref}:params.yaml", at=copy),
            said("git", "show", f"{ref}:metrics/test.json", at=copy),
        )
        for ref in experiments(copy)
    )


def said(*command: str, at: Path) -> str:
    """Run a command of this environment in a folder and return what it printed; stop if it fails."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "OMP_"))}
    environment["PATH"] = f"{Path(PYTHON).parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(command, cwd=at, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} exited {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


if __name__ == "__main__":
    main()
