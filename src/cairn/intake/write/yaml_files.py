"""Write a plan as the two files of conf/, every setting with its reason beside it."""

import json
import re
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cairn.compose.validate import TWO_READINGS
from cairn.intake.draft.columns import Finding
from cairn.intake.draft.plan import Plan
from cairn.settings.purpose import question_of

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
    "kind": "extension of the files to read",
    "file_column": "column with the name of each row's file",
    "skipfooter": "lines skipped at the end: a total",
    "engine": "the parser of pandas that supports skipfooter; it is the slow one",
    "skipinitialspace": "a space follows every separator",
    "index_col": "every line ends with a separator",
    "header": "line of the names, counted from 0",
    "names": "column names, as the file has none for the first column",
}
TRACKED = "tracked by DVC"
QUESTION = {"binary": "which of two", "multiclass": "which of several", "regression": "how much"}


def texts(plan: Plan, origin: str = TRACKED) -> dict[str, str]:
    """Return the text of both files by its path below conf/."""
    name, findings = plan.data.name, plan.findings
    data = _filled(
        "data.yaml.j2",
        plan=plan,
        data=plan.data,
        defaults=plan.defaults,
        origin=origin,
        asks=QUESTION[plan.data.task],
        question=question_of(plan.data, plan.contract),
        features=sum(finding.column.group is not None for finding in findings.values()),
        load_notes=LOAD,
        derive_notes={column: findings[column].note for column in plan.data.derive},
    )
    contract = _filled(
        "contract.yaml.j2",
        name=name,
        suspects=len(plan.named("suspect")),
        key=plan.contract.key,
        columns=[(column, _column(finding), _remark(finding)) for column, finding in findings.items()],
    )
    return {f"contract/{name}.yaml": contract, f"data/{name}.yaml": data}


def _filled(template: str, **content: Any) -> str:
    """Fill a template of this folder; its filter `yaml` is `written`."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"yaml": written, "comment": comment}
    return environment.get_template(template).render(**content)


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


def _column(finding: Finding) -> dict[str, Any]:
    keys = finding.column.model_dump(exclude_defaults=True)
    described = {"description": comment(finding.note)} if finding.role in DESCRIBED else {}
    return {"kind": keys.pop("kind"), **keys, **described}


def _remark(finding: Finding) -> str:
    heading = {
        "target": "the target",
        "suspect": "LOOKS LIKE A LEAK",
        "idle": "not a feature",
        "key": "not a feature",
        "entity": "not a feature",
        "split": "not a feature",
        "weight": "not a feature",
        "source": "not a feature",
    }.get(finding.role)
    note = None if finding.role in DESCRIBED else finding.note
    return ": ".join(filter(None, [heading, note])) or "a feature"
