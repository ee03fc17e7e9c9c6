"""Bring a table from an address or a database to a temporary folder, before it is profiled.

DVC imports an address in a temporary repository, so that this one changes only after all checks.
"""

import re
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from cairn.data.folder import kind_of
from cairn.errors import UserError
from cairn.intake.read.convert import convert, is_converted, is_other_kind
from cairn.intake.sql.database import SqlSource, path_of, text_of
from cairn.intake.sql.snapshot import take_snapshot
from cairn.intake.update import dvc, unfit_origin
from cairn.intake.write.install import RAW, extensions, raw_path, refuse_existing
from cairn.intake.write.yaml_files import TRACKED
from cairn.progress import elapsed
from cairn.settings.messages import problems

BEFORE_THE_REASON = re.compile(r"^dvc import-url \S+: |.*`dvc add`\. - |unexpected error - ", re.DOTALL)


@dataclass(frozen=True)
class Intake:
    """A table on this machine."""

    path: Path
    origin: str = TRACKED
    # Files that say so to `cairn update`: their text, by their path relative to the root.
    records: dict[str, str] = field(default_factory=dict)
    update: str | None = None
    notes: tuple[str, ...] = ()


@contextmanager
def queried(
    sql: str, connection: str | None, order_by: list[str], name: str, root: Path
) -> Generator[Intake]:
    """Query a database: one SELECT, or a table; the result exists until the block ends.

    Raises:
        UserError: no connection, a URL that is invalid or holds a secret, a database that cannot be reached
            or read, or a file of this name exists.
    """
    if connection is None:
        raise UserError("--sql needs --connection: a name, or a URL such as sqlite:///data/a.db")
    values = {
        "url" if ":" in connection else "connection": connection,
        "query" if len(sql.split()) > 1 else "table": sql.strip(),
        "order_by": order_by,
    }
    try:
        source = SqlSource.model_validate(values)
    except ValidationError as error:
        said = problems(error, SqlSource, values)
        raise UserError("\n".join(f"--connection: {what}" for _, what in said)) from error
    file = Path(f"{name}.parquet")
    raw_path(file, name, root)
    record = path_of(name).as_posix()
    refuse_existing(name, root, record)
    with _scratch(root) as folder:
        take_snapshot(source, folder / file)
        yield Intake(
            folder / file,
            f"snapshot taken by `cairn update {name}` ({record})",
            {record: text_of(name, source)},
            f"cairn update {name}",
        )


@contextmanager
def opened(path: Path, name: str, sheet: str | None, root: Path) -> Generator[Intake]:
    """Give a file or folder as it is, or what it is converted to, which exists until the block ends.

    Raises:
        UserError: see convert.
    """
    if not is_converted(path) and sheet is None:
        yield Intake(path)
        return
    with _converted(path, name, sheet, root) as intake:
        yield intake


@contextmanager
def _converted(path: Path, name: str, sheet: str | None, root: Path) -> Generator[Intake]:
    if not is_converted(path):
        raise UserError(f"--sheet {sheet}: {path.name} is not a workbook")
    with _scratch(root) as folder:
        with elapsed(f"reading {path.name}"):
            made = convert(path, folder, name, sheet)
        said = "; ".join(made.notes)
        origin = f"tracked by DVC; made by `cairn new-data`: {said}" if said else TRACKED
        yield Intake(made.path, origin, notes=made.notes)


@contextmanager
def imported(address: str, name: str, sheet: str | None, root: Path) -> Generator[Intake]:
    """Import an address with DVC; the file, or what it is converted to, exists until the block ends.

    Raises:
        UserError: a secret in the address, no file there, a file of this name here, or see convert.
    """
    parts = urlsplit(address)
    shown = f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
    if why := unfit_origin(address):
        raise UserError(f"{shown}: {why}")
    last = Path(_last_of(address))
    if kind_of(last):
        file = f"{name}{extensions(last)}"
    elif is_other_kind(last):
        file = f"{name}{''.join(last.suffixes[-2:])}".lower()
    else:
        # A folder has no extension; the web has no folders, and may give a table by its number.
        file = f"{name}{'.csv' * parts.scheme.startswith('http')}"
    raw_path(Path(file), name, root)
    with _scratch(root) as folder:
        _make_repository(folder, root)
        try:
            with elapsed(f"importing {shown}"):
                dvc("import-url", address, file, folder=folder)
        except UserError as error:
            said = BEFORE_THE_REASON.sub("", str(error))
            why = "no such file there, or no such server" if said.endswith("does not exist") else said
            raise UserError(f"{shown}: cannot be imported: {' '.join(why.split())}") from error
        if is_converted(folder / file) or sheet is not None:
            with _converted(folder / file, name, sheet, root) as made:
                yield replace(made, origin=f"{made.origin}, imported from {address}")
            return
        record = (folder / f"{file}.dvc").read_text(encoding="utf-8")
        yield Intake(
            folder / file,
            f"imported from {address}; `cairn update {file}` imports it again",
            {f"{RAW}/{file}.dvc": record},
            f"cairn update {file}",
        )


def name_of(address: str) -> str:
    """Return the file name of an address without extension; empty if it has none."""
    return _last_of(address).partition(".")[0]


def _last_of(address: str) -> str:
    return unquote(PurePosixPath(urlsplit(address).path).name)


@contextmanager
def _scratch(root: Path) -> Generator[Path]:
    """Make a temporary folder on the repository's disk, ignored by git; errors do not show its path."""
    place = root / ".dvc/tmp" if (root / ".dvc").is_dir() else root
    place.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="new-data-", dir=place) as folder:
        try:
            yield Path(folder)
        except UserError as error:
            raise UserError(str(error).replace(f"{Path(folder)}/", "")) from error


def _make_repository(folder: Path, root: Path) -> None:
    """Make a DVC repository with the remotes and credentials of root, and a cache of its own."""
    from dvc.config import Config, merge

    (folder / ".dvc").mkdir()
    own = Config(str(root / ".dvc"))
    with Config(str(folder / ".dvc"), validate=False).edit("repo") as settings:
        for level in ("repo", "local"):
            merge(settings, own.load_one(level))
        merge(settings, {"core": {"no_scm": True}, "cache": {"dir": str((folder / ".dvc/cache").resolve())}})
