"""Compare every object of the cache and of a remote with its name, and replace bad ones by good copies."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from cairn.storage.objects import LISTING, Needed, by_oid, listing_of, members
from cairn.storage.store import Contents, Store, Stored, content_name, explained, md5_of

State = Literal["missing", "no file", "empty", "truncated", "swapped", "flipped"]
Outcome = Literal["found", "repaired", "lost"]
THREADS = min(16, 2 * (os.cpu_count() or 1))
"""Twice as many as cores: MD5 goes on while others wait for the disk."""
Progress = Callable[[int], object]
"""Takes the number of bytes read since the last call."""


@dataclass(frozen=True)
class Damage:
    """An object that is not as its name says.

    Attributes:
        store: `cache` or the name of the remote.
        oid: the object.
        state: `no file` is a folder, a link to nowhere, or a pipe; `swapped` has the content of another
            object, `flipped` other content of any kind.
        needed: the file it is; None if no revision that was looked at needs it.
        outcome: `lost` if no store has a good copy.
    """

    store: str
    oid: str
    state: State
    needed: Needed | None = None
    outcome: Outcome = "found"


@dataclass(frozen=True)
class Verified:
    """What was looked at in one store.

    Attributes:
        store: `cache` or the name of the remote.
        objects: that were compared with their names.
        bytes: that were read for it.
        by_size: objects of which only the size was compared; `deep` reads them.
        damages: what is wrong, missing objects included.
        strays: files that are not objects, with their sizes; killed transfers leave them.
    """

    store: str
    objects: int
    bytes: int
    by_size: int
    damages: list[Damage]
    strays: list[Stored]

    @property
    def bad(self) -> set[str]:
        """The objects that the store has no good copy of."""
        return {damage.oid for damage in self.damages if damage.outcome != "repaired"}


def expanded(
    needed: Iterable[Needed], stores: Iterable[tuple[Store, Contents]], workspace: Path
) -> dict[str, Needed]:
    """Add the members of folders; return all by object.

    A right listing of a folder is looked for in the stores, and then made from the folder in the workspace.
    """
    stores = list(stores)
    found: list[Needed] = []
    for one in needed:
        found.append(one)
        if one.oid.endswith(LISTING):
            listing = _first_right(one.oid, stores) or _of_workspace(one, workspace)
            found += members(listing, one) if listing is not None else []
    return by_oid(found)


def _first_right(oid: str, stores: list[tuple[Store, Contents]]) -> bytes | None:
    for store, contents in stores:
        stored = contents.objects.get(oid)
        content = store.read(oid, stored) if stored else None
        if content is not None:
            return content
    return None


def _of_workspace(folder: Needed, workspace: Path) -> bytes | None:
    content = listing_of(workspace / folder.path)
    return content if content_name(content) == folder.oid.removesuffix(LISTING) else None


def verify(
    store: Store,
    contents: Contents,
    needed: Mapping[str, Needed],
    *,
    other: Contents | None = None,
    deep: bool = False,
    only_needed: bool = False,
    progress: Progress = lambda count: None,
) -> Verified:
    """Compare the objects of a store with their names.

    The content of a folder of this machine is read. Elsewhere the checksum that the store keeps or computes
    decides, and where there is none the size, unless `deep` reads the content.

    Args:
        store: the cache or a remote.
        contents: what was listed in it.
        needed: objects that must be there, by name, with the members of folders.
        other: what another store has; where the sizes differ, the content is read.
        deep: read the content everywhere.
        only_needed: leave out what no revision needs.
        progress: see Progress.
    """
    looked_at = {o: s for o, s in contents.objects.items() if o in needed or not only_needed}
    damages = [Damage(store.name, oid, "missing", one) for oid, one in needed.items() if oid not in looked_at]
    names = {oid.partition(".")[0] for oid in (*contents.objects, *needed)}
    sizes = {oid: stored.size for oid, stored in other.objects.items()} if other else {}
    sizes |= {oid: one.size for oid, one in needed.items() if one.size is not None}

    def compare(oid: str, found: str | None) -> None:
        if found == oid.partition(".")[0]:
            return
        stored = looked_at[oid]
        state: State = "flipped"
        if found is None:
            state = "missing"
        elif stored.size == 0:
            state = "empty"
        elif found in names:
            state = "swapped"
        elif stored.size < sizes.get(oid, 0):
            state = "truncated"
        damages.append(Damage(store.name, oid, state, needed.get(oid)))

    at_once = store.is_folder or deep
    sums = {} if at_once else store.sums([stored for stored in looked_at.values() if stored.md5 is None])
    read, by_size = [], 0
    for oid, stored in looked_at.items():
        declared = stored.md5 or sums.get(stored.path)
        if not stored.is_file:
            damages.append(Damage(store.name, oid, "no file", needed.get(oid)))
        elif at_once or (declared is None and stored.size != sizes.get(oid, stored.size)):
            read.append(oid)
        elif declared is not None:
            compare(oid, declared)
        else:
            by_size += 1
    read.sort(
        key=lambda oid: looked_at[oid].size, reverse=True
    )  # a large one last leaves the other cores idle
    with ThreadPoolExecutor(THREADS) as threads:
        for oid, found in zip(read, threads.map(lambda oid: _md5(store, looked_at[oid]), read), strict=True):
            progress(looked_at[oid].size)
            compare(oid, found)
    total = sum(looked_at[oid].size for oid in read)
    return Verified(store.name, len(looked_at) - by_size, total, by_size, damages, contents.strays)


def _md5(store: Store, stored: Stored) -> str | None:
    try:
        return store.md5(stored)
    except FileNotFoundError:  # another process has removed it
        return None


def repair(
    verified: Verified, store: Store, other: Store | None, *, workspace: Path, keep: Path | None = None
) -> Verified:
    """Replace what is damaged by the right copy of another store or of the workspace, where there is one.

    Args:
        verified: what is damaged, all of it or a part.
        store: in which it is replaced.
        other: the store that may have a right copy; every copy is compared with its name before it is used.
            None for none.
        workspace: the root of the repository.
        keep: folder into which damaged files are moved, so that none is taken for a sound one. None leaves
            a file where it is unless a right copy takes its place.

    Returns:
        The same with what was repaired; what no store has is `lost`, if a revision needs it.
    """
    if not any(damage.outcome != "repaired" for damage in verified.damages):
        return verified
    contents, damages = store.contents(), []
    copies = other.contents().objects if other else {}
    for damage in verified.damages:
        if damage.outcome == "repaired":
            damages.append(damage)
            continue
        with tempfile.TemporaryDirectory(prefix="cairn-repair-") as folder:
            copy = Path(folder) / "object"
            stored = copies.get(damage.oid)
            right = other is not None and stored is not None and other.fetch(damage.oid, stored, copy)
            right = right or _from_workspace(damage, workspace, copy)
            if right or keep is not None:
                set_aside(store, contents.objects.get(damage.oid), damage.oid, keep)
            if right:
                store.put(damage.oid, copy)
        lost = damage.needed is not None and not right
        damages.append(replace(damage, outcome="repaired" if right else "lost" if lost else "found"))
    return replace(verified, damages=damages)


def _from_workspace(damage: Damage, workspace: Path, copy: Path) -> bool:
    if damage.needed is None:
        return False
    path = workspace / damage.needed.path
    if damage.oid.endswith(LISTING):
        content = _of_workspace(damage.needed, workspace)
        copy.write_bytes(content or b"")
        return content is not None
    if not path.is_file():
        return False
    shutil.copyfile(path, copy)
    with copy.open("rb") as file:
        return md5_of(file) == damage.oid


def set_aside(store: Store, stored: Stored | None, oid: str, keep: Path | None) -> None:
    """Move a damaged file into a folder, or remove it if that is None."""
    if stored is None:
        return
    if keep is None:
        store.remove(stored)
        return
    with explained(store.name):
        keep.mkdir(parents=True, exist_ok=True)
        shutil.move(stored.path, keep / oid)


def lost(found: Iterable[Verified]) -> Iterator[Needed]:
    """Yield what is damaged in every store that was looked at and could not be repaired."""
    for verified in found:
        for damage in verified.damages:
            if damage.outcome == "lost" and damage.needed is not None:
                yield damage.needed
