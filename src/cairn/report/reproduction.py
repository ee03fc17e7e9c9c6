"""What `cairn reproduce` says: the progress, the comparison stage by stage, and the likely reasons."""

from collections.abc import Iterator
from typing import Any

from cairn.report.numbers import listed, short
from cairn.report.table import Table, aligned
from cairn.reproduction.judge import COMMAND, Compared, StageResult
from cairn.reproduction.reproduce import Reproduction
from cairn.terminal import wrapped

MOST = 60
"""Characters of a value that are shown."""
STATES = {
    "identical": "identical",
    "cause": "DIFFERENT",
    "consequence": "different",
    "not run": "not run",
    "unrecorded": "no record",
}
VERDICTS = {
    "identical": "IDENTICAL: every output of every stage is byte for byte the recorded one",
    "different": "DIFFERENT",
    "undecided": "UNDECIDED: there is no record of all outputs to compare with",
    "failed": "FAILED: a stage could not be run",
}


def lines(done: Reproduction, likely: list[str]) -> Iterator[str]:
    """Yield the comparison, one line per stage, then what differs, the likely reasons, and the verdict."""
    yield from aligned(Table(["stage", "seconds", "identical", "state", "because of"], _rows(done)))
    for result in done.stages:
        yield from _differences(result)
        yield from _notes(result)
    if done.error:
        yield "The last lines that were printed:"
        yield from (f"  {line}" for line in done.error)
    for reason in likely:
        yield from wrapped(f"likely reason: {reason}")
    yield from wrapped(_verdict(done))
    if done.folder:
        yield f"kept: {done.folder}"


def _rows(done: Reproduction) -> list[list[str]]:
    return [
        [
            result.name,
            "" if result.seconds is None else f"{result.seconds:.1f}",
            f"{sum(output.is_identical for output in result.outputs)} of {len(result.outputs)}",
            STATES[result.state],
            listed(result.after) if result.state == "consequence" else _names(result),
        ]
        for result in done.stages
    ]


def _names(result: StageResult) -> str:
    return listed("the command" if one.path == COMMAND else one.path for one in result.changed)


def _verdict(done: Reproduction) -> str:
    said = VERDICTS[done.verdict]
    if done.verdict == "different":
        first = [result.name for result in done.stages if result.state in ("cause", "not run")]
        said = f"{said} from stage {listed(first)} on"
    environment = "the running environment" if done.asked.environment == "current" else "new environment"
    name, commit = done.asked.revision.name, done.commit[:7]
    title = commit if done.commit.startswith(name) else f"{name} ({commit})"
    where = f"experiment {done.record}" if done.record not in (None, done.commit) else "dvc.lock"
    against = f", compared with {where}" if done.record else ""
    return f"{title}, {environment}{against}: {said}"


def _differences(result: StageResult) -> Iterator[str]:
    """Yield the inputs and outputs that differ; what differs as a consequence is not explained."""
    if result.state in ("cause", "not run"):
        for one in [*result.changed, *result.outputs]:
            if not one.is_identical:
                yield f"{one.path}: recorded {_short(one.recorded)}, here {_short(one.found)}{_where(one)}"


def _short(text: str | None) -> str:
    return "none" if text is None else text if len(text) <= MOST else f"{text[:MOST]}…"


def _where(one: Compared) -> str:
    found: dict[str, Any] = one.difference or {}
    said = [f"in {listed(found['files'])}"] if "files" in found else []
    if "line" in found:
        said.append(f"line {found['line']}: '{found['recorded']}' is now '{found['found']}'")
    elif "byte" in found:
        said.append(f"from byte {found['byte']:,} on")
    elif "columns" in found:
        largest = found.get("largest")
        by = "" if largest is None else f" by at most {short(largest)}"
        said.append(f"columns {listed(found['columns'])}{by}")
    return f" ({'; '.join(said)})" if said else ""


def _notes(result: StageResult) -> Iterator[str]:
    for output in result.outputs:
        if output.committed not in (None, output.recorded):
            yield f"note: {output.path} in git is not the one that dvc.lock records"
    if result.state == "identical" and result.changed:
        yield f"note: {result.name} made the same from {_names(result)}, which dvc.lock has otherwise"


def reasons(done: Reproduction, earlier: dict[str, Any] | None = None) -> Iterator[str]:
    """Yield the likely reason for each stage in which a difference begins.

    `earlier` is the environment of an earlier reproduction, see `environment.describe`.
    """
    for result in done.stages:
        if result.state == "cause":
            yield f"{result.name}: {_reason(result, done.environment, earlier)}"


def _reason(result: StageResult, environment: dict[str, Any], earlier: dict[str, Any] | None) -> str:
    if result.changed:
        return (
            f"its input is not the one that was recorded: {_names(result)}; `dvc repro` was not run"
            " between the change and the commit, or the bytes have changed since"
        )
    if result.repeats is False:
        return (
            "it does not repeat itself: a second run here, from the same inputs, wrote other bytes; look for"
            " a clock, an unset seed, or an order that depends on threads"
        )
    if environment["unpinned"]:
        return f"other versions than the pins: {listed(environment['unpinned'])}"
    said = "the environment: a second run here, from the recorded inputs with pinned versions, wrote the same"
    if earlier:
        return (
            f"{said} bytes. Different since the earlier record: {listed(_changes(earlier, environment), 9)}"
        )
    return (
        f"{said} bytes. The commit does not record its Python, processor or cores (an earlier record does:"
        f" --earlier). Here: {'; '.join(facts(environment).values())}"
    )


def _changes(earlier: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return what is different in two environments."""
    before, after = facts(earlier), facts(now)
    packages = {**earlier["packages"], **now["packages"]}
    old, new = earlier["packages"], now["packages"]
    changed = [
        f"{name} {old.get(name, 'absent')} is now {new.get(name, 'absent')}"
        for name in packages
        if old.get(name) != new.get(name)
    ]
    found = [f"{before[name]} is now {after[name]}" for name in after if before[name] != after[name]]
    return [*found, *changed] or ["nothing that is recorded"]


def facts(environment: dict[str, Any]) -> dict[str, str]:
    """Return what of an environment, besides the packages, changes the last digits of numbers."""
    kernels = sorted({one["architecture"] for one in environment["libraries"] if "architecture" in one})
    processor = environment["processor"]
    return {
        "python": f"{environment['implementation']} {environment['python']}",
        "system": f"{environment['system']} {environment['machine']}, {environment['libc']}",
        "processor": f"{processor['model']} with {' '.join(processor['flags'])}",
        "blas": f"OpenBLAS for {listed(kernels)}" if kernels else "no OpenBLAS",
        "cores": f"{environment['cores']} cores",
        "threads": f"{environment['threads']} threads",
    }
