"""Write a plan as the two files of conf/, every setting with its reason beside it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from cairn.compose.validate import TWO_READINGS
from cairn.intake.draft.columns import Finding
from cairn.intake.draft.plan import Plan

DESCRIBED = ("suspect", "source")
"""Roles whose note is the description in the contract: explore.html shows why they are not features."""
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
WORDS = frozenset({"null", "true", "false", "nan", "inf"})
LOAD = {
    "_target_": "the function; other arguments of it can be set here",
    "encoding": "encoding of the text",
    "sep": "column separator",
    "decimal": "decimal sign",
    "thousands": "thousands separator",
    "dtype": "columns that only look like numbers with that separator",
    "na_values": "by column: markers of missing values, besides the usual ones",
    "kind": "extension of the files to read",
    "file_column": "column with the name of each row's file",
    "skipfooter": "lines skipped at the end: a total",
    "engine": "the parser of pandas that supports skipfooter; it is the slow one",
    "skipinitialspace": "a space follows every separator",
    "index_col": "every line ends with a separator",
    "header": "line of the names, counted from 0",
    "names": "column names, as the file has none for the first column",
    "low_memory": "one type for all rows of a column",
}
TRACKED = "tracked by DVC"
QUESTION = {"binary": "which of two", "multiclass": "which of several", "regression": "how much"}


def texts(plan: Plan, origin: str = TRACKED) -> dict[str, str]:
    """Return the text of both files by its path below conf/."""
    name = plan.data.name
    data = [*_head(plan), "", *_data(plan, origin), "", *_evaluate(plan)]
    data += ["", *_baseline(plan)] if plan.defaults.rules else []
    return {
        f"contract/{name}.yaml": "\n".join(_contract(plan)) + "\n",
        f"data/{name}.yaml": "\n".join(data) + "\n",
    }


def written(value: Any) -> str:
    """Return a value as YAML on one line, which all readers of YAML read the same way."""
    if isinstance(value, str):
        quoted = yaml.safe_dump(value, default_style='"', allow_unicode=True, width=float("inf"))
        return value if _is_plain(value) else quoted.rstrip("\n")
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{written(key)}: {written(item)}' for key, item in value.items())}}}"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value)


def _is_plain(text: str) -> bool:
    return bool(
        PLAIN.fullmatch(text)
        and text.lower() not in WORDS
        and not any(pattern.fullmatch(text) for pattern in TWO_READINGS)
    )


def comment(text: str) -> str:
    """Return text fit for a comment: one printable line."""
    return "".join(sign if sign.isprintable() else "?" for sign in " ".join(text.split()))


def _head(plan: Plan) -> Iterator[str]:
    data, defaults = plan.data, plan.defaults
    features = sum(finding.column.group is not None for finding in plan.findings.values())
    yield "# @package _global_"
    yield comment(
        f"# {data.name}: {QUESTION[data.task]}, {data.target}? {features} features."
        f" Select: dvc exp run -S data={data.name}"
    )
    yield "# Written by `cairn new-data` from what the table shows; yours to edit. Every line says why."
    if plan.copies:
        yield f"# {plan.copies:,} rows are exact copies of another row; copies land in the same part."
    yield "defaults:"
    yield _line(f"  - override /split: {defaults.split.value}", defaults.split.why)
    yield _line(f"  - override /model: {defaults.model.value}", defaults.model.why)
    yield _line("  - override /kpi: none", "no price on a decision; see conf/kpi/cost.yaml")
    yield _line("  - _self_", "and the values below")


def _data(plan: Plan, origin: str) -> Iterator[str]:
    data, question = plan.data, plan.question
    yield _line("data:", "the table and the target")
    yield _line(f"  name: {data.name}", "name in reports")
    yield _line(f"  source: {written(data.source)}", origin)
    yield _line(f"  contract: {data.contract}", "kind and bounds of every column, and when it is known")
    yield from _mapping("load", data.load, "how the file is read", "by its extension", LOAD)
    yield _line(f"  task: {data.task}", question.why)
    yield _line(f"  target: {written(data.target)}", "column to predict")
    yield _line(
        f"  positive: {written(data.positive)}",
        question.why_positive or "value of the target that is the event (null: not a binary task)",
    )
    yield _line(
        f"  time: {written(data.time)}",
        "column that orders the rows in time" if data.time else "no column says when a row happened",
    )
    yield _line(
        f"  group: {written(data.group)}",
        "column whose rows stay together" if data.group else "no column whose rows must stay together",
    )
    notes = {name: plan.findings[name].note for name in data.derive}
    yield from _mapping("derive", data.derive, "new columns, as pandas expressions", "no new columns", notes)
    yield from _mapping(
        "drop_where",
        data.drop_where,
        "reason: pandas expression; matching rows are dropped and counted",
        "no row with a target is dropped",
        plan.drop_why,
    )
    yield _line("  leakage:", "thresholds of the leak checks; a leak stops the run")
    measure = "R2" if data.task == "regression" else "ROC-AUC"
    yield _line(
        f"    max_single_score: {data.leakage.max_single_score:g}",
        f"{measure} of one column alone; the features here stay below",
    )
    yield _line(
        f"    min_null_rows: {data.leakage.min_null_rows}",
        "rows; columns with fewer missing values are not checked for a pattern in them",
    )
    yield _line(
        f"    trusted: {written(data.leakage.trusted)}", "columns to use although they look like a leak"
    )


def _mapping(key: str, values: Any, said: str, without: str, notes: dict[str, str]) -> Iterator[str]:
    if not values:
        yield _line(f"  {key}: {{}}" if key != "load" else "  load: null", without)
        return
    yield _line(f"  {key}:", said)
    for name, value in values.items():
        yield _line(f"    {written(name)}: {written(value)}", notes[name])


def _line(text: str, why: str) -> str:
    return f"{text} # {comment(why)}"


def _evaluate(plan: Plan) -> Iterator[str]:
    yield _line("evaluate:", "values that differ from conf/evaluate/default.yaml")
    for key in ("primary", "block", "slices", "min_slice_rows"):
        default = getattr(plan.defaults, key)
        yield _line(f"  {key}: {written(default.value)}", default.why)


def _baseline(plan: Plan) -> Iterator[str]:
    yield _line("baseline:", "values that differ from conf/baseline/default.yaml")
    yield _line("  rules:", "put here what people use today")
    for rule, default in plan.defaults.rules.items():
        yield _line(f"    {rule}:", default.why)
        yield _line("      kind: rate", "the target's mean on train for each value")
        yield _line(f"      by: [{written(default.value)}]", "columns known before")
        yield _line(
            "      smoothing: 10.0",
            "rows; a value with this many rows counts half, the overall mean the other half",
        )


def _contract(plan: Plan) -> Iterator[str]:
    contract = plan.contract
    suspects = len(plan.named("suspect"))
    yield f"# What every column of {plan.data.name} holds, and when it is known. Inferred: correct it."
    yield "#   group   makes the column a feature; features.groups chooses among them"
    yield "#   known   before: known at the moment of prediction; after: never a feature"
    yield "#   min, max, allowed   possible values; others stop the run, so relax what is too narrow"
    if suspects:
        yield f"# Columns that look like a leak ({suspects}) are known: after. To use one, give it a group"
        yield f"# instead, and add it to data.leakage.trusted of conf/data/{plan.data.name}.yaml."
    if contract.key:
        yield _line(f"key: {written(contract.key)}", "identifies a row; unique")
    yield "columns:"
    for name, finding in plan.findings.items():
        yield _line(f"  {written(name)}: {_column(finding)}", _remark(finding))


def _column(finding: Finding) -> str:
    keys = finding.column.model_dump(exclude_defaults=True)
    # OmegaConf would resolve a column called ${x}.
    note = comment(finding.note).replace("${", "$ {")
    described = {"description": note} if finding.role in DESCRIBED else {}
    return written({"kind": keys.pop("kind"), **keys, **described})


def _remark(finding: Finding) -> str:
    heading = {
        "target": "the target",
        "suspect": "LOOKS LIKE A LEAK",
        "idle": "not a feature",
        "key": "not a feature",
        "entity": "not a feature",
        "source": "not a feature",
    }.get(finding.role)
    note = None if finding.role in DESCRIBED else finding.note
    return ": ".join(filter(None, [heading, note])) or "a feature"
