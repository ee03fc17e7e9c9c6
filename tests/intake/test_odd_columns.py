"""Columns with something odd in most or some values: read as they are meant, or said with the remedy."""

import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drafts import as_prepare_reads, planned, values_of

from cairn.data.load import text_options
from cairn.data.tables import read_raw, read_text
from cairn.errors import UserError
from cairn.intake.draft.columns import look_at
from cairn.intake.read.convert import convert
from cairn.intake.read.source import open_source
from cairn.settings.contract import Contract

ROWS = 120
RNG = np.random.default_rng(6)
NUMBERS = RNG.uniform(100, 50_000, ROWS).round(2)
DAYS = pd.date_range("2019-03-01", periods=ROWS, freq="31h")
PLAIN = pd.DataFrame({"x": RNG.normal(size=ROWS).round(3), "g": RNG.choice(list("abc"), ROWS)})
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")


def opened(tmp_path, name="a.csv", sep=",", **columns):
    path = tmp_path / name
    PLAIN.assign(**columns).to_csv(path, index=False, sep=sep)
    source = open_source(path, separator=None, encoding=None)
    pd.testing.assert_frame_equal(as_prepare_reads(source), source.table)
    return source


def negative(form):
    return [form.format(f"{v:,.2f}") if i % 4 == 0 else f"${v:,.2f}" for i, v in enumerate(NUMBERS)]


SIGNED = np.where(np.arange(ROWS) % 4 == 0, -NUMBERS, NUMBERS)
WITH_GAPS = np.where(np.arange(ROWS) % 6 < 2, np.nan, NUMBERS)
READ = {
    "brackets behind the sign": (",", negative("$({})"), SIGNED),
    "brackets around the sign": (",", negative("(${})"), SIGNED),
    "rupees": (",", [f"Rs. {v:,.2f}" for v in NUMBERS], NUMBERS),
    "dollars of a country": (",", [f"US${v:,.2f}" for v in NUMBERS], NUMBERS),
    "zloty": (";", [f"{v:,.2f} zł".translate({44: " ", 46: ","}) for v in NUMBERS], NUMBERS),
    "per mille": (",", [f"{v}‰" for v in NUMBERS], NUMBERS),
    "full width": (",", [f"{int(v)}".translate(FULL_WIDTH) for v in NUMBERS], NUMBERS.astype(int)),
    "no width": (",", [f"\u200b{v}" for v in NUMBERS], NUMBERS),
    "powers with commas": (";", [f"{v:.3E}".replace(".", ",") for v in NUMBERS],
                           [float(f"{v:.3E}") for v in NUMBERS]),
    "dashes": (",", ["–—"[i % 6] if i % 6 < 2 else v for i, v in enumerate(NUMBERS)], WITH_GAPS),
    "days in digits": (",", [f"{d:%d%m%Y}" for d in DAYS], DAYS.normalize()),
    "days in digits without a name": (",", [f"{d:%Y%m%d}" for d in DAYS], DAYS.normalize()),
}  # fmt: skip


@pytest.mark.parametrize("kind", READ)
def test_a_column_has_the_values_that_are_meant(kind, tmp_path):
    sep, written, meant = READ[kind]
    found = values_of(opened(tmp_path, sep=sep, p=written), "p")
    if pd.api.types.is_datetime64_any_dtype(found):
        found, meant = found.astype("datetime64[us]"), pd.Series(meant).astype("datetime64[us]")
    pd.testing.assert_series_equal(found, pd.Series(meant), check_names=False, check_dtype=False)


CODES = {
    "powers": [f"{i % 7}E{i % 5}" for i in range(ROWS)],
    "zeros beside a point": ["." if i % 3 == 0 else f"{i % 40:04d}" for i in range(ROWS)],
}


@pytest.mark.parametrize("kind", CODES)
def test_codes_stay_text(kind, tmp_path):
    table = opened(tmp_path, code=CODES[kind]).table
    assert table["code"].dropna().tolist() == [text for text in CODES[kind] if text != "."]


@pytest.mark.parametrize("first", [2**63 - 20, 2**64 - 60, 2**53 + 1])
def test_whole_numbers_beyond_those_of_a_float_are_labels(first):
    values = pd.Series([first + i % 40 for i in range(ROWS)], name="long")
    found = look_at(values)
    assert found.column.kind == "categorical" and "too long to compute with" in found.note
    assert look_at(values.astype("float64").rename("mass")).column.kind == "numeric"


def test_whole_numbers_of_json_and_of_exact_decimals_keep_their_digits(tmp_path):
    ids = [None if i == 3 else 2**53 + i % 40 for i in range(ROWS)]
    lines = [json.dumps({"a": value, "b": i / 3}) for i, value in enumerate(ids)]
    (tmp_path / "a.jsonl").write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    table = read_raw(tmp_path / "a.jsonl")
    assert table["a"].dropna().tolist() == [str(value) for value in ids if value is not None]
    assert table["b"].tolist() == [i / 3 for i in range(ROWS)]
    exact = [Decimal(10**30 + i % 40) for i in range(ROWS)]
    few = [Decimal(i) for i in range(ROWS)]
    kinds = {"id": pa.array(exact, pa.decimal128(38, 0)), "few": pa.array(few, pa.decimal128(38, 0))}
    pq.write_table(pa.table(kinds), tmp_path / "a.parquet")
    read = open_source(tmp_path / "a.parquet", separator=None, encoding=None).table
    assert read["id"].tolist() == [str(10**30 + i % 40) for i in range(ROWS)]
    assert read["few"].tolist() == list(range(ROWS))


SAID = {
    "below a limit": (["<0.5" if i % 8 == 0 else v for i, v in enumerate(NUMBERS)],
                      "p: text, because 15 of 120 values are not numbers: '<0.5' in line 2, '<0.5'"),
    "footnotes": ([f"{v}*" if i % 7 == 0 else v for i, v in enumerate(NUMBERS)],
                  "p: text, because 18 of 120 values are not numbers:"),
    "approximate": ([f"about {v}" for v in NUMBERS], "numbers with something around them, such as about"),
    "a number for missing": ([-999 if i % 9 == 0 else v for i, v in enumerate(NUMBERS)],
                             '-999 in 14 rows, and all others from 0 on: if it means missing, add missing'),
    "infinite": (["inf" if i % 40 == 0 else v for i, v in enumerate(NUMBERS)],
                 "inf in 3 rows means missing"),
    "weekdays": ([f"Mo, {d:%d.%m.%Y}" for d in DAYS], "looks like dates, such as Mo, 01.03.2019"),
    "days of the year": ([f"{d:%Y-%j}" for d in DAYS], "looks like dates, such as 2019-060"),
    "blanks": (np.resize(["red", "red ", "blue"], ROWS), "'red' and 'red ' differ only in blanks"),
    "case": (np.resize(["Red", "red", "blue"], ROWS), "'Red' and 'red' differ only in case; they are two"),
}  # fmt: skip


@pytest.mark.parametrize("kind", SAID)
def test_what_is_not_read_as_it_may_be_meant_is_said(kind, tmp_path):
    written, said = SAID[kind]
    source = opened(tmp_path, p=written)
    assert said in "\n".join([*source.notes, look_at(source.table["p"]).doubt])


def test_times_in_two_units_are_said():
    seconds = DAYS.astype("datetime64[s]").astype("int64")
    mixed = pd.Series(np.where(np.arange(ROWS) % 2, seconds * 1000, seconds), name="ts")
    assert "times since 1970 in several units" in look_at(mixed).doubt


def test_a_record_of_separators_alone_is_said(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(PLAIN.to_csv(index=False) + ",\n,\n", encoding="utf-8")
    notes = open_source(path, separator=None, encoding=None).notes
    assert "2 rows without any value, such as line 122: not used, as every row without a target" in notes


def test_names_that_stand_again_in_capitals_are_refused(tmp_path):
    lines = PLAIN.to_csv(index=False).splitlines()
    (tmp_path / "a.csv").write_text("\n".join([*lines[:50], " X,G", *lines[50:]]), encoding="utf-8")
    with pytest.raises(UserError, match="row 50 repeats the names of the columns"):
        open_source(tmp_path / "a.csv", separator=None, encoding=None)


def test_months_may_be_names(tmp_path):
    table = PLAIN.assign(
        y=RNG.choice(["p", "q"], ROWS), Year=DAYS.year, Month=DAYS.strftime("%B"), Day=DAYS.day
    )
    plan = planned(table, "y")
    made = plan.data.derive[plan.data.time]
    assert plan.findings[plan.data.time].column.format == "%Y %B %d" and "Month" in made


def test_a_date_with_many_gaps_is_offered_as_time():
    table = PLAIN.assign(y=RNG.choice(["p", "q"], ROWS), at=DAYS.where(np.arange(ROWS) % 9 > 0))
    plan = planned(table, "y")
    assert plan.data.time is None and "--time at drops these rows" in plan.findings["at"].doubt
    assert planned(table, "y", time="at").data.time == "at"


def test_records_may_stand_deep_in_an_object(tmp_path):
    records = PLAIN.to_dict("records")
    (tmp_path / "a.json").write_text(json.dumps({"response": {"items": records, "n": 3}}), encoding="utf-8")
    made = convert(tmp_path / "a.json", tmp_path, "made")
    assert made.notes == ("120 records of a.json, under 'response.items'",)
    pd.testing.assert_frame_equal(read_raw(made.path), PLAIN)


def test_a_period_of_pandas_is_its_first_day(tmp_path):
    PLAIN.assign(month=pd.period_range("2001-01", periods=ROWS, freq="M")).to_parquet(tmp_path / "a.parquet")
    found = open_source(tmp_path / "a.parquet", separator=None, encoding=None).table["month"]
    assert found.tolist() == pd.date_range("2001-01-01", periods=ROWS, freq="MS").tolist()


def test_names_that_are_missing_or_have_blanks_are_said(tmp_path):
    (tmp_path / "a.csv").write_text("x ,,g\n" + "1,2,a\n" * 60, encoding="utf-8")
    source = open_source(tmp_path / "a.csv", separator=None, encoding=None)
    assert source.notes == (
        "names with blanks around them: 'x '",
        "column 2 has no name; it is read as Unnamed: 1",
    )
    assert list(source.table) == ["x ", "Unnamed: 1", "g"]


def test_infinite_numbers_are_missing_by_the_contract(tmp_path):
    source = opened(tmp_path, p=["inf" if i % 40 == 0 else v for i, v in enumerate(NUMBERS)])
    column = look_at(source.table["p"]).column
    assert column.nullable
    options = text_options({}, Contract(columns={"p": column}))
    assert read_text(source.path, **options)["p"].isna().sum() == 3


def test_a_text_that_means_missing_elsewhere_is_named_where_it_is_a_label(tmp_path):
    rows = [f"{i},{'-' if i % 9 == 0 else i * 2},{'-' if i % 10 == 0 else 'ab'[i % 2]}" for i in range(200)]
    file = tmp_path / "t.csv"
    file.write_text("\n".join(["id,price,town", *rows]) + "\n")
    found = open_source(file, separator=None, encoding=None)
    assert "town: '-' stays a value there (20 rows)" in found.notes
    assert found.table["price"].isna().sum() == 23
    assert (found.table["town"] == "-").sum() == 20
