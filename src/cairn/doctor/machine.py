"""The machine: Python, the installed packages, torch and its device, room on the disk."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cairn.doctor.line import Line, State, existing, first
from cairn.errors import UserError

OLDEST = (3, 11)
LITTLE, TOO_LITTLE = 5e9, 5e8
"""Bytes of free disk: fewer are worth a word, and too few to run anything."""


def python(root: Path) -> Iterator[Line]:
    """Check the version of Python, and that it is the one of the checkout's own environment."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST:
        yield Line("wrong", "python", f"{version} is older than 3.11: run `python3.11 bootstrap.py`")
    elif Path(sys.prefix).resolve() != (root / ".venv").resolve():
        cure = "run `python bootstrap.py` and activate .venv, or know why not"
        yield Line("warn", "python", f"{version}, not from the .venv of this checkout: {cure}")
    else:
        yield Line("ok", "python", f"{version} from .venv")


def pins(root: Path) -> Iterator[Line]:
    """Compare what is installed with the pins that decide the numbers, and with those of the tools."""
    from cairn.pins import ESCAPE, other_versions

    decide = other_versions(root / "constraints.txt")
    tools = [line for line in other_versions(root / "constraints-dev.txt") if line not in decide]
    if decide:
        yield Line("wrong", "pins", f"{first(decide)}: run `python bootstrap.py`")
    if tools:
        yield Line("warn", "pins", f"{first(tools)}, a tool's: run `python bootstrap.py`")
    if os.environ.get(ESCAPE):
        yield Line("warn", "pins", f"{ESCAPE} is set, so stages run with any versions: unset it")
    if not decide and not tools:
        yield Line("ok", "pins", "what is installed is what constraints.txt says")


def torch(root: Path) -> Iterator[Line]:
    """Say which device torch finds, and whether the settings ask for another."""
    import torch

    found = f"{torch.__version__}, {_device(torch)}"
    if _params(root).get("train", {}).get("device") == "cuda" and not torch.cuda.is_available():
        yield Line("wrong", "torch", f"{found}, but train.device asks for cuda: set it to auto")
    else:
        yield Line("ok", "torch", found)


def disk(root: Path) -> Iterator[Line]:
    """Check the room left on the disks of the checkout and of the cache."""
    folders = {"this folder": root, "the cache": _cache(root)}
    for name, folder in folders.items():
        free = shutil.disk_usage(folder).free
        state: State = "wrong" if free < TOO_LITTLE else "warn" if free < LITTLE else "ok"
        cure = "" if state == "ok" else ": make room, `dvc gc --workspace` drops what no commit here needs"
        if name == "this folder" or folder.stat().st_dev != root.stat().st_dev:
            yield Line(state, "disk", f"{free / 1e9:,.0f} GB free for {name}{cure}")


def _device(torch: Any) -> str:
    if not torch.cuda.is_available():
        return "no GPU"
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return ", ".join(names)


def _params(root: Path) -> dict[str, Any]:
    from cairn.compose import params_file

    try:
        found = params_file.read(root / "params.yaml")
    except UserError:  # what is wrong with it, the line on settings says
        return {}
    return found.values if found else {}


def _cache(root: Path) -> Path:
    from cairn.experiments.clone import cache_of

    return existing(cache_of(root)) if (root / ".dvc").is_dir() else root
