"""Every version with its stage and what its commit says of it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cairn.experiments.history import History, Revision
from cairn.experiments.versions import Registry, Tag
from cairn.registry.record import Headline, headline, table_of

MONITORED = "metrics/monitor.json"


@dataclass(frozen=True)
class Listed:
    """A version.

    Attributes:
        stages: in which it is now.
        data: hash of the prepared table; None if the commit has none.
        headline: the primary metric on test; None if the commit has no evaluation.
        monitor: yes, no or undecided, as `cairn monitor` said in that commit; None if it does not say.
        record: what Cairn wrote into the message of its tag.
    """

    version: str
    commit: str
    at: int
    stages: list[str]
    data: str | None
    headline: Headline | None
    monitor: str | None
    record: dict[str, Any]


def listed(root: Path, registry: Registry) -> list[Listed]:
    """Return every version, the newest first; and every commit that is in a stage without a version."""
    history = History(root)
    current = {stage: tag for stage in registry.stages if (tag := registry.current(stage))}
    unregistered = {tag.commit[:7]: tag for tag in current.values() if not registry.version_of(tag.commit)}
    tags: dict[str, Tag] = unregistered | registry.versions
    found = []
    for version, tag in reversed(tags.items()):
        revision = Revision(version, tag.commit)
        found.append(
            Listed(
                version,
                tag.commit,
                tag.at,
                [stage for stage, one in current.items() if one.commit == tag.commit],
                table_of(history, revision),
                headline(history, revision),
                _monitored(history, revision),
                dict(tag.record),
            )
        )
    return found


def _monitored(history: History, revision: Revision) -> str | None:
    try:
        return str(json.loads(history.text(revision, MONITORED) or "")["retrain"])
    except (ValueError, LookupError, TypeError):
        return None
