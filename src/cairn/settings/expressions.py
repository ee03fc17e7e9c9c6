"""Pandas expressions (data.derive, data.drop_where): which columns they read."""

import ast
import re

BACKTICKS = re.compile(r"`([^`]+)`")


def names_in(expression: str) -> list[str] | None:
    """Return the columns that an expression reads, in order; names in backticks may contain any character.

    Returns:
        The names, without functions that are called; None where it cannot be read as an expression.
    """
    quoted = BACKTICKS.findall(expression)
    places = iter(range(len(quoted)))
    try:
        tree = ast.parse(BACKTICKS.sub(lambda _: f"_quoted_{next(places)}_", expression).strip(), mode="eval")
    except (SyntaxError, ValueError):
        return None
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    read = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called]
    plain = {f"_quoted_{place}_": name for place, name in enumerate(quoted)}
    in_order = sorted(read, key=lambda node: (node.lineno, node.col_offset))
    return list(dict.fromkeys(plain.get(node.id, node.id) for node in in_order))
