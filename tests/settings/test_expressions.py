"""Which columns an expression in pandas' words reads."""

import pandas as pd
import pytest

from cairn.data.contract import violations
from cairn.data.load import as_dates, derived, parsed
from cairn.data.prepare import usable_rows
from cairn.settings.contract import Contract
from cairn.settings.data import DataConfig
from cairn.settings.expressions import names_in


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("delay > 15", ["delay"]),
        ("`order date`.dt.month + a * `a`", ["order date", "a"]),
        ("abs(x) > max(y, x)", ["x", "y"]),
        ("outcome == 'y' and z in ['a', 'b']", ["outcome", "z"]),
        ("1 + 1", []),
        ("a >", None),
        ("a = 1", None),
    ],
)
def test_the_columns_of_an_expression_are_found_in_order(expression, names):
    assert names_in(expression) == names


def described(**derive):
    return DataConfig(name="", source="", contract="", task="binary", target="late", derive=derive)


def test_a_target_made_of_a_missing_value_is_missing_and_its_row_is_dropped_not_called_on_time():
    table = pd.DataFrame({"delay": [3.0, 20.0, None, 16.0]})
    contract = Contract.model_validate(
        {
            "columns": {
                "delay": {"kind": "numeric", "nullable": True},
                "late": {"kind": "boolean", "known": "after", "nullable": True},
            }
        }
    )
    data = described(late="delay > 15")
    whole = derived(table, data, contract)
    assert violations(whole, contract) == []
    kept, dropped = usable_rows(whole, data)
    assert dropped == {"no_target": 1}
    assert kept["late"].tolist() == [0, 1, 1]
    for expression in ("(delay > 15) * 1", "(delay > 15).astype('int')", "delay.between(15, 99) * 1"):
        assert derived(table, described(late=expression), contract)["late"].tolist()[:2] == [0, 1]
        assert derived(table, described(late=expression), contract)["late"].isna().tolist()[2:] == [
            True,
            False,
        ]
    assert derived(table, described(late="delay.fillna(0) > 15"), contract)["late"].notna().all()
    assert derived(table, described(late="delay.isna()"), contract)["late"].tolist() == [False] * 2 + [
        True,
        False,
    ]


def test_a_date_can_be_made_of_year_month_and_day_and_numbers_of_the_date():
    contract = Contract.model_validate(
        {
            "columns": {
                "on": {"kind": "datetime", "format": "%Y%m%d"},
                "weekday": {"kind": "numeric"},
                "y": {"kind": "numeric"},
                "m": {"kind": "numeric"},
                "d": {"kind": "numeric"},
            }
        }
    )
    table = pd.DataFrame({"y": [2024, 2023], "m": [2, 12], "d": [29, 1]})
    whole = derived(table, described(on="(y * 100 + m) * 100 + d", weekday="on.dt.day_of_week"), contract)
    assert whole["on"].tolist() == [pd.Timestamp("2024-02-29"), pd.Timestamp("2023-12-01")]
    assert whole["weekday"].tolist() == [3, 4]
    assert violations(whole, contract) == []


@pytest.mark.parametrize(
    ("values", "written", "first"),
    [
        (["31.12.2020", None], "%d.%m.%Y", "2020-12-31"),
        ([20201231, 20210101], "%Y%m%d", "2020-12-31"),
        ([20201231.0, None], "%Y%m%d", "2020-12-31"),
        ([1609372800, 1609372801], "unix", "2020-12-31"),
        ([1609372800000, None], "unix_ms", "2020-12-31"),
        ([1609372800000000000], "unix_ns", "2020-12-31"),
        (["2020-12-31T00:00:00+00:00", "2021-01-01T00:00:00+02:00"], None, "2020-12-31T00:00:00Z"),
    ],
)
def test_dates_are_read_as_the_contract_says_they_are_written(values, written, first):
    dates = as_dates(pd.Series(values), written)
    assert dates is not None
    assert dates.iloc[0] == pd.Timestamp(first)
    assert dates.isna().tolist() == [value is None for value in values]


def test_what_is_no_date_stays_as_it_is_and_breaks_the_contract():
    contract = Contract.model_validate({"columns": {"on": {"kind": "datetime", "format": "%d.%m.%Y"}}})
    table = pd.DataFrame({"on": ["31.12.2020", "12/31/2020"]})
    assert parsed(table, contract).equals(table)
    assert [violation.column for violation in violations(table, contract)] == ["on"]
    assert as_dates(pd.Series([True, False]), "unix") is None
    assert as_dates(pd.Series([1.5, 2.5]), None) is None
