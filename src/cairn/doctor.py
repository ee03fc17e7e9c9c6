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
from contextlib import suppress
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

from cairn.errors import UserError
from cairn.experiments.refs import EXPERIMENTS, git

State = Literal["ok", "warn", "wrong"]
Found = tuple[State, str]
"""What a check says: `wrong` has to be fixed, `warn` may be intended; unless it is `ok`, also what to do."""

KILLED = [f"{EXPERIMENTS}/exec/{name}" for name in ("EXEC_BASELINE", "EXEC_MERGE")]
"""Refs of a `dvc exp run` that is running or was killed; EXEC_HEAD stays after every run."""
LITTLE, TOO_LITTLE = 5e9, 5e8
"""Bytes of free disk: below the first it is worth a warning, below the second nothing runs."""
SAFE_LINKS = {"reflink", "copy"}
PATIENCE = 20
"""Seconds to wait for a remote that is not a folder."""
IN_STEP = "Data and pipelines are up to date."
LOCK_FILE = re.compile(r"'(?:\./)?(\S*dvc\.lock)'")
ABSENT = re.compile(r"failed to reproduce '(.+?)': \[Errno 2\]")
"""A dry run stops at an outdated stage whose inputs were never pulled; a real run pulls them."""
REACH = """
import sys
from dvc.repo import Repo
remote = Repo(sys.argv[1]).cloud.get_remote(sys.argv[2])
remote.fs.exists(remote.path)
"""


class Line(NamedTuple):
    """What one check found, with its subject."""

    state: State
    subject: str
    said: str

    def __str__(self) -> str:
        """Write it as one line of a table."""
        return f"{self.state:<6} {self.subject:<11} {self.said}"


def examine(root: Path) -> Iterator[Line]:
    """Check a checkout, given by the folder of dvc.yaml, and yield each line as soon as it is found."""
    checks: dict[str, Callable[[Path], Iterator[Found]]] = {
        "python": python,
        "pins": pins,
        "torch": torch,
        "disk": disk,
        "git": git_state,
        "line ends": line_ends,
        "dvc": dvc_config,
        "remote": remotes,
        "objects": objects,
        "hooks": hooks,
        "settings": settings,
        "lock": lock,
    }
    for subject, check in checks.items():
        try:
            yield from (Line(state, subject, said) for state, said in check(root))
        except Exception as error:  # finding broken things is what this command is for
            yield Line("wrong", subject, f"cannot be checked: {_in_one_line(error)}")


def python(root: Path) -> Iterator[Found]:
    """Check that Python belongs to the checkout's own environment."""
    version = ".".join(map(str, sys.version_info[:3]))
    if Path(sys.prefix).resolve() != (root / ".venv").resolve():
        cure = "run `python bootstrap.py` and activate .venv"
        yield "warn", f"{version}, not from the .venv of this checkout: {cure}"
    else:
        yield "ok", f"{version} from .venv"


def pins(root: Path) -> Iterator[Found]:
    """Compare the installed versions with the pins of the pipeline and of the tools."""
    from cairn.pins import ESCAPE, other_versions

    decide = other_versions(root / "constraints.txt")
    tools = [line for line in other_versions(root / "constraints-dev.txt") if line not in decide]
    if decide:
        yield "wrong", f"{_first(decide)}: run `python bootstrap.py`"
    if tools:
        yield "warn", f"{_first(tools)} (a tool): run `python bootstrap.py`"
    if os.environ.get(ESCAPE):
        yield "warn", f"{ESCAPE} is set, so stages run with any versions: unset it"
    if not decide and not tools:
        yield "ok", "the installed versions match constraints.txt"


def torch(root: Path) -> Iterator[Found]:
    """Report the device torch finds, and whether the settings ask for another."""
    import torch

    from cairn.compose import params_file

    params = None
    with suppress(UserError):  # the check `settings` reports what is wrong
        params = params_file.read(root / "params.yaml")
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    found = f"{torch.__version__}, {', '.join(names) or 'no GPU'}"
    if params and not names and params.values.get("train", {}).get("device") == "cuda":
        yield "wrong", f"{found}, but train.device asks for cuda: set it to auto"
    else:
        yield "ok", found


def disk(root: Path) -> Iterator[Found]:
    """Check the free space on the disks of the checkout and of the cache."""
    from cairn.experiments.clone import cache_of

    cache = _existing(cache_of(root)) if (root / ".dvc").is_dir() else root
    for name, folder in {"this folder": root, "the cache": cache}.items():
        free = shutil.disk_usage(folder).free
        state: State = "wrong" if free < TOO_LITTLE else "warn" if free < LITTLE else "ok"
        cure = "" if state == "ok" else ": make room; `cairn verify --strays` removes unfinished transfers"
        if name == "this folder" or folder.stat().st_dev != root.stat().st_dev:
            yield state, f"{free / 1e9:,.0f} GB free for {name}{cure}"


def git_state(root: Path) -> Iterator[Found]:
    """Check the branch, leftovers of a killed experiment, the author, and uncommitted changes."""
    if not (root / ".git").exists():
        yield "wrong", "not a repository, which experiments need: git init, then commit all"
        return
    branch = git(root, "branch", "--show-current")
    marks = git(root, "for-each-ref", "--format=%(refname)", *KILLED).splitlines()
    if marks:
        cure = "; ".join(f"git update-ref -d {mark}" for mark in marks)
        yield "wrong", f"a dvc exp run is running here or was killed; if it was killed: {cure}"
    if not branch:
        yield "wrong" if marks else "warn", _detached(root)
    for key in ("user.name", "user.email"):
        if not _said_by_git(root, "config", "--get", key):
            yield "wrong", f'{key} is not set, so git cannot commit: git config {key} "…"'
    changed = git(root, "status", "--porcelain").splitlines()
    if changed:
        said = f"{len(changed)} files are not committed; sweeps and comparisons use the last commit"
        yield "warn", f"{said}: git status, then commit"
    elif branch and not marks:
        yield "ok", f"on {branch}, everything is committed"


def line_ends(root: Path) -> Iterator[Found]:
    """Find text files with CRLF line ends: their hashes differ from those in dvc.lock."""
    if not (root / ".git").exists():
        return
    listed = (line.split("\t", 1) for line in git(root, "ls-files", "--eol").splitlines())
    wrong = [path for how, path in listed if {"w/crlf", "w/mixed", "i/crlf", "i/mixed"} & set(how.split())]
    if wrong:
        cure = "git config core.autocrlf false, then save them with LF"
        yield "wrong", f"CRLF in {_first(wrong)}: {cure}"
    elif not git(root, "check-attr", "eol", "dvc.yaml").endswith(": lf"):
        yield "warn", "no eol=lf in .gitattributes: git checkout .gitattributes"
    else:
        yield "ok", "LF in every text file"


def settings(root: Path) -> Iterator[Found]:
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
            yield "wrong", line
        return
    if found is None:
        yield "wrong", "params.yaml does not exist: dvc repro compose"
    elif found.overrides is None or differing(composed.values, found.values):
        yield "warn", "params.yaml is out of date with conf/: dvc repro updates it"
    else:
        yield "ok", f"params.yaml = {params_file.from_conf(composed.overrides)}"


def dvc_config(root: Path) -> Iterator[Found]:
    """Check the DVC settings that results and safety depend on."""
    from dvc.dirs import site_cache_dir

    if not (root / ".dvc/config").is_file():
        yield "wrong", "no .dvc/config: git checkout .dvc, or dvc init in a new repository"
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
        yield "wrong", said
    hashes = Path(site_cache_dir(config["core"].get("site_cache_dir")), "repo")
    if hasattr(os, "getuid") and hashes.exists() and hashes.stat().st_uid != os.getuid():
        cure = f"dvc config --local core.site_cache_dir {Path.home() / '.cache/dvc'}"
        yield "warn", f"{hashes} is another user's, who can make DVC run code (CVE-2025-69872): {cure}"
    for key in ("analytics", "check_update"):
        if config["core"].get(key, True):
            yield "warn", f"DVC sends usage data: dvc config core.{key} false"
    if not wrong:
        yield "ok", "hydra on, safe links, every remote verifies"


def remotes(root: Path) -> Iterator[Found]:
    """Check that the remotes exist, and that local ones can be written."""
    from cairn.storage.remote_config import JOURNAL

    config = _dvc(root)
    if not config["remote"]:
        yield "warn", "none, the data are only on this disk: dvc remote add --default NAME URL"
        return
    if config["core"].get("remote") not in config["remote"]:
        yield "warn", "no default remote: dvc remote default NAME"
    if (root / JOURNAL).exists():
        yield "warn", "a `cairn remote` is running or was killed; run it again to continue"
    for name, remote in config["remote"].items():
        url = remote["url"]
        if _is_folder(url):
            yield _folder(name, Path(url.removeprefix("file://")))
        else:
            yield _served(root, name, url)


def objects(root: Path) -> Iterator[Found]:
    """Compare what the workspace needs with the cache and the default remote, see `cairn verify`."""
    from cairn.storage.transfer import check, gone, open_storage

    if not (root / ".dvc/config").is_file():
        return
    config = _dvc(root)
    url = config["remote"].get(config["core"].get("remote"), {}).get("url")
    # The listing of a server may take long: that is for `cairn verify`.
    storage = open_storage(root, None, all_commits=False, offline=url is None or not _is_folder(url))
    if said := gone(storage):
        yield "wrong", said
        storage = replace(storage, remote=None)
    for verified in check(storage, only_needed=True):
        damaged = [one for one in verified.damages if one.state != "missing"]
        missing = len(verified.damages) - len(damaged)
        if damaged:
            names = [f"{one.needed.path if one.needed else one.oid} ({one.state})" for one in damaged]
            yield "wrong", f"{verified.store}: {_first(names)}: cairn verify --repair"
        if missing:
            cure = "cairn pull, or dvc repro" if verified.store == "cache" else "cairn push"
            yield "warn", f"{verified.store}: {missing} files are not there: {cure}"
        if count := len(verified.strays):
            yield "warn", f"{verified.store}: {count} unfinished transfers: cairn verify --strays"
        if not verified.damages:
            yield "ok", f"{verified.store}: {verified.objects} files are as they were stored"


def hooks(root: Path) -> Iterator[Found]:
    """Check what `git push` runs first, if it runs anything."""
    if not (root / ".git").exists():
        return
    hook = root / git(root, "rev-parse", "--git-path", "hooks/pre-push").strip()
    said = hook.read_text(encoding="utf-8", errors="replace") if hook.is_file() else ""
    if "cairn push" in said:
        yield "ok", "git push runs `cairn push` first"
    elif "dvc git-hook pre-push" in said or "dvc push" in said:
        cure = f"write `exec cairn push` in {os.path.relpath(hook, root)}"
        yield "warn", f"git push runs `dvc push`, which also pushes damaged files: {cure}"


def lock(root: Path) -> Iterator[Found]:
    """Check what `dvc repro` would run."""
    done = _run([sys.executable, "-m", "dvc", "repro", "--dry", "--allow-missing"], root, 300)
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    if absent := ABSENT.search(done.stderr):
        yield "warn", f"dvc.lock is out of date from {absent[1]} on, its data are not here: dvc repro"
    elif done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [f"{done.stderr}"]
        if damaged := LOCK_FILE.search(said[0]):
            yield "wrong", f"{damaged[1]} is damaged: git restore {damaged[1]}, then dvc repro"
        else:
            yield "wrong", f"dvc repro --dry: {_in_one_line(said[0])}"
    elif lines and lines[-1] == IN_STEP:
        yield "ok", "dvc.lock is up to date with code, settings and data"
    else:
        stages = [line.split("'")[1] for line in lines if line.startswith("Running stage '")]
        behind = f"dvc.lock is out of date ({', '.join(stages) or 'see dvc status'})"
        # A dry run does not reach the stages behind `code`, nor say that their data were never pulled.
        absent_too = "" if _has_data(root) else ", its data are not here"
        yield "warn", f"{behind}{absent_too}: dvc repro"


def _has_data(root: Path) -> bool:
    """Whether every input and output in dvc.lock exists, if there is a dvc.lock."""
    from cairn.settings.yaml_text import read_yaml

    file = root / "dvc.lock"
    stages = read_yaml(file)["stages"].values() if file.exists() else []
    paths = [entry["path"] for stage in stages for key in ("deps", "outs") for entry in stage.get(key, [])]
    return all((root / path).exists() for path in paths)


def _first(items: list[str]) -> str:
    """Name the first of some items, and say how many more there are."""
    return items[0] if len(items) == 1 else f"{items[0]} and {len(items) - 1} more"


def _in_one_line(error: object) -> str:
    """Return an error's message in one line, or its class if it has no message."""
    return " ".join(str(error).split()) or type(error).__name__


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def _detached(root: Path) -> str:
    """Return how to get back to a branch without losing a commit or a change."""
    why = "no branch (detached HEAD, as during dvc exp run or after one was killed)"
    said = f"{why}, so commits would be lost: git switch"
    lost = git(root, "rev-list", "--count", "HEAD", "--not", "--branches", "--tags", "--remotes")
    if lost != "0":
        return f"{said} -c NEW_BRANCH, which keeps the {lost} made here"
    return f"{said} {_said_by_git(root, 'rev-parse', '--abbrev-ref', '@{-1}') or 'BRANCH'}"


def _said_by_git(root: Path, *words: str) -> str:
    """Return what git prints; nothing where it fails because there is none."""
    try:
        return git(root, *words)
    except UserError:
        return ""


def _is_folder(url: str) -> bool:
    return urlsplit(url).scheme in ("", "file") or Path(url).is_absolute()


def _folder(name: str, folder: Path) -> Found:
    place = _existing(folder)
    if not os.access(place, os.W_OK):
        return "wrong", f"{name}: {place} cannot be written: choose a folder you can write to"
    if place != folder:
        return "ok", f"{name}: {folder} will be created by the first push"
    return "ok", f"{name}: {folder} can be written"


def _served(root: Path, name: str, url: str) -> Found:
    said = ""
    try:
        if urlsplit(url).scheme in ("http", "https"):  # DVC would take a server that is not there for empty
            with suppress(HTTPError), urlopen(url, timeout=PATIENCE):
                pass
        else:
            done = _run([sys.executable, "-c", REACH, str(root), name], root, PATIENCE)
            if done.returncode:
                said = [f"exit {done.returncode}", *done.stderr.strip().splitlines()][-1]
    except (OSError, HTTPException, subprocess.TimeoutExpired) as error:
        reason = getattr(error, "reason", error)
        late = isinstance(reason, TimeoutError | subprocess.TimeoutExpired)
        said = f"no answer in {PATIENCE} s" if late else _in_one_line(reason)
    if said:
        return "wrong", f"{name}: {url} cannot be reached: {_in_one_line(said)}"
    return "ok", f"{name}: {url} answers"


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
