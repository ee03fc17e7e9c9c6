"""`cairn doctor`: what is right and what is wrong with a checkout and its machine, a line each with the fix.

Every check may meet anything: a missing file, settings that are not YAML, programs that are not installed. It
then reports that; it never stops the other checks, and it changes nothing.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Literal
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from cairn.errors import UserError
from cairn.experiments.refs import EXPERIMENTS, git

State = Literal["ok", "warn", "wrong"]

EXECUTION = f"{EXPERIMENTS}/exec"
OLDEST = (3, 11)
LITTLE, TOO_LITTLE = 5e9, 5e8
"""Bytes of free disk: below the first it is worth a warning, below the second nothing runs."""
SAFE_LINKS = {"reflink", "copy"}
PATIENCE = 20
"""Seconds to wait for a remote that is not a folder."""
IN_STEP = "Data and pipelines are up to date."
ABSENT = re.compile(r"failed to reproduce '(.+?)': \[Errno 2\]")
"""A dry run stops at an outdated stage whose inputs were never pulled; a real run pulls them."""
REACH = """
import sys
from dvc.repo import Repo
remote = Repo(sys.argv[1]).cloud.get_remote(sys.argv[2])
remote.fs.exists(remote.path)
"""


@dataclass(frozen=True)
class Line:
    """What one check found.

    Attributes:
        state: wrong has to be fixed; warn may be intended.
        subject: what was checked.
        said: what was found and, unless it is ok, what to do.
    """

    state: State
    subject: str
    said: str

    def __str__(self) -> str:
        """Write it as one line of a table."""
        return f"{self.state:<6} {self.subject:<11} {self.said}"


def examine(root: Path) -> Iterator[Line]:
    """Check a checkout, and yield each line as soon as it is found.

    Args:
        root: the folder of dvc.yaml.
    """
    checks: dict[str, Callable[[Path], Iterator[Line]]] = {
        "python": python,
        "pins": pins,
        "torch": torch,
        "disk": disk,
        "git": git_state,
        "line ends": line_ends,
        "dvc": dvc_config,
        "remote": remotes,
        "settings": settings,
        "lock": lock,
    }
    for subject, check in checks.items():
        try:
            yield from check(root)
        except Exception as error:  # finding broken things is what this command is for
            yield Line("wrong", subject, f"cannot be checked: {_in_one_line(error)}")


def python(root: Path) -> Iterator[Line]:
    """Check the version of Python, and that it is the one of the checkout's own environment."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST:
        yield Line("wrong", "python", f"{version} is older than 3.11: run `python3.11 bootstrap.py`")
    elif Path(sys.prefix).resolve() != (root / ".venv").resolve():
        cure = "run `python bootstrap.py` and activate .venv"
        yield Line("warn", "python", f"{version}, not from the .venv of this checkout: {cure}")
    else:
        yield Line("ok", "python", f"{version} from .venv")


def pins(root: Path) -> Iterator[Line]:
    """Compare the installed versions with the pins of the pipeline and with those of the tools."""
    from cairn.pins import ESCAPE, other_versions

    decide = other_versions(root / "constraints.txt")
    tools = [line for line in other_versions(root / "constraints-dev.txt") if line not in decide]
    if decide:
        yield Line("wrong", "pins", f"{_first(decide)}: run `python bootstrap.py`")
    if tools:
        yield Line("warn", "pins", f"{_first(tools)} (a tool): run `python bootstrap.py`")
    if os.environ.get(ESCAPE):
        yield Line("warn", "pins", f"{ESCAPE} is set, so stages run with any versions: unset it")
    if not decide and not tools:
        yield Line("ok", "pins", "the installed versions are those of constraints.txt")


def torch(root: Path) -> Iterator[Line]:
    """Report the device torch finds, and whether the settings ask for another."""
    import torch

    found = f"{torch.__version__}, {_device(torch)}"
    if _params(root).get("train", {}).get("device") == "cuda" and not torch.cuda.is_available():
        yield Line("wrong", "torch", f"{found}, but train.device asks for cuda: set it to auto")
    else:
        yield Line("ok", "torch", found)


def disk(root: Path) -> Iterator[Line]:
    """Check the free space on the disks of the checkout and of the cache."""
    folders = {"this folder": root, "the cache": _cache(root)}
    for name, folder in folders.items():
        free = shutil.disk_usage(folder).free
        state: State = "wrong" if free < TOO_LITTLE else "warn" if free < LITTLE else "ok"
        cure = "" if state == "ok" else ": make room, for example with `dvc gc --workspace`"
        if name == "this folder" or folder.stat().st_dev != root.stat().st_dev:
            yield Line(state, "disk", f"{free / 1e9:,.0f} GB free for {name}{cure}")


def git_state(root: Path) -> Iterator[Line]:
    """Check the branch, leftovers of a killed experiment, the author, and uncommitted changes."""
    if not (root / ".git").exists():
        yield Line("wrong", "git", "not a repository, which experiments need: git init, then commit all")
        return
    branch = git(root, "branch", "--show-current")
    left = set(git(root, "for-each-ref", "--format=%(refname)", EXECUTION).splitlines())
    # DVC sets more of these; EXEC_HEAD stays after every run, whether it succeeded or failed.
    marks = [f"{EXECUTION}/{name}" for name in ("EXEC_BASELINE", "EXEC_MERGE")]
    marks = [mark for mark in marks if mark in left]
    if marks:
        cure = "; ".join(f"git update-ref -d {mark}" for mark in marks)
        yield Line("wrong", "git", f"a dvc exp run is running here or was killed; if it was killed: {cure}")
    if not branch:
        yield Line("wrong" if marks else "warn", "git", _detached(root))
    for key in ("user.name", "user.email"):
        if not _git_setting(root, key):
            yield Line("wrong", "git", f'{key} is not set, so git cannot commit: git config {key} "…"')
    changed = git(root, "status", "--porcelain").splitlines()
    if changed:
        said = f"{len(changed)} files differ from the last commit, from which sweeps and comparisons start"
        yield Line("warn", "git", f"{said}: git status, then commit")
    elif branch and not marks:
        yield Line("ok", "git", f"on {branch}, everything is committed")


def line_ends(root: Path) -> Iterator[Line]:
    """Find text files with CRLF line ends: their hashes differ from those in dvc.lock."""
    if not (root / ".git").exists():
        return
    listed = (line.split("\t", 1) for line in git(root, "ls-files", "--eol").splitlines())
    wrong = [path for how, path in listed if {"w/crlf", "w/mixed", "i/crlf", "i/mixed"} & set(how.split())]
    if wrong:
        cure = "git config core.autocrlf false, then save them with LF"
        yield Line("wrong", "line ends", f"CRLF in {_first(wrong)}: {cure}")
    elif "eol=lf" not in _text(root / ".gitattributes"):
        yield Line("warn", "line ends", "no eol=lf in .gitattributes: git checkout .gitattributes")
    else:
        yield Line("ok", "line ends", "LF in every text file")


def settings(root: Path) -> Iterator[Line]:
    """Check that params.yaml matches conf/, and that both are valid."""
    from cairn.compose import params_file
    from cairn.compose.overrides import differing
    from cairn.compose.params_file import settle
    from cairn.compose.validate import Origin, read_config, stop_on_traps

    conf = root / "conf"
    try:
        found = params_file.read(root / "params.yaml")
        stop_on_traps(conf)
        composed, overridden = settle(conf, found)
        read_config(composed.values, root, Origin(conf, composed, overridden).of)
    except UserError as error:
        for line in str(error).splitlines():
            yield Line("wrong", "settings", line)
        return
    if found is None:
        yield Line("wrong", "settings", "params.yaml does not exist: dvc repro compose")
    elif found.overrides is None or differing(composed.values, found.values):
        yield Line("warn", "settings", "params.yaml is out of date with conf/: dvc repro updates it")
    else:
        overrides = " + " + " ".join(composed.overrides) if composed.overrides else ""
        yield Line("ok", "settings", f"params.yaml = conf/{overrides}")


def dvc_config(root: Path) -> Iterator[Line]:
    """Check the DVC settings that results depend on."""
    if not (root / ".dvc/config").is_file():
        yield Line("wrong", "dvc", "no .dvc/config: git checkout .dvc, or dvc init in a new repository")
        return
    config = _dvc(root)
    wrong = []
    if not config["hydra"].get("enabled"):
        wrong.append("-S cannot choose options of conf/: dvc config hydra.enabled true")
    linked = set(config["cache"].get("type") or SAFE_LINKS) - SAFE_LINKS
    if linked:
        wrong.append(
            f"an edit in place would corrupt a cache of {', '.join(f'{link}s' for link in sorted(linked))}:"
            " dvc config cache.type reflink,copy"
        )
    for name, remote in config["remote"].items():
        if not remote.get("verify"):
            wrong.append(f"damaged files would be pulled unnoticed: dvc remote modify {name} verify true")
    for said in wrong:
        yield Line("wrong", "dvc", said)
    for key in ("analytics", "check_update"):
        if config["core"].get(key, True):
            yield Line("warn", "dvc", f"DVC sends usage data: dvc config core.{key} false")
    if not wrong:
        yield Line("ok", "dvc", "hydra on, safe links, every remote verifies")


def remotes(root: Path) -> Iterator[Line]:
    """Check that the remotes exist, and that local ones can be written."""
    config = _dvc(root)
    if not config["remote"]:
        yield Line(
            "warn", "remote", "none, the data are only on this disk: dvc remote add --default NAME URL"
        )
        return
    if config["core"].get("remote") not in config["remote"]:
        yield Line("warn", "remote", "no default remote: dvc remote default NAME")
    for name, remote in config["remote"].items():
        url = remote["url"]
        if urlsplit(url).scheme in ("", "file") or Path(url).is_absolute():
            yield _folder(name, Path(url.removeprefix("file://")))
        else:
            yield _served(root, name, url)


def lock(root: Path) -> Iterator[Line]:
    """Check what `dvc repro` would run."""
    done = _run([sys.executable, "-m", "dvc", "repro", "--dry", "--allow-missing"], root, 300)
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    if absent := ABSENT.search(done.stderr):
        yield Line(
            "warn",
            "lock",
            f"dvc.lock is out of date from {absent[1]} on, its data are not here: dvc repro",
        )
    elif done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [f"{done.stderr}"]
        yield Line("wrong", "lock", f"dvc repro --dry: {_in_one_line(said[0])}")
    elif lines and lines[-1] == IN_STEP:
        yield Line("ok", "lock", "dvc.lock is up to date with code, settings and data")
    else:
        stages = [line.split("'")[1] for line in lines if line.startswith("Running stage '")]
        behind = f"dvc.lock is out of date ({', '.join(stages) or 'see dvc status'})"
        # A dry run does not reach the stages behind `code`, nor say that their data were never pulled.
        absent_too = "" if _has_data(root) else ", its data are not here"
        yield Line("warn", "lock", f"{behind}{absent_too}: dvc repro")


def _has_data(root: Path) -> bool:
    """Whether every input and output in dvc.lock exists, if there is a dvc.lock."""
    from cairn.settings.messages import read_yaml

    file = root / "dvc.lock"
    stages = read_yaml(file)["stages"].values() if file.exists() else []
    paths = [entry["path"] for stage in stages for key in ("deps", "outs") for entry in stage.get(key, [])]
    return all((root / path).exists() for path in paths)


def _first(items: list[str]) -> str:
    """Name the first of some items, and say how many more there are."""
    return items[0] if len(items) == 1 else f"{items[0]} and {len(items) - 1} more"


def _in_one_line(error: object) -> str:
    """Return an error's message in one line, or its class where there is no message."""
    return " ".join(str(error).split()) or type(error).__name__


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def _device(torch: Any) -> str:
    if not torch.cuda.is_available():
        return "no GPU"
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return ", ".join(names)


def _params(root: Path) -> dict[str, Any]:
    from cairn.compose import params_file

    try:
        found = params_file.read(root / "params.yaml")
    except UserError:  # the check `settings` reports what is wrong
        return {}
    return found.values if found else {}


def _cache(root: Path) -> Path:
    from cairn.experiments.clone import cache_of

    return _existing(cache_of(root)) if (root / ".dvc").is_dir() else root


def _detached(root: Path) -> str:
    """Return how to get back to a branch without losing a commit or a change."""
    why = "no branch (detached HEAD, as during dvc exp run or after one was killed)"
    said = f"{why}, so commits would be lost: git switch"
    lost = git(root, "rev-list", "--count", "HEAD", "--not", "--branches", "--tags", "--remotes")
    if lost != "0":
        return f"{said} -c NEW_BRANCH, which keeps the {lost} made here"
    return f"{said} {_branch_before(root) or 'BRANCH'}"


def _branch_before(root: Path) -> str:
    try:
        return git(root, "rev-parse", "--abbrev-ref", "@{-1}")
    except UserError:  # git fails if there was none
        return ""


def _git_setting(root: Path, key: str) -> str:
    try:
        return git(root, "config", "--get", key)
    except UserError:  # git fails if it is not set
        return ""


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _folder(name: str, folder: Path) -> Line:
    place = _existing(folder)
    if not os.access(place, os.W_OK):
        return Line("wrong", "remote", f"{name}: {place} cannot be written: choose a folder you can write to")
    if place != folder:
        return Line("ok", "remote", f"{name}: {folder} will be created by the first dvc push")
    return Line("ok", "remote", f"{name}: {folder} can be written")


def _served(root: Path, name: str, url: str) -> Line:
    if urlsplit(url).scheme in ("http", "https"):
        said = _refusal(url)
    else:
        try:
            done = _run([sys.executable, "-c", REACH, str(root), name], root, PATIENCE)
            complaint = done.stderr.strip().splitlines() or [f"exit {done.returncode}"]
            said = complaint[-1] if done.returncode else ""
        except subprocess.TimeoutExpired:
            said = f"no answer in {PATIENCE} s"
    if said:
        return Line("wrong", "remote", f"{name}: {url} cannot be reached: {_in_one_line(said)}")
    return Line("ok", "remote", f"{name}: {url} answers")


def _refusal(url: str) -> str:
    """Return why a web server cannot be reached, which DVC would take for an empty remote."""
    try:
        with urlopen(url, timeout=PATIENCE):
            return ""
    except HTTPError:  # it answers, even if only with an error for this address
        return ""
    except TimeoutError:
        return f"no answer in {PATIENCE} s"
    except URLError as error:
        return f"no answer in {PATIENCE} s" if isinstance(error.reason, TimeoutError) else str(error.reason)
    except (OSError, HTTPException) as error:
        return str(error)


def _dvc(root: Path) -> Any:
    from dvc.config import Config

    return Config(str(root / ".dvc"))


def _run(command: list[str], root: Path, seconds: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
        stdin=subprocess.DEVNULL,
    )
