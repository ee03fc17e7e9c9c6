"""A copy of conf/ with a table of visits to a clinic as its data, so that tests of errors need no flights."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

DATA = """\
# @package _global_
data:
  name: visits
  source: data/raw/visits.csv
  contract: conf/contract/visits.yaml
  load: null
  task: binary
  target: returned
  positive: true
  time: day
  group: patient
  drop_where: {test_rows: "age < 0 or patient == 'test'"}
  leakage: {max_single_score: 0.9, min_null_rows: 50, trusted: [age]}
"""

CONTRACT = """\
key: [patient, day]
columns:
  patient: {kind: categorical}
  day: {kind: datetime}
  age: {kind: numeric, group: person, min: 0, max: 120}
  ward: {kind: categorical, group: stay, allowed: [a, b]}
  nights: {kind: numeric, group: stay}
  bill: {kind: numeric, known: after}
  returned: {kind: boolean, known: after}
"""


def make_toy_conf(root: Path) -> Path:
    """Write the folder conf/ under root and return it."""
    conf = root / "conf"
    shutil.copytree(ROOT / "conf", conf, ignore=shutil.ignore_patterns("data", "contract"))
    for name, text in {"data/visits.yaml": DATA, "contract/visits.yaml": CONTRACT}.items():
        (conf / name).parent.mkdir()
        (conf / name).write_text(text, encoding="utf-8")
    edit(conf / "config.yaml", "data: flights", "data: visits")
    edit(conf / "trusted.yaml", "- sklearn", "- sklearn\n- statistics # a module that every Python has")
    return conf


def edit(file: Path, old: str, new: str) -> None:
    """Replace text in a file that must hold it."""
    text = file.read_text(encoding="utf-8")
    assert old in text, f"{file.name} does not hold {old!r}"
    file.write_text(text.replace(old, new), encoding="utf-8")
