"""A store of objects, the cache or a remote: what is in it, whether it is right, and how it is replaced."""

import errno
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from cairn.errors import UserError

if TYPE_CHECKING:
    from dvc_data.hashfile.db import HashFileDB

OBJECT = re.compile(r"([0-9a-f]{2})/([0-9a-f]{30}(\.dir)?)$")
MD5 = re.compile(r"[0-9a-f]{32}")
SUM = re.compile(r"^([0-9a-f]{32}) [ *](.+)$", re.MULTILINE)
CHUNK = 1 << 20
SHOWN = 300
"""Letters of the message of a library that are shown."""
WEBDAV_OPTIONS = ("auth", "cert", "headers", "timeout", "verify")


@dataclass(frozen=True)
class Stored:
    """A file of a store.

    Attributes:
        path: in the file system of the store.
        size: in bytes.
        md5: of its content as the store itself says, without reading it; None where it does not say.
        is_file: False for a folder, a link to nowhere, or a pipe, which may never end, in its place.
    """

    path: str
    size: int
    md5: str | None = None
    is_file: bool = True


@dataclass(frozen=True)
class Contents:
    """What lies in a store: objects by their name, and files that are none, such as unfinished transfers."""

    objects: dict[str, Stored]
    strays: list[Stored]


@contextmanager
def explained(name: str) -> Generator[None]:
    """Raise UserError, in one line, for what the library of a store raises, but for a file that is not there.

    Args:
        name: `cache` or the name of a remote.
    """
    from dvc.exceptions import DvcException

    try:
        yield
    except (FileNotFoundError, UserError, DvcException):
        raise
    except Exception as error:  # the libraries have no class in common
        store = "the cache" if name == "cache" else f"remote '{name}'"
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(f"{store} does not work: {why[:SHOWN]}") from error


class Store:
    """DVC's cache or one of its remotes.

    Attributes:
        name: `cache` or the name of the remote.
        is_folder: whether it is a folder of this machine, whose files are read at once.
    """

    def __init__(self, name: str, odb: "HashFileDB") -> None:
        self.name, self.odb = name, odb
        self.is_folder = odb.fs.protocol == "local"

    def contents(self) -> Contents:
        """List the store, with one listing.

        Raises:
            UserError: it cannot be listed.
        """
        with explained(self.name):
            return self._contents()

    def _contents(self) -> Contents:
        objects: dict[str, Stored] = {}
        strays: list[Stored] = []
        for stored in self._files():
            match = OBJECT.search(stored.path.replace(os.sep, "/"))
            if match:
                objects[match[1] + match[2]] = stored
            else:
                strays.append(stored)
        return Contents(objects, strays)

    def _files(self) -> Iterator[Stored]:
        if self.is_folder:
            for folder, folders, names in os.walk(self.odb.path):
                in_place = [name for name in folders if OBJECT.search(Path(folder, name).as_posix())]
                for name in (*names, *in_place):
                    if stored := _stored(Path(folder, name)):
                        yield stored
            return
        self.odb.fs.fs.invalidate_cache()  # another process may have written since it was listed
        with suppress(FileNotFoundError):
            found: dict[str, Any] = self.odb.fs.fs.find(self.odb.path, detail=True)
            for path, info in found.items():
                yield Stored(path, int(info["size"]), _declared_md5(info))

    def chunks(self, stored: Stored) -> Iterator[bytes]:
        """Read a file."""
        with explained(self.name), self.odb.fs.open(stored.path, "rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def md5(self, stored: Stored) -> str:
        """Return the MD5 of the content of a file, which is read."""
        if self.is_folder:
            with explained(self.name), Path(stored.path).open("rb") as file:
                return md5_of(file)
        total = hashlib.md5(usedforsecurity=False)
        for chunk in self.chunks(stored):
            total.update(chunk)
        return total.hexdigest()

    def sums(self, files: list[Stored]) -> dict[str, str]:
        """Return the MD5 of files by path, as an SSH server computes it if the account may run md5sum."""
        if self.odb.fs.protocol != "ssh" or not files:
            return {}
        from asyncssh import Error
        from fsspec.asyn import sync

        fs: Any = self.odb.fs.fs
        paths = "\0".join(stored.path for stored in files)
        try:
            done = sync(fs.loop, fs.client.run, "xargs -0 md5sum", input=paths, errors="replace")
        except (Error, OSError):  # an account that may only transfer files
            return {}
        return {path: md5 for md5, path in SUM.findall(done.stdout)}

    def read(self, oid: str, stored: Stored) -> bytes | None:
        """Return the content of an object; None if it is not what its name says."""
        content = b"".join(self.chunks(stored)) if stored.is_file else b""
        return content if content_name(content) == oid.partition(".")[0] else None

    def remove(self, stored: Stored) -> None:
        """Remove a file; a folder in its place gets another name, as nobody knows what it holds."""
        path = Path(stored.path)
        with explained(self.name), suppress(FileNotFoundError):
            if self.is_folder and path.is_dir() and not path.is_symlink():
                path.rename(path.with_name(f".{path.name}.{os.getpid()}.folder"))
            else:
                self.odb.fs.remove(stored.path)

    def create(self) -> None:
        """Make the folder that the URL of a WebDAV server names, which DVC expects to be there."""
        fs = self.odb.fs
        if not fs.protocol.startswith("webdav"):
            return
        from webdav4.client import Client, ResourceAlreadyExists

        url = urlsplit(fs.fs_args["base_url"])
        options = {key: value for key, value in fs.fs_args.items() if key in WEBDAV_OPTIONS}
        client = Client(urlunsplit((url.scheme, url.netloc, "", "", "")), **options)
        parts = [part for part in url.path.split("/") if part]
        for depth in range(1, len(parts) + 1):
            folder = "/".join(parts[:depth])
            if not client.exists(folder):
                with suppress(ResourceAlreadyExists):
                    client.mkdir(folder)

    def put(self, oid: str, file: Path) -> None:
        """Store a local file as an object; replace what has its name."""
        with explained(self.name):
            if self.is_folder:
                self._put_in_folder(oid, file)
            else:
                from dvc.fs import LocalFileSystem

                self.odb.add(str(file), LocalFileSystem(), oid, check_exists=False, verify=False)

    def _put_in_folder(self, oid: str, file: Path) -> None:
        target = Path(self.odb.oid_to_path(oid))
        if target.parent.is_file():  # a stray, as `contents` says
            target.parent.rename(target.parent.with_name(f".{target.parent.name}.{os.getpid()}"))
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            shutil.copyfile(file, unfinished)
            with unfinished.open("rb+") as copied:
                os.fsync(copied.fileno())
            unfinished.chmod(0o444)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)

    def fetch(self, oid: str, stored: Stored, file: Path) -> bool:
        """Copy an object into a local file; return whether the content is what its name says."""
        total = hashlib.md5(usedforsecurity=False)
        if not stored.is_file:
            return False
        with explained(self.name), file.open("wb") as copy:
            for chunk in self.chunks(stored):
                total.update(chunk)
                copy.write(chunk)
        return total.hexdigest() == oid.partition(".")[0]


def _stored(file: Path) -> Stored | None:
    """Return what has this name; None if another process has removed it."""
    try:
        status = file.stat()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP):
            raise
        return Stored(str(file), 0, is_file=False) if file.is_symlink() else None
    return Stored(str(file), status.st_size, is_file=stat.S_ISREG(status.st_mode))


def md5_of(file: BufferedReader) -> str:
    """Return the MD5 of an open file in hexadecimal."""
    return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def content_name(content: bytes) -> str:
    """Return the MD5 of bytes in hexadecimal."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _declared_md5(info: dict[str, Any]) -> str | None:
    """Return the MD5 that S3, Google or Azure keeps with a file that was written in one piece."""
    if kept := getattr(info.get("content_settings"), "content_md5", None):  # Azure
        return bytes(kept).hex()
    etag = str(info.get("ETag", "")).strip('"')
    if MD5.fullmatch(etag):
        return etag
    if isinstance(encoded := info.get("md5Hash"), str):
        import base64

        return base64.b64decode(encoded).hex()
    return None
