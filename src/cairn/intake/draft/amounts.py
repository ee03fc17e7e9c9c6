"""Text that is a number with something around it: a currency, a unit, spaces, a minus behind."""

import re
from dataclasses import dataclass

import pandas as pd
from pandas.api import types

from cairn.errors import UserError

LOOK = 500
SPACES = " \u00a0\u202f"
AMOUNT = re.compile(
    rf"(?P<open>\()?[-+]?[{SPACES}]*((?P<sign>[$€£¥])|(?P<code>[A-Z]{{3}})[{SPACES}])?[{SPACES}]*[-+]?"
    rf"(?P<number>\d[\d.,'’{SPACES}]*?)"
    rf"[{SPACES}]*(?P<unit>[%$€£¥]|[A-Za-zµ°][A-Za-z0-9²³/°]{{0,7}})?(?P<minus>-)?(?P<close>\))?"
)
WAYS = {
    ".": re.compile(rf"\d{{1,3}}(?:,\d{{3}})+(\.\d+)?|\d{{1,3}}(?:['’{SPACES}]\d{{3}})*(\.\d+)?|\d+(\.\d+)?"),
    ",": re.compile(rf"\d{{1,3}}(?:\.\d{{3}})+(,\d+)?|\d{{1,3}}(?:['’{SPACES}]\d{{3}})*(,\d+)?|\d+(,\d+)?"),
}
"""By decimal sign, how a number may be written."""


@dataclass(frozen=True)
class Amount:
    """How the numbers of a column are written.

    Attributes:
        decimal: the decimal sign.
        unit: what stands before or behind every number; empty for nothing.
        negative: whether some have a minus behind, or parentheses around them.
        why: for the user.
    """

    decimal: str
    unit: str
    negative: bool
    why: str

    def expression(self, name: str) -> str:
        """Return the pandas expression of the number; it holds no single quote, for the shell."""
        number = f'{name}.str.replace("[^0-9{self.decimal}-]", "", regex=True)'
        if self.decimal != ".":
            number += f'.str.replace("{self.decimal}", ".", regex=False)'
        if not self.negative:
            return f'{number}.astype("float64")'
        sign = f'(1 - 2 * {name}.str.contains("[-(]", regex=True))'
        return f'{number}.str.replace("-", "", regex=False).astype("float64") * {sign}'


def amount_of(values: pd.Series) -> Amount | None:
    """Return how a column of text writes numbers; None if it holds something else, or different units.

    Raises:
        UserError: 1.360 may be 1360 or 1.36, and no value tells.
    """
    there = values.dropna()
    if there.empty or not (types.is_object_dtype(there) or types.is_string_dtype(there)):
        return None
    for part in (there.iloc[:LOOK], there):
        distinct = part.unique()
        if not all(isinstance(value, str) for value in distinct):
            return None
        found = [AMOUNT.fullmatch(value.strip()) for value in distinct]
        if not all(found):
            return None
    matches = [match for match in found if match is not None]
    units = {match["sign"] or match["code"] or match["unit"] or "" for match in matches}
    if len(units) > 1:
        return None
    (unit,) = units
    numbers = [match["number"] for match in matches]
    fits = [sign for sign, way in WAYS.items() if all(way.fullmatch(number) for number in numbers)]
    if not fits:
        return None
    if len(fits) > 1 and (shown := next((number for number in numbers if re.search("[.,]", number)), None)):
        plain = re.sub("[.,]", "", shown)
        raise UserError(
            f"{values.name}: is {shown} {plain} or {float(plain) / 1000:g}? Write the numbers with a decimal"
            " point and no sign between thousands"
        )
    negative = any(match["minus"] or match["open"] for match in matches)
    marks = [f"decimal {'comma' if fits[0] == ',' else 'point'}"] if len(fits) == 1 else []
    marks += [f"unit {unit}"] if unit else []
    marks += ["a minus behind, or parentheses, for negative numbers"] if negative else []
    return Amount(fits[0], unit, negative, ", ".join(marks)) if marks else None
