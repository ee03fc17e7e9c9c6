"""Install a new data set: check it first, then write the file, DVC's record and conf/, all or none."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from cairn.compose.conf import EXPERIMENT, compose
from cairn.compose.validate import Origin, read_config, stop_on_traps
from cairn.data.folder import KINDS
from cairn.data.prepare import prepare_table
from cairn.data.split import split_table
from cairn.data.tables import empty
from cairn.errors import UserError
from cairn.intake.draft.plan import Plan
from cairn.intake.read.source import Source
from cairn.intake.update import dvc

NAME = re.compile(r"[a-z][a-z0-9_]*")
RESERVED = re.compile("null|true|false|nan|inf|yes|no|on|off|y|n|default|none")
RAW = "data/raw"
MANY_COLUMNS = 200


def free_name(name: str, root: Path) -> str:
    """Return the name if it is valid and free.

    Raises:
        UserError: an invalid name, or one that is taken.
    """
    if not NAME.fullmatch(name):
        raise UserError(f"--name {name}: use lower-case letters, digits and _, with a letter first")
    if RESERVED.fullmatch(name):
        raise UserError(
            f"the name '{name}' has a meaning of its own in YAML or conf/: choose another with --name"
        )
    refuse_existing(name, root, f"conf/data/{name}.yaml", f"conf/contract/{name}.yaml")
    return name


def refuse_existing(name: str, root: Path, *paths: str) -> None:
    """Raise UserError if one of the paths exists."""
    if taken := [path for path in paths if (root / path).exists()]:
        raise UserError(f"--name {name}: {taken[0]} exists; take another name or remove it")


def raw_path(given: Path, name: str, root: Path) -> str:
    """Return the path in data/raw, relative to the root; a file or folder already there keeps its name.

    Raises:
        UserError: the path is taken.
    """
    raw = (root / RAW).resolve()
    if given.resolve().parent == raw:
        return f"{RAW}/{given.name}"
    path = f"{RAW}/{name}{'' if given.is_dir() else extensions(given)}"
    refuse_existing(name, root, path, f"{path}.dvc")
    return path


def extensions(file: Path) -> str:
    """Return the extensions that decide how a file is read, such as .csv.gz, in lower case."""
    suffixes = [suffix.lower() for suffix in file.suffixes]
    first = next((i for i, suffix in enumerate(suffixes) if suffix in KINDS), len(suffixes) - 1)
    return "".join(suffixes[first:])


def prove(
    plan: Plan, table: pd.DataFrame, texts: Mapping[str, str], root: Path, *, emptied: bool = False
) -> None:
    """Compose the new files, then check, split and search the table for leaks as the stages will.

    `emptied` leaves the table without its columns, so that a large one is not there twice.

    Raises:
        UserError: a stage would fail; nothing was written.
    """
    with tempfile.TemporaryDirectory() as folder:
        conf = Path(folder) / "conf"
        shutil.copytree(root / "conf", conf)
        for path, text in texts.items():
            (conf / path).parent.mkdir(exist_ok=True)
            (conf / path).write_text(text, encoding="utf-8", newline="\n")
        stop_on_traps(conf)
        composed = compose(conf, choice(conf, plan.data.name))
        config = read_config(composed.values, Path(folder), Origin(conf, composed, "override {}").of)
    data = config.data
    prepared = prepare_table(table, plan.contract, data)
    if emptied:
        empty(table)
    # A wide table's columns were all judged already, and the stage judges them again.
    search_leaks = len(plan.named("feature")) <= MANY_COLUMNS
    try:
        split_table(
            prepared.table,
            prepared.contract,
            data,
            config.split,
            config.seed,
            search_leaks=search_leaks,
            emptied=True,
        )
    except UserError as error:
        options = "--time '' or --group '' choose another split, --keep COLUMN trusts a column"
        raise UserError(f"{error}; {options}") from error


def choice(conf: Path, name: str) -> list[str]:
    """Return the overrides that select a data set, and no preset: a preset is made for another data set."""
    preset = compose(conf).choices.get(EXPERIMENT)
    return [f"data={name}", *([f"{EXPERIMENT}=null"] if preset else [])]


def put(source: Source, path: str, texts: Mapping[str, str], root: Path) -> list[str]:
    """Copy the data, track them with DVC, write the files and tell git; undo all of it if any of it fails.

    Returns:
        The paths that are new, relative to the root.

    Raises:
        UserError: DVC or git fails.
    """
    ignore = root / RAW / ".gitignore"
    before = ignore.read_bytes() if ignore.exists() else None
    raw, tracked = root / path, root / f"{path}.dvc"
    mine = [] if raw.exists() else [raw]
    mine += [] if tracked.exists() else [tracked]
    mine += [root / name for name in texts]
    try:
        for file in source.files if raw in mine else ():
            copy = raw / file.relative_to(source.path)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
        if tracked in mine:
            dvc("add", "--quiet", path, folder=root)
        for name, text in texts.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8", newline="\n")
        new = list(dict.fromkeys([tracked.relative_to(root).as_posix(), *texts]))
        staged = [*new, ignore.relative_to(root).as_posix()]
        done = subprocess.run(["git", "add", *staged], cwd=root, capture_output=True, text=True, check=False)
        if done.returncode:
            raise UserError(f"git add {' '.join(staged)}: {' '.join(done.stderr.split())}")
    except BaseException:
        for leftover in mine:
            if leftover.is_dir():
                shutil.rmtree(leftover)
            leftover.unlink(missing_ok=True)
        if before is None:
            ignore.unlink(missing_ok=True)
        else:
            ignore.write_bytes(before)
        raise
    return new
