"""A file is read as it is meant, and what cannot be read ends in one clear line."""

import gzip
from datetime import date, timedelta
from decimal import Decimal

import pandas as pd
import pytest
from drafts import as_prepare_reads

from cairn.data.tables import read_raw
from cairn.errors import UserError
from cairn.intake.draft.columns import look_at
from cairn.intake.read.source import open_source

ROWS = [(f"Zürich {i}" if i % 2 else "Łódź", i, i / 4) for i in range(1, 30)]


def opened(path, separator=None, encoding=None):
    return open_source(path, separator=separator, encoding=encoding)


def text(separator=",", *, decimal=".", end="\n"):
    """Write the rows with these signs."""
    lines = [["city", "n", "share"], *([c, str(n), str(s).replace(".", decimal)] for c, n, s in ROWS)]
    return "".join(separator.join(line) + end for line in lines)


@pytest.mark.parametrize(
    ("name", "content", "encoding", "option"),
    [
        ("a.csv", text(), "utf-8", None),
        ("a.csv", text(), "utf-8-sig", None),
        ("A.CSV", text(), "utf-8", None),
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
    pd.testing.assert_frame_equal(as_prepare_reads(source), source.table)


def test_marks_of_missing_values_and_thousands_do_not_turn_numbers_into_words(tmp_path):
    path = tmp_path / "a.csv"
    lines = "".join(f'{i if i % 7 else "?"},"{i},000",w{i % 3}\n' for i in range(1, 40))
    path.write_text("n,pay,word\n" + lines, encoding="utf-8")
    source = opened(path)
    assert source.table["n"].isna().sum() == 5
    assert source.table["pay"].iloc[0] == 1000
    assert len(source.notes) == 2
    pd.testing.assert_frame_equal(as_prepare_reads(source), source.table)


def test_a_mark_of_missing_values_counts_in_its_own_column_alone(tmp_path):
    path = tmp_path / "a.csv"
    lines = "".join(f"{i if i % 7 else '-'},{'A-B'[i % 3]}\n" for i in range(1, 40))
    path.write_text("n.1,grade\n" + lines, encoding="utf-8")
    source = opened(path)
    assert source.load is None and source.missing == {"n.1": ["-"]}
    assert source.remarks["n.1"] == "'-' means missing (5 rows, such as line 8)"
    assert source.table["n.1"].isna().sum() == 5
    assert (source.table["grade"] == "-").sum() == 13
    pd.testing.assert_frame_equal(as_prepare_reads(source), source.table)


FOOTERS = {
    "gaps": "Total,,819\n",
    "sum": "Grand total:,x,819\n",
    "blank lines": "TOTAL,,819\n\n\n",
    "thousands": 'Sum,,"2,819"\n',
}


@pytest.mark.parametrize("name", FOOTERS)
def test_a_total_in_the_last_line_is_left_out_and_the_pipeline_leaves_it_out_too(name, tmp_path):
    path = tmp_path / "a.csv"
    lines = "".join(f"2021-01-{i:02},{'?' if i == 9 else i % 3},{i * 2 - 1}\n" for i in range(1, 29))
    lines += '2021-02-01,1,"2,035"\n' if name == "thousands" else "2021-02-01,1,35\n"
    path.write_text("day,n,amount\n" + lines + FOOTERS[name], encoding="utf-8")
    source = opened(path)
    assert len(source.table) == 29
    assert source.table["day"].iloc[-1] == "2021-02-01"
    assert source.table["amount"].sum() == (2819 if name == "thousands" else 819)
    assert source.table["n"].isna().sum() == 1
    assert "the last line is a total and is skipped: " in " ".join(source.notes)
    pd.testing.assert_frame_equal(as_prepare_reads(source), source.table)


@pytest.mark.parametrize(
    "last",
    ["Total,1,4\n", "Total,1,\nTotal,,820\n", "Totals Ltd,,820\n", "2021-02-02,,820\n", "Total,Sum,\n"],
)
def test_a_last_line_that_is_a_row_stays(last, tmp_path):
    path = tmp_path / "a.csv"
    lines = "".join(f"2021-01-{i:02},{i % 3},{i * 2 - 1}\n" for i in range(1, 29))
    path.write_text("day,n,amount\n" + lines + last, encoding="utf-8")
    assert len(opened(path).table) == 28 + last.count("\n")


def test_a_folder_of_files_is_read_as_one_and_the_pipeline_reads_the_same(tmp_path):
    for i in range(3):
        rows = [
            (f"{k}.02.2021", f"1.{100 + k},5" if k % 4 else "?", f"{k:03}")
            for k in range(i * 9 + 1, i * 9 + 10)
        ]
        text_of_file = "day;pay;code\n" + "".join(";".join(row) + "\n" for row in rows)
        (tmp_path / f"month={i + 1}").mkdir()
        (tmp_path / f"month={i + 1}/Zürich.csv").write_bytes(text_of_file.encode("cp1252"))
    (tmp_path / "notes.txt").write_text("not a table", encoding="utf-8")
    source = open_source(tmp_path, separator=None, encoding="cp1252", file_column="town")
    assert source.table["pay"].tolist()[:3] == [1101.5, 1102.5, 1103.5]
    assert source.table["pay"].isna().sum() == 6
    assert source.table["month"].tolist() == [1] * 9 + [2] * 9 + [3] * 9
    assert source.table["town"].iloc[-1] == "month=3/Zürich"
    assert [file.name for file in source.files] == ["Zürich.csv"] * 3
    assert source.notes[0] == "3 .csv files, from month=1/Zürich.csv to month=3/Zürich.csv"
    pd.testing.assert_frame_equal(as_prepare_reads(source), source.table)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "no table in this folder"),
        (
            {"a.csv": "x\n1\n", "b.jsonl": "{}"},
            "the folder has .csv and .jsonl files; keep files of one kind",
        ),
        ({"a.csv": "x\n1\n", "b.csv": ""}, "b.csv: the file is empty"),
        ({"a.csv": "<!DOCTYPE html><html>", "b.csv": "x\n1\n"}, "a.csv: a web page, not a table"),
    ],
)
def test_a_folder_that_is_no_table_gives_one_line(files, said, tmp_path):
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(UserError) as error:
        opened(tmp_path)
    assert said in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_points_between_thousands_are_found_and_dates_and_versions_stay_as_they_are(tmp_path):
    path = tmp_path / "a.csv"
    pay = [f"{i},50" if i % 2 else f"1.{i:03},50" for i in range(1, 40)]
    lines = "".join(f"{p};{i % 28 + 1:02}.02.2021;1.2.{i};w{i}\n" for i, p in enumerate(pay))
    path.write_text("pay;day;version;word\n" + lines, encoding="utf-8")
    source = opened(path)
    assert source.table["pay"].tolist()[:2] == [1.5, 1002.5]
    assert source.table["day"].iloc[0] == "01.02.2021"
    assert source.table["version"].iloc[0] == "1.2.0"
    assert "thousands separator: a point, so that 1.002,50 is 1002,50" in source.notes
    pd.testing.assert_frame_equal(as_prepare_reads(source), source.table)


def test_row_names_without_a_heading_become_a_column(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("x,y\n" + "".join(f"r{i},{i},{i * 2}\n" for i in range(5)), encoding="utf-8")
    source = opened(path)
    assert list(source.table) == ["row", "x", "y"]
    pd.testing.assert_frame_equal(as_prepare_reads(source), source.table)


def test_the_index_of_a_parquet_file_is_a_column_and_names_are_text(tmp_path):
    frame = pd.DataFrame({0: [1, 2]}, index=pd.Index(["a", "b"], name="who"))
    frame.columns = frame.columns.astype(str)
    frame.to_parquet(tmp_path / "a.parquet")
    assert list(opened(tmp_path / "a.parquet").table) == ["who", "0"]


def test_decimals_and_days_of_a_snapshot_are_read_as_prepare_reads_them(tmp_path):
    days = [date(2024, 1, 1) + timedelta(days=i) for i in range(60)]
    frame = pd.DataFrame({"amount": [Decimal(f"{i}.25") for i in range(60)], "asked": days})
    frame.to_parquet(tmp_path / "a.parquet")
    source = opened(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(as_prepare_reads(source), source.table)
    kinds = {name: look_at(source.table[name]).column.kind for name in frame}
    assert kinds == {"amount": "numeric", "asked": "datetime"}


def test_lists_of_a_parquet_file_are_no_values(tmp_path):
    pd.DataFrame({"tags": [[1, 2]] * 3}).to_parquet(tmp_path / "a.parquet")
    assert look_at(opened(tmp_path / "a.parquet").table["tags"]).role == "idle"


def test_the_second_column_of_a_name_gets_one_of_its_own_and_the_pipeline_reads_the_same(tmp_path):
    (tmp_path / "twice.csv").write_bytes(b"a,b,a\n1,2,3\n4,5,6\n")
    source = opened(tmp_path / "twice.csv")
    assert source.table.columns.tolist() == ["a", "b", "a.1"]
    assert source.notes == ("duplicate column a: the second is read as a.1",)
    assert read_raw(tmp_path / "twice.csv").columns.tolist() == ["a", "b", "a.1"]


BAD = {
    "empty.csv": (b"", "the file is empty"),
    "blank.csv": (b"\n\n \n", "the file is empty"),
    "bare.csv": (b"1,2,3\n4,5,6\n", "the first line has numbers; it must have the column names"),
    "latin.csv": ("a,b\nZürich,1\n".encode("cp1252"), "not UTF-8 text; name the encoding"),
    "late.csv": (b"a,b\n" + b"x,1\n" * 300_000 + b"\xfc,1\n", "not UTF-8 text; name the encoding"),
    "zip.csv": (b"PK\x03\x04\x00\x00", "not a text file"),
    "broken.csv.gz": (gzip.compress(b"a,b\n1,2\n" * 99)[:-30], "cannot be read"),
    "no.parquet": (b"a,b\n1,2\n", "cannot be read"),
    "no.jsonl": (b"{", "cannot be read"),
    "table.xlsx": (b"PK", "set data.load, or use one of .parquet"),
    "ragged.csv": (b"a,b\n1,2\n1,2,3,4\n", "line 3 has 4 fields, and there are 2 columns"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_be_read_gives_one_line_that_names_it(name, tmp_path):
    content, said = BAD[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as error:
        opened(tmp_path / name)
    assert said in str(error.value)
    assert name in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_missing_file_or_a_wrong_encoding_gives_the_fix(tmp_path):
    (tmp_path / "sales.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"no such file; did you mean 'sales\.csv'\?"):
        opened(tmp_path / "sale.csv")
    with pytest.raises(UserError, match="not klingon text"):
        opened(tmp_path / "sales.csv", encoding="klingon")
    (tmp_path / "latin.csv").write_bytes("a,b\nZürich,1\n".encode("cp1252"))
    assert opened(tmp_path / "latin.csv", encoding="cp1252").table["a"].tolist() == ["Zürich"]
