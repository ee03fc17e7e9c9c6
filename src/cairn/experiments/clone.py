"""A clone of the repository in which experiments run, so that the user's own workspace is never touched.

It borrows the objects of the main repository (`git clone --shared`) and uses its DVC cache with the run
cache. Code and conf/ are those of the commit, libraries those of the environment that runs the worker.
"""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from cairn.errors import UserError
from cairn.experiments.refs import EXPERIMENTS, git, ref_of

SET_BY_DVC = ("DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV")
SET_BY_CAIRN = (
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
"""What a running stage and a command set for themselves, and a stage in a clone must not see."""


def cache_of(root: Path) -> Path:
    """Return the folder of a repository's DVC cache."""
    from dvc.config import Config

    return Path(Config(str(root / ".dvc"))["cache"].get("dir", root / ".dvc/cache")).resolve()


def make_clone(path: Path, root: Path, revision: str, cache: Path) -> None:
    """Clone root to path at a commit; a kill on the way leaves nothing at path.

    Raises:
        UserError: git failed.
    """
    new = path.with_name(f"{path.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    git(root, "clone", "--quiet", "--shared", "--no-checkout", str(root), str(new))
    for key in ("user.name", "user.email"):
        with suppress(UserError):  # not set here: git looks where it would look in the main repository
            git(new, "config", key, git(root, "config", key))
    git(new, "checkout", "--quiet", "--detach", revision)
    _configure(new, root, cache, site=path / ".dvc/tmp/site")
    new.rename(path)


def reset(path: Path, revision: str) -> None:
    """Bring a clone back to a commit after an experiment, finished or killed; files that git ignores stay.

    Raises:
        UserError: git failed.
    """
    for lock in (*path.glob(".git/**/*.lock"), *path.glob(".dvc/tmp/*lock*")):
        lock.unlink(missing_ok=True)
    git(path, "checkout", "--quiet", "--force", "--detach", revision)
    git(path, "clean", "-fdq")
    for ref in git(path, "for-each-ref", "--format=%(refname)", EXPERIMENTS).splitlines():
        git(path, "update-ref", "--no-deref", "-d", ref)


def run_experiment(path: Path, name: str, overrides: tuple[str, ...], *, log: Path, held: BinaryIO) -> int:
    """Run `dvc exp run` in a clone.

    Args:
        path: of the clone.
        name: of the experiment.
        overrides: as for `-S`; they are also the message of its commit.
        log: takes what DVC and the stages print.
        held: a locked file. It becomes the standard input of DVC and of every process below it, so that the
            lock is free when the last of them has ended, whoever was killed before.

    Returns:
        The exit code, or minus the number of the signal that ended DVC.
    """
    words = ["exp", "run", "--name", name, "--message", message_of(overrides)]
    for override in overrides:
        words += ["--set-param", override]
    with log.open("ab") as output:
        # A process group of its own: when DVC is killed, the stage it ran must not be left behind.
        process = subprocess.Popen(
            [sys.executable, "-m", "dvc", *words],
            cwd=path,
            env=_environment(),
            stdin=held,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        try:
            return process.wait()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def message_of(overrides: tuple[str, ...]) -> str:
    """Return the message of an experiment's commit: what it sets, in one line."""
    return " ".join(" ".join(overrides).split()) or "conf/ as it is"


def publish(path: Path, root: Path, revision: str, name: str) -> None:
    """Give the main repository the experiment that a clone has; its branches and workspace stay as they are.

    Raises:
        UserError: git failed.
    """
    ref = ref_of(revision, name)
    git(path, "push", "--quiet", "--no-verify", str(root), f"{ref}:{ref}")


def _configure(clone: Path, root: Path, cache: Path, site: Path) -> None:
    """Give a clone the main repository's local DVC settings, its cache, and a place for DVC's own files."""
    from dvc.config import Config, merge

    local = Config(str(root / ".dvc")).load_one("local")
    with Config(str(clone / ".dvc"), validate=False).edit("local") as settings:
        merge(settings, local)
        merge(settings, {"cache": {"dir": str(cache)}, "core": {"site_cache_dir": str(site)}})


def _environment() -> dict[str, str]:
    dropped = {*SET_BY_DVC, *SET_BY_CAIRN}
    kept = {key: value for key, value in os.environ.items() if key not in dropped}
    return kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
