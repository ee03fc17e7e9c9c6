"""The contract finds every broken rule at once, with true counts, and nothing else."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.data.contract import surviving, violations
from cairn.data.prepare import prepare_table
from cairn.errors import UserError
from cairn.settings.contract import Column, Contract, read_contract
from cairn.settings.data import DataConfig

CONTRACT = Contract.model_validate(
    {
        "key": ["id"],
        "columns": {
            "id": {"kind": "numeric"},
            "age": {"kind": "numeric", "min": 0, "max": 120, "group": "main"},
            "city": {
                "kind": "categorical",
                "allowed": ["Zürich", "Genève"],
                "nullable": True,
                "group": "main",
            },
            "at": {"kind": "datetime"},
            "ok": {"kind": "boolean"},
            "paid": {"kind": "numeric", "known": "after", "nullable": True},
        },
    }
)


def table(rows=6):
    return pd.DataFrame(
        {
            "id": range(rows),
            "age": [30.0] * rows,
            "city": ["Zürich"] * rows,
            "at": pd.Timestamp("2020-01-01"),
            "ok": [True] * rows,
            "paid": [1.0] * rows,
        }
    )


def said(frame, contract=CONTRACT):
    return {(v.column, v.rule): v.rows for v in violations(frame, contract)}


def test_a_table_that_keeps_its_contract_has_no_violation():
    assert said(table()) == {}


def test_all_violations_come_at_once_with_true_counts():
    broken = table(400)
    broken.loc[:299, "age"] = 200.0
    broken.loc[300:304, "age"] = np.nan
    broken.loc[10:19, "city"] = "Bern"
    broken.loc[1, "id"] = 0
    broken["ok"] = 1.5
    broken["extra"] = 1
    broken = broken.drop(columns="paid")
    assert said(broken) == {
        ("age", "above max 120"): 300,
        ("age", "missing, but not nullable"): 5,
        ("city", "not an allowed value"): 10,
        ("ok", "is not boolean but float64"): 400,
        ("paid", "in the contract, not in the table"): 400,
        ("extra", "in the table, not in the contract"): 400,
        ("id", "the key is not unique"): 2,
    }


def test_a_violation_names_the_first_rows_and_their_values():
    broken = table()
    broken.loc[[2, 4], "age"] = [-1.0, -7.5]
    assert [str(v) for v in violations(broken, CONTRACT)] == [
        "age: below min 0: 2 rows, such as row 2 (-1.0), row 4 (-7.5)"
    ]


def test_rows_are_named_by_position_whatever_the_index():
    broken = table()
    broken.loc[5, "age"] = -1.0
    broken.index = [7] * 6
    assert "row 5 (-1.0)" in str(violations(broken, CONTRACT)[0])


@given(st.lists(st.one_of(st.none(), st.floats(-1e3, 1e3)), min_size=1, max_size=60))
@settings(max_examples=40, deadline=None)
def test_bounds_and_gaps_are_counted_as_plain_python_counts_them(values):
    frame = table(len(values)).assign(age=pd.array(values, dtype="float64"))
    expected = {
        ("age", "below min 0"): sum(v is not None and v < 0 for v in values),
        ("age", "above max 120"): sum(v is not None and v > 120 for v in values),
        ("age", "missing, but not nullable"): sum(v is None for v in values),
    }
    assert said(frame) == {rule: rows for rule, rows in expected.items() if rows}


def test_what_is_known_only_afterwards_does_not_survive_but_the_target_does():
    assert "paid" not in surviving(CONTRACT, "ok").columns
    assert "paid" in surviving(CONTRACT, "paid").columns


def test_a_column_known_afterwards_cannot_be_declared_a_feature(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("columns: {delay: {kind: numeric, known: after, group: main}}")
    with pytest.raises(UserError, match=r"c\.yaml: columns\.delay: .*known: after cannot be one"):
        read_contract(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("columns: {a: {kind: numerik}}", "columns.a.kind"),
        ("columns: {a: {kind: numeric, mni: 3}}", "columns.a.mni"),
        ("columns: {a: {kind: numeric, min: 3, max: 2}}", "min 3.0 is above max 2.0"),
        ("columns: {a: {kind: datetime, group: main}}", "a date cannot be a feature"),
        ("columns: {a: {kind: datetime, protected: true}}", "a date cannot be protected"),
        ("columns: {a: {kind: categorical, max: 2}}", "this one is categorical"),
        ("key: [b]\ncolumns: {a: {kind: numeric}}", "key names columns that are not declared: b"),
        ("columns: [", "c.yaml:1: not valid YAML"),
    ],
)
def test_a_contract_file_that_is_wrong_gives_a_line_that_names_file_and_key(tmp_path, text, message):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        read_contract(path)
    assert message in str(error.value)
    assert "c.yaml" in str(error.value)


def test_a_column_that_is_not_protected_is_written_as_before_there_were_protected_ones():
    assert "protected" not in Column(kind="numeric").model_dump()
    written = Column(kind="numeric", protected=True).model_dump()
    assert Column.model_validate(written).protected
    contract = Contract(columns={"a": Column(kind="numeric"), "b": Column(kind="boolean", protected=True)})
    assert contract.protected == ["b"]


def test_a_text_among_numbers_is_named_before_an_expression_that_fails_on_it():
    contract = Contract(
        columns={"a": Column(kind="numeric"), "half": Column(kind="numeric"), "y": Column(kind="numeric")}
    )
    table = pd.DataFrame({"a": ["1", "many"], "y": [0.5, 1.5]})
    data = DataConfig(
        name="t", source="t.csv", contract="c", task="regression", target="y", derive={"half": "a / 2"}
    )
    with pytest.raises(UserError, match="a: ") as error:
        prepare_table(table, contract, data)
    assert "derive" not in str(error.value)
