"""`cairn predict` from PostgreSQL and into it, on a real server."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from http_service import GOOD, package, saved
from repository import ROOT
from synthetic import rows
from toy_repository import until

from cairn.__main__ import main
from cairn.serve import sources

pytestmark = pytest.mark.scale

SMALL_BLOCKS = (
    "import sys; from cairn.serve import sources; sources.ROWS = 64;"
    "from cairn.__main__ import main; sys.exit(main(sys.argv[1:]))"
)
ROWS = 500
MADE = """
    CREATE TABLE trips (
        id integer, load double precision, noise numeric(20, 9), night boolean, "línea" text, stop varchar(9),
        day date, seen timestamptz, ticket uuid, fare numeric(10, 2), photo bytea
    )"""
ROW = "(%s, %s, %s, %s, %s, %s, date '2024-02-29' + %s, '2024-03-31 02:30+01', gen_random_uuid(), 12.50, %s)"


@pytest.fixture
def trips(postgresql, monkeypatch):
    """A database with a table of rows to predict, and the rows."""
    import psycopg

    made = rows(ROWS, seed=5)[[*GOOD]]
    made["noise"] = made["noise"].round(9)
    values = [
        [n, *(None if pd.isna(value) else value for value in row), n, b"\xff"]
        for n, row in enumerate(made.astype(object).itertuples(index=False))
    ]
    with psycopg.connect(postgresql.url) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        connection.execute(MADE)
        connection.cursor().executemany(f"INSERT INTO trips VALUES {ROW}", values)
    monkeypatch.setenv("TRIPS_DB", postgresql.url)
    return postgresql, made


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("model"))


@pytest.fixture
def predict(model, monkeypatch, capsys):
    """Run the command in small blocks; return its exit code and the lines of its errors."""
    monkeypatch.chdir(ROOT)  # main() goes there
    monkeypatch.setattr(sources, "ROWS", 64)

    def run(*args):
        try:
            code = main(["predict", *args, "--connection", "TRIPS_DB", "--model", model])
        except SystemExit as stopped:
            code = stopped.code
        return code, capsys.readouterr().err.splitlines()

    return run


def select(database, query):
    import psycopg

    with psycopg.connect(database.url) as connection:
        return connection.execute(query).fetchall()


def tables(database):
    return {
        name for (name,) in select(database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    }


def test_a_query_is_predicted_into_a_table(trips, predict):
    database, made = trips
    query = ["--sql", "SELECT * FROM trips ORDER BY id", "--keep", "id,day,seen,ticket,fare,photo"]
    assert predict(*query, "--to-table", "scores")[0] == 0
    types = select(
        database,
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'scores'",
    )
    assert dict(types) == {
        "id": "bigint", "day": "date", "seen": "timestamp with time zone", "ticket": "text",
        "fare": "numeric", "photo": "bytea", "row_id": "bigint", "probability": "double precision",
        "decision": "boolean", "expected_saving": "double precision", "violations": "text",
    }  # fmt: skip
    found = select(database, "SELECT row_id, id, probability, decision FROM scores ORDER BY row_id")
    assert [row[:2] for row in found] == [(n, n) for n in range(ROWS)]
    expected = package().predict(made)
    np.testing.assert_array_equal([row[2] for row in found], expected["probability"])
    np.testing.assert_array_equal([row[3] for row in found], expected["decision"])
    same = "scores JOIN trips USING (id, day, seen, fare, photo) WHERE scores.ticket = trips.ticket::text"
    assert select(database, f"SELECT count(*) FROM {same}") == [(ROWS,)]


def test_a_refused_row_has_nulls(trips, predict):
    database, _ = trips
    database.execute("UPDATE trips SET stop = 's99' WHERE id = 7")
    query = ["--sql", "SELECT * FROM trips ORDER BY id", "--policy", "refuse", "--to-table", "scores"]
    assert predict(*query)[0] == 3
    assert select(database, "SELECT row_id FROM scores WHERE probability IS NULL") == [(7,)]


def test_a_table_in_a_schema_is_not_replaced(trips, predict):
    database, _ = trips
    database.execute("CREATE SCHEMA late")
    args = ["--sql", "public.trips", "--to-table", "late.scores"]
    assert predict(*args)[0] == 0
    assert predict(*args)[1] == [
        "cairn predict: table late.scores exists: drop it, or name another one with --to-table"
    ]
    assert select(database, "SELECT count(*) FROM late.scores") == [(ROWS,)]
    database.execute("DROP SCHEMA late CASCADE")


WRONG = {
    "no such table": (["--sql", "absent"], 'relation "absent" does not exist'),
    "not SQL": (["--sql", "SELEC 1"], "syntax error"),
    "an error in the last block": (
        ["--sql", "SELECT *, 1 / (499 - id) AS x FROM trips ORDER BY id", "--keep", "x"],
        "division by zero",
    ),
    "it writes": (["--sql", "DELETE FROM trips RETURNING *"], "syntax error"),
    "it calls what writes": (["--sql", "SELECT setval('s', 9), * FROM trips"], "read-only transaction"),
}


@pytest.mark.parametrize(("args", "said"), WRONG.values(), ids=WRONG)
def test_what_the_server_refuses_is_one_line_and_no_table(trips, predict, args, said):
    database, _ = trips
    database.execute("CREATE SEQUENCE s")
    code, lines = predict(*args, "--to-table", "scores")
    assert code == 1 and len(lines) == 1
    assert lines[0].startswith("cairn predict: postgresql://ada:***@127.0.0.1:") and said in lines[0]
    assert tables(database) == {"trips"}


def test_a_text_that_postgresql_does_not_take_is_one_line_and_no_table(trips, predict, tmp_path):
    database, _ = trips
    (tmp_path / "in.jsonl").write_text('{"stop": "s1", "id": "a\\u0000b"}\n')
    code, lines = predict(str(tmp_path / "in.jsonl"), "--keep", "id", "--to-table", "scores")
    assert code == 1 and len(lines) == 1 and "NUL" in lines[0]
    assert tables(database) == {"trips"}


def test_a_killed_run_leaves_no_table(trips, predict, model):
    database, made = trips
    to_table = ["--to-table", "scores", "--connection", "TRIPS_DB", "--model", model]
    process = subprocess.Popen(
        [sys.executable, "-c", SMALL_BLOCKS, "predict", "-", "--format", "jsonl", *to_table],
        cwd=ROOT, stdin=subprocess.PIPE, text=True,
    )  # fmt: skip
    process.stdin.write(made.to_json(orient="records", lines=True, force_ascii=False))
    process.stdin.flush()
    writes = "SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction' AND query LIKE 'INSERT%'"
    until(lambda: select(database, writes))
    process.kill()
    process.communicate()
    assert tables(database) == {"trips"}
    assert predict("--sql", "trips", "--to-table", "scores")[0] == 0
    assert select(database, "SELECT count(*) FROM scores") == [(ROWS,)]
