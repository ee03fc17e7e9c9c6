"""`cairn new-data` of a folder, an address, a query: from the source to `prepare`, then an update."""

import sqlite3
from contextlib import closing

import numpy as np
import pandas as pd
import pytest
from test_update import update

ROWS = 120


def loans(rows):
    """Loans of three regions, some paid back, with a gap in a number."""
    rng = np.random.default_rng(7)
    amount = rng.gamma(3, 100, rows).round(2)
    paid = np.where(amount + rng.normal(0, 100, rows) < 350, "yes", "no")
    table = pd.DataFrame({"loan": range(1000, 1000 + rows), "amount": amount, "paid": paid})
    table["region"] = rng.choice(["Nord", "Süd", "Łódź"], rows)
    return table.assign(amount=table["amount"].where(rng.random(rows) < 0.9))


class Folder:
    """A folder of one file for each region."""

    def __init__(self, path):
        self.path, self.words, self.tracked = path / "loans", [str(path / "loans")], "data/raw/loans.dvc"

    def publish(self, rows):
        self.path.mkdir()
        (self.path / "notes.txt").write_text("by region", encoding="utf-8")
        for region, part in loans(rows).groupby("region"):
            part.to_csv(self.path / f"{region}.csv", index=False)


class Address:
    """A file at a web server or in an S3 store."""

    def __init__(self, put, address):
        self.put, self.words, self.tracked = put, [address, "--name", "loans"], "data/raw/loans.csv.dvc"

    def publish(self, rows):
        self.put("Loans 2024.csv", loans(rows).to_csv(index=False).encode())


class Query:
    """A table of a database, of which a query asks all."""

    def __init__(self, fill):
        self.publish, self.tracked = fill, "data/raw/loans.parquet.dvc"
        self.words = ["--sql", "SELECT * FROM loans WHERE loan > 0", "--connection", "LOANS_DB"]
        self.words += ["--name", "loans", "--order-by", "loan"]


@pytest.fixture
def origin(request, tmp_path, monkeypatch):
    """Where the data live."""
    if request.param == "folder":
        return Folder(tmp_path)
    if request.param == "web":
        web = request.getfixturevalue("web")
        return Address(
            lambda name, content: (web.folder / name).write_bytes(content), f"{web.url}/Loans%202024.csv"
        )
    if request.param == "s3":
        bucket = request.getfixturevalue("bucket")
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        return Address(bucket.put, f"{bucket.url}/Loans 2024.csv")
    if request.param == "sqlite":
        monkeypatch.setenv("LOANS_DB", f"sqlite:///{tmp_path / 'loans.db'}")

        def fill(rows):
            with closing(sqlite3.connect(tmp_path / "loans.db")) as database:
                loans(rows).to_sql("loans", database, index=False, if_exists="replace")

        return Query(fill)
    postgresql = request.getfixturevalue("postgresql")
    monkeypatch.setenv("LOANS_DB", postgresql.url)

    def fill_server(rows):
        values = ", ".join(
            f"({row.loan}, {'NULL' if pd.isna(row.amount) else row.amount}, '{row.paid}', '{row.region}')"
            for row in loans(rows).itertuples()
        )
        postgresql.execute(
            "DROP TABLE IF EXISTS loans",
            "CREATE TABLE loans (loan int, amount numeric(12, 2), paid text, region text)",
            f"INSERT INTO loans VALUES {values}",
        )

    return Query(fill_server)


@pytest.mark.parametrize(
    "origin",
    [
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("folder", "web", "sqlite")),
        *(pytest.param(name, marks=pytest.mark.scale) for name in ("s3", "postgresql")),
    ],
    indirect=True,
)
def test_from_where_the_data_live_to_a_table_by_config_alone_and_an_update(origin, snapshot, tmp_path):
    checkout = snapshot.clone(tmp_path / "mine", share_cache=False)
    origin.publish(ROWS)

    def new_data(*words, fails=False):
        said = checkout.run("python", "src/cairn", "new-data", *origin.words, *words, fails=fails)
        return said.splitlines()

    said = new_data("--target", "payd", fails=True)
    assert len(said) == 1
    assert "no column 'payd'; did you mean 'paid'?" in said[0]
    assert checkout.git("status", "--porcelain") == ""
    assert list(checkout.path.glob(".dvc/tmp/new-data*")) == []
    assert list(checkout.path.glob(".dvc/cache/**/*.*")) == []

    said = new_data("--target", "paid")
    assert said[-1] == "next: dvc exp run -S data=loans"
    staged = checkout.git("diff", "--staged", "--name-only").splitlines()
    assert {origin.tracked, "conf/data/loans.yaml", "data/raw/.gitignore"} <= set(staged)
    assert {line[1] for line in checkout.git("status", "--porcelain").splitlines()} == {" "}
    committed = "".join(map(checkout.read, staged))
    assert "s3cr3t" not in committed
    assert str(tmp_path) not in committed
    checkout.git("commit", "--quiet", "--message=loans")
    ran = checkout.dvc("exp", "run", "-S", "data=loans", "prepare")
    assert f"prepare: {ROWS} of {ROWS} rows kept, 4 columns" in ran

    if isinstance(origin, Folder):
        here = sorted(file.name for file in (checkout.path / "data/raw/loans").iterdir())
        assert here == ["Nord.csv", "Süd.csv", "Łódź.csv"]
        return
    (source,) = [line.removeprefix("later: cairn update ") for line in said if line.startswith("later: ")]
    assert f"`cairn update {source}`" in checkout.read("conf/data/loans.yaml")
    assert update(checkout, source)[-1] == "The same data as in the last commit, byte for byte."
    origin.publish(ROWS + 5)
    assert f"{ROWS} rows before, {ROWS + 5} now" in "\n".join(update(checkout, source))


@pytest.mark.scale
def test_a_folder_of_s3_becomes_one_table(bucket, snapshot, tmp_path, monkeypatch):
    for name, value in bucket.environment.items():
        monkeypatch.setenv(name, value)
    checkout = snapshot.clone(tmp_path / "mine", share_cache=False)
    for region, part in loans(ROWS).groupby("region"):
        bucket.put(f"lent/region={region}/part.csv", part.drop(columns="region").to_csv(index=False).encode())
    words = ("python", "src/cairn", "new-data", f"{bucket.url}/lent", "--target", "paid")
    said = checkout.run(*words).splitlines()
    assert said[0] == "lent: 120 rows, 4 columns; 0 duplicate rows"
    checkout.git("commit", "--quiet", "--message=lent")
    ran = checkout.dvc("exp", "run", "-S", "data=lent", "prepare")
    assert f"prepare: {ROWS} of {ROWS} rows kept, 4 columns" in ran
    assert update(checkout, "lent")[-1] == "The same data as in the last commit, byte for byte."
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    (refused,) = checkout.run(*words, "--name", "other", fails=True).splitlines()
    assert "s3://tables/lent: cannot be imported: Forbidden" in refused
