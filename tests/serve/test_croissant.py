"""The metadata of a data set describe the prepared table, and MLCommons' own reader loads it by them."""

import hashlib
import json
import shutil
import subprocess
import sys

import pandas as pd
import pytest
from repository import ROOT

from cairn.errors import UserError
from cairn.experiments.history import WORKSPACE, History, Revision
from cairn.serve.data_set import TABLE, metadata, prepared_table
from cairn.serve.model import Found
from cairn.settings.contract import Column, Contract
from cairn.settings.data import DataConfig

DATA = DataConfig(
    name="trips", source="data/raw/trips.csv", contract="c.yaml", task="binary", target="late", positive="yes"
)
COLUMNS = {
    "line (no.)": Column(kind="categorical", allowed=["Ω", 'say "7"'], nullable=True),
    "wind": Column(kind="numeric", min=0, unit="m/s", description="mean wind", nullable=True),
    "night": Column(kind="boolean"),
    "start": Column(kind="datetime"),
    "late": Column(kind="categorical", known="after"),
}
ROWS = pd.DataFrame(
    {
        "row_id": [0, 2, 3],
        "line (no.)": ["Ω", None, 'say "7"'],
        "wind": [0.1, None, 1e300],
        "night": [True, False, True],
        "start": pd.to_datetime(["2024-01-01T00:00:00", "2024-02-29T12:00:00", "2024-12-31T23:59:59"]),
        "late": [0, 1, 1],
    }
)
DVC_YAML = """
artifacts:
  other: {path: raw/other.csv, desc: not this one}
  trips:
    path: raw/trips.csv
    desc: Trips of a year
    meta:
      license: https://creativecommons.org/licenses/by/4.0/
      url: https://example.org/trips
      citeAs: A. Author (2024)
      datePublished: 2024-12-31
      version: 1.2.0
      creator: {"@type": Person, name: A. Author}
      publisher: Trips Inc.
      shelf: 7
"""
READ = """
import json, sys
import mlcroissant as mlc
found = mlc.Dataset("croissant.json")
issues = found.metadata.ctx.issues
rows = [{name: row["rows/" + name] for name in sys.argv[1:]} for row in found.records("rows")]
plain = lambda value: value.decode() if isinstance(value, bytes) else str(value)
print(json.dumps({"errors": [*issues.errors], "warnings": [*issues.warnings], "rows": rows}, default=plain))
"""


@pytest.fixture
def made(tmp_path):
    (tmp_path / TABLE).parent.mkdir(parents=True)
    ROWS.to_parquet(tmp_path / TABLE)
    contract = Contract(columns=COLUMNS).model_dump_json(exclude_defaults=True)
    (tmp_path / "data/prepared/contract.json").write_text(contract, encoding="utf-8")
    (tmp_path / "data/dvc.yaml").write_text(DVC_YAML, encoding="utf-8")
    return Found(tmp_path / "models/model", (), History(tmp_path), Revision(WORKSPACE, None))


def test_the_metadata_name_the_file_every_column_and_the_source(made):
    said = json.loads(metadata(made, DATA))
    (file,) = said["distribution"]
    content = prepared_table(made).read_bytes()
    assert (file["contentUrl"], file["contentSize"]) == (TABLE, f"{len(content)} B")
    assert file["sha256"] == hashlib.sha256(content).hexdigest()
    fields = said["recordSet"][0]["field"]
    assert [field["source"]["extract"]["column"] for field in fields] == list(ROWS.columns)
    kinds = ["Integer", "Text", "Float", "Boolean", "DateTime", "Integer"]
    assert [field["dataType"] for field in fields] == [f"sc:{kind}" for kind in kinds]
    assert fields[2]["description"] == "mean wind; in m/s; from 0; may be missing"
    assert fields[2]["unitText"] == "m/s"
    assert fields[5]["description"] == "the target, 1 if late = yes and 0 if not"
    assert said["description"] == "Trips of a year" and said["license"].endswith("/by/4.0/")
    assert said["publisher"] == {"@type": "sc:Organization", "name": "Trips Inc."} and "shelf" not in said


def test_without_an_artifact_the_name_and_the_target_are_said(made):
    (made.folder.parents[1] / "data/dvc.yaml").write_text("stages: {}\n")
    said = json.loads(metadata(made, DATA))
    assert said["description"] == "Table trips, to predict late = yes." and "license" not in said


def test_a_model_without_data_has_no_metadata(made, tmp_path):
    with pytest.raises(UserError, match="a model in a folder of its own has no data"):
        metadata(Found(tmp_path, ()), DATA)
    prepared_table(made).unlink()
    with pytest.raises(UserError, match=r"table.parquet: not in the workspace; run `dvc checkout`"):
        metadata(made, DATA)


@pytest.mark.slow
def test_the_reader_of_mlcommons_finds_no_fault_and_loads_the_rows(made, tmp_path):
    """It has an environment of its own: its type stubs of pandas would be found by `make lint`."""
    environment = tmp_path / "venv"
    subprocess.run(["uv", "venv", "-q", str(environment), "--python", sys.executable], check=True)
    python = next(path for path in environment.rglob("python*") if path.name in ("python", "python.exe"))
    pins = ["-c", str(ROOT / "constraints-scale.txt"), "mlcroissant==1.1.1", "pyarrow"]
    subprocess.run(["uv", "pip", "install", "-q", "--python", str(python), *pins], check=True)
    exported = tmp_path / "exported"
    (exported / TABLE).parent.mkdir(parents=True)
    shutil.copyfile(prepared_table(made), exported / TABLE)
    (exported / "croissant.json").write_text(metadata(made, DATA), encoding="utf-8")
    names = ["row_id", "column-1", "wind", "night", "start", "late"]
    command = [str(python), "-c", READ, *names]
    done = subprocess.run(command, cwd=exported, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert (found["errors"], found["warnings"]) == ([], [])
    expected = ROWS.astype({"start": "str"}).astype(object).where(ROWS.notna(), None)
    assert [list(row.values()) for row in found["rows"]] == expected.to_numpy().tolist()
