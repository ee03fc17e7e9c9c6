"""A file is read as it is meant, and what cannot be read ends in one clear line."""

import gzip
from datetime import date, timedelta
from decimal import Decimal

import pandas as pd
import pytest

from cairn.config.base import ConfigError
from cairn.config.data import DataConfig
from cairn.data.files import read_raw
from cairn.data.load import load
from cairn.scaffold.columns import look_at
from cairn.scaffold.source import open_source

ROWS = [(f"Zürich {i}" if i % 2 else "Łódź", i, i / 4) for i in range(1, 30)]


def opened(path, separator=None, encoding=None):
    return open_source(str(path), separator=separator, encoding=encoding)


def as_the_pipeline_reads(source):
    data = DataConfig(
        name="", source=str(source.path), contract="", task="binary", target="", load=source.load
    )
    return load(data)


def text(separator=",", *, decimal=".", end="\n"):
    """Write the rows with these signs."""
    lines = [["city", "n", "share"], *([c, str(n), str(s).replace(".", decimal)] for c, n, s in ROWS)]
    return "".join(separator.join(line) + end for line in lines)


@pytest.mark.parametrize(
    ("name", "content", "encoding", "option"),
    [
        ("a.csv", text(), "utf-8", None),
        ("a.csv", text(), "utf-8-sig", None),
        ("a.csv", text(end="\r\n"), "utf-16", "encoding"),
        ("a.csv", text(";", decimal=","), "utf-8", "decimal"),
        ("a.csv", text("\t"), "utf-8", "sep"),
        ("a.tsv", text("\t"), "utf-8", None),
        ("a.txt", text("|"), "utf-8", "sep"),
        ("a.csv", text(", "), "utf-8", "skipinitialspace"),
        ("a.csv", text(end=",\n").replace("share,", "share"), "utf-8", "index_col"),
    ],
)
def test_separator_encoding_and_decimals_are_found_out_and_the_pipeline_reads_the_same(
    name, content, encoding, option, tmp_path
):
    (tmp_path / name).write_bytes(content.encode(encoding))
    source = opened(tmp_path / name)
    assert list(source.table) == ["city", "n", "share"]
    assert source.table["n"].tolist() == [n for _, n, _ in ROWS]
    assert source.table["share"].tolist() == [s for _, _, s in ROWS]
    assert source.table["city"].tolist() == [c for c, _, _ in ROWS]
    assert (source.load is None) == (option is None)
    assert option is None or option in source.load
    pd.testing.assert_frame_equal(as_the_pipeline_reads(source), source.table)


def test_marks_of_missing_values_and_thousands_do_not_turn_numbers_into_words(tmp_path):
    path = tmp_path / "a.csv"
    lines = "".join(f'{i if i % 7 else "?"},"{i},000",w{i % 3}\n' for i in range(1, 40))
    path.write_text("n,pay,word\n" + lines, encoding="utf-8")
    source = opened(path)
    assert source.table["n"].isna().sum() == 5
    assert source.table["pay"].iloc[0] == 1000
    assert len(source.notes) == 2
    pd.testing.assert_frame_equal(as_the_pipeline_reads(source), source.table)


def test_points_between_thousands_are_found_and_dates_and_versions_stay_as_they_are(tmp_path):
    path = tmp_path / "a.csv"
    pay = [f"{i},50" if i % 2 else f"1.{i:03},50" for i in range(1, 40)]
    lines = "".join(f"{p};{i % 28 + 1:02}.02.2021;1.2.{i};w{i}\n" for i, p in enumerate(pay))
    path.write_text("pay;day;version;word\n" + lines, encoding="utf-8")
    source = opened(path)
    assert source.table["pay"].tolist()[:2] == [1.5, 1002.5]
    assert source.table["day"].iloc[0] == "01.02.2021"
    assert source.table["version"].iloc[0] == "1.2.0"
    assert "a point stands between thousands" in source.notes
    pd.testing.assert_frame_equal(as_the_pipeline_reads(source), source.table)


def test_row_names_without_a_heading_become_a_column(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("x,y\n" + "".join(f"r{i},{i},{i * 2}\n" for i in range(5)), encoding="utf-8")
    source = opened(path)
    assert list(source.table) == ["row", "x", "y"]
    pd.testing.assert_frame_equal(as_the_pipeline_reads(source), source.table)


def test_the_index_of_a_parquet_file_is_a_column_and_names_are_text(tmp_path):
    frame = pd.DataFrame({0: [1, 2]}, index=pd.Index(["a", "b"], name="who"))
    frame.columns = frame.columns.astype(str)
    frame.to_parquet(tmp_path / "a.parquet")
    assert list(opened(tmp_path / "a.parquet").table) == ["who", "0"]


def test_decimals_and_days_of_a_snapshot_are_read_as_the_pipeline_reads_them(tmp_path):
    days = [date(2024, 1, 1) + timedelta(days=i) for i in range(60)]
    frame = pd.DataFrame({"amount": [Decimal(f"{i}.25") for i in range(60)], "asked": days})
    frame.to_parquet(tmp_path / "a.parquet")
    source = opened(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(as_the_pipeline_reads(source), source.table)
    kinds = {name: look_at(source.table[name]).column.kind for name in frame}
    assert kinds == {"amount": "numeric", "asked": "datetime"}


def test_lists_of_a_parquet_file_are_no_values(tmp_path):
    pd.DataFrame({"tags": [[1, 2]] * 3}).to_parquet(tmp_path / "a.parquet")
    assert look_at(opened(tmp_path / "a.parquet").table["tags"]).role == "idle"


def test_the_second_column_of_a_name_gets_one_of_its_own_and_the_pipeline_reads_the_same(tmp_path):
    (tmp_path / "twice.csv").write_bytes(b"a,b,a\n1,2,3\n4,5,6\n")
    source = opened(tmp_path / "twice.csv")
    assert source.table.columns.tolist() == ["a", "b", "a.1"]
    assert source.notes == ("two columns are called a: the later one is read as a.1",)
    assert read_raw(tmp_path / "twice.csv").columns.tolist() == ["a", "b", "a.1"]


BAD = {
    "empty.csv": (b"", "the file is empty"),
    "blank.csv": (b"\n\n \n", "the file is empty"),
    "bare.csv": (b"1,2,3\n4,5,6\n", "the first line holds numbers; it must hold the names of the columns"),
    "latin.csv": ("a,b\nZürich,1\n".encode("cp1252"), "not text in UTF-8; say which it is"),
    "late.csv": (b"a,b\n" + b"x,1\n" * 300_000 + b"\xfc,1\n", "not text in UTF-8; say which it is"),
    "zip.csv": (b"PK\x03\x04\x00\x00", "this is no text, whatever its name says"),
    "broken.csv.gz": (gzip.compress(b"a,b\n1,2\n" * 99)[:-30], "cannot be read"),
    "no.parquet": (b"a,b\n1,2\n", "cannot be read"),
    "no.jsonl": (b"{", "cannot be read"),
    "table.xlsx": (b"PK", "give data.load a function, or one of .parquet"),
    "ragged.csv": (b"a,b\n1,2\n1,2,3,4\n", "cannot be read: Error tokenizing data"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_be_read_gives_one_line_that_names_it(name, tmp_path):
    content, said = BAD[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError) as error:
        opened(tmp_path / name)
    assert said in str(error.value)
    assert name in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_what_is_no_file_says_what_to_do(tmp_path):
    (tmp_path / "sales.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"no such file, did you mean sales\.csv\?"):
        opened(tmp_path / "sale.csv")
    with pytest.raises(ConfigError, match="a folder needs a function"):
        opened(tmp_path)
    with pytest.raises(ConfigError, match="not text in klingon"):
        opened(tmp_path / "sales.csv", encoding="klingon")
    (tmp_path / "latin.csv").write_bytes("a,b\nZürich,1\n".encode("cp1252"))
    assert opened(tmp_path / "latin.csv", encoding="cp1252").table["a"].tolist() == ["Zürich"]
