"""A temporary folder with a fresh clone, an empty cache and an environment, in which a commit is run again.

cairn-reproduce-…/lock        held by all processes that run in it; the next reproduction removes a folder
                              whose lock nobody holds, as after a kill; one to keep has no lock
cairn-reproduce-…/repository  the clone; its environment is .venv
cairn-reproduce-…/log         what the set-up and DVC have printed
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from filelock import lock_descriptor

from cairn.errors import UserError
from cairn.experiments.clone import NOT_FOR_STAGES, clone_commit, message_of
from cairn.reproduction.lock import MAIN

PREFIX = "cairn-reproduce-"
SET_UP = "bootstrap.py"
CURRENT = "current"
RUNNING = re.compile(r"Running stage '(.+)':")
FOREIGN = re.compile(r"(DVC_|CAIRN_(?!ANY_VERSIONS)|GIT_|PYTHON|VIRTUAL_ENV|CONDA_)")
"""Variables about another checkout or environment; variables of pip and uv are passed on."""
LAST_LINES = 15


@dataclass(frozen=True)
class Place:
    """The temporary folder."""

    folder: Path
    held: BinaryIO

    @property
    def repository(self) -> Path:
        """The clone."""
        return self.folder / "repository"

    @property
    def log(self) -> Path:
        """What the set-up and DVC have printed."""
        return self.folder / "log"


@contextmanager
def temporary_place(*, keep: bool) -> Generator[Place]:
    """Make a folder and remove it at the end, and with it those that killed processes have left."""
    for lock in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/lock"):
        with suppress(OSError), lock.open("ab+") as held:
            if lock_descriptor(held.fileno(), blocking=False):
                shutil.rmtree(lock.parent, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
    with (folder / "lock").open("ab+") as held:
        lock_descriptor(held.fileno(), blocking=False)
        try:
            yield Place(folder, held)
        finally:
            if keep:
                (folder / "lock").unlink()
                print(f"kept: {folder}", file=sys.stderr)
            else:
                shutil.rmtree(folder, ignore_errors=True)


def clone_alone(place: Place, root: Path, commit: str) -> None:
    """Clone a commit with an empty cache and without its dvc.lock: every stage of dvc.yaml has to run."""
    from dvc.config import Config

    clone = place.repository
    clone_commit(clone, root, commit)
    if not (clone / ".dvc").is_dir() or not (clone / "dvc.yaml").exists():
        raise UserError(f"commit {commit[:7]} has no {'dvc.yaml' if (clone / '.dvc').is_dir() else '.dvc'}")
    with Config(str(clone / ".dvc"), validate=False).edit("local") as settings:
        settings["cache"] = {"dir": str(clone / ".dvc/cache")}
        settings["core"] = {"site_cache_dir": str(clone / ".dvc/tmp/site"), "analytics": False}
    (clone / MAIN).unlink(missing_ok=True)


def fetch(place: Place, root: Path, paths: list[str], remote: str | None) -> dict[str, str]:
    """Fetch raw data from a remote of the main repository; return what did not arrive, with the reason.

    The clone gets the remote in memory only: its stages cannot fetch anything, and no secret is written.

    Raises:
        UserError: the remote does not exist.
    """
    import logging

    from dvc.config import Config
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    config = Config(str(root / ".dvc"))
    name = remote or config["core"].get("remote")
    if remote is not None and remote not in config["remote"]:
        raise UserError(f"--remote {remote}: no such remote in .dvc/config; `dvc remote list` lists them")
    if not name:
        return dict.fromkeys(paths, "there is no default remote")
    remotes = {key: {**settings, "verify": True} for key, settings in config["remote"].items()}
    logging.getLogger("dvc").setLevel(logging.CRITICAL)  # the reason is one line
    missing = {}
    for path in paths:
        why = f"remote '{name}' does not have it"
        try:
            with Repo(str(place.repository), config={"remote": remotes, "core": {"remote": name}}) as repo:
                repo.pull([str(place.repository / path)])
        except (DvcException, OSError) as error:
            why = f"remote '{name}': {' '.join(str(error).split())}"
            # A part of a folder would be taken for all of it.
            shutil.rmtree(place.repository / path, ignore_errors=True)
        if not (place.repository / path).exists():
            missing[path] = why
    return missing


def set_up(place: Place, kind: str, commit: str) -> str:
    """Return the Python of the environment, for a new one after the commit's own set-up.

    Raises:
        UserError: the commit has no set-up, or it failed.
    """
    if kind == CURRENT:
        return sys.executable
    clone = place.repository
    if not (clone / SET_UP).exists():
        raise UserError(f"commit {commit[:7]} has no {SET_UP}: use --environment {CURRENT}")
    if _run(place, [sys.executable, SET_UP], {}, lambda line: None):
        said = " ".join(last_lines(place, 3))
        raise UserError(
            f"the pins of commit {commit[:7]} cannot be installed ({said}): are they still available, and for"
            f" Python {sys.version.split()[0]}? --environment {CURRENT} uses the packages that are installed"
        )
    return str(clone / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def run_pipeline(
    place: Place, python: str, settings: tuple[str, ...], begin: Callable[[str | None], None]
) -> tuple[dict[str, float], bool]:
    """Run the whole pipeline; return the seconds of each stage that ran, and whether all of them succeeded.

    Args:
        place: the clone.
        python: of the environment.
        settings: as in `dvc exp run -S`; none for `dvc repro`.
        begin: called with the name of each stage that begins, and with None at the end.
    """
    command = ["exp", "run", "--message", message_of(settings)] if settings else ["repro"]
    for setting in settings:
        command += ["--set-param", setting]
    seconds: dict[str, float] = {}
    clock: tuple[str, float] | None = None

    def switch(name: str | None) -> None:
        nonlocal clock
        now = time.monotonic()
        if clock:
            seconds[clock[0]] = now - clock[1]
        clock = (name, now) if name else None
        begin(name)

    def read(line: str) -> None:
        if found := RUNNING.match(line):
            switch(found[1])

    code = _run(place, [python, "-m", "dvc", *command], python_paths(python), read)
    switch(None)
    return seconds, code == 0


def run_again(place: Place, python: str, stage: str) -> bool:
    """Run a stage once more from the same inputs; return whether it succeeded."""
    words = ["repro", "--force", "--single-item", stage]
    return _run(place, [python, "-m", "dvc", *words], python_paths(python), lambda line: None) == 0


def last_lines(place: Place, count: int = LAST_LINES) -> list[str]:
    """Return the end of the log."""
    lines = place.log.read_text(encoding="utf-8", errors="replace").splitlines() if place.log.exists() else []
    return [line for line in lines if line.strip()][-count:]


def variables(more: Mapping[str, str]) -> dict[str, str]:
    """Return the user's variables, without those about this checkout."""
    foreign = {key for key in os.environ if FOREIGN.match(key) or key in NOT_FOR_STAGES}
    return {key: value for key, value in os.environ.items() if key not in foreign} | dict(more)


def python_paths(python: str) -> dict[str, str]:
    """Return the variables that make an environment the current one."""
    folder = Path(python).parent
    return {"PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}", "VIRTUAL_ENV": str(folder.parent)}


def _run(place: Place, command: list[str], more: Mapping[str, str], read: Callable[[str], None]) -> int:
    """Run a command in the clone, log its output and pass it on by lines; return the exit code.

    The lock of the folder is the standard input of all that it starts: it is free when the last has ended.
    """
    empty = place.folder / "no-settings"
    own = {f"DVC_{scope}_CONFIG_DIR": str(empty) for scope in ("GLOBAL", "SYSTEM")}
    names = {f"GIT_{who}_{what}": "cairn" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    with place.log.open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            command,
            cwd=place.repository,
            env=variables({**own, **names, **more}),
            stdin=place.held,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            process_group=0,
        )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                log.write(line)
                log.flush()
                read(line)
            return process.wait()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
