"""`cairn new-data` from a file to a report, and nothing half done when it cannot be."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from pages import blocks
from repository import ROOT
from sklearn import datasets

from cairn.commands.app import run
from cairn.errors import UserError


def wine():
    """Three wines by their names, one of which is not ASCII."""
    frame = datasets.load_wine(as_frame=True).frame
    return frame.assign(target=frame["target"].map({0: "Barolo", 1: "Grignolino", 2: "Barbéra"}))


def sales(rows=900):
    """Sales with a date, a category, gaps, a long tail, and two numbers that are known too late."""
    rng = np.random.default_rng(4)
    day = pd.Timestamp("2021-03-01") + pd.to_timedelta(np.sort(rng.integers(0, 700, rows)), "D")
    town = rng.choice(["Łódź", "Zürich", "Jerez"], rows)
    size = rng.gamma(3, 2, rows)
    amount = np.exp(2 + size / 4 + (town == "Jerez") + rng.normal(0, 0.3, rows)).round(2)
    table = pd.DataFrame({"sold on": day.strftime("%d.%m.%Y"), "town": town, "size": size.round(3)})
    table["size"] = table["size"].where(rng.random(rows) < 0.8)
    return table.assign(invoice=amount * 1.19, amount=amount)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with conf/ and no DVC, in which the command works."""
    (tmp_path / "root").mkdir()
    shutil.copytree(ROOT / "conf", tmp_path / "root/conf")
    monkeypatch.chdir(tmp_path / "root")
    return tmp_path


def everything(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_snapshot_taken_by_hand_is_a_file_like_any_other_and_is_not_written_over(folder, capsys):
    (folder / "root/data/sql").mkdir(parents=True)
    (folder / "root/data/sql/wine.yaml").write_text("connection: DB\ntable: wine\n", encoding="utf-8")
    (folder / "root/data/raw").mkdir()
    wine().to_parquet(folder / "root/data/raw/wine.parquet")
    run("new-data", "data/raw/wine.parquet", "--target", "target", "--dry")
    assert "178 rows" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"data/raw/wine\.parquet exists"):
        run("new-data", "--sql", "wine", "--connection", "DB", "--target", "target")
    (folder / "root/data/raw/wine.parquet").unlink()
    with pytest.raises(UserError, match=r"data/sql/wine\.yaml exists"):
        run("new-data", "--sql", "wine", "--connection", "DB", "--target", "target")


def test_dry_shows_every_file_and_writes_none(folder, capsys):
    wine().to_csv(folder / "wine.csv", index=False)
    before = everything(folder)
    run("new-data", str(folder / "wine.csv"), "--target", "target", "--dry")
    said = capsys.readouterr().out
    for group in ("data", "contract"):
        assert f"--- conf/{group}/wine.yaml" in said
    assert said.endswith("--dry: nothing was written\n")
    assert everything(folder) == before


def test_what_it_says_fits_the_terminal_and_counts_rows_without_a_target(folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    table = sales(1200)
    table.loc[::12, "amount"] = None
    table.to_csv(folder / "sales.csv", index=False)
    run("new-data", str(folder / "sales.csv"), "--target", "amount", "--dry")
    said = capsys.readouterr().out.partition("\n--- conf/")[0].splitlines()
    assert "dropped rows: 100 (8.3 %) without a value of amount" in said
    assert max(map(len, said)) <= 80
    assert any(line.startswith("  ") for line in said)  # at least one was too long


def test_a_converted_file_is_named_beside_the_source_and_leaves_nothing_behind(folder, capsys):
    wine().to_json(folder / "wine.json", orient="records")
    (folder / "bad.json").write_text("{}", encoding="utf-8")
    before = everything(folder)
    run("new-data", str(folder / "wine.json"), "--target", "target", "--dry")
    said = capsys.readouterr().out
    assert "read: 178 records of wine.json" in said
    assert "source: data/raw/wine.jsonl # tracked by DVC; made by `cairn new-data`: 178 records" in said
    with pytest.raises(UserError, match=r"bad\.json: holds no list of records"):
        run("new-data", str(folder / "bad.json"), "--target", "target")
    assert everything(folder) == before


def test_nothing_is_left_behind_where_dvc_refuses(folder):
    wine().to_csv(folder / "wine.csv", index=False)
    before = everything(folder)
    with pytest.raises(UserError, match=r"dvc add data/raw/wine\.csv: ") as error:
        run("new-data", str(folder / "wine.csv"), "--target", "target")
    assert len(str(error.value).splitlines()) == 1
    assert [name for name in everything(folder) if name not in (*before, "root/data", "root/data/raw")] == []


def test_nothing_is_left_behind_where_git_refuses(folder, monkeypatch):
    def added(*_, folder):
        (folder / "data/raw/.gitignore").write_text("/wine.csv\n", encoding="utf-8")

    monkeypatch.setattr("cairn.intake.write.install.dvc", added)
    wine().to_csv(folder / "wine.csv", index=False)
    before = everything(folder)
    with pytest.raises(UserError, match="git add data/raw/wine"):
        run("new-data", str(folder / "wine.csv"), "--target", "target")
    assert [name for name in everything(folder) if name not in (*before, "root/data", "root/data/raw")] == []


def test_a_relative_path_is_one_of_the_users_folder(folder, monkeypatch, capsys):
    sales().to_csv(folder / "root/wine.csv", index=False)
    (folder / "root/mine").mkdir()
    wine().to_csv(folder / "root/mine/wine.csv", index=False)
    monkeypatch.setenv("PWD", str(folder / "root/mine"))
    run("new-data", "wine.csv", "--target", "target", "--dry")
    assert "178 rows" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gone.csv", "--target", "x"], "gone.csv: no such file"),
        (["wine.csv", "--target", "targe"], "no column 'targe'; did you mean 'target'?"),
        (["wine.csv", "--target", "target", "--name", "flights"], "conf/data/flights.yaml exists"),
        (["wine.csv", "--target", "target", "--name", "My Wine"], "use lower-case letters"),
        (["wine.csv", "--target", "target", "--name", "none"], "the name 'none' has a meaning"),
        (["wine.csv", "--target", "target", "--group", "vineyard"], "no column 'vineyard'"),
        (["wine.csv", "--target", "target", "--task", "regression"], "a regression needs numbers"),
        (["wine.csv", "--target", "dear = price > 1"], "no column 'price'"),
        ([], "no table given: pass FILE, FOLDER or URL, or --sql with --connection"),
        (["wine.csv", "--sql", "wine"], "no table given"),
        (["wine.csv", "--connection", "DB"], "--connection and --order-by are for --sql"),
        (["wine.csv", "--file-column", "month"], "--file-column needs a folder"),
        (["--sql", "SELECT 1 AS a", "--connection", "DB"], "--name is required"),
        (["--sql", "wine"], "--sql needs --connection"),
        (["--sql", "wine", "--connection", "NO_DB"], "connection NO_DB is unknown"),
        (["--sql", "wine", "--connection", "postgresql://ada:s3cr3t@h/d"], "url holds a password"),
        (
            ["--sql", "wine", "--connection", "sqlite:////d/a.db"],
            "an absolute path, right on one machine only",
        ),
        (["--sql", "wine", "--connection", "mysql://h/d"], "only postgresql and sqlite are supported"),
        (["https://ada:s3cr3t@127.0.0.1/a.csv"], "the https:// address holds a password"),
        (["https://127.0.0.1/a.csv?sig=s3cr3t"], "https://127.0.0.1/a.csv: the https:// address holds"),
        (["file:///d/wine.csv"], "is a path on this machine"),
        (["http://127.0.0.1:1"], "--name is required"),
        (
            ["http://127.0.0.1:1/a.csv"],
            "http://127.0.0.1/a.csv: cannot be imported: no such file there, or no",
        ),
    ],
)
def test_what_cannot_work_gives_one_line_and_writes_nothing(words, said, folder):
    wine().to_csv(folder / "root/wine.csv", index=False)
    before = everything(folder)
    with pytest.raises(UserError) as error:
        run("new-data", *words, *([] if "--target" in words else ["--target", "target"]))
    assert said in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    assert "s3cr3t" not in str(error.value)
    assert everything(folder) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("gone.csv", "/gone.csv: cannot be imported: no such file there, or no such server"),
        ("page.csv", "page.csv: a web page, not a table"),
    ],
)
def test_an_address_without_a_table_gives_one_line_and_leaves_nothing(file, said, folder, web):
    (web.folder / "page.csv").write_text("<!doctype html><title>log in</title>", encoding="utf-8")
    before = everything(folder / "root")
    with pytest.raises(UserError) as error:
        run("new-data", f"{web.url}/{file}", "--target", "x")
    assert said in str(error.value)
    assert str(folder) not in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    assert everything(folder / "root") == before


@pytest.mark.slow
@pytest.mark.parametrize("committed", [False, True])
def test_what_the_page_says_undoes_it_and_touches_nothing_else(committed, snapshot, tmp_path):
    (undo,) = [block for block in blocks(ROOT / "docs/new-data.md") if block.text.startswith("dvc remove ")]
    checkout = snapshot.clone(tmp_path / "mine", share_cache=False)
    table = tmp_path / "sales.csv"
    sales().to_csv(table, sep=";", decimal=",", index=False)
    add = ("python", "src/cairn", "new-data", str(table), "--target", "amount")

    def state():
        listed = [path for path in everything(checkout.path) if not path.startswith((".git/", ".dvc/"))]
        words = (["ls-files"], ["diff", "HEAD"], ["status", "--porcelain"])
        files = [path for path in listed if "__pycache__" not in path]
        return [files, *(checkout.git(*each) for each in words)]

    checkout.replace("README.md", "# Cairn", "# Mine")
    (checkout.path / "conf/kpi/sales.yaml").write_text("mine: 1\n", encoding="utf-8")
    shutil.copy(table, checkout.path / "data/raw/other.csv")
    checkout.dvc("add", "--quiet", "data/raw/other.csv")
    checkout.git("add", "conf/kpi/sales.yaml", "data/raw")
    if committed:
        checkout.git("commit", "--quiet", "--message=Other work")
    before = state()
    checkout.run(*add)
    checkout.run("python", "src/cairn", "compose", "data=sales")
    if committed:
        checkout.git("commit", "--quiet", "--message=Sales")
    for command, _ in undo.commands():
        checkout.run("bash", "-c", command)
    checkout.run("python", "src/cairn", "compose", "--reset")
    if committed:
        checkout.git("commit", "--quiet", "--message=Remove sales")
    assert state() == before
    assert checkout.run(*add).endswith("next: dvc exp run -S data=sales\n")


@pytest.mark.slow
def test_two_tables_from_file_to_report_by_config_alone(snapshot, tmp_path):
    checkout = snapshot.clone(tmp_path / "mine", share_cache=False)
    wine().to_csv(tmp_path / "wine.csv", index=False)
    sales(1800).to_csv(tmp_path / "Sales 2021.csv", sep=";", decimal=",", index=False)

    def measured():
        return {name: json.loads(checkout.read(f"metrics/{name}.json")) for name in ("evaluation", "split")}

    said = checkout.run("python", "src/cairn", "new-data", str(tmp_path / "wine.csv"), "--target", "target")
    assert said.splitlines()[-1] == "next: dvc exp run -S data=wine"
    assert "data/raw/wine.csv.dvc" in checkout.git("diff", "--staged", "--name-only").splitlines()
    checkout.dvc("exp", "run", "-S", "data=wine")
    found = measured()["evaluation"]
    assert (found["task"], found["model"]) == ("multiclass", "hist_gbdt_small")
    assert found["gains"]["prior"]["log_loss"]["low"] > 0
    assert "Barbéra" in checkout.read("reports/model_card.html")

    words = [str(tmp_path / "Sales 2021.csv"), "--target", "amount", "--name", "sales"]
    said = checkout.run("python", "src/cairn", "new-data", *words)
    assert "possible leak: invoice: " in said
    checkout.dvc("exp", "run", "-S", "data=sales")
    found = measured()
    assert (found["evaluation"]["task"], found["split"]["kind"]) == ("regression", "time")
    assert found["evaluation"]["gains"]["prior"][found["evaluation"]["primary"]]["low"] > 0
    assert "Data and pipelines are up to date." in checkout.dvc("repro", "--dry", "--allow-missing")
