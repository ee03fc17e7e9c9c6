"""What a user's file is packed in or written by: read as the plain table, or refused in one line."""

import bz2
import gzip
import io
import json
import lzma
import shutil
import tarfile
import zipfile
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from drafts import as_prepare_reads

from cairn.errors import UserError
from cairn.intake import fetch
from cairn.intake.read.convert import convert, is_converted
from cairn.intake.read.source import open_source

ROWS = 60
RNG = np.random.default_rng(4)
TABLE = pd.DataFrame(
    {
        "x": RNG.normal(size=ROWS).round(3),
        "n": RNG.integers(0, 9, ROWS),
        "town": RNG.choice(["Łódź", "Jerez"], ROWS),
        "code": RNG.choice(["007", "7"], ROWS),
    }
)
CSV = TABLE.to_csv(index=False).encode()


def taken(path, tmp_path, sheet=None):
    """Do as `cairn new-data` and as the stage prepare; both read the same table."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    notes = ()
    if is_converted(path):
        made = convert(path, folder, "made", sheet)
        path, notes = made.path, made.notes
    source = open_source(path, separator=None, encoding=None)
    pd.testing.assert_frame_equal(as_prepare_reads(source), source.table)
    return source.table, notes


def zipped(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_csv", ".csv").replace("_md", ".md"), content)
    return buffer.getvalue()


def tarred(name="a.csv"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        entry = tarfile.TarInfo(f"folder/{name}")
        entry.size = len(CSV)
        archive.addfile(entry, io.BytesIO(CSV))
    return buffer.getvalue()


def zst():
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(CSV)
    return sink.getvalue().to_pybytes()


PACKED = {
    "a.csv.zst": zst,
    "a.zip": lambda: zipped(a_csv=CSV),
    "b.csv.zip": lambda: zipped(a_csv=CSV, __MACOSX___a_csv=b"x"),
    "c.zip": lambda: zipped(data__a_csv=CSV, README_md="read me"),
    "a.tar.gz": tarred,
    "a.tgz": tarred,
    "a.csv.bz2": lambda: bz2.compress(CSV),
    "a.csv.xz": lambda: lzma.compress(CSV),
}


@pytest.mark.parametrize("name", PACKED)
def test_a_packed_table_is_read_as_the_plain_one(tmp_path, name):
    (tmp_path / name).write_bytes(PACKED[name]())
    table, _ = taken(tmp_path / name, tmp_path)
    pd.testing.assert_frame_equal(table, TABLE)


def frame(name):
    def write(path):
        getattr(TABLE, f"to_{name}")(path)

    return write


JSONS = {
    "records.json": TABLE.to_json(orient="records"),
    "inside.json": json.dumps({"count": 60, "rows": TABLE.to_dict("records")}),
    "columns.json": json.dumps(TABLE.to_dict("list")),
    "lines.json": TABLE.to_json(orient="records", lines=True),
    "lines.ndjson": TABLE.to_json(orient="records", lines=True),
}


@pytest.mark.parametrize("name", JSONS)
def test_json_is_read_whether_it_is_an_array_an_object_or_lines(tmp_path, name):
    (tmp_path / name).write_text(JSONS[name], encoding="utf-8")
    table, _ = taken(tmp_path / name, tmp_path)
    pd.testing.assert_frame_equal(table, TABLE)


def test_arrow_and_stata_keep_their_types(tmp_path):
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as file:
        written = pa.Table.from_pandas(TABLE, preserve_index=False)
        with pa.ipc.new_stream(file, written.schema) as stream:
            stream.write_table(written)
    table, _ = taken(tmp_path / "a.arrow", tmp_path)
    pd.testing.assert_frame_equal(table, TABLE)
    graded = TABLE.assign(
        grade=pd.Categorical(RNG.choice(["low", "high"], ROWS), ["low", "high"], ordered=True)
    )
    graded.to_stata(tmp_path / "a.dta", write_index=False, version=118)
    made = convert(tmp_path / "a.dta", tmp_path, "stata")
    source = open_source(made.path, separator=None, encoding=None)
    assert source.ordered == {}  # Stata has labels, and does not say that they are a scale
    assert source.table["grade"].tolist() == graded["grade"].tolist()
    assert source.table["code"].tolist() == TABLE["code"].tolist()


@pytest.mark.parametrize("kind", ["dta", "sav"])
def test_values_of_which_only_some_have_a_label_are_numbers_or_text_by_what_most_rows_are(tmp_path, kind):
    pyreadstat = pytest.importorskip("pyreadstat")
    age, answer = np.resize([23.0, 41.0, 98.0, 67.0], ROWS), np.resize([1.0, 2.0, 2.0, 7.0], ROWS)
    labels = {"age": {98: "refused", 99: "unknown"}, "answer": {1: "yes", 2: "no"}}
    table = pd.DataFrame({"age": age, "answer": answer}).astype("int32")
    path = tmp_path / f"a.{kind}"
    write = pyreadstat.write_dta if kind == "dta" else pyreadstat.write_sav
    write(table, path, variable_value_labels=labels)
    read, (note,) = taken(path, tmp_path)
    assert read["age"].isna().sum() == ROWS // 4
    assert read["age"].dropna().unique().tolist() == [23, 41, 67]
    assert [str(value)[0] for value in read["answer"].unique()] == ["y", "n", "7"]
    assert f"age: numbers; the labels 'refused' are missing values ({ROWS // 4} rows)" in note
    assert "answer: text; some values have no label" in note


def test_json_lines_may_hold_every_sign_that_is_not_the_end_of_a_line(tmp_path):
    odd = ["a\u2028b", "c\u2029d", "e\x85f", "g\x0bh\x0ci", "j\x1ck"]
    table = TABLE.assign(town=np.resize(odd, ROWS))
    lines = [json.dumps(record, ensure_ascii=False) for record in table.to_dict("records")]
    for name in ("a.ndjson", "a.jsonl"):
        (tmp_path / name).write_text("\r\n".join(lines), encoding="utf-8")
        read = open_source(
            convert(tmp_path / name, tmp_path, "made").path if name == "a.ndjson" else tmp_path / name,
            separator=None,
            encoding=None,
        ).table
        assert read["town"].tolist() == table["town"].tolist()
    table.to_csv(tmp_path / "a.csv", index=False)
    read = open_source(tmp_path / "a.csv", separator=None, encoding=None).table
    assert read["town"].tolist() == table["town"].tolist()


def workbook(path, sheets, merged=()):
    """Write a workbook as Excel does, with shared nothing: one XML file per sheet, each with merged cells."""
    kinds = "http://schemas.openxmlformats.org"
    cells = "".join(f'<mergeCell ref="{each}"/>' for each in merged)
    ranges = f'<mergeCells count="{len(merged)}">{cells}</mergeCells>' if merged else ""
    names = "".join(
        f'<sheet name="{name}" sheetId="{at}" r:id="rId{at}"/>' for at, name in enumerate(sheets, 1)
    )
    links = "".join(
        f'<Relationship Id="rId{at}" Type="{kinds}/officeDocument/2006/relationships/worksheet"'
        f' Target="worksheets/sheet{at}.xml"/>'
        for at in range(1, len(sheets) + 1)
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{kinds}/spreadsheetml/2006/main"'
            f' xmlns:r="{kinds}/officeDocument/2006/relationships"><sheets>{names}</sheets></workbook>',
        )
        relations = f'<Relationships xmlns="{kinds}/package/2006/relationships">'
        root = f'<Relationship Id="rId1" Type="{kinds}/officeDocument/2006/relationships/officeDocument"'
        book.writestr("_rels/.rels", f'{relations}{root} Target="xl/workbook.xml"/></Relationships>')
        book.writestr("xl/_rels/workbook.xml.rels", f"{relations}{links}</Relationships>")
        book.writestr(
            "xl/styles.xml",
            f'<styleSheet xmlns="{kinds}/spreadsheetml/2006/main"><cellXfs count="2"><xf numFmtId="0"/>'
            '<xf numFmtId="14"/></cellXfs></styleSheet>',
        )
        for at, rows in enumerate(sheets.values(), 1):
            lines = "".join(f'<row r="{r}">{"".join(map(_cell, row))}</row>' for r, row in enumerate(rows, 1))
            book.writestr(
                f"xl/worksheets/sheet{at}.xml",
                f'<worksheet xmlns="{kinds}/spreadsheetml/2006/main"><sheetData>{lines}</sheetData>'
                f"{ranges}</worksheet>",
            )


def _cell(value):
    if value is None:
        return "<c/>"
    if isinstance(value, bool):
        return f'<c t="b"><v>{int(value)}</v></c>'
    if isinstance(value, datetime):
        return f'<c s="1"><v>{(value - datetime(1899, 12, 30)).days}</v></c>'
    if isinstance(value, str):
        return f'<c t="{"e" if value.startswith("#") else "inlineStr"}">' + (
            f"<v>{value}</v></c>" if value.startswith("#") else f"<is><t>{value}</t></is></c>"
        )
    return f"<c><v>{value}</v></c>"


def sheet_of(table):
    return [list(table), *table.astype(object).to_numpy().tolist()]


def test_a_workbook_is_read_from_its_largest_sheet_below_the_title(tmp_path):
    days = [datetime(2021, 1, 1 + at % 28) for at in range(ROWS)]
    whole = TABLE.assign(day=days, paid=[None if at % 7 == 0 else at / 4 for at in range(ROWS)])
    data = [["Sales of 2021"], [], *sheet_of(whole.astype(object).where(whole.notna(), None))]
    data[9][5] = "#DIV/0!"
    workbook(tmp_path / "a.xlsx", {"Notes": [["by", "Ann"], ["on", 3]], "Data": data})
    table, (note,) = taken(tmp_path / "a.xlsx", tmp_path)
    assert note == "sheet 'Data' of 2 of a.xlsx, column names in row 3"
    pd.testing.assert_frame_equal(table[list(TABLE)], TABLE)
    assert table["day"].tolist() == [day.date().isoformat() for day in days]
    assert table["paid"].isna().sum() == 10 and table["paid"].dtype == "float64"


def test_each_row_of_a_merged_cell_has_its_value_and_groups_of_columns_are_no_names(tmp_path):
    regions = ["North"] * 20 + ["South"] * 40
    whole = TABLE.assign(region=regions)[["region", *TABLE]]
    rows = sheet_of(whole)
    rows = [["region", "measured", None, "other", None], [None, *rows[0][1:]], *rows[1:]]
    for at in [*range(3, 22), *range(23, 62)]:
        rows[at][0] = None
    workbook(tmp_path / "a.xlsx", {"A": rows}, ["A1:A2", "B1:C1", "D1:E1", "A3:A22", "A23:A62"])
    table, (note,) = taken(tmp_path / "a.xlsx", tmp_path)
    assert (
        note == "sheet 'A' of a.xlsx, column names in row 2; 2 merged cells: each of their rows has the value"
    )
    pd.testing.assert_frame_equal(table, whole)


def test_a_heading_inside_the_table_of_a_sheet_is_refused(tmp_path):
    rows = sheet_of(TABLE)
    rows.insert(30, ["South of the river", None, None, None])
    workbook(tmp_path / "a.xlsx", {"A": rows}, ["A31:D31"])
    with pytest.raises(
        UserError, match="sheet A: row 31 has a cell that is merged over several columns, below"
    ):
        convert(tmp_path / "a.xlsx", tmp_path, "made")


def test_a_sheet_can_be_named(tmp_path):
    sheets = {"Small": sheet_of(TABLE.head(5)), "Large": sheet_of(TABLE)}
    workbook(tmp_path / "a.xlsx", sheets)
    assert len(taken(tmp_path / "a.xlsx", tmp_path, "Small")[0]) == 5
    with pytest.raises(UserError, match=r"--sheet Smal: a.xlsx has Small, Large; did you mean 'Small'\?"):
        convert(tmp_path / "a.xlsx", tmp_path, "made", "Smal")


def test_files_of_spss_and_sas_are_read(tmp_path):
    pyreadstat = pytest.importorskip("pyreadstat")
    pyreadstat.write_sav(TABLE, tmp_path / "a.sav")
    table = open_source(
        convert(tmp_path / "a.sav", tmp_path, "spss").path, separator=None, encoding=None
    ).table
    pd.testing.assert_frame_equal(table, TABLE, check_dtype=False)
    pyreadstat.write_xport(TABLE, tmp_path / "a.xpt", file_format_version=5)
    table = open_source(
        convert(tmp_path / "a.xpt", tmp_path, "sas").path, separator=None, encoding=None
    ).table
    assert table["town"].tolist() == TABLE["town"].tolist()


def _protected(path):
    content = bytearray(zipped(a_csv=CSV))
    content[6] |= 1  # the flag of encryption, in the header of the file and in the directory
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)


REFUSED = {
    "two.zip": (lambda path: path.write_bytes(zipped(a_csv=CSV, b_csv=CSV)), "holds 2 tables (a.csv, b.csv)"),
    "none.zip": (lambda path: path.write_bytes(zipped(README_md="x")), "holds no table (README.md)"),
    "empty.zip": (lambda path: path.write_bytes(zipped()), "holds no table (it is empty)"),
    "secret.zip": (_protected, "protected by a password"),
    "secret.csv.zip": (_protected, "password"),
    "a.7z": (lambda path: path.write_bytes(b"7z\xbc\xaf"), "an archive of 7-Zip cannot be read"),
    "a.pkl": (lambda path: path.write_bytes(b"x"), "a pickle, which may run any code"),
    "a.json": (lambda path: path.write_text('{"a": 1}'), "holds no list of records"),
    "b.json": (lambda path: path.write_text("not json"), "cannot be read"),
    "a.xlsx": (lambda path: path.write_text("a,b"), "not a workbook: rename it to what it is (.csv)"),
    "b.xlsx": (lambda path: workbook(path, {"Empty": []}), "sheet Empty has no table"),
    "a.dta": (lambda path: path.write_text("not Stata"), "cannot be read"),
    "a.tar.gz": (lambda path: path.write_bytes(CSV), "cannot be read"),
    "a.csv.zst": (lambda path: path.write_bytes(CSV), "cannot be read"),
    "page.csv": (lambda path: path.write_text("<!DOCTYPE html><p>"), "a web page, not a table"),
    "json.csv": (lambda path: path.write_text('[{"a": 1}]'), "JSON, not separated text"),
    "excel.csv": (lambda path: workbook(path, {"A": sheet_of(TABLE)}), "an .xlsx workbook: rename it"),
    "gzip.csv": (lambda path: path.write_bytes(gzip.compress(CSV)), "compressed (.gz)"),
    "parquet.csv": (TABLE.to_parquet, "a .parquet file: rename it"),
    "page.tsv": (lambda path: path.write_bytes(b"%PDF-1.7"), "a PDF: save the table as CSV or Parquet"),
    "seven.csv": (lambda path: path.write_bytes(b"7z\xbc\xaf'\x1c"), "an archive of 7-Zip: unpack it"),
    "base.csv": (lambda path: path.write_bytes(b"SQLite format 3\0"), "a database: read it with --sql"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_one_line(tmp_path, name):
    write, said = REFUSED[name]
    write(tmp_path / name)
    with pytest.raises(UserError) as stopped:
        taken(tmp_path / name, tmp_path)
    (line,) = str(stopped.value).splitlines()
    assert name in line and said in line


@pytest.fixture
def web(tmp_path, monkeypatch):
    """A folder whose files DVC imports from https://example.org."""
    (tmp_path / "web").mkdir()

    def dvc(command, address, file, folder):
        assert command == "import-url"
        shutil.copyfile(tmp_path / "web" / address.rpartition("/")[2], folder / file)
        (folder / f"{file}.dvc").write_text("outs: []\n", encoding="utf-8")

    monkeypatch.setattr(fetch, "dvc", dvc)
    monkeypatch.setattr(fetch, "_make_repository", lambda folder, root: None)
    return tmp_path / "web"


def test_a_workbook_or_an_archive_at_a_url_is_converted_and_a_sheet_can_be_named(web, tmp_path):
    workbook(web / "b.xlsx", {"Small": sheet_of(TABLE.head(5)), "Large": sheet_of(TABLE)})
    (web / "a.tar.gz").write_bytes(tarred())
    for address, sheet, rows in [("b.xlsx", None, 60), ("b.xlsx", "Small", 5), ("a.tar.gz", None, 60)]:
        with fetch.imported(f"https://example.org/{address}", "mine", sheet, tmp_path) as intake:
            assert (intake.path.name, intake.records, intake.update) == ("mine.csv", {}, None)
            assert len(pd.read_csv(intake.path)) == rows
            assert intake.origin.endswith(f"imported from https://example.org/{address}")
            assert "column names in row 1" in intake.notes[0] or "a.csv of mine.tar.gz" in intake.notes[0]
    (web / "a.csv").write_bytes(CSV)
    with fetch.imported("https://example.org/a.csv", "mine", None, tmp_path) as intake:
        assert list(intake.records) == ["data/raw/mine.csv.dvc"]
    with (
        pytest.raises(UserError, match=r"--sheet Small: mine\.csv is not a workbook"),
        fetch.imported("https://example.org/a.csv", "mine", "Small", tmp_path),
    ):
        pass
