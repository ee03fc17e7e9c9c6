"""DVC's config while a repository moves: the new remote is in it for a while, then for good, or not at all.

A move needs the new remote in the config before it is the default one. A journal holds both files as they
were; whatever ends the move, a kill too, they come back as they were, by this command or by the next one.
"""

import contextlib
import json
from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cairn.errors import UserError
from cairn.experiments.refs import git

if TYPE_CHECKING:
    from dvc.config import Config

SHARED, PRIVATE = ".dvc/config", ".dvc/config.local"
JOURNAL, LOCK = Path(".dvc/tmp/move.json"), Path(".dvc/tmp/move.lock")


@dataclass(frozen=True)
class Place:
    """Where a remote is, and how it is opened.

    Attributes:
        name: of the remote in DVC's config.
        url: a folder or a URL that DVC knows; None for a remote that is in the config already.
        options: of the remote, as `dvc remote modify` takes them, such as endpointurl.
        secrets: other options, written to .dvc/config.local, which git ignores.
        local: whether everything is written there.
    """

    name: str
    url: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    local: bool = False


@dataclass(frozen=True)
class Journal:
    """What a move has to put back.

    Attributes:
        name: of the new remote.
        before: both files of the config as they were; None for one that did not exist.
        written: .dvc/config.local as the move wrote it, while that is all it wrote; None while it writes.
    """

    name: str
    before: dict[str, str | None]
    written: str | None = None


def known_remotes(root: Path) -> list[str]:
    """Return the names of the remotes, without one that an interrupted move has left."""
    with moving(root):
        return [*read_config(root)["remote"]]


def read_config(root: Path) -> "Config":
    """Read DVC's config.

    Raises:
        UserError: it cannot be read.
    """
    from dvc.config import Config, ConfigError

    try:
        return Config(str(root / ".dvc"))
    except (ConfigError, OSError) as error:
        said = " ".join(str(error).split())  # not in which of the two
        raise UserError(f"{SHARED} or {PRIVATE}: {said}") from error


@contextlib.contextmanager
def moving(root: Path) -> Generator[None]:
    """Be the only move of this clone, and undo first what one that was killed has left in the config.

    Raises:
        UserError: another `cairn remote` is running.
    """
    from filelock import FileLock, Timeout

    (root / LOCK).parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(root / LOCK, timeout=0):
            undo(root)
            yield
    except Timeout as error:
        raise UserError("another `cairn remote` is running in this repository; wait until it ends") from error


@contextlib.contextmanager
def replaced(root: Path, place: Place) -> Generator["Config"]:
    """Have the new remote in .dvc/config.local, and make it the default one where the block ends well.

    Where it does not, both files of the config are as they were before.
    """
    before = {name: _read(root / name) for name in (SHARED, PRIVATE)}
    _write_journal(root, Journal(place.name, before))
    try:
        # In a commit that knows no such remote DVC takes config.local alone; without it `dvc push` leaves out
        # the files of the commit, with a warning.
        private = Place(place.name, place.url, place.options, place.secrets, local=True)
        config = configure(root, private)
        _write_journal(root, Journal(place.name, before, _read(root / PRIVATE)))
        yield config
        _write_journal(root, Journal(place.name, before))
        _write(root / PRIVATE, before[PRIVATE])
        _make_default(configure(root, place), place)
    except BaseException:
        undo(root)
        raise
    (root / JOURNAL).unlink()


def undo(root: Path) -> None:
    """Put both files of DVC's config back as they were before a move that did not end.

    What was written to .dvc/config.local since the move was killed stays in it.
    """
    if not (root / JOURNAL).exists():
        return
    journal = Journal(**json.loads((root / JOURNAL).read_text(encoding="utf-8")))
    names = [SHARED, PRIVATE] if journal.written is None else []
    if journal.written is not None:
        if _read(root / PRIVATE) == journal.written:
            names = [PRIVATE]
        else:
            _forget(root, journal)
    for name in names:
        if _read(root / name) != journal.before[name]:
            _write(root / name, journal.before[name])
    (root / JOURNAL).unlink()


def _forget(root: Path, journal: Journal) -> None:
    """Take the remote of a move out of .dvc/config.local, or make it what it was, and leave the rest."""
    from configobj import ConfigObj

    section = f'remote "{journal.name}"'
    old = ConfigObj((journal.before[PRIVATE] or "").splitlines())
    with read_config(root).edit("local", validate=False) as written:
        written["remote"].pop(journal.name, None)
        if section in old:
            written["remote"][journal.name] = old[section]


def _write_journal(root: Path, journal: Journal) -> None:
    from cairn.experiments.pool import write_in_one_step

    write_in_one_step(root / JOURNAL, json.dumps(asdict(journal)), mode=0o600)


def _read(file: Path) -> str | None:
    return file.read_bytes().decode("utf-8") if file.exists() else None


def _write(file: Path, content: str | None) -> None:
    from cairn.experiments.pool import write_in_one_step

    if content is None:
        file.unlink(missing_ok=True)
        return
    mode = file.stat().st_mode & 0o777 if file.exists() else 0o600 if file.name == "config.local" else 0o644
    write_in_one_step(file, content, mode=mode)


def configure(root: Path, place: Place) -> "Config":
    """Write the remote into DVC's config, and return that.

    Raises:
        UserError: another remote has the name; no remote has it and no URL is given; an unknown option.
    """
    from dvc.config import ConfigError

    config = read_config(root)
    known = config["remote"].get(place.name)
    if known is None and place.url is None:
        raise UserError(f"no remote '{place.name}' in {SHARED}: give a URL or a folder")
    if known is not None and place.url is not None and not _same(known["url"], place.url):
        raise UserError(f"a remote '{place.name}' exists: {known['url']}; choose another --name")
    shared: dict[str, Any] = {**(known or {})} if place.local else {}
    if known is None:
        shared = {"url": place.url, "verify": True}
    shared |= place.options
    # In a commit that knows no such remote DVC refuses one without a URL.
    private = {"url": place.url or (known or {})["url"], **place.secrets} if place.secrets else {}
    if private:
        _keep_for_this_user(root / PRIVATE)
    try:
        for level, values in (("local" if place.local else "repo", shared), ("local", private)):
            if values:
                with config.edit(level) as written:
                    written["remote"].setdefault(place.name, {}).update(values)
    except ConfigError as error:
        raise UserError(f"remote '{place.name}': {' '.join(str(error).split())}") from error
    return config


def _keep_for_this_user(file: Path) -> None:
    """Let no other user of the machine read a file that will hold a secret."""
    file.touch(mode=0o600)
    file.chmod(0o600)


def stop_unless_ignored(root: Path) -> None:
    """Raise UserError where git would keep the files that may hold a secret."""
    for name in (PRIVATE, JOURNAL.as_posix()):
        try:
            git(root, "check-ignore", "--quiet", name)
        except UserError as error:
            raise UserError(f"{name}: git does not ignore it; restore .dvc/.gitignore") from error


def is_shared(config: "Config", place: Place) -> bool:
    """Whether .dvc/config, which git has, can name the remote as the default one.

    A remote that only config.local knows cannot be the default of others.
    """
    return not place.local and place.name in config.load_one("repo").get("remote", {})


def _same(url: str, other: str) -> bool:
    is_folder = not urlsplit(other).scheme
    return Path(url).resolve() == Path(other).resolve() if is_folder else url.rstrip("/") == other.rstrip("/")


def _make_default(config: "Config", place: Place) -> None:
    shared = is_shared(config, place)
    with config.edit("local") as written:
        written["core"].pop("remote", None)  # it would hide the one that is shared
        if not shared:
            written["core"]["remote"] = place.name
    if shared:
        with config.edit("repo") as written:
            written["core"]["remote"] = place.name
