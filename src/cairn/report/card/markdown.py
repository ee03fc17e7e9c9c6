"""The model card as Markdown, with the metadata block that model hubs read (Hugging Face, model-index)."""

from pathlib import Path

from cairn.metrics.evaluation import HEADLINE, MODEL, Evaluation
from cairn.models.compiled import name_of, uncalibrated
from cairn.models.package import Package
from cairn.report.card.words import metric_name
from cairn.report.numbers import estimate, number, places, span
from cairn.report.page import bounds, render

TEMPLATE = Path(__file__).with_name("card.md.j2")


def markdown_card(package: Package, record: Evaluation | None, revision: str = "") -> str:
    """Return the card of a model; without an evaluation it has no scores."""
    kind = "regression" if package.task == "regression" else "classification"
    data, model = package.config["data"], package.config["model"]
    turns = f"`probability` of the event, and `decision`: above {package.threshold:.6g}"
    if package.task == "multiclass":
        turns = f"`probability_CLASS` for {', '.join(package.class_names)}, and `prediction`"
    return render(
        TEMPLATE,
        name=f"{data['name']}-{model['name']}",
        data=data["name"],
        task=package.task,
        target=package.target,
        pipeline=f"tabular-{kind}",
        estimator=name_of(uncalibrated(package.estimator)),
        revision=revision,
        metrics=_metrics(package, record) if record else [],
        rows=f"{record.rows:,}" if record else "",
        confidence=f"{100 * record.confidence:g}" if record else "",
        block=record.block if record else None,
        weight=record.weight if record else None,
        baseline=record.best_baseline if record else "",
        inputs=[
            {"name": name, "column": package.raw.columns[name], "holds": bounds(package.raw.columns[name])}
            for name in package.source_columns
        ],
        output=turns if package.task != "regression" else f"`prediction`: {package.target}",
        notes=package.notes,
        versions=", ".join(f"{name} {version}" for name, version in package.versions.items()),
    )


def _metrics(package: Package, record: Evaluation) -> list[dict[str, str]]:
    ours, theirs = record.scores[MODEL], record.scores[record.best_baseline]
    rows = []
    for key in (key for key in HEADLINE[package.task] if key in ours):
        gain, digits = record.gains[record.best_baseline][key], places([ours[key]])
        rows.append(
            {
                "key": key,
                "name": metric_name(key),
                "plain": f"{ours[key].value:.6g}",
                "value": number(ours[key].value, digits),
                "span": span(ours[key], digits),
                "baseline": number(theirs[key].value, digits),
                "gain": estimate(gain, digits),
            }
        )
    return rows
