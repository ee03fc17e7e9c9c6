"""Bring a new snapshot of external data: from a database, or imported by DVC."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from cairn.errors import UserError, did_you_mean
from cairn.intake.sql.database import FOLDER, SOURCES, path_of, read_source, snapshot_of
from cairn.intake.sql.snapshot import take_snapshot


def update(name: str) -> tuple[Path, str]:
    """Bring the newest snapshot of a source and track it with DVC.

    Args:
        name: NAME of data/sql/NAME.yaml, or the name of a file or folder of data/raw that DVC imports.

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
        listed = f"sources: {', '.join(known)}" if known else f"none yet; write {path_of(name).as_posix()}"
        raise UserError(f"no source '{name}'{did_you_mean(name, known)} ({listed})")
    dvc("update", file.as_posix())
    return file.with_suffix(""), f"imported from {_origin(file)}"


def imports() -> dict[str, Path]:
    """Return the .dvc files of data/raw that say where their data come from, by the name of the data."""
    return {file.stem: file for file in sorted(FOLDER.glob("*.dvc")) if _origin(file) is not None}


def _origin(file: Path) -> str | None:
    from omegaconf import OmegaConf

    recorded: Any = OmegaConf.to_container(OmegaConf.load(file))
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
