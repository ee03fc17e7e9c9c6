"""Numbers written as text are read as the contract says, or not at all."""

import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.data.contract import violations
from cairn.data.load import parsed
from cairn.data.written import number_reader, numbers_of
from cairn.settings.contract import Column, Contract

EURO = {"kind": "numeric", "decimal": ",", "thousands": ".", "unit": "€", "accounting": True}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.063,50 €", 1063.5), ("€ 1.063,50", 1063.5), ("€1063,5", 1063.5), ("0,5", 0.5), (",5", 0.5),
        ("-€ 5", -5.0), ("€-5", -5.0), ("5-", -5.0), ("(5)", -5.0), ("( 1.000 € )", -1000.0), ("+5", 5.0),
        ("\u22125", -5.0), (" 5 ", 5.0), ("12.345.678", 12345678.0), ("1,5e3", 1500.0),
    ],
)  # fmt: skip
def test_a_text_is_the_number_that_its_contract_says(text, value):
    assert number_reader(Column(**EURO))(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "€",
        "1.06,3",
        "1.0634",
        "12.34",
        "1,063.5",
        "5 $",
        "5 € €",
        "--5",
        "-5-",
        "(-5)",
        "(5",
        "5)",
        "x",
        "1e",
        "0.500",
        "1 063",
    ],
)
def test_every_other_text_is_no_number(text):
    assert math.isnan(number_reader(Column(**EURO))(text))


@given(
    st.decimals(-(10**9), 10**9, places=2),
    st.sampled_from([(".", ","), (".", "'"), (".", " "), (",", "."), (",", " "), (",", None), (".", None)]),
    st.sampled_from(["", "kg", "$", "°C"]),
    st.booleans(),
    st.booleans(),
)
def test_a_number_written_in_any_way_is_read_back(number, signs, unit, before, accounting):
    decimal, thousands = signs
    text = f"{abs(number):,.2f}".replace(",", "t").replace(".", decimal).replace("t", thousands or "")
    text = f"{unit}{text}" if before else f"{text} {unit}"
    if number < 0:
        text = f"({text})" if accounting else f"-{text}"
    column = Column(kind="numeric", decimal=decimal, thousands=thousands, unit=unit, accounting=accounting)
    assert number_reader(column)(text) == float(Decimal(number))


def test_texts_become_numbers_and_numbers_beside_them_stay():
    column = Column(kind="numeric", decimal=",", unit="€", nullable=True)
    values = pd.Series(["1,5 €", None, 2.5, "1,5 €"], name="price", index=[7, 8, 9, 10])
    found = numbers_of(values, column)
    assert found.index.tolist() == [7, 8, 9, 10]
    np.testing.assert_array_equal(found, [1.5, np.nan, 2.5, 1.5])
    table = parsed(pd.DataFrame({"price": values}), Contract(columns={"price": column}))
    assert table["price"].dtype == "float64"


def test_values_that_cannot_be_read_are_counted_and_named_by_their_rows():
    columns = {
        "price": Column(**EURO),
        "at": Column(kind="datetime", format="%d.%m.%Y"),
        "size": Column(kind="numeric"),
    }
    table = pd.DataFrame(
        {
            "price": ["5 €", "6 $", "7 €", "cheap"],
            "at": ["01.02.2020", "02.02.2020", "soon", "03.02.2020"],
            "size": ["1", "2", "3", "large"],
        }
    )
    found = violations(parsed(table, Contract(columns=columns)), Contract(columns=columns))
    said = {one.column: (one.rule, one.rows, one.examples) for one in found}
    assert said == {
        "price": ("not a number", 2, ("row 1 (6 $)", "row 3 (cheap)")),
        "at": ("not a date (%d.%m.%Y)", 1, ("row 2 (soon)",)),
        "size": ("not a number", 1, ("row 3 (large)",)),
    }


def test_lists_in_a_column_of_numbers_are_named():
    contract = Contract(columns={"size": Column(kind="numeric")})
    (found,) = violations(pd.DataFrame({"size": [1.0, [2], "3"]}), contract)
    assert (found.rule, found.rows) == ("not a number", 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "categorical", "decimal": "."},
        {"kind": "numeric", "thousands": ","},
        {"kind": "numeric", "accounting": True},
        {"kind": "numeric", "decimal": ",", "thousands": ","},
    ],
)
def test_settings_that_make_no_sense_together_are_refused(wrong):
    with pytest.raises(ValueError, match="decimal"):
        Column(**wrong)


def test_a_contract_without_them_keeps_its_bytes():
    assert "decimal" not in Column(kind="numeric").model_dump_json()
