"""Evaluate the expressions of data.derive and data.drop_where to the bits of DataFrame.eval, without eval.

The tree of an expression is walked here; it names columns, the functions and the methods that
cairn.settings.expressions lists, and nothing else.
"""

import ast
import operator
from collections.abc import Callable
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from cairn.settings.expressions import parse

BINARY: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
UNARY: dict[type[ast.AST], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Invert: operator.invert,
    ast.Not: operator.invert,
}
TERMS = (ast.Name, ast.Constant, ast.Attribute, ast.Subscript, ast.List, ast.Tuple)
LARGEST_POWER = 1_000
DTYPES = {
    *("bool", "boolean", "category", "float", "int", "object", "str", "string"),
    *(f"{kind}{bits}" for kind in ("int", "uint", "Int", "UInt") for bits in (8, 16, 32, 64)),
    *("float32", "float64", "Float32", "Float64"),
    *(f"datetime64[{unit}]" for unit in ("s", "ms", "us", "ns")),
}
Columns = Callable[[str], pd.Series]


def evaluate(table: pd.DataFrame, expression: str) -> Any:
    """Return the value of an expression for every row: a Series with the index of the table, or one value.

    Raises:
        ValueError: it is not in the language, see cairn.settings.expressions.parse.
        KeyError: it reads a column that the table does not have.
        Exception: whatever pandas raises for values that an operator or method does not take.
    """
    tree, plain = parse(expression)
    return _value(tree, lambda name: table[plain.get(name, name)])


def _value(node: ast.expr, column: Columns) -> Any:
    return VALUES[type(node)](node, column)


def _combined(node: ast.BoolOp, column: Columns) -> Any:
    combine = operator.and_ if isinstance(node.op, ast.And) else operator.or_
    return reduce(combine, [_value(part, column) for part in node.values])


def _chained(node: ast.Compare, column: Columns) -> Any:
    sides = pairwise([node.left, *node.comparators])
    return reduce(
        operator.and_, [_compared(op, *two, column) for op, two in zip(node.ops, sides, strict=True)]
    )


def _called(node: ast.Call, column: Columns) -> Any:
    arguments = [_value(argument, column) for argument in node.args]
    options = {word.arg: _value(word.value, column) for word in node.keywords if word.arg}
    if isinstance(node.func, ast.Name):
        function = pd.Timestamp if node.func.id == "Timestamp" else getattr(np, node.func.id)
        return function(*arguments, **options)
    assert isinstance(node.func, ast.Attribute)
    if node.func.attr == "astype" and not {*arguments, *options.values()} <= DTYPES:
        raise ValueError(f"astype takes one of {', '.join(sorted(DTYPES))}")
    return getattr(_value(node.func.value, column), node.func.attr)(*arguments, **options)


def _compared(op: ast.cmpop, left: ast.expr, right: ast.expr, column: Columns) -> Any:
    """Compare two sides; as in pandas, `== 'text'` and `== [list]` mean `in`."""
    a, b = _value(left, column), _value(right, column)
    among = isinstance(op, ast.In | ast.NotIn)
    if isinstance(op, ast.Eq | ast.NotEq) and _is_term(left) and _is_term(right):
        among = isinstance(a, str | list) or isinstance(b, str | list)
    if not among:
        return _binary(type(op), a, b)
    a, b = ([side] if isinstance(side, str) else side for side in (a, b))
    inside = a.isin(b) if isinstance(a, pd.Series) else b.isin(a) if isinstance(b, pd.Series) else a in b
    return inside if isinstance(op, ast.In | ast.Eq) else np.invert(inside)


def _is_term(node: ast.expr) -> bool:
    return isinstance(node, TERMS) or (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute))


def _binary(op: type[ast.AST], left: Any, right: Any) -> Any:
    if op is ast.Mult and any(_is_text(side) for side in (left, right)):
        raise ValueError("a text cannot be multiplied")
    if op is ast.Mod and _is_text(left):
        raise ValueError("a text cannot be divided")
    if op is ast.Pow:
        exponents = right if isinstance(right, pd.Series) else [right]
        if any(types.is_object_dtype(side) for side in (left, right) if isinstance(side, pd.Series)) or (
            not isinstance(right, pd.Series) and abs(exponents[0]) > LARGEST_POWER
        ):
            raise ValueError(f"a power is of numbers, and at most {LARGEST_POWER:,}")
    return BINARY[op](_as_date(left, right), _as_date(right, left))


def _is_text(side: Any) -> bool:
    return isinstance(side, str) or (
        isinstance(side, pd.Series) and (types.is_object_dtype(side) or types.is_string_dtype(side))
    )


def _as_date(side: Any, other: Any) -> Any:
    """Return the date that a text or a number beside dates means."""
    dates = isinstance(other, pd.Series) and types.is_datetime64_dtype(other)
    return pd.Timestamp(str(side)) if dates and isinstance(side, str | int | float) else side


def _place(node: ast.expr) -> Any:
    if not isinstance(node, ast.Slice):
        return ast.literal_eval(node)
    parts = (node.lower, node.upper, node.step)
    return slice(*(None if part is None else ast.literal_eval(part) for part in parts))


VALUES: dict[type[ast.AST], Callable[[Any, Columns], Any]] = {
    ast.Attribute: lambda node, column: getattr(_value(node.value, column), node.attr),
    ast.BinOp: lambda node, column: _binary(
        type(node.op), _value(node.left, column), _value(node.right, column)
    ),
    ast.BoolOp: _combined,
    ast.Call: _called,
    ast.Compare: _chained,
    ast.Constant: lambda node, _: node.value,
    ast.List: lambda node, column: [_value(item, column) for item in node.elts],
    ast.Name: lambda node, column: column(node.id),
    ast.Subscript: lambda node, column: _value(node.value, column)[_place(node.slice)],
    ast.Tuple: lambda node, column: [_value(item, column) for item in node.elts],
    ast.UnaryOp: lambda node, column: UNARY[type(node.op)](_value(node.operand, column)),
}
