"""What DVC adds: `dvc repro` with nothing to do beside `dvc status`, a forced one beside its stages by hand.

    python benchmarks/overhead.py [--pairs 12] [--forced 2] [--set experiment=tiny]

In a clone of HEAD with a cache of its own and the raw data of this checkout, so run `dvc repro` first. The
sides of a comparison alternate. The forced runs leave out data/, whose stage downloads, and monitor/. CPU
seconds of commands and their child processes: on a machine that is busy with other work they vary least.
"""

import argparse
import importlib
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from importlib.metadata import distributions, version
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

Command = tuple[str, ...]

ROOT = Path(__file__).resolve().parents[1]
DVC = (sys.executable, "-m", "dvc")
CAIRN = (sys.executable, "src/cairn")
RAW = ("data/raw/flights", "data/raw/flights_2023")
OTHER_PIPELINES = ("data/dvc.yaml", "data/dvc.lock", "monitor/dvc.yaml", "monitor/dvc.lock")
SETTINGS = "[core]\n    analytics = false\n    check_update = false\n    site_cache_dir = tmp/site\n"
IDLE = (("status",), ("status", "--with-deps", "dvc.yaml"), ("repro",))
FORCED = """
import resource
from dvc.cli import main
if main(["repro", "--force"]):
    raise SystemExit(1)
with open(".dvc/tmp/cpu", "a") as file:
    for process in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(process)
        print(used.ru_utime + used.ru_stime, file=file)
"""
TOYS = (1, 13)
TOY_STAGE = "  s{1}:\n    cmd: cp o{0} o{1}\n    deps: [o{0}]\n    outs: [o{1}: {{cache: false}}]\n"


def main() -> None:
    """Print a table for each comparison, and what takes the rest of the time."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=12, help="runs of each command with nothing to do")
    parser.add_argument("--forced", type=int, default=2, help="forced runs, and as many by hand")
    parser.add_argument("--set", nargs="*", default=[], help="settings, such as experiment=tiny")
    args = parser.parse_args()
    libraries = ", ".join(f"{name} {version(name)}" for name in ("dvc", "networkx", "ruamel.yaml"))
    installed = f"{len(list(distributions()))} packages"
    print(
        f"{os.cpu_count()} cores, Python {platform.python_version()}, {libraries}, {installed}; CPU seconds\n"
    )
    with TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        prepare(clone, args.set)
        compare_forced(clone, args.forced)
        restore(clone)
        commands = " | ".join(" ".join(("dvc", *words)) for words in IDLE)
        print(f"\n| nothing to do | {commands} | ratio, last to first |")
        print("|---|" + "---|" * (len(IDLE) + 1))
        compare_idle("this repository", clone, args.pairs)
        for stages in TOYS:
            compare_idle(f"{stages} x `cp`", toy(Path(folder) / f"toy{stages}", stages), args.pairs)
        with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
            measured = list(pool.map(parts, [clone] * args.pairs))
    print("\n| what DVC does | CPU seconds |\n|---|---|")
    for name in measured[0]:
        print(f"| {name} | {median(one[name] for one in measured):.3f} |")


def prepare(clone: Path, words: list[str]) -> None:
    """Make a clone in which the stages of dvc.yaml have run under settings, without the other pipelines.

    Raises:
        SystemExit: this checkout has no raw data, or a stage failed.
    """
    if missing := [name for name in RAW if not (ROOT / name).exists()]:
        raise SystemExit(f"{missing[0]} does not exist; run `dvc repro` first")
    run(("git", "clone", "--quiet", str(ROOT), str(clone)), ROOT)
    (clone / ".dvc/config.local").write_text(SETTINGS, encoding="utf-8")
    for name in RAW:
        shutil.copytree(ROOT / name, clone / name)
    for name in OTHER_PIPELINES:
        (clone / name).unlink()
    run((*CAIRN, "code"), clone)
    run((*CAIRN, "compose", *words), clone)
    run((*DVC, "repro", "--force"), clone)


def restore(clone: Path) -> None:
    """Bring the other pipelines back, and record every file as it is."""
    run(("git", "checkout", "--quiet", "--", *OTHER_PIPELINES), clone)
    run((*DVC, "commit", "--force", "--quiet"), clone)


def compare_forced(clone: Path, times: int) -> None:
    """Print the seconds of the stages by hand and of a forced `dvc repro`, and those within one forced run.

    The last line varies least: both of its sides met the same other work on this machine.

    Raises:
        SystemExit: they made different files.
    """
    from dvc.utils.serialize import load_yaml

    by_hand: list[Command] = [(*CAIRN, stage) for stage in load_yaml(str(clone / "dvc.yaml"))["stages"]]
    cpu, wall = alternate(((by_hand, clone), ([(sys.executable, "-c", FORCED)], clone)), times)
    run((*DVC, "status", "--quiet"), clone)  # fails after other files than dvc.lock has
    print(f"| {len(by_hand)} stages | by hand | dvc repro --force | ratio |\n|---|---|---|---|")
    for unit, (one, other) in (("CPU seconds", cpu), ("seconds", wall)):
        print(f"| {unit} | {one:.1f} | {other:.1f} | {other / one:.2f} |", flush=True)
    found = [float(word) for word in (clone / ".dvc/tmp/cpu").read_text(encoding="utf-8").split()]
    own, stages = median(found[::2]), median(found[1::2])
    print(
        f"| CPU seconds of its stages, of all | {stages:.1f} | {stages + own:.1f} | {1 + own / stages:.2f} |"
    )


def compare_idle(name: str, folder: Path, times: int) -> None:
    """Print the CPU seconds of commands that find nothing to do.

    Raises:
        SystemExit: there is something to do.
    """
    run((*DVC, "status", "--quiet"), folder)
    cpu, _ = alternate(tuple(([(*DVC, *words)], folder) for words in IDLE), times)
    cells = " | ".join(f"{seconds:.3f}" for seconds in cpu)
    print(f"| {name} | {cells} | {cpu[-1] / cpu[0]:.2f} |", flush=True)


def toy(folder: Path, stages: int) -> Path:
    """Make a repository of stages in a row, each with one file to read and one to write."""
    (folder / ".dvc").mkdir(parents=True)
    run(("git", "init", "--quiet"), folder)
    pairs = [TOY_STAGE.format(at, at + 1) for at in range(stages)]
    for file, text in {
        ".dvc/config": SETTINGS,
        "o0": "0\n",
        "dvc.yaml": "stages:\n" + "".join(pairs),
    }.items():
        (folder / file).write_text(text, encoding="utf-8")
    run((*DVC, "repro"), folder)
    return folder


def parts(clone: Path) -> dict[str, float]:
    """Return the CPU seconds of parts of `dvc repro`, in a process that loaded what `dvc status` loads."""
    os.chdir(clone)
    from dvc.repo import Repo
    from dvc.rwlock import rwlock
    from dvc.utils.serialize import modify_yaml

    repo = Repo()
    stages = [stage for stage in repo.index.stages if Path(stage.path) == clone / "dvc.yaml"]

    def locked(reads: list[str]) -> AbstractContextManager[None]:
        return rwlock(repo.tmp_dir, repo.fs, "benchmark", reads, [], hardlink=False)

    clock = [time.process_time()]
    importlib.import_module("networkx")

    clock.append(time.process_time())
    repo.stage.load_all("dvc.yaml")
    clock.append(time.process_time())
    for stage in stages:
        deps, outs = ([one.fs_path for one in each] for each in (stage.deps, stage.outs))
        with (
            locked(deps + outs),
            locked(deps),
            locked(outs),
        ):  # around these is one more, which status has too
            pass
    clock.append(time.process_time())
    for _ in stages:
        with modify_yaml("dvc.lock"):
            pass
    clock.append(time.process_time())
    names = (
        "repro: import networkx for the graph",
        "repro: read dvc.yaml and dvc.lock again",
        f"repro: take {3 * len(stages)} more locks",
        f"forced: rewrite dvc.lock {len(stages)} times",
    )
    return {name: end - start for name, start, end in zip(names, clock, clock[1:], strict=False)}


def alternate(sides: tuple[tuple[list[Command], Path], ...], times: int) -> tuple[list[float], list[float]]:
    """Run the commands of each side in turn; return the median CPU seconds of each side, and seconds."""
    cpu: list[list[float]] = [[] for _ in sides]
    wall: list[list[float]] = [[] for _ in sides]
    for number in range(times):
        for at in range(len(sides))[:: -1 if number % 2 else 1]:
            before, begun = used(), time.monotonic()
            for command in sides[at][0]:
                run(command, sides[at][1])
            cpu[at].append(used() - before)
            wall[at].append(time.monotonic() - begun)
    return [median(one) for one in cpu], [median(one) for one in wall]


def used() -> float:
    """Return the CPU seconds of all child processes so far."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def run(command: Command, folder: Path) -> None:
    """Run a command of this environment in a folder.

    Raises:
        SystemExit: it failed; with what it said.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "CAIRN_", "OMP_"))}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {(done.stdout + done.stderr)[-2000:]}")


if __name__ == "__main__":
    main()
