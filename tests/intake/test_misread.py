"""Files that readers of tables are known to misread: read as they are meant, or refused in one line."""

import csv as csv_module
import gzip
import io
import zipfile
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drafts import ROOT, as_prepare_reads, values_of
from hypothesis import event, given, settings
from hypothesis import strategies as st

from cairn.data.load import load, parsed
from cairn.errors import UserError
from cairn.intake.draft.columns import look_at
from cairn.intake.draft.plan import make_plan
from cairn.intake.draft.task import Request
from cairn.intake.read.amounts import amount_of
from cairn.intake.read.source import open_source
from cairn.intake.write.install import prove
from cairn.intake.write.yaml_files import texts
from cairn.models.package import class_labels
from cairn.settings.contract import Contract

ROWS = 400
RNG = np.random.default_rng(3)


def table(**columns):
    """Two columns to learn from, a category, a target of two values, and what is odd."""
    x = RNG.normal(size=ROWS).round(4)
    y = np.where(x + RNG.normal(size=ROWS) > 0, 1, 0)
    plain = {"x": x, "g": RNG.choice(list("abcd"), ROWS), "y": y}
    return pd.DataFrame(plain | columns)


def planned(path, target="y", missing=(), **asked):
    """Do as `cairn new-data FILE --dry`; return the plan, what was read, and the table of the pipeline."""
    source = open_source(path, separator=None, encoding=None, target=target, missing=missing)
    plan = make_plan(source, "made", str(path), Request(target, **asked))
    prove(plan, source.table, texts(plan), ROOT)
    pd.testing.assert_frame_equal(load(plan.data, plan.contract), source.table)
    return plan, source


def refused(path, target="y"):
    with pytest.raises(UserError) as stopped:
        planned(path, target)
    (line,) = str(stopped.value).splitlines()
    return line


def csv(tmp_path, frame, name="made.csv", **options):
    frame.to_csv(tmp_path / name, index=False, **options)
    return tmp_path / name


# records


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (
            lambda lines: [lines[0], lines[1] + ",", *lines[2:]],
            "line 2 has 4 fields, and there are 3 columns",
        ),
        (lambda lines: [*lines[:300], lines[300].rpartition(",")[0], *lines[301:]], "line 301 has 2 fields"),
        (lambda lines: [lines[0], *(line + ",7,8" for line in lines[1:])], "line 2 has 5 fields"),
        (lambda lines: [*lines[:200], lines[0], *lines[200:]], "row 200 repeats the names"),
        (
            lambda lines: [*lines[:50], '1,"a,1', *lines[50:90], '2,"b,0', *lines[90:]],
            "line 51: a value begins",
        ),
        (
            lambda lines: [*lines[:50], '1,"a,1', *lines[50:]],
            "line 51 has 2 fields, and there are 3 columns; a quote opened there",
        ),
    ],
    ids=["a field more", "a field less", "two more in all", "header again", "two quotes", "one quote"],
)
def test_a_record_of_another_shape_is_named_by_new_data_and_by_prepare(tmp_path, edit, said):
    path = csv(tmp_path, table())
    path.write_text("\n".join(edit(path.read_text().splitlines())) + "\n")
    assert said in refused(path)
    good, _ = planned(csv(tmp_path, table(), "good.csv"))
    with pytest.raises(UserError, match=said):
        load(good.data.model_copy(update={"source": str(path)}), good.contract)


@pytest.mark.parametrize("name", ["page.csv.zip", "cut.csv.gz", "noise.csv.xz", "two.csv.zip"])
def test_a_damaged_archive_is_one_line(tmp_path, name):
    path = tmp_path / name
    if name == "cut.csv.gz":
        whole = gzip.compress(table().to_csv().encode())
        path.write_bytes(whole[:500] + b"\xff" * 40 + whole[540:])
    elif name == "two.csv.zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.csv", "a,b\n1,2\n")
            archive.writestr("b.csv", "a,b\n1,2\n")
    else:
        path.write_text("<html>not an archive</html>")
    assert name in refused(path)


# values


@pytest.mark.parametrize("mark", [" ", "#DIV/0!", "-", "?", r"\N", "n/a"])
def test_a_mark_of_missing_among_numbers_is_named_and_no_text(tmp_path, mark):
    odd = table()["x"].astype("str").where(np.arange(ROWS) % 9 > 0, mark)
    plan, source = planned(csv(tmp_path, table(amount=odd)))
    assert source.table["amount"].isna().sum() == (np.arange(ROWS) % 9 == 0).sum()
    assert plan.findings["amount"].column.kind == "numeric"
    assert mark == "n/a" or any(repr(mark) in note and "amount" in note for note in source.notes)


def test_different_codes_stay_different(tmp_path):
    zeros = RNG.choice(["007", "7", "07"], ROWS)
    long = RNG.choice(["90071992547409937", "90071992547409938"], ROWS)
    longest = [f"10000000000000000000000{k % 40:02d}" for k in range(ROWS)]
    frame = table(zeros=zeros, long=pd.Series(long).where(np.arange(ROWS) > 0), longest=longest)
    _, source = planned(csv(tmp_path, frame))
    assert source.table["zeros"].tolist() == zeros.tolist()
    assert source.table["long"].nunique() == 2
    assert source.table["longest"].tolist() == longest
    frame.to_json(tmp_path / "made.jsonl", orient="records", lines=True)
    assert planned(tmp_path / "made.jsonl")[1].table["zeros"].tolist() == zeros.tolist()


def test_whole_numbers_of_parquet_beside_a_gap_stay_different(tmp_path):
    long = pa.array([None, *(2**53 + k % 2 for k in range(1, ROWS))], pa.int64())
    pq.write_table(pa.Table.from_pandas(table()).append_column("long", long), tmp_path / "made.parquet")
    assert planned(tmp_path / "made.parquet")[1].table["long"].nunique() == 2


DATES = {
    "zone": "%Y-%m-%d %H:%M:%S UTC",
    "comma": "%d.%m.%Y, %H:%M",
    "mail": "%a, %d %b %Y %H:%M:%S GMT",
    "fraction": "%Y-%m-%d %H:%M:%S,%f",
}


@pytest.mark.parametrize("written", DATES.values(), ids=DATES)
def test_a_date_is_a_date_however_it_is_written(tmp_path, written):
    moments = pd.date_range("2021-01-01", periods=ROWS, freq="7h")
    plan, source = planned(csv(tmp_path, table(at=moments.strftime(written)), sep=";"))
    assert plan.data.time == "at"
    prepared = pd.to_datetime(source.table["at"], format=plan.findings["at"].column.format, utc=True)
    assert (prepared.dt.tz_localize(None) - moments).dt.total_seconds().abs().max() < 60


def test_a_decimal_comma_in_quotes_is_a_decimal_comma(tmp_path):
    frame = table(pay=RNG.normal(20, 5, ROWS).round(2))
    _, source = planned(csv(tmp_path, frame, decimal=",", quoting=2), "pay")
    np.testing.assert_array_equal(source.table["pay"], frame["pay"])


AMOUNTS = {
    "70.1 kg": 70.1,
    "USD 12.30": 12.3,
    "158.13-": -158.13,
    "(1,200.50)": -1200.5,
    "1\u202f220,72": 1220.72,
    "1 220,72 €": 1220.72,
    "1'220.50 CHF": 1220.5,
    "1.360,00 €": 1360.0,
    "12,5 %": 12.5,
    "$1,200.50": 1200.5,
}


@pytest.mark.parametrize("text", AMOUNTS)
def test_a_number_with_something_around_it_is_that_number(tmp_path, text):
    values = pd.Series([text] * ROWS, name="amount")
    found = amount_of(values)
    assert found is not None
    got = parsed(pd.DataFrame({"amount": values}), Contract(columns={"amount": found}))
    assert got["amount"].tolist() == [AMOUNTS[text]] * ROWS


def test_a_later_file_whose_numbers_all_look_plain_is_read_as_the_first(tmp_path):
    texts = [f"{price:,.2f}".translate(str.maketrans(",.", ".,")) for price in RNG.gamma(2, 800, ROWS)]
    plan, _ = planned(csv(tmp_path, table(price=texts), sep=";"))
    later = tmp_path / "later.csv"
    names = [name for name in table(price=texts) if name != "price"]
    table(price=texts)[names].assign(price=["1.360", *["2.500"] * (ROWS - 1)]).to_csv(
        later, sep=";", index=False
    )
    read = parsed(load(plan.data.model_copy(update={"source": str(later)}), plan.contract), plan.contract)
    assert read["price"].tolist()[:2] == [1360.0, 2500.0]


@pytest.mark.parametrize(
    "values", [["70 kg", "150 lb"], ["12A", "12B"], ["007", "7"], ["a 5", "b 6"], ["1-2"]]
)
def test_what_has_no_one_unit_is_no_number(values):
    assert amount_of(pd.Series(values)) is None


def test_a_sign_that_may_be_of_thousands_or_of_decimals_is_asked_about():
    with pytest.raises(UserError, match=r"is 1.063 1063 or 1.063\?"):
        amount_of(pd.Series(["1.063 €", "982 €"], name="price"))


# labels


def test_none_is_a_label_unless_the_user_says_it_is_missing(tmp_path):
    labels = RNG.choice(["None", "Apnea", "Insomnia"], ROWS)
    path = csv(tmp_path, table(disorder=labels))
    plan, source = planned(path, "disorder")
    assert plan.data.task == "multiclass" and source.table["disorder"].tolist() == labels.tolist()
    assert any("--missing None" in note for note in source.notes)
    assert planned(path, "disorder", missing=["None"])[0].data.task == "binary"


def test_a_label_that_looks_like_a_missing_value_is_said_and_missing_on_request(tmp_path):
    path = csv(tmp_path, table(bought=np.resize(["ja", "nein", "ja", "-"], ROWS)))
    plan, source = planned(path, "bought")
    assert plan.data.task == "multiclass"
    assert any("--missing - changes that" in note for note in source.notes)
    plan, _ = planned(path, "bought", missing=["-"])
    assert plan.data.task == "binary"
    assert plan.findings["bought"].column.missing == ["-"]


def test_labels_that_differ_in_blanks_are_one_and_in_case_are_two(tmp_path):
    twins = np.where(np.arange(ROWS) % 3 > 0, RNG.choice([">50K", "<=50K"], ROWS), ">50K ")
    plan, _ = planned(csv(tmp_path, table(income=twins)), "income")
    assert (plan.data.task, plan.question.rate) == ("binary", (twins == "<=50K").mean())
    plan, _ = planned(csv(tmp_path, table(kind=RNG.choice(["a", "A"], ROWS))), "kind", positive="A")
    assert plan.data.positive == "A" and "case" in plan.question.why


@pytest.mark.parametrize("target", ["class", "what's it", "größe", "a b"])
def test_two_classes_and_a_rare_third_are_binary(tmp_path, target):
    labels = np.where(np.arange(ROWS) < 3, "rare", RNG.choice(["p", "q"], ROWS))
    frame = table().rename(columns={"y": target}).assign(**{target: labels})
    plan, _ = planned(csv(tmp_path, frame), target)
    assert plan.data.task == "binary" and plan.question.rare == ("rare",)


def test_a_blank_label_is_missing(tmp_path):
    labels = np.where(np.arange(ROWS) < 3, " ", RNG.choice(["Yes", "No"], ROWS))
    plan, source = planned(csv(tmp_path, table(resp=labels)), "resp")
    assert plan.data.task == "binary" and source.table["resp"].isna().sum() == 3


# types


@pytest.mark.slow
def test_types_of_arrow_and_pandas_are_as_those_of_numpy(tmp_path):
    plain = table(flag=RNG.random(ROWS) < 0.5, name=RNG.choice(["a", "b"], ROWS))
    unused = pd.Categorical(plain["g"], categories=["a", "b", "c", "d", "never"])
    for at, frame in enumerate(
        (plain, plain.convert_dtypes(dtype_backend="pyarrow"), plain.convert_dtypes(), plain.assign(g=unused))
    ):
        frame.to_parquet(tmp_path / f"{at}.parquet")
        found = planned(tmp_path / f"{at}.parquet")[1].table
        pd.testing.assert_frame_equal(found, plain, check_dtype=True)


def test_ordered_categories_give_the_classes_their_order(tmp_path):
    levels = ["z0", "m1", "a2"]
    frame = table(grade=pd.Categorical(RNG.choice(levels, ROWS), categories=levels, ordered=True))
    frame.to_parquet(tmp_path / "made.parquet")
    plan, source = planned(tmp_path / "made.parquet", "grade")
    assert plan.findings["grade"].column.allowed == levels
    assert class_labels(source.table["grade"], "multiclass", levels) == levels


def test_bytes_and_nested_values_are_left_out_and_said(tmp_path):
    columns = {"raw": [b"\xff\xfe"] * ROWS, "inside": [[1, 2]] * ROWS}
    made = pa.Table.from_pandas(table())
    for name, values in columns.items():
        made = made.append_column(name, pa.array(values))
    pq.write_table(made, tmp_path / "made.parquet")
    plan, _ = planned(tmp_path / "made.parquet")
    assert {plan.findings[name].role for name in columns} == {"idle"}


def test_text_of_parquet_that_is_not_utf8_is_one_line(tmp_path):
    odd = pa.array([b"a\xff", b"b"] * (ROWS // 2)).view(pa.string())
    pq.write_table(pa.Table.from_pandas(table()).append_column("odd", odd), tmp_path / "made.parquet")
    assert "made.parquet cannot be read: Invalid UTF8" in refused(tmp_path / "made.parquet")


# parts


@pytest.mark.parametrize(("first", "part"), [(0.85, "test"), (0.7, "validation")])
def test_a_part_without_an_event_is_refused_before_anything_is_trained(tmp_path, first, part):
    last = (np.arange(ROWS) >= first * ROWS) & ((part == "test") | (np.arange(ROWS) < 0.85 * ROWS))
    days = pd.date_range("2020-01-01", periods=ROWS, freq="D").strftime("%Y-%m-%d")
    frame = table(at=days)
    path = csv(tmp_path, frame.assign(y=frame["y"].where(~last, 0)))
    line = refused(path)
    assert f"every row of {part} has the same value (0)" in line and "drop_where" in line


def test_a_compressed_file_is_read_as_the_plain_one(tmp_path):
    frame = table()
    plain = csv(tmp_path, frame).read_bytes()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("made.csv", plain)
    for name, content in (("a.csv.gz", gzip.compress(plain)), ("a.csv.zip", buffer.getvalue())):
        (tmp_path / name).write_bytes(content)
        pd.testing.assert_frame_equal(planned(tmp_path / name)[1].table, pd.read_csv(tmp_path / "made.csv"))


# any table in any dialect

NAMES = st.sampled_from(["a", "größe", "x y", "class", "n°", "Total", "A", "sold on", "id"])
WORDS = st.sampled_from(["b", "cd", "Ünï", "x,y", "p;q", 'say "so"', "two\nlines", "e f", "B", "a|b"])
COLUMNS = {
    "whole": st.integers(-(10**9), 10**9),
    "long": st.integers(10**15, 10**25),
    "fraction": st.integers(-(10**6), 10**6).map(lambda n: n / 64),
    "code": st.integers(0, 999).map("{:04d}".format),
    "word": WORDS,
    "date": st.dates(date(1950, 1, 1), date(2049, 12, 31)),
}
DIALECTS = [(",", "."), (",", ","), (";", ","), (";", "."), ("\t", "."), ("\t", ","), ("|", ",")]
DAYS = ["%Y-%m-%d", "%d.%m.%Y", "%Y/%m/%d", "%m/%d/%Y", "%d/%m/%Y", "%d %b %Y", "%Y-%m-%d %H:%M:%S", "%Y%m%d"]
MARKS = ["", "", "NA", "-", "?", "n/a", "\\N", "NULL", " ", "#DIV/0!", "."]
MOSTLY_THERE = 0.7
ENOUGH = 20


@st.composite
def written_tables(draw):
    """Values by column, the cells that are written for them, the file, and its encoding if not detected."""
    names = draw(st.lists(NAMES, min_size=2, max_size=5, unique=True))
    kinds = [draw(st.sampled_from(sorted(COLUMNS))) for _ in names]
    rows, gaps = draw(st.integers(2, 40)), draw(st.booleans())
    values = {
        name: draw(
            st.lists(st.none() | COLUMNS[kind] if gaps else COLUMNS[kind], min_size=rows, max_size=rows)
        )
        for name, kind in zip(names, kinds, strict=True)
    }
    (separator, decimal), day, mark = (draw(st.sampled_from(each)) for each in (DIALECTS, DAYS, MARKS))

    def cell(value):
        if isinstance(value, date):
            return value.strftime(day)
        return str(value).replace(".", decimal) if isinstance(value, float) else str(value)

    cells = {name: [mark if v is None else cell(v) for v in column] for name, column in values.items()}
    text = io.StringIO(newline="")
    writer = csv_module.writer(
        text, delimiter=separator, lineterminator=draw(st.sampled_from(["\n", "\r\n", "\r"])),
        quoting=draw(st.sampled_from([csv_module.QUOTE_MINIMAL, csv_module.QUOTE_ALL])),
    )  # fmt: skip
    writer.writerows([names, *zip(*cells.values(), strict=True)])
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"]))
    content = text.getvalue().encode(encoding)
    return values, cells, content, encoding if encoding == "cp1252" else None


@settings(max_examples=200, deadline=None)
@given(written_tables())
def test_a_table_in_any_dialect_is_read_back_or_refused(made):
    check_dialect(made)


@pytest.mark.slow
@settings(max_examples=2000, deadline=None)
@given(written_tables())
def test_many_tables_in_any_dialect_are_read_back_or_refused(made):
    check_dialect(made)


def check_dialect(made):
    values, cells, content, encoding = made
    with TemporaryDirectory() as folder:
        path = Path(folder) / "made.csv"
        path.write_bytes(content)
        try:
            source = open_source(path, separator=None, encoding=encoding)
            if len(source.table.columns) == 1:
                raise UserError("found only one column")  # as the command does, see cairn.intake.draft.task
            read = {name: values_of(source, name) for name in source.table}
        except UserError as error:
            assert "\n" not in str(error)
            event("refused")
            return
        pd.testing.assert_frame_equal(as_prepare_reads(source), source.table)
    event("read")
    assert list(read) == list(values)
    for name, meant in values.items():
        there = [value for value in meant if value is not None]
        assert len(read[name]) == len(meant)
        for got, value, cell in zip(read[name], meant, cells[name], strict=True):
            if value is None:
                assert pd.isna(got) or got == cell
            elif isinstance(value, date) and isinstance(got, pd.Timestamp):
                # A check: line names the other format.
                assert got == pd.Timestamp(value) or look_at(source.table[name]).doubt
            else:  # %Y%m%d are digits, and a number where the name says nothing of time
                digits = cell if isinstance(value, date) and cell.isdecimal() else value
                number = isinstance(value, int | float) or digits is cell
                asked = any(note.startswith("thousands separator") for note in source.notes)
                assert str(got) == cell or (number and float(got) == float(digits)) or asked
        typed = all(isinstance(value, float) for value in there) and len(there) > max(
            ENOUGH, MOSTLY_THERE * len(meant)
        )
        assert not typed or pd.api.types.is_numeric_dtype(read[name])
