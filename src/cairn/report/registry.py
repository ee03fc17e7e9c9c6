"""What the registry of models says: messages of tags, what a promotion found, and the table of versions."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import yaml

from cairn.experiments.versions import ARTIFACT, STAGES, Registry
from cairn.metrics.paired import Difference
from cairn.registry.integrity import HARMLESS, Problem
from cairn.registry.listing import Listed
from cairn.registry.promotion import Plan
from cairn.registry.record import Compared, Record
from cairn.report.card.words import metric_name
from cairn.report.numbers import ABSENT, estimate, listed, moment, to_ascii
from cairn.report.storage import SAYS
from cairn.report.studies.comparison import conclusion
from cairn.report.studies.difference import draws, size
from cairn.report.table import Table, aligned
from cairn.terminal import WIDTH, wrapped

SCORE, WIDEST = "test score", 20
"""A column of `cairn models`, and how wide its header may be for a table of 80 columns."""
FOUND = {"better": "", "worse": "worse: ", "unclear": "no evidence of a difference: ", "same": "equal: "}
PUSH = f"`git push --atomic REMOTE 'refs/tags/{ARTIFACT}@*' 'refs/tags/{ARTIFACT}#*'`"


def message(record: Record) -> str:
    """Return the message of a tag: a line for people, and all of the record as YAML."""
    said = f"{ARTIFACT} {record.version}"
    if record.action == "register":
        said += f" is commit {record.commit[:7]}"
    elif record.action == "rollback":
        said = f"{record.stage}: back to {said} from {record.replaces}"
    else:
        said = f"{record.stage}: {said}" + (f" replaces {record.replaces}" if record.replaces else "")
        said += f": {_in_short(record.comparison)}" if record.comparison else ""
    if record.reason:
        said += f" ({' '.join(record.reason.split())})"
    written = yaml.safe_dump(record.model_dump(), sort_keys=False, allow_unicode=True, width=WIDTH)
    return f"{to_ascii(said)}\n\n{written}"


def _in_short(found: Compared) -> str:
    decided = Difference(**found.quantities[found.decides].model_dump())
    return f"{FOUND[found.outcome]}{size(decided, found.decides, found.currency)} on {found.part}"


def promoted(plan: Plan) -> Iterator[str]:
    """Yield what the comparison found, and what becomes of the stage."""
    yield from _found(plan)
    if plan.withdrawn and (plan.drafts or plan.is_refused):
        why = plan.withdrawn.record.get("reason")
        said = f"note: {plan.version} was rolled back from {plan.stage} on {moment(plan.withdrawn.at)}"
        yield from wrapped(f"{said}: {why}" if why else said)
    commit = plan.commit[:7]
    if plan.drafts:
        replaced = f", was {plan.before}" if plan.before else ""
        yield f"{plan.stage}: {plan.version} (commit {commit}){replaced}"
    elif plan.is_refused:
        yield f"{plan.stage}: {plan.before} stays"
    else:
        yield f"{plan.stage}: {plan.version} (commit {commit}) is in this stage already"


def _found(plan: Plan) -> Iterator[str]:
    found = plan.comparison
    if found is not None:
        made = draws(found.confidence, found.resamples, found.units, found.rows, found.block)
        text = f"{conclusion(found, found.candidates[0])} {found.rows:,} {found.part} rows; {made}."
        yield from wrapped(to_ascii(text))
    elif plan.obstacle:
        yield from wrapped(f"not compared with {plan.before}: {plan.obstacle}")


def refusal(plan: Plan) -> str:
    """Say why a model was not promoted, in one line."""
    why = {
        "undecided": f"there is no evidence that it is better than {plan.before}, which is in {plan.stage}",
        "keep": f"it is not better than {plan.before}, which is in {plan.stage}",
    }.get(plan.decision or "", f"it cannot be compared with {plan.before}, which is in {plan.stage}")
    return f"not promoted: {why}; to promote it anyway: --force --reason TEXT"


def next_step(plan: Plan, remote: str | None) -> Iterator[str]:
    """Say which tags were written, and how they reach others."""
    tags = " ".join(draft.name for draft in plan.drafts)
    if remote is not None:
        yield f"pushed to {remote}: {tags or 'all tags of the registry'}"
    elif tags:
        yield f"written here: {tags}"
        yield f"publish: {PUSH.replace('REMOTE', 'origin')}, or use --push next time"


def models_table(found: Sequence[Listed]) -> list[str]:
    """Return the table of versions, at most 80 columns wide."""
    if not found:
        return ["no version is registered; `cairn promote REV --stage staging` registers one"]
    metrics = {one.headline.metric for one in found if one.headline}
    columns = {
        "version": [one.version for one in found],
        "stage": ["both" if set(one.stages) == set(STAGES) else "+".join(one.stages) for one in found],
        "commit": [one.commit[:7] for one in found],
        "data": [(one.data or ABSENT)[:7] for one in found],
        SCORE: [estimate(one.headline) if one.headline else ABSENT for one in found],
        "metric": [metric_name(one.headline.metric) if one.headline else ABSENT for one in found],
        "date": [moment(one.at)[:10] for one in found],
        "retrain": [one.monitor or ABSENT for one in found],
    }
    # With one metric its name is the header; with several, commit and date do not fit.
    for name in ("metric",) if len(metrics) < 2 else ("commit", "date"):
        columns.pop(name)
    title = f"test {metric_name(*metrics)}" if len(metrics) == 1 else SCORE
    title = title if len(title) <= WIDEST else title.removeprefix("test ")
    header = [title if name == SCORE else name for name in columns]
    rows = list(zip(*columns.values(), strict=True))
    return [to_ascii(line) for line in aligned(Table(header, rows, words=True))]


def problem_lines(found: Sequence[Problem]) -> Iterator[str]:
    """Yield a line for each problem; what a fetch or a push settles is said once."""
    harmless: dict[tuple[str, str], list[str]] = {}
    for one in found:
        if one.kind in HARMLESS:
            harmless.setdefault((one.kind, one.detail), []).append(one.name)
        else:
            yield to_ascii(_problem(one))
    for (kind, remote), names in harmless.items():
        if kind == "behind":
            yield f"only on {remote}: {listed(names)}: `git fetch --tags {remote}`"
        else:
            yield f"not on {remote} yet: {listed(names)}: {PUSH.replace('REMOTE', remote)}"


def _problem(one: Problem) -> str:
    first, _, second = one.detail.partition(" ")
    return {
        "ignored": f"{one.name}: ignored: not an annotated tag; `git tag --delete {one.name}`, and use"
        " `cairn promote`",
        "moved": f"{one.name}: moved: it points to {first} and was made for {second}; get it back:"
        f" `git fetch --force origin tag {one.name}`",
        "differs": f"{one.name}: not the same tag here and on {first}; to take theirs:"
        f" `git fetch --force {first} tag {one.name}`",
        "no model": f"{one.name}: commit {first} has no model in dvc.lock",
        "other model": f"{one.name}: dvc.lock of its commit has model {first}, the tag was made for {second}",
        "damaged": f"{one.name}: {first} {SAYS.get(second, second)}, in the cache and on the remote of DVC;"
        " `cairn push --all-commits` where it was computed",
        "unreachable": f"{one.name}: not compared with this remote of git: {one.detail}",
    }[one.kind]


def verified(found: Sequence[Problem], versions: int) -> str:
    """Return the last line of a verification."""
    bad = sum(one.kind not in HARMLESS for one in found)
    return f"{versions} {'version' if versions == 1 else 'versions'} checked; problems: {bad}"


def as_record(found: Sequence[Listed], registry: Registry, wrong: Sequence[Problem] | None) -> dict[str, Any]:
    """Return everything for programs; `problems` only if they were looked for."""
    history = [
        {**tag.record, "tag": tag.name, "version": registry.named(tag), "commit": tag.commit, "at": tag.at}
        for tag in registry.history
    ]
    versions = [asdict(one) | {"headline": one.headline and one.headline.model_dump()} for one in found]
    problems = {} if wrong is None else {"problems": [asdict(one) for one in wrong]}
    return {"versions": versions, "history": history} | problems
