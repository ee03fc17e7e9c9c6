"""What DVC keeps: its settings, its remotes, and whether dvc.lock is in step."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from cairn.doctor.line import Line, existing, in_one_line

SAFE_LINKS = {"reflink", "copy"}
PATIENCE = 20
"""Seconds to wait for a remote that is not a folder."""
IN_STEP = "Data and pipelines are up to date."
ABSENT = re.compile(r"failed to reproduce '(.+?)': \[Errno 2\]")
"""A dry run stops where a stage is behind and what it reads was never brought here; a run brings it."""
REACH = """
import sys
from dvc.repo import Repo
remote = Repo(sys.argv[1]).cloud.get_remote(sys.argv[2])
remote.fs.exists(remote.path)
"""


def dvc_config(root: Path) -> Iterator[Line]:
    """Check the settings of DVC that results depend on."""
    if not (root / ".dvc/config").is_file():
        yield Line("wrong", "dvc", "no .dvc/config: git checkout .dvc, or dvc init in a new repository")
        return
    config = _dvc(root)
    wrong = []
    if not config["hydra"].get("enabled"):
        wrong.append("-S chooses no options of conf/: dvc config hydra.enabled true")
    linked = set(config["cache"].get("type") or SAFE_LINKS) - SAFE_LINKS
    if linked:
        wrong.append(
            f"an edit in place would spoil a cache of {', '.join(f'{link}s' for link in sorted(linked))}:"
            " dvc config cache.type reflink,copy"
        )
    for name, remote in config["remote"].items():
        if not remote.get("verify"):
            wrong.append(f"damaged files would be pulled unseen: dvc remote modify {name} verify true")
    for said in wrong:
        yield Line("wrong", "dvc", said)
    for key in ("analytics", "check_update"):
        if config["core"].get(key, True):
            yield Line("warn", "dvc", f"DVC calls home: dvc config core.{key} false")
    if not wrong:
        yield Line("ok", "dvc", "hydra on, safe links, every remote verifies")


def remotes(root: Path) -> Iterator[Line]:
    """Check that the remotes are there, and that folders among them can be written."""
    config = _dvc(root)
    if not config["remote"]:
        yield Line("warn", "remote", "none, data is on this disk only: dvc remote add --default NAME URL")
        return
    if config["core"].get("remote") not in config["remote"]:
        yield Line("warn", "remote", "none is the default: dvc remote default NAME")
    for name, remote in config["remote"].items():
        url = remote["url"]
        if urlsplit(url).scheme in ("", "file") or Path(url).is_absolute():
            yield _folder(name, Path(url.removeprefix("file://")))
        else:
            yield _served(root, name, url)


def lock(root: Path) -> Iterator[Line]:
    """Ask DVC what it would run."""
    done = _run([sys.executable, "-m", "dvc", "repro", "--dry", "--allow-missing"], root, 300)
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    if absent := ABSENT.search(done.stderr):
        yield Line(
            "warn", "lock", f"dvc.lock is behind from {absent[1]} on, and its data are not here: dvc repro"
        )
    elif done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [f"{done.stderr}"]
        yield Line("wrong", "lock", f"dvc repro --dry: {in_one_line(said[0])}")
    elif lines and lines[-1] == IN_STEP:
        yield Line("ok", "lock", "dvc.lock is in step with code, settings and data")
    else:
        stages = [line.split("'")[1] for line in lines if line.startswith("Running stage '")]
        yield Line("warn", "lock", f"dvc.lock is behind ({', '.join(stages) or 'see dvc status'}): dvc repro")


def _folder(name: str, folder: Path) -> Line:
    place = existing(folder)
    if not os.access(place, os.W_OK):
        return Line("wrong", "remote", f"{name}: {place} cannot be written: choose a folder of your own")
    if place != folder:
        return Line("ok", "remote", f"{name}: {folder} is made by the first dvc push")
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
        return Line("wrong", "remote", f"{name}: {url} cannot be reached: {in_one_line(said)}")
    return Line("ok", "remote", f"{name}: {url} answers")


def _refusal(url: str) -> str:
    """Say why a web server cannot be reached; DVC takes such a one for an empty remote."""
    try:
        with urlopen(url, timeout=PATIENCE):
            return ""
    except HTTPError:  # it answers, if only that it has no page for this address
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
