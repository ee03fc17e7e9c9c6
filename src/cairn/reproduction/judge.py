"""Compare what was recorded with what was made: which outputs differ, and in which stage that began."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal

from cairn.reproduction.lock import Stage, makers

COMMAND = "command"
Verdict = Literal["identical", "different", "undecided", "failed"]
State = Literal["identical", "cause", "consequence", "not run", "unrecorded"]


@dataclass(frozen=True)
class Compared:
    """What a stage wrote or read, in the record and here.

    Attributes:
        path: of the file or folder; FILE: KEY for a parameter, `command` for the command.
        recorded: the digest in the record, or the value; None if it has none.
        found: the hash of what is here.
        committed: the digest of what git has under that path, None if git has nothing.
        difference: the first place where the two differ, if the recorded file is at hand.
    """

    path: str
    recorded: str | None
    found: str | None
    committed: str | None = None
    difference: dict[str, Any] | None = None

    @property
    def is_identical(self) -> bool:
        """Whether both are there and byte for byte the same."""
        return self.recorded is not None and self.recorded == self.found


@dataclass(frozen=True)
class StageResult:
    """A stage, and how its outputs compare with the record.

    Attributes:
        name: the stage.
        state: `cause` if its outputs differ and the stages before it do not explain that.
        outputs: what it wrote.
        changed: inputs from outside the pipeline that differ from the record.
        after: stages whose different outputs it has read.
        seconds: that it took, None if it did not run.
        repeats: for a cause with the recorded inputs, whether a second run here made the same
            bytes as the first.
    """

    name: str
    state: State
    outputs: list[Compared]
    changed: list[Compared] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    seconds: float | None = None
    repeats: bool | None = None


def judge(
    recorded: Mapping[str, Stage], found: Mapping[str, Stage], seconds: Mapping[str, float]
) -> list[StageResult]:
    """Return the result of every stage, each after those that it reads from."""
    known = {**recorded, **found}
    results: dict[str, StageResult] = {}
    for name in in_order(known):
        before, now = recorded.get(name), found.get(name)
        paths = dict.fromkeys([*(before.outs if before else ()), *(now.outs if now else ())])
        outputs = [
            Compared(path, before.outs.get(path) if before else None, now.outs.get(path) if now else None)
            for path in paths
        ]
        changed: list[Compared] = []
        after: list[str] = []
        state: State = "identical"
        if now is None:
            state = "not run"
        elif before is None:
            state = "unrecorded"
        else:
            for one in _differing(before, now):
                # A stage that writes its own input, such as params.yaml, does not come before itself.
                upstream = [maker for maker in makers(known.values(), _file(one.path)) if maker != name]
                after += [maker for maker in upstream if _differs(results, maker)]
                changed += [] if upstream else [one]
            if any(not output.is_identical for output in outputs):
                state = "consequence" if after and not changed else "cause"
        results[name] = StageResult(name, state, outputs, changed, sorted({*after}), seconds.get(name))
    return list(results.values())


def in_order(stages: Mapping[str, Stage]) -> list[str]:
    """Return the names of the stages, each after those that it reads from."""
    reads = {
        stage.name: sorted(
            {
                maker
                for path in [*stage.deps, *map(_file, stage.params)]
                for maker in makers(stages.values(), path)
                if maker != stage.name
            }
        )
        for stage in stages.values()
    }
    try:
        return list(TopologicalSorter(reads).static_order())
    except CycleError:  # a stage of the record that reads what a stage of today writes, and the reverse
        return list(stages)


def verdict(results: list[StageResult], *, failed: bool) -> Verdict:
    """Return what the stages say together; undecided where a stage has no record and none differs."""
    states = {result.state for result in results}
    if failed:
        return "failed"
    if states & {"cause", "consequence", "not run"}:
        return "different"
    return "undecided" if "unrecorded" in states or not states else "identical"


def _differing(before: Stage, now: Stage) -> Iterator[Compared]:
    """Yield the inputs that differ."""
    commands = {COMMAND: before.cmd}, {COMMAND: now.cmd}
    for old, new in ((before.deps, now.deps), (before.params, now.params), commands):
        for name in {**old, **new}:
            if old.get(name, ...) != new.get(name, ...):
                yield Compared(name, _text(old, name), _text(new, name))


def _text(values: Mapping[str, Any], name: str) -> str | None:
    value = values.get(name, ...)
    if value is ...:
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _file(name: str) -> str:
    """Return the file of an input, which is a path or a parameter as FILE: KEY."""
    return name.partition(": ")[0]


def _differs(results: Mapping[str, StageResult], name: str) -> bool:
    return name in results and any(not output.is_identical for output in results[name].outputs)
