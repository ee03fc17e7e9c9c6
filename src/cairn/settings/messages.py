"""Turn what is wrong in settings into one line per key: where, what, and the nearest valid name."""

import json
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cairn.errors import UserError, did_you_mean

Problem = tuple[tuple[str, ...], str]
MOST = 50
"""Problems of a file that are reported at a time; to look for a name like each takes a millisecond."""

MUST = {
    "int_type": "be an integer",
    "int_parsing": "be an integer",
    "float_type": "be a number",
    "float_parsing": "be a number",
    "finite_number": "be a finite number",
    "bool_type": "be true or false",
    "string_type": "be a string",
    "list_type": "be a list",
    "dict_type": "be a mapping (KEY: VALUE)",
    "model_type": "be a mapping (KEY: VALUE)",
    "model_attributes_type": "be a mapping (KEY: VALUE)",
    "greater_than": "be greater than {gt:g}",
    "greater_than_equal": "be at least {ge:g}",
    "less_than": "be less than {lt:g}",
    "less_than_equal": "be at most {le:g}",
    "literal_error": "be {expected}",
    "union_tag_invalid": "be {expected_tags}",
    "too_short": "have {min_length} or more items",
}
"""What a value must do, by the type of pydantic's error; pydantic's own sentence is used for all others."""


def lines(file: str, error: ValidationError, hint: Any, value: Any, *section: str) -> UserError:
    """Return the problems of a file, or of a section in it, as an error of one line each; see `problems`."""
    found = [(".".join([*section, *path]), said) for path, said in problems(error, hint, value)]
    return UserError("\n".join(": ".join(filter(None, [file, key, said])) for key, said in found))


def problems(error: ValidationError, hint: Any, value: Any) -> list[Problem]:
    """Return (path of the key, what is wrong) for every wrong key up to MOST, in order.

    Args:
        error: what pydantic raised.
        hint: the type the value was validated as.
        value: the value as written.
    """
    found: dict[tuple[str, ...], list[str]] = {}
    details = error.errors(include_url=False)
    for detail in details[:MOST]:
        path = _written_path(detail, value)
        found.setdefault(path, []).append(_said(detail, hint, value, path))
    told = [(path, _joined(said)) for path, said in found.items()]
    if hidden := len(details[MOST:]):
        told[-1] = told[-1][0], f"{told[-1][1]} (and {hidden:,} more problems)"
    return told


def _joined(said: list[str]) -> str:
    """Join what the members of a union say about a value: `must be A, not V` and `must be B, not V`."""
    parts = [text.removeprefix("must be ").rpartition(", not ") for text in said]
    if len(said) == 1 or not all(middle for _, middle, _ in parts):
        return "; ".join(dict.fromkeys(said))
    return f"must be {_either(list(dict.fromkeys(before for before, _, _ in parts)))}, not {parts[0][2]}"


def _written_path(detail: ErrorDetails, value: Any) -> tuple[str, ...]:
    """Drop the names of union members from pydantic's location: they are not in the file."""
    path = []
    for i, step in enumerate(detail["loc"]):
        if (isinstance(value, dict) and step in value) or (isinstance(value, list) and isinstance(step, int)):
            value = value[step]
        elif not (detail["type"] == "missing" and i == len(detail["loc"]) - 1):
            continue
        path.append(str(step))
    if detail["type"].startswith("union_tag"):
        path.append(str(detail.get("ctx", {}).get("discriminator", "")).strip("'"))
    return tuple(path)


def _said(detail: ErrorDetails, hint: Any, value: Any, path: tuple[str, ...]) -> str:
    context, given = detail.get("ctx", {}), detail["input"]
    near = ""
    match detail["type"]:
        case "extra_forbidden":
            return f"unknown key{did_you_mean(path[-1], names_at(hint, value, path[:-1]))}"
        case "missing" | "union_tag_not_found":
            return "missing"
        case "value_error":
            return str(context["error"])
        case "union_tag_invalid":
            tags = [tag.strip("'") for tag in context["expected_tags"].split(", ")]
            given, near = context["tag"], did_you_mean(context["tag"], tags)
            context = {"expected_tags": _either([f"'{tag}'" for tag in tags])}
        case "literal_error":
            names = [name.strip("'") for name in context["expected"].replace(" or ", ", ").split(", ")]
            near = did_you_mean(given, names)
    own = MUST.get(detail["type"])
    must = own.format(**context) if own else detail["msg"].removeprefix("Input should ")
    return f"must {must}, not {_as_written(given)}{near}"


def _either(names: list[str]) -> str:
    """Return `A, B or C`."""
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _as_written(value: Any) -> str:
    """Return a value as YAML has it, a string in single quotes."""
    return repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def names_at(hint: Any, value: Any, path: tuple[str, ...]) -> list[str]:
    """Return the valid keys at a path below a section."""
    section = _section(hint, value)
    if section is None:
        inner = get_args(_bare(hint))
        return names_at(inner[-1], _step(value, path[0]), path[1:]) if path and inner else []
    if not path:
        return list(section.model_fields)
    hints = get_type_hints(section, include_extras=True)
    return names_at(hints[path[0]], _step(value, path[0]), path[1:]) if path[0] in hints else []


def _bare(hint: Any) -> Any:
    return _bare(get_args(hint)[0]) if get_origin(hint) is Annotated else hint


def _step(value: Any, key: str) -> Any:
    if isinstance(value, list):
        return value[int(key)] if key.isdigit() else None
    return value.get(key) if isinstance(value, dict) else None


def _section(hint: Any, value: Any) -> type[BaseModel] | None:
    """Return the section class of a type; of a union, the member whose `kind` is the value's."""
    hint = _bare(hint)
    if get_origin(hint) in (Union, UnionType):
        members = [member for member in get_args(hint) if _section(member, value)]
        kind = value.get("kind") if isinstance(value, dict) else None
        named = [m for m in members if kind in get_args(get_type_hints(_section(m, value)).get("kind"))]
        return _section((named or members or [None])[0], value)
    return hint if isinstance(hint, type) and issubclass(hint, BaseModel) else None
