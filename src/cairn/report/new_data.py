"""What `cairn new-data` prints: what the table is, what was decided, and why."""

from cairn.intake.draft.plan import Plan
from cairn.intake.read.source import Source

MOST_SHOWN = 8


def summary(plan: Plan, source: Source) -> list[str]:
    """Return the lines to print."""
    data, findings, choices = plan.data, plan.findings, plan.choices
    rows, columns = source.table.shape
    lines = [f"{source.path.name}: {rows:,} rows, {columns:,} columns; {plan.copies:,} rows repeat another"]
    lines += [f"read: {note}" for note in source.notes]
    positive = (
        f", {plan.question.why_positive} ({data.positive if data.positive is not None else True})"
        if data.task == "binary"
        else ""
    )
    lines.append(f"task: {data.task}: {plan.question.why}{positive}")
    lines.append(f"split: {choices.split.value}: {choices.split.why}")
    lines.append(f"metric: {choices.primary.value}: {choices.primary.why}")
    lines.append(f"model: {choices.model.value}: {choices.model.why}")
    features = plan.named("feature")
    lines.append(f"features: {len(features)}: {_few(features)}")
    lines += [
        f"not a feature: {name}: {findings[name].note}"
        for name in plan.named("idle", "key", "entity")[:MOST_SHOWN]
    ]
    lines += [f"LEAK? {name}: {findings[name].note}" for name in plan.named("suspect")]
    lines += [f"left out: {why}" for why in plan.drop_why.values()]
    return lines


def _few(names: list[str]) -> str:
    more = f" and {len(names) - MOST_SHOWN:,} more" if len(names) > MOST_SHOWN else ""
    return ", ".join(names[:MOST_SHOWN]) + more
