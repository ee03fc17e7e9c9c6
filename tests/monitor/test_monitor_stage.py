"""The stage of monitor/: its command is right, its files are those of the command, its record is in step."""

import hashlib
import shlex

from omegaconf import OmegaConf
from repository import ROOT

from cairn.commands.app import command_of
from cairn.monitor.record import Monitored

STAGE = OmegaConf.to_container(OmegaConf.load(ROOT / "monitor/dvc.yaml"))["stages"]["monitor"]
RECORD = "monitor/flights_2023.json"


def test_the_command_reads_the_deps_and_writes_the_outs_of_the_stage():
    python, program, name, *args = shlex.split(STAGE["cmd"])
    assert (python, program, name, STAGE["wdir"]) == ("python", "src/cairn", "monitor", "..")
    typed = command_of(name).make_context(name, args).params
    assert typed["exit_zero"] and typed["source"] in STAGE["deps"] and typed["model"] in STAGE["deps"]
    assert [str(typed["record"])] == [path for out in STAGE["outs"] for path in out]
    assert typed["page"].parent == typed["record"].parent
    assert all(out[path] == {"cache": False} for out in STAGE["outs"] for path in out)
    needed = {"src", "data/raw/flights", "data/splits/train.parquet", "data/splits/validation.parquet"}
    assert needed <= set(STAGE["deps"])


def test_the_record_in_git_is_that_of_the_lock_and_holds_a_verdict():
    content = (ROOT / RECORD).read_bytes()
    lock = OmegaConf.to_container(OmegaConf.load(ROOT / "monitor/dvc.lock"))["stages"]["monitor"]
    assert lock["cmd"] == STAGE["cmd"]
    assert hashlib.md5(content).hexdigest() in {out["md5"] for out in lock["outs"] if out["path"] == RECORD}
    found = Monitored.model_validate_json(content)
    assert found.retrain == "yes" and found.since == "2023-01-01" and len(found.windows) == 365
