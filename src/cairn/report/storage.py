"""What `cairn verify`, `push`, `pull` and `remote` say about the objects of the cache and of a remote."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from cairn.storage.move import Moved
from cairn.storage.remote_config import Place
from cairn.storage.verify import Damage, Verified

SAYS = {
    "missing": "is missing",
    "no file": "is not a file",
    "empty": "is empty",
    "truncated": "is truncated",
    "swapped": "has the content of another file",
    "flipped": "has other content than was stored",
}


def lines(found: Sequence[Verified]) -> Iterator[str]:
    """Yield a line for each store and for each damage; a single one for a store that is still empty."""
    for verified in found:
        if _is_empty(verified):
            cure = "dvc repro, or cairn pull" if verified.store == "cache" else "cairn push"
            yield f"{verified.store}: none of {len(verified.damages):,} objects is there yet: {cure}"
            continue
        for damage in sorted(verified.damages, key=lambda one: (_file(one), one.oid)):
            yield _line(verified.store, damage)
        yield _summary(verified)


def _is_empty(verified: Verified) -> bool:
    lacking = [
        damage for damage in verified.damages if (damage.state, damage.outcome) == ("missing", "found")
    ]
    return not verified.objects and len(lacking) == len(verified.damages) > 1


def _line(store: str, damage: Damage) -> str:
    said = {"found": "", "repaired": ": repaired", "lost": ": LOST, no good copy is left"}[damage.outcome]
    return f"{store}: {_file(damage)} {SAYS[damage.state]} ({damage.oid}){said}"


def _file(damage: Damage) -> str:
    needed = damage.needed
    if needed is None:
        return "an object that no revision looked at needs"
    revision = needed.revision if needed.revision == "workspace" else f"commit {needed.revision[:7]}"
    return f"{needed.path} (stage {needed.stage}, {revision})"


def _summary(verified: Verified) -> str:
    counts = [f"{verified.objects:,} objects verified"]
    if verified.bytes:
        counts[0] += f", {_size(verified.bytes)} read"
    if verified.by_size:
        counts.append(f"{verified.by_size:,} compared by size only (--deep reads them)")
    repaired = sum(damage.outcome == "repaired" for damage in verified.damages)
    counts.append(f"{len(verified.damages) - repaired} damaged or missing")
    if repaired:
        counts.append(f"{repaired} repaired")
    if verified.strays:
        size = sum(stray.size for stray in verified.strays)
        counts.append(f"{len(verified.strays)} unfinished transfers, {_size(size)} (--strays removes them)")
    return f"{verified.store}: {'; '.join(counts)}"


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def moved(done: Moved, place: Place) -> Iterator[str]:
    """Yield what a move has changed, and how to go back."""
    if done.lost:
        yield f"LOST: {', '.join(done.lost)}"
    yield f"default remote: {place.name}"
    if done.is_shared:
        yield "share it: git commit -m 'Move to another remote' .dvc/config"
    if place.secrets:
        yield "the secrets are in .dvc/config.local of this clone; every other clone sets its own"
    if done.before and done.before != place.name:
        yield f"go back: cairn remote {done.before}"


def as_record(found: Sequence[Verified]) -> list[dict[str, Any]]:
    """Return the same for programs."""
    return [asdict(verified) for verified in found]
