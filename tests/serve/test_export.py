"""An exported model predicts by itself, with the code, the versions and the bits of the checkout."""

import os
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from importlib.metadata import version

import pandas as pd
import pytest
import yaml
from repository import ROOT
from synthetic import fit, rows

from cairn.errors import UserError
from cairn.metrics.evaluation import Evaluation
from cairn.models.package import reference_rows, save
from cairn.report.card.markdown import markdown_card
from cairn.serve.export import export, pinned, requirements

RAW = ["load", "noise", "night", "línea", "stop"]


def package(name="hist_gbdt"):
    made = fit(name)
    config = made.config | {"kpi": {"kind": "none"}}
    return replace(made, config=config, reference=reference_rows(made, rows(600, seed=1)))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    model = package()
    save(model, folder / "saved")
    (folder / "table").write_bytes(b"rows")
    texts = {"README.md": markdown_card(model, None)}
    export(model, folder / "saved", folder / "served", texts, {"data/table": folder / "table"})
    return folder / "served", model


def run(program, folder, *words):
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    command = [program, "src/cairn", *words]
    return subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=True)


def predicted(program, folder, model, tmp_path):
    table = rows(300, seed=5)[RAW]
    table.to_csv(tmp_path / "rows.csv", index=False)
    run(program, folder, "predict", str(tmp_path / "rows.csv"), "-o", str(tmp_path / "out.parquet"))
    found = pd.read_parquet(tmp_path / "out.parquet")["probability"]
    return found.tolist() == model.scores(table).tolist()


@pytest.mark.slow
def test_it_predicts_the_same_bits_without_a_checkout(exported, tmp_path):
    folder, model = exported
    assert predicted(sys.executable, folder, model, tmp_path)
    said = run(sys.executable, folder, "--help").stdout
    assert "predict" in said and "sweep" not in said
    assert not [name for name in ("pipeline", "studies", "intake") if (folder / "src/cairn" / name).exists()]
    service = "src/cairn/report/service"
    assert {path.name for path in (folder / service).glob("*.*")} >= {
        path.name for path in (ROOT / service).glob("*.*")
    }


def test_it_holds_the_card_and_the_data_that_it_was_given(exported):
    folder, model = exported
    assert (folder / "README.md").read_text(encoding="utf-8") == markdown_card(model, None)
    assert (folder / "data/table").read_bytes() == b"rows"


def test_it_pins_what_is_installed_and_torch_only_for_a_network(exported):
    folder, _ = exported
    pins = dict(line.split("==") for line in (folder / "constraints.txt").read_text().splitlines())
    assert all(pins[name] == version(name) for name in ("scikit-learn", "numpy", "pandas"))
    assert not {"torch", "dvc", "hydra-core", "matplotlib"} & set(pins)
    assert "torch" in requirements(package("mlp"))


def test_pins_follow_what_a_library_requires():
    pins = pinned(["pandas"])
    assert {line.partition("==")[0] for line in pins} >= {"pandas", "numpy", "python-dateutil"}
    with pytest.raises(UserError, match="nosuchlibrary is not installed"):
        pinned(["nosuchlibrary"])


def test_a_folder_that_exists_is_left_alone(exported, tmp_path):
    folder, model = exported
    (tmp_path / "mine").mkdir()
    with pytest.raises(UserError, match="exists already"):
        export(model, folder / "models/model", tmp_path / "mine", {}, {})
    assert not list((tmp_path / "mine").iterdir())


def test_the_card_has_metadata_that_hubs_read_and_every_column():
    record = Evaluation.model_validate_json((ROOT / "metrics/evaluation.json").read_text(encoding="utf-8"))
    text = markdown_card(package(), record)
    head = yaml.safe_load(text.split("---\n")[1])
    metrics = {row["type"]: row["value"] for row in head["model-index"][0]["results"][0]["metrics"]}
    assert metrics["roc_auc"] == pytest.approx(record.score.value, rel=1e-5)
    assert head["pipeline_tag"] == "tabular-classification"
    assert [line.split("`")[1] for line in text.splitlines() if line.startswith("| `")] == RAW


@pytest.mark.slow
def test_it_installs_into_a_fresh_environment_and_serves_from_there(exported, tmp_path):
    folder, model = exported
    environment = tmp_path / "venv"
    subprocess.run(["uv", "venv", "-q", str(environment), "--python", sys.executable], check=True)
    python = str(next(path for path in environment.rglob("python*") if path.name in ("python", "python.exe")))
    install = ["uv", "pip", "install", "-q", "--python", python, "-r", str(folder / "constraints.txt")]
    subprocess.run(install, check=True)
    assert predicted(python, folder, model, tmp_path)
    server = subprocess.Popen([python, "src/cairn", "serve", "--port", "8931"], cwd=folder)
    try:
        answer = _when_ready("http://127.0.0.1:8931/ready")
        pages = [_when_ready(f"http://127.0.0.1:8931{path}") for path in ("/", "/docs")]
    finally:
        server.terminate()
    assert answer == 200 and pages == [200, 200] and server.wait(30) == 0


def _when_ready(address: str) -> int:
    end = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5) as response:
                return response.status
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
