"""Read YAML as OmegaConf does, in a tenth of its time, and say in one line what is not YAML."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from cairn.errors import UserError

DEEPEST = 100
"""Levels; libyaml ends the process at some 50,000."""
LARGEST = 1_000_000
"""Keys and values of a file; an alias counts wherever it is used."""
FLOAT = re.compile(r"[-+]?[0-9]+(_[0-9]+)*(\.[0-9_]*)?[eE][-+]?[0-9]+$")
"""What YAML 1.2 and OmegaConf take for a number, and PyYAML for text: 1e-3."""


TAGS = ("binary", "omap", "pairs", "set", "timestamp")
"""Of YAML 1.1; JSON and YAML 1.2, as DVC reads params.yaml, have no such values."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """PyYAML's safe loader, for which a date is text and a key may stand once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if (key.tag, key.value) in seen:
                    problem = f"found duplicate key {key.value}"
                    raise yaml.MarkedYAMLError(None, None, problem, key.start_mark)
                seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", FLOAT, list("-+0123456789"))


def _refuse(loader: _Loader, node: yaml.Node) -> None:
    problem = f"{node.tag.replace('tag:yaml.org,2002:', '!!')}: write text, a number, true or false"
    raise yaml.MarkedYAMLError(None, None, problem, node.start_mark)


for _tag in TAGS:
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _refuse)


def text_in(path: Path) -> str:
    """Return the text of a file.

    Raises:
        OSError: it cannot be read, or is a pipe or a device, which may never end.
        ValueError: it is not UTF-8.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError("not a file")
    return path.read_text(encoding="utf-8")


def read_yaml(path: Path, name: str = "") -> Any:
    """Return what a YAML file holds, see `parse_yaml`; the line of an error begins with the name or the path.

    Raises:
        FileNotFoundError: no such file.
        UserError: it cannot be read, or it is not YAML.
    """
    name = name or path.as_posix()
    try:
        text = text_in(path)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise UserError(not_yaml(name, error)) from error
    return parse_yaml(text, name)


def parse_yaml(text: str, name: str) -> Any:
    """Return the mapping or list that a text holds; an empty mapping if it holds nothing.

    Interpolations such as ${data.source} stay as they are. An error begins with the name.

    Raises:
        UserError: it is not YAML, or a text or number alone.
    """
    try:
        if why := too_large(text):
            raise UserError(f"{name}: not valid YAML: {why}")
        values = yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(not_yaml(name, _clearer(text) or error)) from error
    if not isinstance(values, dict | list | None):
        raise UserError(f"{name}: not a mapping (KEY: VALUE)")
    return {} if values is None else values


def too_large(text: str, most: int = LARGEST) -> str | None:
    """Return why a text of YAML is refused before it is loaded: its levels, or its size with all aliases.

    Args:
        text: of a file.
        most: keys and values that it may hold; nine levels of nine aliases stand for 387 million.

    Raises:
        YAMLError: it is not YAML, up to the first place that is too large.
    """
    sizes: dict[str, int] = {}
    opened: list[tuple[str | None, int]] = []
    count = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes and any(event.anchor == anchor for anchor, _ in opened):
                return f"line {event.start_mark.line + 1}: *{event.anchor} is inside of what it stands for"
            count += sizes.get(event.anchor, 0)
        elif isinstance(event, yaml.NodeEvent):
            count += 1
        if isinstance(event, yaml.CollectionStartEvent):
            opened.append((event.anchor, count))
        elif isinstance(event, yaml.ScalarEvent) and event.anchor:
            sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor:
                sizes[anchor] = count - before + 1
        if len(opened) > DEEPEST:
            return f"more than {DEEPEST} levels"
        if count > most:
            return f"more than {most:,} keys and values"
    return None


def _clearer(text: str) -> yaml.YAMLError | None:
    """Return the error of PyYAML's own parser: it names the place where libyaml names the end of the file."""
    try:
        for _ in yaml.parse(text, yaml.SafeLoader):
            pass
    except yaml.YAMLError as error:
        return error
    return None


def not_yaml(file: str, error: Exception) -> str:
    """Return `FILE:LINE: not valid YAML: why` for what a reader of YAML raised."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    line = f":{mark.line + 1}" if mark else ""
    return f"{file}{line}: not valid YAML: {problem or ' '.join(str(error).split())}"
