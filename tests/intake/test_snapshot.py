"""A snapshot of an SQLite table: nothing lost, the same rows the same bytes, the old file until the new."""

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cairn.data.load import in_plain_types
from cairn.errors import UserError
from cairn.intake.sql.database import SqlSource, path_of, read_source, text_of
from cairn.intake.sql.snapshot import take_snapshot

SRC = Path(__file__).resolve().parents[2] / "src"
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
WHOLE = st.integers(-(2**63), 2**63 - 1)
ROW = st.tuples(
    st.none() | WHOLE,
    st.none() | st.floats(allow_nan=False).filter(lambda value: not value.is_integer()),
    st.none() | TEXT,
    st.none() | st.binary(max_size=4),
)
REPEATED = st.lists(ROW, min_size=2, max_size=20).map(lambda rows: [*rows, rows[0]])
few = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def fill(rows, columns="whole, real, words, bytes", name="made.db") -> None:
    """Make a database with one table `t`, whose columns take any value, as SQLite's do."""
    Path(name).unlink(missing_ok=True)
    with closing(sqlite3.connect(name)) as database, database:
        database.execute(f"CREATE TABLE t ({columns})")
        marks = ", ".join("?" * (columns.count(",") + 1))
        database.executemany(f"INSERT INTO t VALUES ({marks})", rows)


def snapshot(target="made.parquet", **source) -> Path:
    what = {} if "query" in source else {"table": "t"}
    take_snapshot(SqlSource(**{"url": "sqlite:///made.db", **what, **source}), Path(target))
    return Path(target)


def digest(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


@few
@given(st.lists(ROW, max_size=30))
@example([(2**63 - 1, 1e300, "é'\"%:x\n", b"\0"), (None, None, None, None)])
def test_what_comes_out_is_what_was_stored(rows):
    fill(rows)
    read = pq.read_table(snapshot())
    stored = sorted(map(repr, rows))
    assert sorted(repr(tuple(row.values())) for row in read.to_pylist()) == stored
    held = {name: any(row[i] is not None for row in rows) for i, name in enumerate(read.column_names)}
    types = {"whole": "int64", "real": "double", "words": "string", "bytes": "binary"}
    assert {f.name: str(f.type) for f in read.schema} == {n: types[n] if held[n] else "null" for n in types}


@few
@given(REPEATED.flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows))))
@pytest.mark.parametrize("order_by", [[], ["words"]])
def test_the_same_rows_in_another_order_give_the_same_bytes(order_by, pair):
    digests = []
    for rows in pair:
        fill(rows)
        digests.append(digest(snapshot(order_by=order_by)))
    assert digests[0] == digests[1]


def test_rows_are_in_the_requested_order_or_else_in_that_of_the_primary_key():
    fill([(3, "a"), (1, "c"), (2, "b")], "id INTEGER, name TEXT PRIMARY KEY")
    assert pq.read_table(snapshot())["name"].to_pylist() == ["a", "b", "c"]
    assert pq.read_table(snapshot(order_by=["id"]))["id"].to_pylist() == [1, 2, 3]
    backwards = "SELECT * FROM t ORDER BY id DESC"
    assert pq.read_table(snapshot(query=backwards, order_by=["id"]))["id"].to_pylist() == [1, 2, 3]


def test_many_row_groups_hold_every_row_once(monkeypatch):
    fill([(i, i / 3, str(i), None) for i in range(1000)])
    monkeypatch.setattr("cairn.intake.sql.snapshot.CELLS", 4 * 33)
    path = snapshot()
    assert pq.ParquetFile(path).num_row_groups == 31
    assert pq.read_table(path)["whole"].to_pylist() == list(range(1000))


def test_a_query_may_hold_what_drivers_take_for_parameters_and_end_in_a_comment():
    fill([(1, 0.5, "50%", None), (2, 0.5, ":x", None)])
    query = "WITH a AS (SELECT whole, words FROM t) SELECT * FROM a WHERE words LIKE '%:x' -- ?, %s;"
    assert pq.read_table(snapshot(query=query)).to_pylist() == [{"whole": 2, "words": ":x"}]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"url": "sqlite:///none.db"}, "none.db: no such database file"),
        ({"table": "T2"}, "no such table: T2"),
        ({"query": "SELEC 1"}, "syntax error"),
        ({"query": "SELECT 1 AS a, 2 AS a"}, "two columns of the query are called a"),
        ({"query": "SELECT 1 AS a UNION ALL SELECT 'x'"}, "a: holds text or bytes in some rows"),
        ({"query": "SELECT 1e0 AS a UNION ALL SELECT 9007199254740993"}, "a: a value does not fit double"),
        ({"order_by": ["word"]}, "order_by: no column word; did you mean 'words'?"),
        ({"url": None, "connection": "NOBODY"}, "connection NOBODY is unknown"),
    ],
)
def test_what_cannot_be_read_is_one_line_and_leaves_the_old_snapshot(source, said):
    fill([(1, 0.5, "a", b"b")])
    before = digest(snapshot())
    with pytest.raises(UserError, match=r"^[^\n]+$") as caught:
        snapshot(**source)
    assert said in str(caught.value)
    assert digest(Path("made.parquet")) == before
    assert sorted(path.name for path in Path().iterdir()) == ["made.db", "made.parquet"]


def test_a_folder_that_takes_no_file_is_one_line():
    fill([(1, 0.5, "a", b"b")])
    Path("made.parquet").mkdir()
    with pytest.raises(UserError, match=r"made\.parquet cannot be written"):
        snapshot()
    assert sorted(path.name for path in Path().iterdir()) == ["made.db", "made.parquet"]


def test_a_source_cannot_change_the_database():
    fill([(1, 0.5, "a", b"b")])
    with pytest.raises(UserError):
        snapshot(query="SELECT 1) AS x; DELETE FROM t; --")
    with pytest.raises(UserError):
        snapshot(query="DELETE FROM t RETURNING whole")
    assert pq.read_table(snapshot()).num_rows == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("table: t", "data/sql/x.yaml: needs either url or connection"),
        ("url: sqlite:///a.db", "needs either table or query"),
        ("url: postgresql://ada:s3cr3t@host/db\ntable: t", "url holds a password"),
        ("url: postgresql://host/db?password=s3cr3t\ntable: t", "url holds a password"),
        ("url: sqlite:////data/a.db\ntable: t", "an absolute path, right on one machine only"),
        ("url: mysql://host/db\ntable: t", "mysql: only postgresql and sqlite are supported"),
        ("url: ada:s3cr3t\ntable: t", "not a database URL"),
        ("url: sqlite:///a.db\ntabel: t", "tabel: unknown key; did you mean 'table'?"),
        ("url: sqlite:///a.db\ntable: t\norder_by: id", "order_by: must be a list"),
        ("- 1", "data/sql/x.yaml"),
        ("a: [", "data/sql/x.yaml"),
    ],
)
def test_a_wrong_description_is_named_by_file_and_key_without_its_secret(text, said):
    Path("data/sql").mkdir(parents=True)
    Path("data/sql/x.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_source("x")
    assert said in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
    assert all(line.startswith("data/sql/x.yaml:") for line in str(caught.value).splitlines())


@pytest.mark.parametrize(
    "source",
    [
        SqlSource(url="sqlite:///data/a.db", table="main.t"),
        SqlSource(
            connection="LOANS_DB",
            query="\nSELECT '#',\n  ': x' AS \"é\" -- ${y}\nFROM t;\n",
            order_by=["é", "b"],
        ),
    ],
)
def test_a_description_that_is_written_is_read_again(source):
    Path("data/sql").mkdir(parents=True)
    path_of("x").write_text(text_of("x", source), encoding="utf-8")
    assert read_source("x") == source


def test_a_connection_is_found_in_the_environment_and_its_secret_not_repeated(monkeypatch):
    fill([(1, 0.5, "a", b"b")])
    monkeypatch.setenv("LOANS_DB", f"sqlite:///{Path('made.db').resolve()}")
    assert pq.read_table(snapshot(url=None, connection="LOANS_DB")).num_rows == 1
    monkeypatch.setenv("LOANS_DB", "oracle://ada:s3cr3t@host/x")
    with pytest.raises(UserError, match="connection LOANS_DB: oracle: only postgresql and sqlite") as caught:
        snapshot(url=None, connection="LOANS_DB")
    assert "s3cr3t" not in str(caught.value)
    monkeypatch.setenv("LOANS_DB", f"sqlite:///{Path('made.db').resolve()}?password=s3cr3t")
    with pytest.raises(UserError) as caught:
        snapshot(url=None, connection="LOANS_DB", table="gone")
    assert "s3cr3t" not in str(caught.value)


def test_decimals_and_days_reach_a_model_as_numbers_and_dates():
    day = pd.Timestamp("2024-02-29")
    table = pd.DataFrame({"price": [Decimal("1.10"), None], "day": [day.date(), None], "bytes": [b"x", None]})
    plain = in_plain_types(table)
    assert plain["price"].tolist()[0] == 1.1
    assert plain["day"].tolist()[0] == day
    assert list(map(str, plain.dtypes)) == ["float64", "datetime64[s]", "object"]


def take(query: str, **environment: str) -> subprocess.Popen:
    """Take a snapshot of a query in a process of its own, which prints its peak memory in MB."""
    code = (
        "from pathlib import Path; from cairn.intake.sql.snapshot import take_snapshot;"
        "from cairn.intake.sql.database import SqlSource;"
        f"take_snapshot(SqlSource(url='sqlite:///made.db', query={query!r}), Path('made.parquet'));"
        # Not getrusage: its peak counts the process that this one was forked from.
        "status = dict(line.split(':', 1) for line in Path('/proc/self/status').read_text().splitlines());"
        "print(int(status['VmHWM'].split()[0]) / 1024)"
    )
    words = [sys.executable, "-c", code]
    return subprocess.Popen(
        words, env={**os.environ, "PYTHONPATH": str(SRC), **environment}, stdout=subprocess.PIPE
    )


def counted(rows: int) -> str:
    return (
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})"
        " SELECT i, i * 0.5 AS half, 'row ' || i AS words, i % 7 AS day, NULL AS gone FROM n"
    )


@pytest.mark.slow
def test_a_snapshot_that_is_killed_leaves_the_old_one():
    fill([(1, 0.5, "a", b"b")])
    before = digest(snapshot())
    unfinished = Path("made.parquet.unfinished")
    with take(counted(10**6), OMP_NUM_THREADS="1") as running:
        try:
            while not unfinished.exists() and running.poll() is None:
                time.sleep(0.05)
        finally:
            running.send_signal(signal.SIGKILL)
    assert running.returncode == -signal.SIGKILL
    assert digest(Path("made.parquet")) == before
    assert digest(snapshot()) == before
    assert not unfinished.exists()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows():
    fill([])
    peaks = []
    for rows in (200_000, 2_000_000):
        with take(counted(rows)) as running:
            peaks.append(float(running.stdout.read()))
        assert pq.ParquetFile("made.parquet").metadata.num_rows == rows
    print(f"peak memory of 200,000 and 2,000,000 rows: {peaks[0]:.0f} and {peaks[1]:.0f} MB")
    assert peaks[1] < peaks[0] + 50
    assert peaks[1] < 400
