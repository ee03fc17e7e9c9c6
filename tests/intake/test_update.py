"""Data that live elsewhere, updated: from SQLite here, from real servers under the marker `scale`."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pyarrow.parquet as pq
import pytest
from repository import SRC

from cairn.errors import UserError
from cairn.intake.diff import compare_versions
from cairn.intake.sql.database import SqlSource
from cairn.intake.sql.snapshot import take_snapshot
from cairn.intake.update import unfit_for_git, unfit_origin

CONF = """\
name: loans
source: data/raw/loans.parquet
contract: conf/contract/loans.yaml
task: binary
target: paid
time: asked
"""
CONTRACT = """\
key: [id]
columns:
  id: {kind: numeric}
  amount: {kind: numeric, group: loan, nullable: true}
  asked: {kind: datetime}
  born: {kind: datetime}
  city: {kind: categorical, group: person}
  children: {kind: numeric, group: person, nullable: true}
  paid: {kind: boolean, known: after}
"""
ROWS = 400
LOANS = f"""
    SELECT i AS id, CASE WHEN i % 9 > 0 THEN i * 7 % 1000 / 100.0 END::numeric(12, 2) AS amount,
        timestamptz '2024-03-01 12:00+01' + i * interval '7 hours' AS asked, date '1970-01-01' + i AS born,
        (ARRAY['Oslo', 'Bærum', 'Tromsø'])[1 + i % 3] AS city, nullif(i % 5, 4) AS children, i % 4 > 0 AS paid
    FROM generate_series(1, {ROWS}) AS i
"""


@pytest.fixture
def checkout(snapshot, tmp_path):
    return snapshot.clone(tmp_path / "clone", share_cache=False)


@pytest.fixture(scope="module")
def made(snapshot, tmp_path_factory):
    """A checkout whose only data are in no cache any more."""
    checkout = snapshot.clone(tmp_path_factory.mktemp("made") / "clone", share_cache=False)
    write(checkout, "data/raw/made.csv", "a\n1\n")
    checkout.dvc("add", "data/raw/made.csv")
    commit(checkout)
    shutil.rmtree(checkout.path / ".dvc/cache")
    return checkout


def write(checkout, name: str, text: str) -> None:
    (checkout.path / name).parent.mkdir(parents=True, exist_ok=True)
    (checkout.path / name).write_text(text, encoding="utf-8")


def update(checkout, name: str, fails: bool = False) -> list[str]:
    return checkout.run("python", "src/cairn", "update", name, fails=fails).splitlines()


def commit(checkout) -> None:
    checkout.git("add", "--all", "data")
    checkout.git("commit", "--quiet", "--message=snapshot")


@pytest.mark.slow
def test_an_update_says_what_changed_since_the_last_commit(checkout, tmp_path):
    write(checkout, "data/sql/loans.yaml", "connection: LOANS_DB\ntable: loans\n")
    checkout.dvc("config", "--local", "db.LOANS_DB.url", f"sqlite:///{tmp_path / 'loans.db'}")
    with closing(sqlite3.connect(tmp_path / "loans.db")) as database:
        with database:
            database.execute("CREATE TABLE loans (id INTEGER PRIMARY KEY, city TEXT)")
            database.executemany("INSERT INTO loans VALUES (?, ?)", [(i, "Oslo") for i in range(100)])
        assert "100 rows, 2 columns, sorted by id" in update(checkout, "loans")[0]
        commit(checkout)
        assert update(checkout, "loans")[1:] == ["The same data as in the last commit, byte for byte."]
        with database:
            database.execute("UPDATE loans SET city = 'Tromsø' WHERE id < 30")
            database.execute("INSERT INTO loans VALUES (100, 'Oslo')")
        said = update(checkout, "loans")
    assert said[1:4] == [
        "Since the last commit:",
        "100 rows before, 101 now: 1 added, 0 removed, 30 changed (by id)",
        "1 of 1 columns to look at: city",
    ]
    assert " ".join(said[5].split()) == "city category 0.0% Oslo 0.30 moved; new: Tromsø (30 rows)"
    diff = ("python", "src/cairn", "data-diff", "--path", "data/raw/loans.parquet")
    assert "| city | category |" in checkout.run(*diff, "--md")


@pytest.mark.parametrize(
    ("path", "before", "said"),
    [
        ("data/raw/made.csv", "main2", "main2: no branch, tag, commit or experiment with this name"),
        ("data/raw/made.csv", "HEAD", "HEAD: data/raw/made.csv is in neither cache nor remote"),
        ("data/raw", "HEAD", "data/raw at HEAD: a folder; name a file in it"),
        ("data/raw/other.csv", "HEAD", "data/raw/other.csv at HEAD: no such file"),
        ("data/raw", "workspace", "data/raw: a folder; name a file in it"),
        ("README.md", "HEAD", "set data.load, or use one of .parquet"),
    ],
)
def test_what_cannot_be_compared_is_one_line(made, monkeypatch, path, before, said):
    monkeypatch.chdir(made.path)
    with pytest.raises(UserError) as caught:
        compare_versions(path, before, "workspace")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_secrets_in_committed_files_are_named(checkout, monkeypatch):
    monkeypatch.chdir(checkout.path)
    assert unfit_for_git() == []
    (checkout.path.parent / "made.csv").write_text("a\n1\n", encoding="utf-8")
    checkout.dvc("import-url", "--no-download", str(checkout.path.parent / "made.csv"), "data/raw/made.csv")
    write(checkout, "data/sql/loans.yaml", "url: postgresql://ada:s3cr3t@host/db\ntable: t\n")
    checkout.dvc("config", "db.loans.url", "postgresql://ada:s3cr3t@host/db")
    checkout.dvc("remote", "modify", "local", "verify", "true")
    found = unfit_for_git()
    assert [line.partition(": ")[0] for line in found] == [
        ".dvc/config", "data/raw/made.csv.dvc", "data/sql/loans.yaml",
    ]  # fmt: skip
    assert not any("s3cr3t" in line for line in found)
    for origin in (
        "https://example.org/a.csv?page=2",
        "s3://bucket/a.csv",
        "ssh://ada@host/a.csv",
        "data/raw/a.csv",
    ):
        assert unfit_origin(origin) is None
    for origin in (
        "https://a:b@example.org/a.csv",
        "https://ghp_0123456789@raw.example.org/a.csv",
        "https://example.org/a?X-Amz-Signature=1",
        "../a.csv",
        r"C:\a.csv",
    ):
        assert unfit_origin(origin)


@pytest.mark.scale
def test_postgresql_gives_every_type_back_and_models_can_read_them(checkout, postgresql, monkeypatch):
    monkeypatch.setenv("LOANS_DB", postgresql.url)
    postgresql.execute(
        "DROP TABLE IF EXISTS loans",
        f"CREATE TABLE loans AS {LOANS}",
        "ALTER TABLE loans ADD PRIMARY KEY (id)",
    )
    write(checkout, "data/sql/loans.yaml", "connection: LOANS_DB\ntable: public.loans\n")
    write(checkout, "conf/data/loans.yaml", CONF)
    write(checkout, "conf/contract/loans.yaml", CONTRACT)
    assert "400 rows, 7 columns, sorted by id" in update(checkout, "loans")[0]
    table = pq.read_table(checkout.path / "data/raw/loans.parquet")
    assert {field.name: str(field.type) for field in table.schema} == {
        "id": "int32", "amount": "decimal128(12, 2)", "asked": "timestamp[us, tz=UTC]", "born": "date32[day]",
        "city": "string", "children": "int32", "paid": "bool",
    }  # fmt: skip
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(postgresql.url) as connection:
        expected = connection.execute("SELECT * FROM loans ORDER BY id").fetchall()
    assert [tuple(row.values()) for row in table.to_pylist()] == expected
    commit(checkout)
    # The same rows, stored in another order, under another language's rules and another clock.
    postgresql.execute(
        "ALTER TABLE loans RENAME TO before",
        "CREATE TABLE loans AS SELECT * FROM before ORDER BY random()",
        "ALTER TABLE loans ADD PRIMARY KEY (id)",
        "ALTER ROLE ada SET timezone = 'Asia/Tokyo'",
    )
    assert update(checkout, "loans")[1] == "The same data as in the last commit, byte for byte."
    said = checkout.dvc("exp", "run", "-S", "data=loans", "-S", "model=logistic", "prepare")
    assert "prepare: 400 of 400 rows kept, 7 columns" in said
    assert "s3cr3t" not in "".join(map(checkout.read, checkout.git("ls-files", ".dvc", "data/*").split()))


@pytest.mark.scale
@pytest.mark.parametrize("order_by", ["[]", "[words]"])
def test_text_sorts_the_same_under_any_language(checkout, postgresql, monkeypatch, order_by):
    monkeypatch.setenv("LOANS_DB", postgresql.url)
    files = []
    for collation in ("C", "und-x-icu"):
        postgresql.execute(
            "DROP TABLE IF EXISTS words",
            f'CREATE TABLE words (words text COLLATE "{collation}", n json)',
            """INSERT INTO words VALUES ('b', '[1]'), ('B', '2'), ('a', NULL), ('Å', '3'), (NULL, '{}')""",
        )
        source = SqlSource(
            connection="LOANS_DB", table="words", order_by=["words"] if "w" in order_by else []
        )
        files.append(checkout.path / f"{collation}.parquet")
        take_snapshot(source, files[-1])
    assert files[0].read_bytes() == files[1].read_bytes()
    assert pq.read_table(files[0])["words"].to_pylist() == ["B", "a", "b", "Å", None]


@pytest.mark.scale
def test_memory_does_not_grow_with_the_rows_of_postgresql(postgresql, tmp_path):
    code = (
        "import resource, sys; from pathlib import Path; from cairn.intake.sql.snapshot import take_snapshot;"
        "from cairn.intake.sql.database import SqlSource;"
        "take_snapshot(SqlSource(connection='LOANS_DB', query=sys.argv[1]), Path(sys.argv[2]));"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    peaks = []
    for rows in (200_000, 2_000_000):
        query = f"SELECT i, i * 0.5 AS half, 'row ' || i AS words FROM generate_series(1, {rows}) AS i"
        words = [sys.executable, "-c", code, query, str(tmp_path / "made.parquet")]
        environment = {**os.environ, "PYTHONPATH": str(SRC), "LOANS_DB": postgresql.url}
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
        peaks.append(float(done.stdout))
        assert pq.ParquetFile(tmp_path / "made.parquet").metadata.num_rows == rows
    print(f"peak memory of 200,000 and 2,000,000 rows: {peaks[0]:.0f} and {peaks[1]:.0f} MB")
    assert peaks[1] < peaks[0] + 50


@pytest.mark.scale
@pytest.mark.parametrize("kind", ["web", "bucket"])
def test_an_import_is_updated_and_compared(checkout, kind, request, monkeypatch):
    server = request.getfixturevalue(kind)
    if kind == "bucket":
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)

    def publish(rows: int) -> None:
        text = "id,city\n" + "".join(f"{i},Oslo\n" for i in range(rows))
        if kind == "bucket":
            server.put("cities.csv", text.encode())
        else:
            (server.folder / "cities.csv").write_text(text, encoding="utf-8")

    publish(50)
    checkout.dvc("import-url", f"{server.url}/cities.csv", "data/raw/cities.csv")
    assert not [line for line in checkout.read(".dvc/config").splitlines() if "key" in line]
    commit(checkout)
    assert update(checkout, "cities.csv")[-1] == "The same data as in the last commit, byte for byte."
    publish(60)
    assert "50 rows before, 60 now: 10 added, 0 removed" in "\n".join(update(checkout, "cities.csv"))
    if kind == "bucket":
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        (said,) = update(checkout, "cities.csv", fails=True)
        assert "Forbidden" in said
        assert len(checkout.read("data/raw/cities.csv").splitlines()) == 61
