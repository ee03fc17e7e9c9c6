"""Bring a new snapshot of external data: from a database, or imported by DVC."""

import configparser
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import urlsplit

from cairn.errors import UserError, did_you_mean
from cairn.intake.sql.database import FOLDER, SOURCES, path_of, read_source, snapshot_of
from cairn.intake.sql.snapshot import take_snapshot
from cairn.settings.secrets import in_address, is_secret
from cairn.settings.yaml_text import read_yaml


def update(name: str) -> tuple[Path, str]:
    """Bring the newest snapshot of a source and track it with DVC.

    Returns:
        Its path, and one line that says what was done.

    Raises:
        UserError: no such name, or the source cannot be read; the old snapshot is then unchanged.
    """
    if path_of(name).exists():
        target = snapshot_of(name)
        taken = take_snapshot(read_source(name), target)
        dvc("add", target.as_posix())
        order = f"sorted by {', '.join(taken.key)}" if taken.key else "sorted by every column"
        return target, f"{taken.rows:,} rows, {len(taken.schema)} columns, {order}"
    imported = imports()
    file = imported.get(Path(name).name.removesuffix(".dvc"))
    if file is None:
        known = sorted({path.stem for path in SOURCES.glob("*.yaml")} | set(imported))
        listed = f"sources: {', '.join(known)}" if known else f"no file {path_of(name).as_posix()}"
        raise UserError(f"no source '{name}'{did_you_mean(name, known)} ({listed})")
    dvc("update", file.as_posix())
    return file.with_suffix(""), f"imported from {_origin(file)}"


def imports() -> dict[str, Path]:
    """Return the .dvc files of data/raw that say where their data come from, by the name of the data."""
    return {file.stem: file for file in sorted(FOLDER.glob("*.dvc")) if _origin(file) is not None}


def _origin(file: Path) -> str | None:
    recorded = read_yaml(file)
    if not recorded.get("deps"):
        return None
    (dep,) = recorded["deps"]
    return f"the database {dep['db']['connection']}" if "db" in dep else str(dep.get("path"))


def dvc(*words: str, folder: Path | None = None) -> None:
    """Run a DVC command, in the repository of a folder or in this one.

    Raises:
        UserError: it failed; the message is DVC's own.
    """
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *words],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        said = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise UserError(f"dvc {words[0]} {words[-1]}: {' '.join(said) or done.stderr.strip() or 'it failed'}")


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
            origins = [dep.get("path", "") for dep in read_yaml(path).get("deps", []) if "repo" not in dep]
            unfit = filter(None, map(unfit_origin, origins))
            found += [f"{path.as_posix()}: its origin {why}" for why in unfit]
        elif path.parent == SOURCES and path.suffix == ".yaml":
            try:
                read_source(path.stem)
            except UserError as error:
                found += str(error).splitlines()
    return found


def unfit_origin(origin: str) -> str | None:
    """Return why the origin of `dvc import-url ORIGIN` must not be committed, or None."""
    parts = urlsplit(origin)
    if parts.scheme in ("", "file") or PureWindowsPath(origin).is_absolute():
        path = parts.path if parts.scheme == "file" else origin
        if PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute() or path.startswith(".."):
            return (
                "is a path on this machine, unknown on others:"
                " copy the file to data/raw and `dvc add` it, or import it from s3:// or https://"
            )
        return None
    if in_address(origin):
        return (
            f"the {parts.scheme}:// address holds a password or a signature: give `dvc import-url` the plain"
            " address, and keep the secret in the environment or `dvc remote modify --local`"
        )
    return None


def _of_config(text: str) -> Iterator[str]:
    config = configparser.RawConfigParser(strict=False)
    config.read_string(text)
    for section in config.sections():
        for key, value in config[section].items():
            signed = key == "url" and unfit_origin(value) and "://" in value
            if signed or (is_secret(key) and value.lower() not in ("true", "false")):
                yield (
                    f"[{section}] {key} holds a secret, and this file is committed: take it out, set it again"
                    " with `dvc config --local`, and change the secret, which git's history now has"
                )
