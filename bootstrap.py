"""Set up .venv from the exact pins if needed, then run a command in it.

    python bootstrap.py                 set up only
    python bootstrap.py dvc repro       set up, then run `dvc repro` in the environment

Standard library only: this file runs before anything is installed. It sets up again only if pyproject.toml,
the constraints or the Python version have changed. uv installs the packages, with pip's own settings
(indexes, find-links, certificates) from `pip config` and the environment.
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
STAMP = VENV / "cairn-setup"
PINS = ("constraints.txt", "constraints-dev.txt")
EXTRAS = "dvc,search,serve,excel,stats,duckdb,dev"
HEARTBEAT = 15  # seconds
UV_NAME_OF = {
    "find-links": ("UV_FIND_LINKS", ","),
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", " "),
    "no-index": ("UV_NO_INDEX", " "),
    "proxy": ("ALL_PROXY", " "),
}


def main(command: list[str]) -> int:
    """Set up what is missing, run the command, return its exit code."""
    if sys.version_info < (3, 11):  # noqa: UP036 - the message is for an older Python
        return _fail(f"Python {sys.version.split()[0]} is too old: run this with Python 3.11 or newer.")
    try:
        if not STAMP.exists() or STAMP.read_text(encoding="utf-8") != _fingerprint():
            _set_up()
        return _run(command) if command else 0
    except subprocess.CalledProcessError as error:
        return _fail(f"setting up .venv failed at: {' '.join(map(str, error.cmd))}")
    except KeyboardInterrupt:
        _fail("stopped")
        return 130


def _run(command: list[str]) -> int:
    environment = {**os.environ, "VIRTUAL_ENV": str(VENV), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    program = shutil.which(command[0], path=environment["PATH"])
    if program is None:
        return _fail(f"{command[0]}: no such program in .venv or on the path")
    return subprocess.run([program, *command[1:]], env=environment, check=False).returncode


def _set_up() -> None:
    started = time.monotonic()
    print("Setting up .venv, once: about 2 minutes and 2 GB, more where torch comes with CUDA", flush=True)
    if not STAMP.exists() or not STAMP.read_text(encoding="utf-8").startswith(str(sys.version_info[:3])):
        print("1/3 creating .venv", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
    python = str(BIN / "python")
    print("2/3 installing uv", flush=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", f"uv=={_pinned('uv')}"], check=True)
    constraints = [word for file in PINS for word in ("--constraint", str(ROOT / file))]
    print("3/3 downloading and installing packages, torch the largest", flush=True)
    _run_with_progress(
        [str(BIN / "uv"), "pip", "install", *constraints, "--editable", f"{ROOT}[{EXTRAS}]"],
        {**os.environ, **_uv_settings(_pip_settings(python)), "VIRTUAL_ENV": str(VENV)},
    )
    STAMP.write_text(_fingerprint(), encoding="utf-8")
    print(f"Set up .venv in {time.monotonic() - started:.0f} s.", flush=True)


def _run_with_progress(command: list[str], env: dict[str, str]) -> None:
    """Let uv draw its progress bars on a terminal; elsewhere print a line now and then."""
    on_terminal = sys.stderr.isatty()
    started = time.monotonic()
    with subprocess.Popen(command if on_terminal else [*command, "--quiet"], env=env) as process:
        while True:
            try:
                code = process.wait(timeout=None if on_terminal else HEARTBEAT)
                break
            except subprocess.TimeoutExpired:
                print(f"    still installing after {time.monotonic() - started:.0f} s", flush=True)
    if code:
        raise subprocess.CalledProcessError(code, command)


def _fingerprint() -> str:
    files = b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", *PINS))
    return f"{sys.version_info[:3]} {hashlib.sha256(files).hexdigest()}"


def _pinned(package: str) -> str:
    text = (ROOT / "constraints-dev.txt").read_text(encoding="utf-8")
    found = re.search(rf"^{package}==(\S+)", text, re.MULTILINE)
    if found is None:
        raise SystemExit(f"constraints-dev.txt: no pin for {package}; run `make pins`")
    return found[1]


def _pip_settings(python: str) -> dict[str, list[str]]:
    """Read pip's settings; later sources win: global, user, site, environment."""
    command = [python, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    rank = {"global": 0, "user": 1, "site": 2, ":env:": 4}
    found = []
    for line in listed.stdout.splitlines():
        match = re.fullmatch(r"(:env:|\w+)\.([\w-]+)='?(.*?)'?", line)
        if match and match[2] in UV_NAME_OF:
            found.append((rank.get(match[1], 3), match[2], ast.literal_eval(f"'{match[3]}'").split()))
    return {key: values for _, key, values in sorted(found)}


def _uv_settings(pip: dict[str, list[str]]) -> dict[str, str]:
    """Translate to uv's variables; those the user has set for uv are kept.

    By default uv takes a package from the first index that has it; pip searches all of them, as we do here.
    """
    settings = {"UV_COMPILE_BYTECODE": "1", "UV_INDEX_STRATEGY": "unsafe-best-match"}
    for key, values in pip.items():
        name, separator = UV_NAME_OF[key]
        present = [value for value in values if _exists(value)]
        if present:
            settings[name] = separator.join(present)
    return {name: value for name, value in settings.items() if name not in os.environ}


def _exists(value: str) -> bool:
    """Return whether a `file:` index or folder exists: pip ignores a missing one, uv stops."""
    path = value.removeprefix("file://")
    return "://" in path or not path.startswith("/") or Path(path).exists()


def _fail(message: str) -> int:
    print(f"bootstrap.py: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
