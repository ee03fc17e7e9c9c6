"""The model registry, which is tags of git in the format of GTO.

model@v0.0.2    the model of this commit is version v0.0.2
model#prod#3    from here on this version is in the stage prod; each such tag of a stage has the next number
model@v0.0.2!, model#prod!#4   take that back; `gto` writes them, Cairn only reads them

What counts is the number, which git keeps unique, also on the remote, and not the time, which GTO looks at:
every clock is its own. `cairn.registry` gives each tag a later time than the one before, so that both agree.
A tag without a message of its own is ignored, as GTO does.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cairn.errors import UserError, did_you_mean
from cairn.experiments.refs import git
from cairn.settings.yaml_text import parse_yaml

ARTIFACT = "model"
"""Name of the model among the `artifacts` of dvc.yaml."""
STAGES = ("prod", "staging")
PATTERNS = (f"refs/tags/{ARTIFACT}@*", f"refs/tags/{ARTIFACT}#*")
STAGE = re.compile(r"@[a-zA-Z0-9][\w-]*")
"""How a command is told to take the model of a stage."""
VERSION = re.compile(r"v(\d+)(?:\.(\d+)\.(\d+))?")
REGISTERS = re.compile(rf"{ARTIFACT}@(v\d+\.\d+\.\d+)(!?)")
ASSIGNS = re.compile(rf"{ARTIFACT}#([a-zA-Z0-9][\w-]*)(!?)(?:#(\d+))?")
FIELDS = ("refname:strip=2", "objecttype", "objectname", "*objectname", "taggerdate:unix", "contents:body")


@dataclass(frozen=True)
class Tag:
    """A tag of the registry.

    Attributes:
        name: without refs/tags/.
        sha: of the tag itself.
        commit: it points to.
        at: seconds since 1970 when it was made.
        body: its message without the first line.
    """

    name: str
    sha: str
    commit: str
    at: int
    body: str

    @cached_property
    def record(self) -> Mapping[str, Any]:
        """What Cairn wrote into the message; empty in a tag of another program."""
        try:
            read = parse_yaml(self.body, self.name)
        except UserError:
            return {}
        return read if isinstance(read, dict) and read.get("artifact") == ARTIFACT else {}

    @property
    def is_moved(self) -> bool:
        """Whether it points to another commit than its message says."""
        return self.made_for != self.commit

    @property
    def made_for(self) -> str:
        """The commit that its message names."""
        return str(self.record.get("commit", self.commit))

    @property
    def moved(self) -> str:
        """Say so."""
        return f"points to {self.commit[:7]}, but was made for {self.made_for[:7]}: it was moved"


@dataclass(frozen=True)
class Registry:
    """What the tags of a repository say.

    Attributes:
        versions: the tag of each, the oldest version first.
        deregistered: versions that were taken back, by commit.
        stages: by name, what has been put into it and not been taken back: the last tag is the current one,
            a rollback returns to the one before.
        history: every tag that put a model into a stage or took it out, the oldest first.
        last: by stage, the highest number of a tag, ignored ones included.
        latest: the time of the newest tag.
        ignored: names of tags without a message of their own.
    """

    versions: dict[str, Tag]
    deregistered: dict[str, str]
    stages: dict[str, list[Tag]]
    history: list[Tag]
    last: dict[str, int]
    latest: int
    ignored: list[str]

    def current(self, stage: str) -> Tag | None:
        """Return the tag that put the current model into a stage; None for an empty stage."""
        return next(reversed(self.stages.get(stage, [])), None)

    def version_of(self, commit: str) -> str | None:
        """Return the newest version that a commit is registered as."""
        return next((name for name, tag in reversed(self.versions.items()) if tag.commit == commit), None)

    def named(self, tag: Tag) -> str:
        """Return the version of a tag's commit, or its first digits if it is not registered."""
        return self.version_of(tag.commit) or tag.commit[:7]


def read_registry(root: Path) -> Registry:
    """Read the tags of a repository."""
    form = "".join(f"%({field})%00" for field in FIELDS)
    parts = git(root, "for-each-ref", f"--format={form}", *PATTERNS).split("\0")
    tags, ignored = [], []
    for at in range(0, len(parts) - len(FIELDS) + 1, len(FIELDS)):
        name, kind, sha, commit, time, body = parts[at : at + len(FIELDS)]
        name = name.lstrip("\n")
        if kind == "tag":
            tags.append(Tag(name, sha, commit, int(time), body))
        elif REGISTERS.fullmatch(name) or ASSIGNS.fullmatch(name):
            ignored.append(name)
    found = [(int(match[3] or 0), match, tag) for tag in tags if (match := ASSIGNS.fullmatch(tag.name))]
    found.sort(key=lambda one: (one[0], one[2].at))
    stages = _stages([(match, tag) for _, match, tag in found])
    last: dict[str, int] = {}
    for name in [*(tag.name for tag in tags), *ignored]:
        if match := ASSIGNS.fullmatch(name):
            last[match[1]] = max(last.get(match[1], 0), int(match[3] or 0))
    history = sorted((tag for _, _, tag in found), key=lambda tag: tag.at)
    latest = max((tag.at for tag in tags), default=0)
    return Registry(*_versions(tags), stages, history, last, latest, ignored)


def _versions(tags: list[Tag]) -> tuple[dict[str, Tag], dict[str, str]]:
    found = {(match[1], match[2]): tag for tag in tags if (match := REGISTERS.fullmatch(tag.name))}
    taken_back = {version for version, cancelled in found if cancelled}
    made = {version: tag for (version, cancelled), tag in found.items() if not cancelled}
    kept = sorted((version for version in made if version not in taken_back), key=numbers)
    deregistered = {made[version].commit: version for version in taken_back if version in made}
    return {version: made[version] for version in kept}, deregistered


def _stages(assigned: list[tuple[re.Match[str], Tag]]) -> dict[str, list[Tag]]:
    stages: dict[str, list[Tag]] = {}
    for match, tag in assigned:
        below = stages.get(match[1], [])
        if match[2]:  # taken back
            stages[match[1]] = [one for one in below if one.commit != tag.commit]
            continue
        # A rollback takes the place of the tag that it returns to, so that the next one goes further back.
        names, restored = [one.name for one in below], tag.record.get("restores")
        stages[match[1]] = [*below[: names.index(restored) if restored in names else None], tag]
    return stages


def numbers(version: str) -> tuple[int, ...]:
    """Return what versions are sorted by; v3 is short for v0.0.3."""
    match = VERSION.fullmatch(version)
    assert match
    return (0, 0, int(match[1])) if match[2] is None else tuple(int(part) for part in match.groups())


def registered(root: Path, name: str) -> str | None:
    """Return the commit of `@STAGE` or of a version such as v0.0.3 or v3; None for any other name.

    Raises:
        UserError: nothing is in that stage, or the tag has been moved.
    """
    is_stage = bool(STAGE.fullmatch(name))
    if not is_stage and not VERSION.fullmatch(name):
        return None
    registry = read_registry(root)
    if is_stage:
        tag = registry.current(name[1:])
    else:
        tag = next((tag for one, tag in registry.versions.items() if numbers(one) == numbers(name)), None)
    if tag is None and is_stage:
        used = [f"@{stage}" for stage in registry.stages if registry.current(stage)]
        hint = did_you_mean(name, used) if name[1:] not in STAGES else ""
        raise UserError(f"{name}: no model is in this stage{hint}{_how_to_fill(root, name[1:])}")
    if tag is not None and tag.is_moved:
        raise UserError(
            f"{name}: the tag {tag.name} {tag.moved}; get it back from the remote"
            f" (`git fetch --force origin tag {tag.name}`), then `cairn models --verify`"
        )
    return tag.commit if tag else None


def _how_to_fill(root: Path, stage: str) -> str:
    if is_shallow(root):
        return "; this clone is shallow and may lack its tags: `git fetch --unshallow --tags`"
    stage = stage if stage in STAGES else STAGES[0]
    return f"; `git fetch --tags` gets the remote's tags, `cairn promote REV --stage {stage}` fills it"


def is_shallow(root: Path) -> bool:
    """Tell whether the clone holds only the newest commits."""
    return git(root, "rev-parse", "--is-shallow-repository") == "true"
