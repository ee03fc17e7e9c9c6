"""Damaged inputs of a stage are named, with the stage that creates them."""

import hashlib
import io
import json
import random
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
import yaml

from cairn.compose.params_file import TEMPLATED
from cairn.errors import UserError
from cairn.inputs import files_of, stop_on_cause, stop_on_damaged_inputs

DAMAGES = ("missing", "empty", "half", "random", "flipped")
FILES = {
    "parts/train.parquet": "split",
    "leaks.json": "split",
    "model/model.skops": "train",
    "model/scores.npy": "train",
    "curves/roc.csv": "evaluate",
    "curves/roc.svg": "evaluate",
}
PIPELINE = """\
stages:
  split: {params: [seed], deps: [table.csv], outs: [parts/train.parquet, leaks.json: {cache: false}]}
  train: {outs: [model]}
  evaluate: {outs: [curves]}
"""


def content(name):
    file = io.BytesIO()
    match name.rpartition(".")[2]:
        case "parquet":
            values = random.Random(1).choices(range(9999), k=5000)
            pd.DataFrame({"a": values}).to_parquet(file, compression="zstd")
        case "json":
            file.write(json.dumps({"a": [1, 2, 3]}, indent=1).encode() + b"\n")
        case "skops":
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr("schema.json", "{}" * 300)
        case "npy":
            np.save(file, np.arange(100.0))
        case "csv":
            file.write(b"fpr,tpr\n0,0.25\n1,1\n")
        case _:
            file.write(b"<svg>\n<g/>\n</svg>\n")
    return file.getvalue()


def damage(file, how, rng):
    whole = file.read_bytes()
    place = rng.randrange(len(whole))
    file.unlink()
    if how != "missing":
        file.write_bytes(
            {
                "empty": b"",
                "half": whole[: len(whole) // 2],
                "random": rng.randbytes(min(len(whole), 5000)),
                "flipped": whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :],
            }[how]
        )


@pytest.fixture
def root(tmp_path):
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content(name))
    return tmp_path


def said(root, dep, error):
    with pytest.raises(UserError) as found:
        stop_on_damaged_inputs(root, "report", [dep])
        stop_on_cause(root, "report", [dep], error)
    (line,) = str(found.value).splitlines()
    return line


def test_whole_inputs_are_no_cause(root):
    stop_on_damaged_inputs(root, "report", list(FILES))
    stop_on_cause(root, "report", [*FILES, "model", "curves"], ValueError("a bug"))


@pytest.mark.parametrize("how", DAMAGES[:-1])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_input_is_named_with_the_stage_that_creates_it(root, name, how):
    damage(root / name, how, random.Random(5))
    line = said(root, name, ValueError("what the reader said"))
    assert line.startswith(name)
    assert f"run `dvc repro {FILES[name]}`" in line


@pytest.mark.parametrize("at", ["deps", "params"])
def test_what_dvc_lock_does_not_record_is_damaged_unless_it_was_made_of_something_else(root, at):
    def md5(name):
        return hashlib.md5((root / name).read_bytes()).hexdigest()

    (root / "table.csv").write_text("a\n1\n")
    (root / "params.yaml").write_text("seed: 1\n")
    names = ("parts/train.parquet", "leaks.json")
    entry = {
        "deps": [{"path": "table.csv", "md5": md5("table.csv")}],
        "params": {"params.yaml": {"seed": 1}},
        "outs": [{"path": name, "md5": md5(name)} for name in names],
    }
    (root / "dvc.lock").write_text(yaml.safe_dump({"stages": {"split": entry}}))
    stop_on_cause(root, "train", list(names), KeyError("a"))
    (root / "leaks.json").write_text('{"b": 1}\n')
    line = said(root, "leaks.json", KeyError("a"))
    assert line.startswith("leaks.json is damaged")
    assert "KeyError: 'a'" in line
    other = {"deps": "table.csv", "params": "params.yaml"}[at]
    (root / other).write_text("seed: 2\n")
    stop_on_cause(root, "train", list(names), KeyError("a"))
    (root / "dvc.lock").write_text("stages: [")
    stop_on_cause(root, "train", list(names), KeyError("a"))


def test_what_git_or_a_dvc_file_keeps_comes_from_there(root):
    (root / "constraints.txt").touch()
    assert said(root, "constraints.txt", ValueError()).endswith("run `git checkout constraints.txt`")
    (root / "data.csv.dvc").touch()
    assert "dvc checkout --force data.csv" in said(root, "data.csv", ValueError())


@pytest.mark.slow
def test_no_damaged_input_of_any_stage_ends_in_a_traceback(tiny, tmp_path):
    """Every input of every stage, run by hand: in turn missing, empty, cut, random bytes, a bit flipped."""
    root = tmp_path / "repository"
    shutil.copytree(tiny.path, root, symlinks=True)
    stages = yaml.safe_load((root / "dvc.yaml").read_text())["stages"]
    params = yaml.safe_load((root / "params.yaml").read_text())
    paths = {f"${{{key}}}": params[key.split(".")[0]][key.split(".")[1]] for key in TEMPLATED}
    rng, cases, unnamed = random.Random(14), 0, []
    for stage, block in stages.items():
        deps = [dep for dep in block["deps"] if not dep.startswith("code/") and dep not in ("src", "conf")]
        deps = dict.fromkeys(paths.get(dep, dep) for dep in deps)
        for file in [file for dep in deps for file in files_of(root / dep)]:
            whole, how, cases = file.read_bytes(), DAMAGES[cases % len(DAMAGES)], cases + 1
            damage(file, how, rng)
            done = subprocess.run(
                [sys.executable, "src/cairn", stage], cwd=root, capture_output=True, text=True, check=False
            )
            file.unlink(missing_ok=True)
            file.write_bytes(whole)
            if done.returncode == 0:  # it may have written what follows from the damage
                for folder in ("data", "metrics", "models", "plots", "predictions"):
                    shutil.copytree(tiny.path / folder, root / folder, dirs_exist_ok=True)
            name = file.relative_to(root).as_posix()
            # A page shows what it is given: a picture that is missing, a number that is another.
            # Raw data whose values make no sense are what the contract is for.
            said = done.stderr if "rules broken" not in done.stderr else name
            bad = "Traceback" in done.stderr or (done.returncode and name not in said)
            if bad or (done.returncode == 0 and how in ("empty", "half", "random")):
                unnamed.append(f"{stage} {name} {how}: {done.returncode} {done.stderr[-300:]}")
    assert cases > 60
    assert not unnamed, "\n".join(unnamed)
