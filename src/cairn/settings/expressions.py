"""The language of data.derive and data.drop_where: what an expression may hold, and which columns it reads.

It is the part of pandas' expressions (DataFrame.eval) that computes a value of each row from its own values:
arithmetic, comparisons, `and`, `or`, `not` (also `&`, `|`, `~`), `in [...]`, functions of numbers, and some
methods of columns, of text (.str) and of dates (.dt). cairn.data.expressions evaluates it.
"""

import ast
import io
import re
import tokenize


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


BACKTICKS = re.compile(r"`([^`]+)`")
MOST_CHARACTERS, MOST_PARTS = 2_000, 300
"""Size of an expression; a part is a name, a number, an operator or a call."""
FUNCTIONS = _words(
    "abs arccos arccosh arcsin arcsinh arctan arctan2 arctanh ceil cos cosh exp expm1 floor log log10 log1p"
    " sin sinh sqrt tan tanh Timestamp"
)
"""Of NumPy, by name; and the date that a text means."""
METHODS = {
    "": _words(
        "abs add astype between clip combine_first div eq fillna floordiv ge gt isin isna isnull le lt mask"
        " mod mul ne notna notnull replace round sub truediv where"
    ),
    "str": _words(
        "capitalize casefold contains count endswith extract find fullmatch get isalnum isalpha isdecimal"
        " isdigit islower isnumeric isspace istitle isupper len lower lstrip match removeprefix removesuffix"
        " replace rfind rstrip slice split startswith strip swapcase title upper"
    ),
    "dt": _words(
        "as_unit ceil day_name floor isocalendar month_name normalize round strftime total_seconds tz_convert"
        " tz_localize"
    ),
}
"""By accessor. None changes the column, writes a file or takes a function; none reads other rows."""
PARTS_OF_DATES = _words(
    "date day day_of_week day_of_year dayofweek dayofyear days days_in_month daysinmonth hour is_leap_year"
    " is_month_end is_month_start is_quarter_end is_quarter_start is_year_end is_year_start microsecond"
    " microseconds minute month nanosecond nanoseconds quarter second seconds time week weekday year"
)
NODES = (
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.UAdd, ast.USub, ast.Invert),
    *(ast.And, ast.Or, ast.Not, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn),
    *(ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Load, ast.Name, ast.keyword, ast.Slice),
)


def names_in(expression: str) -> list[str] | None:
    """Return the columns that an expression reads, in order; names in backticks may contain any character.

    Returns:
        The names, without functions that are called; None where it cannot be read as an expression.
    """
    try:
        tree, plain = _parsed(expression)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    read = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called]
    in_order = sorted(read, key=lambda node: (node.lineno, node.col_offset))
    return list(dict.fromkeys(plain.get(node.id, node.id) for node in in_order))


def parse(expression: str) -> tuple[ast.expr, dict[str, str]]:
    """Return the tree of an expression, and the columns that names in it stand for, if written in backticks.

    As in pandas `&` and `|` bind like `and` and `or`: `a > 1 & b > 2` needs no brackets.

    Raises:
        ValueError: it is too large, or holds what the language does not have; the message says what.
    """
    if len(expression) > MOST_CHARACTERS:
        raise ValueError(f"{len(expression):,} characters; at most {MOST_CHARACTERS:,}")
    try:
        tree, plain = _parsed(expression, like_words=True)
    except (SyntaxError, RecursionError, MemoryError, tokenize.TokenError) as error:
        raise ValueError("cannot be read as an expression") from error
    parts = list(ast.walk(tree))
    if len(parts) > MOST_PARTS:
        raise ValueError(f"{len(parts)} names, numbers, operators and calls; at most {MOST_PARTS}")
    called = {id(node.func) for node in parts if isinstance(node, ast.Call)}
    for node in parts:
        if why := _refused(node, called=id(node) in called):
            raise ValueError(why)
    return tree, plain


def _parsed(expression: str, *, like_words: bool = False) -> tuple[ast.expr, dict[str, str]]:
    quoted = BACKTICKS.findall(expression)
    places = iter(range(len(quoted)))
    text = BACKTICKS.sub(lambda _: f"_quoted_{next(places)}_", expression).strip()
    tree = ast.parse(_with_words(text) if like_words else text, mode="eval").body
    return tree, {f"_quoted_{place}_": name for place, name in enumerate(quoted)}


def _with_words(text: str) -> str:
    words = {"&": "and", "|": "or"}
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return tokenize.untokenize(
        (tokenize.NAME, words[word]) if kind == tokenize.OP and word in words else (kind, word)
        for kind, word, *_ in tokens
    ).strip()


def _refused(node: ast.AST, *, called: bool) -> str | None:
    """Return why a part may not stand in an expression."""
    allowed = isinstance(node, NODES)
    match node:
        case ast.Attribute():
            return _refused_attribute(node, called=called)
        case ast.Call(func=ast.Name(id=name)) if name not in FUNCTIONS:
            return f"no function '{name}'; there are {', '.join(sorted(FUNCTIONS))}"
        case ast.Call():
            allowed = isinstance(node.func, ast.Name | ast.Attribute) and all(w.arg for w in node.keywords)
        case ast.Constant():
            allowed = isinstance(node.value, bool | int | float | str | None)
        case ast.List() | ast.Tuple():
            allowed = all(_is_plain(item) for item in node.elts)
        case ast.Subscript():
            text = isinstance(node.value, ast.Attribute) and node.value.attr == "str"
            allowed = text and _is_place(node.slice)
    return None if allowed else f"{ast.unparse(node)[:50] or type(node).__name__} is not allowed"


def _refused_attribute(node: ast.Attribute, *, called: bool) -> str | None:
    inside = node.value.attr if isinstance(node.value, ast.Attribute) else ""
    accessor = inside if inside in ("str", "dt") else ""
    if called and node.attr in METHODS[accessor]:
        return None
    iso = isinstance(node.value, ast.Call) and node.attr in ("year", "week", "day")
    if not called and (
        node.attr in ("str", "dt") or (accessor == "dt" and node.attr in PARTS_OF_DATES) or iso
    ):
        return None
    where = f".{accessor}" if accessor else ""
    known = [f".{name}()" for name in sorted(METHODS[accessor])]
    known += [f".{name}" for name in sorted(PARTS_OF_DATES if accessor == "dt" else ())]
    return f"{where}.{node.attr} is not allowed; after a column{where} there are {', '.join(known)}"


def _is_plain(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node = node.operand
    return isinstance(node, ast.Constant)


def _is_place(node: ast.expr) -> bool:
    parts = [node.lower, node.upper, node.step] if isinstance(node, ast.Slice) else [node]
    return all(part is None or _is_plain(part) for part in parts)
