"""The findings and settings of `cairn new-data`, for the terminal."""

from cairn.intake.draft.plan import Plan
from cairn.intake.read.source import Source
from cairn.report.numbers import listed

MOST_SHOWN = 8


def plan_text(plan: Plan, source: Source) -> str:
    """Return one line per finding about the table and per setting chosen for it."""
    data, findings, defaults = plan.data, plan.findings, plan.defaults
    rows, columns = source.table.shape
    lines = [f"{source.path.name}: {rows:,} rows, {columns:,} columns; {plan.copies:,} duplicate rows"]
    lines += [f"read: {note}" for note in source.notes]
    lines.append(f"task: {data.task}: {plan.question.why}")
    if data.task == "binary":
        event = True if data.positive is None else data.positive
        lines.append(f"event: {event}: {plan.question.why_positive}")
    lines.append(f"split: {defaults.split.value}: {defaults.split.why}")
    lines += [f"owner: {data.group}: {plan.owners}"] if plan.owners else []
    lines.append(f"metric: {defaults.primary.value}: {defaults.primary.why}")
    lines += [f"weight: {defaults.weight.value}: {defaults.weight.why}"] if defaults.weight else []
    lines.append(f"model: {defaults.model.value}: {defaults.model.why}")
    lines += [f"refit: {defaults.refit.value}: {defaults.refit.why}"] if defaults.refit else []
    features = plan.named("feature")
    lines.append(f"features: {len(features)}: {listed(features, MOST_SHOWN)}")
    lines += [
        f"not a feature: {name}: {findings[name].note}"
        for name in plan.named("split", "entity", "weight", "idle", "key")[:MOST_SHOWN]
    ]
    lines += [f"possible leak: {name}: {findings[name].note}" for name in plan.named("suspect")]
    lines += [f"time: {name}: {findings[name].note}" for name in plan.hourless]
    lines += [f"check: {name}: {finding.doubt}" for name, finding in findings.items() if finding.doubt]
    lines += [f"dropped rows: {why}" for why in plan.drop_why.values()]
    return "\n".join(lines)
