"""Secrets and machine-specific paths in the committed files that say where data come from."""

import configparser
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cairn.errors import UserError
from cairn.intake.sql.database import SOURCES, read_source

SECRET = re.compile(
    r"passw|secret|token|signature|^sig$|credential|(api|access|account)_?key|connection_string",
    re.IGNORECASE,
)
"""Names of settings, and of parts of an address, whose value is a secret."""


def unfit_for_git() -> list[str]:
    """Return a line for each secret and each machine-specific path in files that git tracks or would add.

    Looked at are .dvc/config, every .dvc file, and data/sql. No secret is repeated in a line.
    """
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, capture_output=True, encoding="utf-8", check=False)
    found = []
    for path in sorted({Path(name) for name in done.stdout.split("\0") if Path(name).is_file()}):
        if path == Path(".dvc/config"):
            found += [f"{path.as_posix()}: {line}" for line in _of_config(path.read_text(encoding="utf-8"))]
        elif path.suffix == ".dvc":
            found += [f"{path.as_posix()}: {line}" for line in _of_dvc_file(path)]
        elif path.parent == SOURCES and path.suffix == ".yaml":
            found += _of_source(path.stem)
    return found


def unfit_origin(origin: str) -> str | None:
    """Return why the origin of `dvc import-url ORIGIN` must not be committed, or None.

    Args:
        origin: a URL, or a path.
    """
    parts = urlsplit(origin)
    if parts.scheme in ("", "file") or PureWindowsPath(origin).is_absolute():
        path = parts.path if parts.scheme == "file" else origin
        if PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute() or path.startswith(".."):
            return (
                "is a path on this machine, unknown on others:"
                " copy the file to data/raw and `dvc add` it, or import it from s3:// or https://"
            )
        return None
    token = parts.scheme in ("http", "https") and parts.username
    if parts.password or token or any(SECRET.search(name) for name, _ in parse_qsl(parts.query)):
        return (
            f"the {parts.scheme}:// address holds a password or a signature: give `dvc import-url` the plain"
            " address, and keep the secret in the environment or `dvc remote modify --local`"
        )
    return None


def _of_dvc_file(path: Path) -> Iterator[str]:
    from omegaconf import OmegaConf

    recorded: Any = OmegaConf.to_container(OmegaConf.load(path))
    for dep in recorded.get("deps", []):
        why = unfit_origin(dep.get("path", ""))
        if why and "repo" not in dep:
            yield f"its origin {why}"


def _of_config(text: str) -> Iterator[str]:
    config = configparser.RawConfigParser(strict=False)
    config.read_string(text)
    for section in config.sections():
        for key, value in config[section].items():
            signed = key == "url" and unfit_origin(value) and "://" in value
            if signed or (SECRET.search(key) and value.lower() not in ("true", "false")):
                yield (
                    f"[{section}] {key} holds a secret, and this file is committed: take it out, set it again"
                    " with `dvc config --local`, and change the secret, which git's history now has"
                )


def _of_source(name: str) -> list[str]:
    try:
        read_source(name)
    except UserError as error:
        return str(error).splitlines()
    return []
