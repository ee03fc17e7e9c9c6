"""Write docs/reference/config.md: every key of conf/, its values, its default and its meaning.

    python docs/reference/write.py

It comes from the typed classes in src/cairn/settings: values and defaults from the fields, meanings from
the docstrings (Attributes). A test holds the page to it.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/reference/config.md"
sys.path.insert(0, str(ROOT / "src"))

from cairn.settings.config import Config  # noqa: E402
from cairn.settings.contract import Contract  # noqa: E402

TOP = """# Every key of conf/

Written by `python docs/reference/write.py` from [src/cairn/settings](../../src/cairn/settings).

A section of `params.yaml` is a folder of [conf/](../../conf), and a file in it is an option.
`-S SECTION=OPTION` chooses one, `-S SECTION.KEY=VALUE` changes a value.
The comments in an option say more about its values. Where no default is given, the option has to say the key.
An unknown key, a wrong type and a value out of range are one line each, before anything is computed.
"""
ATTRIBUTE = re.compile(r"^ +(\w+): (.*(?:\n {8,}.*)*)", re.MULTILINE)
BOUNDS = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
WORDS = {"integer": "whole number", "boolean": "true or false", "object": "mapping", "string": "text"}
ELSEWHERE = {"ModelConfig": "as section [model](#model)"}

Schema = dict[str, Any]
Row = tuple[str, str, str, str]
"""A key, its values, its default, its meaning."""


def page() -> str:
    """Return the whole page.

    Raises:
        KeyError: a key that the docstring of its class does not explain.
    """
    config, contract = Config.model_json_schema(), Contract.model_json_schema()
    nodes, classes = config["properties"], config["$defs"]
    single = {name for name, node in nodes.items() if not {"$ref", "oneOf"} & set(node)}
    alone = {**config, "properties": {name: nodes[name] for name in nodes if name in single}}
    parts = [
        TOP,
        "## No section\n\nIn [conf/config.yaml](../../conf/config.yaml), beside the chosen options.\n",
    ]
    parts.append(table(list(rows_of(alone, classes))))
    parts += [section(name, nodes[name], classes) for name in nodes if name not in single]
    parts.append(section("contract", contract, contract["$defs"]))
    return "\n".join(parts)


def section(name: str, node: Schema, classes: Schema) -> str:
    """Return a section, with a table for each of its kinds."""
    parts = [f"## {name}\n\nOptions: [conf/{name}](../../conf/{name}).\n"]
    for variant in variants(node, classes):
        tag = variant["properties"].get("kind", {}).get("const")
        about = variant["description"].partition("\n\n")[0]
        parts += [
            f"`kind: {tag}`: {about}\n" if tag else f"{about}\n",
            table(list(rows_of(variant, classes))),
        ]
    return "\n".join(parts)


def rows_of(owner: Schema, classes: Schema, above: str = "") -> Iterator[Row]:
    """Yield the keys of a class and of those inside it; NAME stands for a name that the user chooses."""
    meanings = dict(ATTRIBUTE.findall(owner["description"]))
    for name, node in owner["properties"].items():
        key, inner = f"{above}{name}", resolved(node, classes)
        extra = inner.get("additionalProperties")
        named = resolved(extra, classes) if isinstance(extra, dict) else {}
        if "properties" in inner and inner["title"] not in ELSEWHERE:
            yield from rows_of(inner, classes, f"{key}.")
        elif ("oneOf" in named or "properties" in named) and named.get("title") not in ELSEWHERE:
            for variant in variants(named, classes):
                yield from rows_of(variant, classes, f"{key}.NAME.")
        else:
            required = name in owner.get("required", [])
            default = "" if required else shown(node.get("default"), inner)
            yield f"`{key}`", values(node, classes), default, " ".join(meanings[name].split())
            for one in (resolved(choice, classes) for choice in node.get("anyOf", [])):
                if "properties" in one:  # a section that may be left out
                    yield from rows_of(one, classes, f"{key}.")


def values(node: Schema, classes: Schema) -> str:
    """Say in words what a value may be."""
    node = resolved(node, classes)
    if node.get("title") in ELSEWHERE:
        return ELSEWHERE[node["title"]]
    if "anyOf" in node:
        return " or ".join(dict.fromkeys(values(one, classes) for one in node["anyOf"]))
    if "const" in node or "enum" in node:
        return ", ".join(f"`{value}`" for value in node.get("enum", [node.get("const")]))
    kind = node.get("type", "string")
    if kind == "array":
        return f"list of {values(node['items'], classes)}"
    bounds = [f"{word} {node[key]:,}".removesuffix(".0") for key, word in BOUNDS.items() if key in node]
    return " ".join([WORDS.get(kind, kind), *bounds])


def shown(default: Any, node: Schema) -> str:
    """Return a default as YAML has it; a factory makes an empty list or mapping."""
    empty = {"array": "[]", "object": "{}"}.get(node.get("type", ""), "null")
    return f"`{({None: empty, False: 'false', '': chr(34) * 2}).get(default, default)}`"


def variants(node: Schema, classes: Schema) -> list[Schema]:
    """Return the classes a section may be, one unless it has kinds."""
    node = resolved(node, classes)
    return [resolved(one, classes) for one in node.get("oneOf", [node])]


def resolved(node: Schema, classes: Schema) -> Schema:
    """Return the class that a node refers to, or the node."""
    return classes[node["$ref"].rpartition("/")[2]] if "$ref" in node else node


def table(rows: list[Row]) -> str:
    """Return a table, with a column of defaults where a key has one."""
    columns = [0, 1, 2, 3] if any(row[2] for row in rows) else [0, 1, 3]
    head = ("key", "values", "default", "meaning")
    lines = [head, ("---",) * 4, *rows]
    return "".join("| " + " | ".join(line[at] for at in columns) + " |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
