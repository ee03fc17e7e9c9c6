"""Files predicted in blocks: the bits of Package.scores, whatever the format, and nothing half done."""

import csv
import inspect
import io
import json
import os
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import fit, rows

from cairn.commands import predict
from cairn.errors import UserError
from cairn.models.package import Package, reference_rows, save
from cairn.serve import delimited, sinks, sources

RAW = ["load", "noise", "night", "línea", "stop"]
PRICES = {"kind": "cost", "currency": "$", "action": 2.0, "loss": 10.0, "share_saved": 0.8}


@cache
def package(name="hist_gbdt", task="binary") -> Package:
    made = fit(name, task, max_iter=15)
    kpi = PRICES if task == "binary" else {"kind": "none"}
    reference = reference_rows(made, rows(600, seed=1))
    return replace(made, reference=reference, threshold=0.25, config=made.config | {"kpi": kpi})


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
    assert list(found) == ["id", "row_id", "probability", "decision", "expected_saving"]
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
    assert list(found) == list(expected)
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
    check(READ["out.csv"](user / "out.csv"), made.assign(noise=pd.to_numeric(made["noise"], errors="coerce")))
    listed = (user / "out.csv.violations.csv").read_text().splitlines()
    assert listed == [
        "row_id,column,reason,value",
        "7,noise,is not a number,much",
        "7,stop,was not seen in training,s99",
        "9,stop,was not seen in training,s99",
    ]
    said = capsys.readouterr().out
    assert "unseen categories: 2\n" in said and "out.csv.violations.csv" in said
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


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(["", "a", "a.1", "b"]), min_size=1, max_size=6))
def test_columns_are_called_as_pandas_calls_them(names):
    text = ",".join(names) + "\n" + ",".join("1" * len(names)) + "\n"
    if not text.split("\n")[0]:
        return
    records = delimited.Records("x", io.BytesIO(text.encode()), delimited.Dialect())
    assert records.columns == list(pd.read_csv(io.StringIO(text), index_col=False))
