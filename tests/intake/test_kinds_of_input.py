"""Inputs of the kinds that public bug reports are about: each is read as it is meant, or refused."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drafts import as_prepare_reads, planned, values_of

from cairn.errors import UserError
from cairn.intake.draft.columns import look_at
from cairn.intake.draft.names import plan_of
from cairn.intake.read.source import open_source
from cairn.intake.read.totals import texts_of

ROWS = 120
RNG = np.random.default_rng(3)
NUMBERS = RNG.uniform(100, 50_000, ROWS).round(2)
BOTH_SIGNS = (NUMBERS - 25_000).round(2)
DAYS = pd.date_range("2019-03-01", periods=ROWS, freq="31h")
PLAIN = pd.DataFrame({"x": RNG.normal(size=ROWS).round(3), "g": RNG.choice(list("abc"), ROWS)})


def csv(sep=",", encoding="utf-8", **columns):
    return PLAIN.assign(**columns).to_csv(index=False, sep=sep).encode(encoding)


def taken(path, content, **options):
    """Read a file as new-data does, and the table again as the stage prepare does."""
    path.write_bytes(content)
    source = open_source(path, **{"separator": None, "encoding": None, **options})
    pd.testing.assert_frame_equal(as_prepare_reads(source), source.table)
    return source


def german(number):
    return f"{number:,.2f}".replace(",", "_").replace(".", ",").replace("_", ".")


ODD = {3: "oops", 77: ">1000"}
READ = {
    "thin blanks": (";", [f"{v:,.2f}".replace(",", "\u2009").replace(".", ",") for v in NUMBERS], NUMBERS),
    "figure blanks": (",", [f"{v:,.2f}".replace(",", "\u2007") for v in NUMBERS], NUMBERS),
    "Swiss": (",", [f"CHF {v:,.2f}".replace(",", "'") for v in NUMBERS], NUMBERS),
    "lakhs": (",", [f"{1 + i % 9},{i % 90 + 10},{i:03d}" for i in range(ROWS)],
              [float(f"{1 + i % 9}{i % 90 + 10}{i:03d}") for i in range(ROWS)]),
    "minus signs": (",", [f"{v:.2f}".replace("-", "\u2212") for v in BOTH_SIGNS], BOTH_SIGNS),
    "whole minus signs": (",", [f"{i - 50}".replace("-", "\u2212") for i in range(ROWS)],
                          np.arange(ROWS) - 50.0),
    "decimal commas and dashes": (";", ["-" if i % 9 == 0 else german(v) for i, v in enumerate(NUMBERS)],
                                  [np.nan if i % 9 == 0 else v for i, v in enumerate(NUMBERS)]),
    "strays": (",", [ODD.get(i, v) for i, v in enumerate(NUMBERS)],
               [np.nan if i in ODD else v for i, v in enumerate(NUMBERS)]),
    "strays with decimal commas": (";", [ODD.get(i, german(v)) for i, v in enumerate(NUMBERS)],
                                   [np.nan if i in ODD else v for i, v in enumerate(NUMBERS)]),
    "a few negative in brackets": (",", ["(5.50)" if i == 9 else v for i, v in enumerate(NUMBERS)],
                                   [-5.5 if i == 9 else v for i, v in enumerate(NUMBERS)]),
    "quarters": (",", [f"{d.year}Q{d.quarter}" for d in DAYS], DAYS.to_period("Q").to_timestamp()),
    "quarters first": (",", [f"Q{d.quarter} {d.year}" for d in DAYS], DAYS.to_period("Q").to_timestamp()),
    "weeks": (",", [f"{d.isocalendar().year}-W{d.isocalendar().week:02d}" for d in DAYS],
              (DAYS - pd.to_timedelta(DAYS.day_of_week, "D")).normalize()),
    "zero dates": (",", ["0000-00-00" if i % 9 == 0 else d.date() for i, d in enumerate(DAYS)],
                   [pd.NaT if i % 9 == 0 else d.normalize() for i, d in enumerate(DAYS)]),
    "open ends": (",", ["31.12.9999" if i % 3 else f"{d:%d.%m.%Y}" for i, d in enumerate(DAYS)],
                  [pd.NaT if i % 3 else d.normalize() for i, d in enumerate(DAYS)]),
    "stray dates": (",", ["not yet" if i == 5 else f"{d:%d.%m.%Y}" for i, d in enumerate(DAYS)],
                    [pd.NaT if i == 5 else d.normalize() for i, d in enumerate(DAYS)]),
    "impossible dates": (",", ["2019-02-30" if i == 5 else d.date() for i, d in enumerate(DAYS)],
                         [pd.NaT if i == 5 else d.normalize() for i, d in enumerate(DAYS)]),
    "log files": (",", [f"{d:%d/%b/%Y:%H:%M:%S} +0000" for d in DAYS], DAYS),
    "ctime": (",", [f"{d:%a %b %d %H:%M:%S %Y}" for d in DAYS], DAYS),
}  # fmt: skip


@pytest.mark.parametrize("kind", READ)
def test_a_column_has_the_values_that_are_meant(kind, tmp_path):
    sep, written, meant = READ[kind]
    source = taken(tmp_path / "a.csv", csv(sep=sep, when=written))
    found = values_of(source, "when")
    if pd.api.types.is_datetime64_any_dtype(found):
        meant = pd.Series(meant).astype("datetime64[us]")
        found = found.dt.tz_localize(None).astype("datetime64[us]")
    pd.testing.assert_series_equal(found, pd.Series(meant), check_names=False, check_dtype=False)


@pytest.mark.parametrize(("written", "unit"), [("%Y%m", "MS"), ("%Y%m%d%H%M", "min"), ("%Y%m%d%H%M%S", "s")])
def test_a_moment_may_be_written_in_digits(written, unit, tmp_path):
    source = taken(tmp_path / "a.csv", csv(when=[d.strftime(written) for d in DAYS]))
    assert look_at(source.table["when"]).column.format == written


def test_strays_are_named_with_their_lines(tmp_path):
    two_lines = ["a\nb" if i == 50 else "c" for i in range(ROWS)]
    source = taken(tmp_path / "a.csv", csv(text=two_lines, p=[ODD.get(i, v) for i, v in enumerate(NUMBERS)]))
    said = "2 values taken for missing among numbers: 'oops' in line 5, '>1000' in line 80;"
    assert f"p: {said} without `missing` in the contract the column is text" in source.notes
    assert source.remarks["p"].startswith(said)


STAYS = {
    "a tenth": ["oops" if i % 10 == 0 else v for i, v in enumerate(NUMBERS)],
    "house numbers": ["12a" if i == 7 else i + 3 for i in range(ROWS)],
    "few codes": ["M" if i == 7 else i % 4 for i in range(ROWS)],
    "a word alone": ["none"] * ROWS,
}


@pytest.mark.parametrize("kind", STAYS)
def test_text_that_is_no_exception_stays_text(kind, tmp_path):
    source = taken(tmp_path / "a.csv", csv(p=STAYS[kind]))
    assert "p" in texts_of(source.table)
    assert source.table["p"].tolist() == [str(value) for value in STAYS[kind]] or kind == "a word alone"
    assert source.remarks == {}


DOUBTS = {
    "dollars and euros": [f"{'$€'[i % 2]}{v}" for i, v in enumerate(NUMBERS)],
    "thousands by k": [f"{v / 1000:.1f}k" if v > 1000 else f"{v:.0f}" for v in NUMBERS],
    "durations": [f"{i % 24:02d}:{i * 7 % 60:02d}:00" for i in range(ROWS)],
    "two formats": [f"{d:%Y-%m-%d}" if d < DAYS[60] else f"{d:%d.%m.%Y}" for d in DAYS],
    "months in German": [f"{d.day}. {'März' if d.month == 3 else 'April'} {d.year}" for d in DAYS],
    "time zones": [f"{d:%Y-%m-%d %H:%M:%S} {'CET' if d.month < 4 else 'CEST'}" for d in DAYS],
    "days or months": [f"{i % 12 + 1:02d}/{i * 5 % 12 + 1:02d}/2020" for i in range(ROWS)],
}
SAID = {
    "dollars and euros": "numbers with different units ($, €)",
    "thousands by k": "numbers with different units (none, k)",
    "durations": "a duration or time of day such as 00:00:00, which is not read",
    "two formats": "looks like dates, such as 2019-03-01, 2019-03-02, of which no one format fits all",
    "months in German": "looks like dates, such as 1. März 2019",
    "time zones": "looks like dates, such as 2019-03-01 00:00:00 CET",
    "days or months": "01/01/2020 is read as %m/%d/%Y; %d/%m/%Y fits as well: format in the contract",
}


@pytest.mark.parametrize("kind", DOUBTS)
def test_what_is_not_read_or_may_be_read_otherwise_is_said(kind, tmp_path):
    source = taken(tmp_path / "a.csv", csv(when=DOUBTS[kind]))
    found = look_at(source.table["when"])
    assert SAID[kind] in found.doubt
    assert found.role != "entity"


def test_a_text_that_may_be_a_value_is_said_and_can_be_one(tmp_path):
    content = csv(region=np.resize(["NA", "EU", "AS"], ROWS))
    source = taken(tmp_path / "a.csv", content)
    assert "'NA' means missing in region (40 rows); --labels COLUMN makes it a value" in source.notes
    source = taken(tmp_path / "a.csv", content, labels=["region"])
    assert source.table["region"].tolist()[:3] == ["NA", "EU", "AS"]
    assert not any("NA" in note for note in source.notes)
    with pytest.raises(UserError, match=r"--labels: no column 'regoin'; did you mean 'region'\?"):
        taken(tmp_path / "a.csv", content, labels=["regoin"])


@pytest.mark.parametrize("sign", [".", ","])
def test_numbers_that_may_be_thousands_are_asked_about(sign, tmp_path):
    whole = [f"{int(v):,}".replace(",", sign) for v in NUMBERS.tolist()[:-1]] + ["982"]
    with pytest.raises(UserError, match=r"p: is (\d+)[.,](\d{3}) \1\2 or \1\.\d+\? Write the numbers with"):
        taken(tmp_path / "a.csv", PLAIN[["g"]].assign(p=whole).to_csv(index=False, sep=";").encode())
    decimals = [f"{v / 1000:.3f}".replace(".", sign) for v in NUMBERS.tolist()]
    content = PLAIN[["g"]].assign(p=decimals).to_csv(index=False, sep=";").encode()
    assert taken(tmp_path / "a.csv", content).table["p"].max() < 50


ENCODINGS = ("utf-16-le", "utf-16-be", "utf-16", "utf-32")
TOWNS = np.resize(["Zürich", "Łódź", "Genève"], ROWS)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_wide_encodings_are_found_with_and_without_a_mark(encoding, tmp_path):
    source = taken(tmp_path / "a.csv", csv(encoding=encoding, town=TOWNS))
    assert source.table["town"].tolist() == TOWNS.tolist()


WESTERN = np.resize(["Zürich", "Genève"], ROWS)
TABLE = csv(p=NUMBERS).decode()
HEAD, _, BODY = TABLE.partition("\n")
REFUSED = {
    "mixed encodings": (
        csv(town=WESTERN) + csv(encoding="cp1252", town=WESTERN).partition(b"\n")[2],
        "not UTF-8 text; the first such line is 122, and lines above are UTF-8: write the whole file in",
    ),
    "another encoding": (csv(encoding="cp1252", town=WESTERN), "such as --encoding cp1252 (Western Europe)"),
    "quotes of another kind": (
        "x,name,y\n" + "".join(f"{v},'Smith, J',1\n" for v in NUMBERS),
        "line 2 has 4 fields, and there are 3 columns",
    ),
    "Excel's first line": (f"sep=;\n{TABLE}", "the first line, sep=;, is for Excel only: delete it"),
    "a title": (
        f"Sales of 2021\n\n{TABLE}",
        "the first line (Sales of 2021); delete what is above x, g, p",
    ),
    "a comment": (f"# sensor 5\n{TABLE}", "in the first line (# sensor 5); delete what is above x, g, p"),
    "units": (
        f"{HEAD}\n(m/s),,(kg)\n{BODY}",
        "line 2 holds units or names, not data ((m/s), (kg))",
    ),
    "names once more, in words": (f"{HEAD}\nlength,,price\n{BODY}", "line 2 holds units or names, not data"),
    "totals inside": (
        "g,x,p\n" + "".join(f"a,{i},{i / 4}\n" + "Zwischensumme,,9\n" * (i % 50 == 49) for i in range(120)),
        "line 52 is a total (g: Zwischensumme): delete such rows (2)",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_read_safely_is_refused_in_one_line(kind, tmp_path):
    content, said = REFUSED[kind]
    with pytest.raises(UserError) as stopped:
        taken(tmp_path / "a.csv", content if isinstance(content, bytes) else content.encode())
    (line,) = str(stopped.value).splitlines()
    assert "a.csv" in line and said in line


def test_utf_8_that_is_called_something_else_is_not_read_as_that(tmp_path):
    with pytest.raises(UserError, match="line 2 has 'Ã¼', which is UTF-8 read as cp1252: leave out --enco"):
        taken(tmp_path / "a.csv", csv(town=WESTERN), encoding="cp1252")
    source = taken(tmp_path / "a.csv", csv(encoding="cp1252", town=WESTERN), encoding="cp1252")
    assert source.table["town"].tolist() == WESTERN.tolist()


@pytest.mark.parametrize("names", [[*map(str, range(1, ROWS + 1))], [f"car {i}" for i in range(ROWS)]])
def test_a_first_column_without_a_name_holds_names_of_rows(names, tmp_path):
    lines = [f"{name},{line}" for name, line in zip(names, BODY.splitlines(), strict=True)]
    source = taken(tmp_path / "a.csv", "\n".join([HEAD, *lines]).encode())
    assert list(source.table) == ["row", "x", "g", "p"]


@pytest.mark.parametrize("word", ["Summe", "Gesamt", "Somme", "Total général", "Итого"])
def test_a_total_below_the_table_may_be_in_another_language(word, tmp_path):
    content = "g,p\n" + "".join(f"a{i % 3},{i}\n" for i in range(ROWS)) + f"{word},{sum(range(ROWS))}\n"
    source = taken(tmp_path / "a.csv", content.encode())
    assert len(source.table) == ROWS


ALIKE = {
    "case": (["Yes", "YES", "no"], "'Yes' and 'YES' differ only in case"),
    "accents": (["caf\u00e9", "cafe\u0301", "bar"], "differ only in how accents are encoded"),
}


@pytest.mark.parametrize("kind", ALIKE)
def test_classes_that_are_nearly_written_alike_are_said(kind):
    labels, said = ALIKE[kind]
    table = PLAIN.assign(y=np.resize([*labels[:1] * 3, *labels[1:] * 2], ROWS))
    assert said in planned(table, "y").question.why


def test_durations_and_half_floats_of_a_typed_file_are_numbers(tmp_path):
    seconds = RNG.integers(0, 9999, ROWS)
    table = pa.table(
        {
            "took": pa.array(pd.to_timedelta(seconds, "s")),
            "half": pa.array(np.arange(ROWS) / 4, pa.float16()),
            "x": PLAIN["x"].to_numpy(),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    source = open_source(tmp_path / "a.parquet", separator=None, encoding=None)
    assert source.table["took"].tolist() == seconds.tolist()
    assert source.table["half"].tolist() == (np.arange(ROWS) / 4).tolist()


def test_looking_for_plans_takes_no_time_in_a_wide_table():
    many = [f"f{i}" for i in range(4000)]
    assert plan_of("dep_time", ["sched_dep_time"]) == "sched_dep_time"
    assert all(plan_of(name, []) is None for name in many)
