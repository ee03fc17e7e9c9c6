"""What is written depends on the content alone, and nothing is ever half written."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from cairn.data.load import parsed
from cairn.data.records import read_json, rounded, write_json
from cairn.data.tables import duplicated, read_raw, read_table, write_table
from cairn.errors import UserError
from cairn.settings.contract import Column, Contract


def test_records_are_rounded_to_significant_digits_and_stay_plain_json(tmp_path):
    path = tmp_path / "a/b.json"
    write_json(
        {"x": np.float64(1 / 3), "n": np.int64(3), "nan": float("nan"), "list": [1e-9 / 3, 2], "ok": True},
        path,
    )
    assert json.loads(path.read_text()) == {
        "x": 0.333333,
        "n": 3,
        "nan": None,
        "list": [3.33333e-10, 2],
        "ok": True,
    }
    assert path.read_bytes().endswith(b"}\n")
    assert read_json(path)["n"] == 3


def test_rounding_leaves_integers_and_booleans_as_they_are():
    assert rounded({"n": 123456789, "b": False}) == {"n": 123456789, "b": False}


def test_a_table_comes_back_as_it_was_and_its_bytes_repeat(tmp_path):
    table = pd.DataFrame({"s": ["é", None], "f": [1.5, np.nan], "t": pd.to_datetime(["2020-01-01", None])})
    for name in ("one", "two"):
        write_table(table, tmp_path / f"{name}.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "one.parquet"), table)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    assert not list(tmp_path.glob("*.unfinished"))


@pytest.mark.parametrize("read", [read_table, read_raw])
def test_a_flipped_bit_of_a_table_is_an_error_and_never_another_value(tmp_path, read):
    random = np.random.default_rng(0)
    table = pd.DataFrame(
        {"f": random.random(3_000), "n": np.arange(3_000), "s": ["high", "low", None] * 1_000}
    )
    write_table(table, tmp_path / "t.parquet")
    content = (tmp_path / "t.parquet").read_bytes()
    refused = 0
    for at in random.integers(0, len(content), 200):
        flipped = bytearray(content)
        flipped[at] ^= 1 << int(at % 8)
        (tmp_path / "flipped.parquet").write_bytes(flipped)
        try:
            found = read(tmp_path / "flipped.parquet")
        except (UserError, OSError, pa.ArrowException, ValueError):
            refused += 1
        else:
            pd.testing.assert_frame_equal(found, table)
    assert refused > 180


def test_a_file_read_a_few_columns_at_a_time_is_the_table_that_pandas_reads_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("cairn.data.tables.CELLS", 10)
    rows = 10
    table = pd.DataFrame(
        {
            "number": np.arange(rows) / 3,
            "with.dots": [1, 2] * 5,
            "": ["a", None] * 5,
            "category": pd.Categorical(["b", None] * 5, categories=["c", "b"], ordered=True),
            "zoned": pd.Timestamp("2020-01-01", tz="Europe/Berlin"),
            "month": pd.period_range("2020", periods=rows, freq="M"),
            "whole": pd.array([1, None] * 5, dtype="Int64"),
            "flag": pd.array([True, None] * 5, dtype="boolean"),
            "mixed": [True, None] * 5,
            "bytes": b"ab",
            "nothing": None,
        }
    )
    lists = table.assign(list=[[1, 2]] * rows, record=[{"a": 1}] * rows)
    for written in (table, table[3:7], table[::2], table[:0], table[[]], table.set_index("number"), lists):
        written.to_parquet(tmp_path / "t.parquet")
        expected = pd.read_parquet(tmp_path / "t.parquet")
        pd.testing.assert_frame_equal(read_table(tmp_path / "t.parquet"), expected)
    table.to_parquet(tmp_path / "t.parquet")
    assert [*read_table(tmp_path / "t.parquet", columns=["flag", ""])] == ["flag", ""]
    assert read_table(tmp_path / "t.parquet", columns=[]).shape == (rows, 0)
    with pytest.raises(pa.ArrowInvalid, match="unknown"):
        read_table(tmp_path / "t.parquet", columns=["flag", "unknown"])


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv", "t.parquet", "t.feather", "t.jsonl"])
def test_raw_tables_are_read_by_their_extension(tmp_path, name):
    table = pd.DataFrame({"a": [1, 2], "b": ["x", "ü"]})
    path = tmp_path / name
    kind = name.split(".")[1]
    {
        "csv": lambda: table.to_csv(path, index=False),
        "tsv": lambda: table.to_csv(path, index=False, sep="\t"),
        "parquet": lambda: table.to_parquet(path),
        "feather": lambda: table.to_feather(path),
        "jsonl": lambda: table.to_json(path, orient="records", lines=True),
    }[kind]()
    pd.testing.assert_frame_equal(read_raw(path), table)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("no.csv", None, "does not exist"),
        ("x.docx", b"", "set data.load"),
        ("bad.parquet", b"junk", "cannot be read"),
    ],
)
def test_a_source_that_cannot_be_read_gives_one_line(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        read_raw(path)
    assert "\n" not in str(error.value).strip()


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_numbers_of_text_are_read_as_python_reads_them(tmp_path, kind):
    rng = np.random.default_rng(0)
    values = [repr(float(x)) for x in rng.normal(size=2000) * 10.0 ** rng.integers(-30, 30, 2000)]
    lines = [f'{{"x":{value}}}' if kind == "jsonl" else value for value in values]
    (tmp_path / f"a.{kind}").write_text("\n".join(["x"] * (kind == "csv") + lines))
    assert read_raw(tmp_path / f"a.{kind}")["x"].tolist() == [float(value) for value in values]


@pytest.mark.parametrize("kind", ["numeric", "categorical"])
def test_whole_numbers_beyond_int64_are_numbers_where_the_contract_says_so(tmp_path, kind):
    (tmp_path / "t.csv").write_text("a,b\n-3,1\n12345678901234567890,2\n,3\n+4,4\n")
    contract = Contract(columns={"a": Column(kind=kind, nullable=True)})
    found = parsed(read_raw(tmp_path / "t.csv"), contract)["a"]
    texts = ["-3", "12345678901234567890", "+4"]
    assert found.dropna().tolist() == (texts if kind == "categorical" else [float(text) for text in texts])


@pytest.mark.parametrize("keep", ["first", False])
def test_repeated_rows_are_those_of_pandas(keep):
    rng = np.random.default_rng(3)
    other_nan = np.uint64(0x7FF8000000000001).view(np.float64)
    table = pd.DataFrame(
        {
            "x": rng.choice([0.0, -0.0, np.nan, other_nan, 1.5], 400),
            "text": pd.Series(rng.choice(["a", "b", None], 400), dtype="str"),
            "mixed": pd.Series(rng.choice(np.array([1, 1.0, True, "1", None], dtype=object), 400)),
            "at": pd.to_datetime(rng.choice(["2020-01-01", "2021-01-01", None], 400)),
            "self": pd.Series(rng.integers(0, 4, 400)),
        },
        index=rng.integers(0, 9, 400),
    )
    for columns in (list(table), ["x"], ["mixed", "self"], ["at"]):
        wanted = table[columns].duplicated(keep=keep)
        assert wanted.any()
        pd.testing.assert_series_equal(duplicated(table[columns], keep), wanted)
    assert duplicated(table[["self"]].assign(row=range(400)), keep).sum() == 0
