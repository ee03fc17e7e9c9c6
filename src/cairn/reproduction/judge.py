"""Compare what was recorded with what was made: which outputs differ, and in which stage that began."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal

from cairn.reproduction.lock import Stage, makers

Verdict = Literal["identical", "different", "undecided", "failed"]
State = Literal["identical", "cause", "consequence", "not run", "unrecorded"]


@dataclass(frozen=True)
class Output:
    """What a stage wrote.

    Attributes:
        path: of the file or folder.
        recorded: the digest in the record, None if it has no such output.
        found: the digest of what was made here, None if nothing was.
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
        state: `cause` if its outputs differ and those of the stages before it do not explain that.
        outputs: what it wrote.
        changed: inputs from outside of the pipeline that are not those of the record, also the command.
        after: stages whose different outputs it has read.
        seconds: that it took, None if it did not run.
        repeats: for a cause whose inputs are those of the record, whether a second run here made the same
            bytes as the first.
    """

    name: str
    state: State
    outputs: list[Output]
    changed: list[str] = field(default_factory=list)
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
            Output(path, before.outs.get(path) if before else None, now.outs.get(path) if now else None)
            for path in paths
        ]
        changed: list[str] = []
        after: list[str] = []
        state: State = "identical"
        if now is None:
            state = "not run"
        elif before is None:
            state = "unrecorded"
        else:
            for path in _differing(before, now):
                # A stage that writes its own input, such as params.yaml, is no stage before it.
                upstream = [maker for maker in makers(known.values(), _file(path)) if maker != name]
                after += [maker for maker in upstream if _differs(results, maker)]
                changed += [] if upstream else [path]
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


def _differing(before: Stage, now: Stage) -> list[str]:
    """Return the inputs that differ: paths, parameters as FILE: KEY, and `the command`."""
    paths = [path for path in {**before.deps, **now.deps} if before.deps.get(path) != now.deps.get(path)]
    keys = {**before.params, **now.params}
    params = [key for key in keys if before.params.get(key, ...) != now.params.get(key, ...)]
    return [*paths, *params, *(["the command"] if before.cmd != now.cmd else [])]


def _file(name: str) -> str:
    """Return the file of an input, which is a path or a parameter as FILE: KEY."""
    return name.partition(": ")[0]


def _differs(results: Mapping[str, StageResult], name: str) -> bool:
    return name in results and any(not output.is_identical for output in results[name].outputs)
