"""Files predicted in blocks: the bits of Package.scores, whatever the format, and nothing half done."""

import csv
import inspect
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from repository import ROOT
from synthetic import fit, rows
from toy_repository import until

from cairn.commands import predict
from cairn.data import delimited
from cairn.errors import UserError
from cairn.models.package import Package, reference_rows, save
from cairn.serve import sinks, sources

RAW = ["load", "noise", "night", "línea", "stop"]
PRICES = {"kind": "cost", "currency": "$", "action": 2.0, "loss": 10.0, "share_saved": 0.8}


@cache
def package(name="hist_gbdt", task="binary") -> Package:
    made = fit(name, task, max_iter=15)
    kpi = PRICES if task == "binary" else {"kind": "none"}
    reference = reference_rows(made, rows(600, seed=1))
    return replace(made, reference=reference, threshold=0.25, config=made.config | {"kpi": kpi})


def save_with_load(folder, load):
    """Save the model as one that was trained on a source read with this data.load."""
    data = package().config["data"] | {"load": load, "source": "data/raw/rows.csv"}
    save(replace(package(), config=package().config | {"data": data}), folder / "model")


def table(count=500):
    return rows(count, seed=5)[[*RAW, "delay"]].assign(id=[f"{n:03}" for n in range(count)])


@pytest.fixture
def user(tmp_path, monkeypatch):
    """A user in an empty folder, beside a saved model."""
    save(package(), tmp_path / "model")
    monkeypatch.setenv("PWD", str(tmp_path))
    return tmp_path


def run(given, **options):
    options = {"model": "model", "keep": [], "trust": [], "policy": "flag"} | options
    others = dict.fromkeys(inspect.signature(predict.main).parameters.keys() - {"given", *options})
    return predict.main(given, **options, **others)


WRITE = {
    "in.csv": lambda made, path: made.to_csv(path, index=False),
    "in.csv.gz": lambda made, path: made.to_csv(path, index=False),
    "in.csv.zip": lambda made, path: made.to_csv(path, index=False),
    "in.tsv": lambda made, path: made.to_csv(path, index=False, sep="\t"),
    "in.jsonl": lambda made, path: made.to_json(path, orient="records", lines=True, double_precision=15),
    "in.parquet": lambda made, path: made.to_parquet(path),
    "in.feather": lambda made, path: made.to_feather(path),
}
READ = {
    "out.csv": lambda path: pd.read_csv(path, dtype={"id": "str"}),
    "out.jsonl": lambda path: pd.DataFrame([json.loads(line) for line in path.open(encoding="utf-8")]),
    "out.parquet": pd.read_parquet,
}


def check(found, made):
    expected = package().predict(made)
    assert list(found) == ["id", "row_id", "probability", "decision", "expected_saving", "violations"]
    assert found["id"].tolist() == made["id"].tolist()
    assert found["row_id"].tolist() == list(range(len(made)))
    np.testing.assert_array_equal(found["probability"], expected["probability"])
    np.testing.assert_array_equal(found["decision"], expected["decision"])
    saved = expected["probability"] * 10.0 * 0.8 - 2.0
    np.testing.assert_allclose(found["expected_saving"], np.where(expected["decision"], saved, 0), atol=1e-12)


@pytest.mark.parametrize("given", WRITE)
def test_every_format_is_read_and_predicted_to_the_same_bits(user, given, monkeypatch):
    monkeypatch.setattr(sources, "ROWS", 64)
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 5000)
    made = table()
    if given.startswith("in.jsonl"):  # pandas writes at most 15 decimals
        made = made.assign(load=made["load"].round(9), noise=made["noise"].round(9))
    WRITE[given](made, user / given)
    run(given, output="out.parquet", keep=["id"])
    check(pd.read_parquet(user / "out.parquet"), made)


@pytest.mark.parametrize("given", ["in.csv", "in.jsonl", "in.parquet"])
def test_the_key_of_the_contract_is_copied_unless_other_columns_are_named(user, given):
    save(replace(package(), key=["id", "elsewhere"]), user / "model")
    WRITE[given](table(60), user / given)
    run(given, output="out.parquet", keep=None)
    found = pd.read_parquet(user / "out.parquet")
    assert found["id"].tolist() == table(60)["id"].tolist()
    assert ("elsewhere" in found) == (given == "in.jsonl")  # whose rows have columns of their own
    for keep, kept in (["stop"], ["stop"]), ([""], []):
        run(given, output="out.parquet", keep=keep)
        assert list(pd.read_parquet(user / "out.parquet"))[: len(kept) + 1] == [*kept, "row_id"]


@pytest.mark.parametrize("output", READ)
def test_every_format_is_written(user, output):
    made = table()
    made.to_parquet(user / "in.parquet")
    run("in.parquet", output=output, keep=["id"])
    check(READ[output](user / output), made)
    assert sorted(path.name for path in user.iterdir()) == sorted(["in.parquet", "model", output])


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_other_tasks_have_the_columns_of_the_model(user, task):
    save(package(task=task), user / "model")
    made = table(100)
    made.to_csv(user / "in.csv", index=False)
    run("in.csv", output="out.parquet")
    found = pd.read_parquet(user / "out.parquet")
    expected = package(task=task).predict(made)
    assert found.pop("row_id").tolist() == list(range(100))
    assert list(found) == [*expected, "violations"]
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])


def test_the_bytes_of_the_output_do_not_depend_on_the_blocks(user, monkeypatch):
    table(1000).to_csv(user / "in.csv", index=False)
    monkeypatch.setattr(sinks, "GROUP_ROWS", 300)
    written = []
    for size in (3000, 1 << 20):
        monkeypatch.setattr(delimited, "BLOCK_BYTES", size)
        run("in.csv", output="out.parquet", keep=["id"])
        written.append((user / "out.parquet").read_bytes())
    assert written[0] == written[1]
    assert pq.ParquetFile(user / "out.parquet").num_row_groups == 4


def test_a_wrong_value_is_listed_counted_and_predicted(user, capsys):
    made = table(50).astype({"noise": object})
    made.loc[7, "noise"] = "much"
    made.loc[[7, 9], "stop"] = "s99"
    made.to_csv(user / "in.csv", index=False)
    run("in.csv", output="out.csv", keep=["id"])
    found = READ["out.csv"](user / "out.csv")
    check(found, made.assign(noise=pd.to_numeric(made["noise"], errors="coerce")))
    assert found["violations"].dropna().to_dict() == {
        7: "noise: is not a number; stop: was not seen in training",
        9: "stop: was not seen in training",
    }
    listed = (user / "out.csv.violations.csv").read_text().splitlines()
    assert listed == [
        "row_id,column,reason,value",
        "7,noise,is not a number,much",
        "7,stop,was not seen in training,s99",
        "9,stop,was not seen in training,s99",
    ]
    said = capsys.readouterr().out
    assert "unseen category): 2\n" in said and "out.csv.violations.csv" in said
    made[["id", "stop"]].to_csv(user / "in.csv", index=False)
    run("in.csv", output="out.csv")
    absent = [line for line in capsys.readouterr().out.splitlines() if "no such column" in line]
    assert len(absent) == 1, "columns that are missing for one reason share a line"
    assert "noise" in absent[0] and " and " in absent[0], absent
    made.head(5).to_csv(user / "in.csv", index=False)
    run("in.csv", output="out.csv")
    assert not (user / "out.csv.violations.csv").exists()


def test_a_refused_row_has_nulls_and_the_exit_code_says_so(user):
    made = table(50)
    made.loc[7, "stop"] = "s99"
    made.to_csv(user / "in.csv", index=False)
    with pytest.raises(SystemExit) as stopped:
        run("in.csv", output="out.parquet", policy="refuse", violations="wrong.csv")
    assert stopped.value.code == 3
    found = pd.read_parquet(user / "out.parquet")
    missing = found[["probability", "decision", "expected_saving"]].isna()
    assert missing.all(axis=1).tolist() == [row == 7 for row in range(50)]
    np.testing.assert_array_equal(found["probability"].drop(7), package().scores(made.drop(index=7)))
    assert (user / "wrong.csv").read_text().splitlines()[1:] == ["7,stop,was not seen in training,s99"]


HEADER = "load,noise,night,línea,stop\n"
GOOD = "0.5,1,True,Ω,s1\n"
BAD = {
    "too many": (HEADER + GOOD + "0.5,1,True,Ω,s1,\n" + GOOD, ["line 3", "6 fields", "5 columns"]),
    "too few": (HEADER + GOOD * 2 + "0.5,1\n" + GOOD, ["line 4", "2 fields"]),
    "quote never closed": (HEADER + GOOD * 2 + '0.5,1,True,Ω,"s1\n' + GOOD, ["line 4", "quote"]),
    "quote in the last field": (HEADER + GOOD + '0.5,1,True,Ω,"s1\n', ["line 3", "quote"]),
    "quote in the last byte": (HEADER + GOOD + '0.5,1,True,Ω,"', ["line 3", "quote"]),
    "quote closed below": (HEADER + GOOD + '0.5,1,True,"Ω,s1\n' + GOOD + 'x",1,2\n', ["line 3", "line 5"]),
    "after lines in quotes": (HEADER + '0.5,1,True,Ω,"a\nb"\n' + "1,2\n", ["line 4", "2 fields"]),
    "not UTF-8": ((HEADER + GOOD).encode() + b"0.5,1,True,\xff,s1\n", ["line 3", "utf-8"]),
    "nothing": ("", ["empty"]),
    "a quote in the first line": ('load,"noise\n' + "x" * 200_000, ["line 1"]),
    "another table": ("a,b\n1,2\n", ["load", "which the model needs"]),
}


@pytest.mark.parametrize(("content", "said"), BAD.values(), ids=BAD)
def test_a_broken_file_stops_with_the_line_and_leaves_nothing(user, content, said):
    (user / "in.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as stopped:
        run("in.csv", output="out.csv")
    assert "\n" not in str(stopped.value)
    assert "in.csv" in str(stopped.value) and all(part in str(stopped.value) for part in said)
    assert sorted(path.name for path in user.iterdir()) == ["in.csv", "model"]


BAD_JSON = {
    "not JSON": ('{"load": 1}\n{"load": \n', "line 2"),
    "a list": ('{"load": 1}\n\n[1]\n', "line 3"),
    "not UTF-8": (b'{"load": 1}\n{"stop": "\xff"}\n', "line 2"),
    "deep": ('{"load": 1}\n' + "[" * 100_000 + "\n", "line 2"),
}


@pytest.mark.parametrize(("content", "said"), BAD_JSON.values(), ids=BAD_JSON)
def test_a_broken_line_of_json_is_named(user, content, said):
    (user / "in.jsonl").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=f"in.jsonl: {said}"):
        run("in.jsonl", output="out.csv")
    assert not list(user.glob("*out.csv*"))


@pytest.mark.parametrize("name", ["in.parquet", "in.feather", "in.csv.gz", "in.csv.zip", "in.csv.xz"])
def test_a_file_of_another_format_than_its_name_says_is_one_line(user, name):
    (user / name).write_bytes(os.urandom(500))
    with pytest.raises(UserError) as stopped:
        run(name, output="out.csv")
    assert name in str(stopped.value) and "\n" not in str(stopped.value)


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), max_size=8)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(CELL, min_size=3, max_size=3), max_size=12),
    st.sampled_from([",", ";", "\t"]),
    st.integers(60, 400),
    st.booleans(),
)
def test_records_are_what_python_reads(drawn, separator, size, quoted):
    """Any text in any cell, quotes and line ends among them, comes back as written, in order."""
    text = io.StringIO()
    style = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    writer = csv.writer(text, delimiter=separator, quoting=style, lineterminator="\n")
    writer.writerows([["a", "b", "c"], *drawn])
    content = text.getvalue().encode()
    before = delimited.BLOCK_BYTES
    delimited.BLOCK_BYTES = max(size, 4 * max(map(len, content.split(b"\n"))), 400)
    try:
        records = delimited.Records("x", io.BytesIO(content), delimited.Dialect(sep=separator))
        kept = [kept for _, kept in records.blocks([], ["a", "b", "c"])]
    finally:
        delimited.BLOCK_BYTES = before
    assert records.columns == ["a", "b", "c"]
    found = pa.concat_tables(kept)
    assert [list(row.values()) for row in found.to_pylist()] == drawn


def test_a_quote_inside_a_plain_value_is_a_part_of_it(monkeypatch):
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 200)
    rows = [
        [f"r{at}", 'a 5" disk' if at == 40 else "disk", "a\nb" if at % 7 == 0 else "c"] for at in range(200)
    ]
    lines = [
        f'{name},{disk},"{note}"' if "\n" in note else f"{name},{disk},{note}" for name, disk, note in rows
    ]
    content = "\n".join(["a,b,c", *lines]).encode()
    records = delimited.Records("x", io.BytesIO(content), delimited.Dialect())
    found = [
        list(row.values()) for _, kept in records.blocks([], ["a", "b", "c"]) for row in kept.to_pylist()
    ]
    assert found == rows


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(["", "a", "a.1", "b"]), min_size=1, max_size=6))
def test_columns_are_called_as_pandas_calls_them(names):
    text = ",".join(names) + "\n" + ",".join("1" * len(names)) + "\n"
    if not text.split("\n")[0]:
        return
    records = delimited.Records("x", io.BytesIO(text.encode()), delimited.Dialect())
    assert records.columns == list(pd.read_csv(io.StringIO(text), index_col=False))


def test_the_options_of_data_load_are_followed(user):
    load = {"_target_": "pandas.read_csv", "sep": ";", "decimal": ",", "thousands": ".", "encoding": "cp1252",
            "na_values": {"noise": ["?"]}, "low_memory": False}  # fmt: skip
    made = table(80).assign(load=lambda t: t["load"] * 1e4, line=lambda t: t.pop("línea"))
    made["línea"] = made.pop("line").replace("北", "ß")
    model = package()
    save(
        replace(model, config=model.config | {"data": model.config["data"] | {"load": load}}), user / "model"
    )
    written = made.astype({"noise": object}).assign(load=[f"{x:,.3f}".translate({44: ".", 46: ","})
                                                          for x in made["load"]])  # fmt: skip
    written["load"] = written["load"].where(made["load"].notna(), "")
    written.loc[4, "noise"] = "?"
    written["noise"] = written["noise"].astype("str").str.replace(".", ",")
    written = written.replace({"línea": {"Ω": "ü"}})
    written.to_csv(user / "in.csv", index=False, sep=";", encoding="cp1252")
    run("in.csv", output="out.parquet", keep=["id"])
    read = pd.read_csv(user / "in.csv", **{k: v for k, v in load.items() if k != "_target_"})
    check(pd.read_parquet(user / "out.parquet"), read.assign(id=made["id"]))
    assert "noise,missing," in (user / "out.parquet.violations.csv").read_text()


def test_options_that_need_the_whole_file_read_it_whole(user):
    load = {"_target_": "pandas.read_csv", "skipfooter": 1, "engine": "python"}
    model = package()
    save(
        replace(model, config=model.config | {"data": model.config["data"] | {"load": load}}), user / "model"
    )
    made = table(40)
    made.to_csv(user / "in.csv", index=False)
    with (user / "in.csv").open("a", encoding="utf-8") as file:
        file.write("total,,,,,,\n")
    run("in.csv", output="out.parquet")
    np.testing.assert_array_equal(
        pd.read_parquet(user / "out.parquet")["probability"], package().scores(made)
    )


def test_a_folder_is_read_by_the_loader(user):
    made = table(100)
    (user / "rows").mkdir()
    made.iloc[:60].to_csv(user / "rows/a.csv", index=False)
    made.iloc[60:].to_csv(user / "rows/b.csv", index=False)
    with pytest.raises(UserError, match="name a file"):
        run("rows", output="out.parquet")
    save_with_load(user, {"_target_": "cairn.data.folder.read_folder", "kind": ".csv"})
    run("rows", output="out.parquet", keep=["id"])
    check(pd.read_parquet(user / "out.parquet").assign(id=made["id"]), made)


def test_code_that_a_model_names_runs_only_if_it_is_trusted(user):
    (user / "rows.csv").write_text("x")
    save_with_load(user, {"_target_": "os.remove"})
    with pytest.raises(UserError, match="--trust os"):
        run("rows.csv", output="out.parquet")
    assert (user / "rows.csv").exists()
    save_with_load(user, {"_target_": "csv.absent"})
    with pytest.raises(UserError, match="no attribute 'absent'"):
        run("rows.csv", output="out.parquet", trust=["csv"])


def stored(user, made, name="rows.db"):
    connection = sqlite3.connect(user / name)
    made.to_sql("flights", connection, index=False)
    connection.close()
    return f"sqlite:///{user / name}"


def test_a_query_is_predicted_into_a_table(user, monkeypatch):
    monkeypatch.setattr(sources, "ROWS", 64)
    made = table(300)
    monkeypatch.setenv("ROWS_DB", stored(user, made))
    target = f"sqlite:///{user / 'out.db'}"
    query = {"sql": "SELECT * FROM flights ORDER BY id;", "connection": "ROWS_DB", "keep": ["id"]}
    run(None, **query, to_table="late", to_connection=target)
    with sqlite3.connect(user / "out.db") as connection:
        found = pd.read_sql("SELECT * FROM late", connection)
    check(found.astype({"decision": bool}), made)
    with pytest.raises(UserError, match="table late exists"):
        run(None, **query, to_table="late", to_connection=target)
    run(None, sql="flights", connection="ROWS_DB", to_table="late")
    run(None, **query, output="out.parquet")
    check(pd.read_parquet(user / "out.parquet"), made)


def test_a_table_is_written_as_a_whole_or_not_at_all(user, monkeypatch):
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 3000)
    table(300).to_csv(user / "in.csv", index=False)
    with (user / "in.csv").open("a", encoding="utf-8") as file:
        file.write("1,2\n")
    with pytest.raises(UserError, match="line 302"):
        run("in.csv", to_table="late", to_connection=f"sqlite:///{user / 'out.db'}")
    with sqlite3.connect(user / "out.db") as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []


DECIMAL = st.decimals(-(10**12), 10**12, places=9, allow_nan=False)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.one_of(st.none(), DECIMAL), max_size=8))
def test_exact_decimals_are_rounded_as_python_rounds_them(drawn):
    table = pa.table({"x": pa.array(drawn, pa.decimal128(38, 9))})
    assert sources._plain(table)["x"].to_pylist() == [None if x is None else float(x) for x in drawn]


def test_standard_input_to_standard_output(user, monkeypatch, capsys):
    made = table(50)
    typed = io.TextIOWrapper(io.BytesIO(made.to_csv(index=False).encode()))
    monkeypatch.setattr(sys, "stdin", typed)
    run("-", form="csv", output="-", keep=["id"])
    said = capsys.readouterr()
    check(pd.read_csv(io.StringIO(said.out), dtype={"id": "str"}), made)
    assert "50 rows" in said.err


@pytest.mark.slow
def test_a_killed_run_leaves_nothing_and_the_next_one_says_that_it_starts_again(user, capsys):
    made = table(50)
    made.to_csv(user / "in.csv", index=False)
    text = (user / "in.csv").read_text(encoding="utf-8")
    header, _, body = text.partition("\n")
    code = (
        "import sys; from cairn.data import delimited; delimited.BLOCK_BYTES = 2000;"
        "from cairn.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    where = ["-o", str(user / "out.csv"), "--model", str(user / "model")]
    first = subprocess.Popen(
        [sys.executable, "-c", code, "predict", "-", "--format", "csv", *where],
        cwd=ROOT, stdin=subprocess.PIPE, text=True, encoding="utf-8",
    )  # fmt: skip
    assert first.stdin is not None
    first.stdin.write(header + "\n" + body * 20)
    first.stdin.flush()
    until((user / ".out.csv.unfinished").exists)
    with pytest.raises(UserError, match="another `cairn predict` is writing it"):
        run("in.csv", output="out.csv")
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert not (user / "out.csv").exists()
    run("in.csv", output="out.csv", keep=["id"])
    assert "starting again from the first row" in capsys.readouterr().err
    check(READ["out.csv"](user / "out.csv"), made)
    assert not list(user.glob(".*"))


@pytest.mark.parametrize("sign", [",", "."])
def test_numbers_with_signs_between_thousands_are_those_that_pandas_reads(sign):
    other = {",": ".", ".": ","}[sign]
    rng = np.random.default_rng(0)
    numbers = [f"{x:,.7f}" for x in rng.normal(size=3000) * 10.0 ** rng.integers(-3, 6, 3000)]
    texts = [number.translate({44: sign, 46: other}) for number in numbers]
    quoted = io.StringIO("\n".join(["x", *(f'"{text}"' for text in texts)]))
    expected = pd.read_csv(quoted, thousands=sign, decimal=other, sep=";")["x"]
    dialect = delimited.Dialect(thousands=sign, decimal=other)
    given = pa.table({"x": [*texts, None, "", "much"]})
    read = sources._with_points(given, dialect, frozenset(["x"]))["x"].to_pylist()
    assert [float(text) for text in read[:-3]] == expected.tolist()
    assert read[-3:] == [None, "", "much"]
