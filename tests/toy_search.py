"""A checkout of one small table, prepared, in which a search runs for real: seconds instead of minutes."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock
from toy_conf import make_toy_conf

from cairn.compose import params_file
from cairn.compose.conf import compose
from cairn.data.records import write_json
from cairn.data.tables import write_table
from cairn.experiments.pool import DRIVER as DRIVER_LOCK
from cairn.experiments.pool import write_plan
from cairn.settings.config import Config
from cairn.settings.contract import Contract
from cairn.studies.search import driver
from cairn.studies.search.study import keyed, open_study
from cairn.studies.search.worker import work

ROOT = Path(__file__).resolve().parents[1]
QUICK = ["search.trials=6", "search.startup=3"]
STRENGTH = "model.classifier.C"
CONTRACT = "conf/contract/visits.yaml"
DRIVER = """\
import sys
sys.path.insert(0, "src")
from pathlib import Path
from cairn.studies.search import driver

plan, space = driver.make_plan(sys.argv[2:], name="toy", storage=None)
driver.run(plan, space, workers=int(sys.argv[1]), engine="local")
"""


def make_toy_search(root: Path) -> Path:
    """Write conf/, params.yaml, the source and the prepared parts under root; there is no test part."""
    from omegaconf import OmegaConf

    conf = make_toy_conf(root)
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "constraints.txt", root)
    (root / "driver.py").write_text(DRIVER, encoding="utf-8")
    composed = compose(conf, ["threads=1", "model=logistic"])
    values = {name: composed.values[name] for name in Config.model_fields}
    (root / "params.yaml").write_text(params_file.text_of(values, composed.overrides), encoding="utf-8")
    contract = Contract.model_validate(OmegaConf.to_container(OmegaConf.load(root / CONTRACT)))
    write_json(contract.model_dump(), root / "data/prepared/contract.json")
    (root / "data/splits").mkdir()
    for seed, part in enumerate(("train", "validation")):
        write_table(visits(400, seed), root / f"data/splits/{part}.parquet")
    return root


def visits(count: int, seed: int) -> pd.DataFrame:
    """Visits; older patients and longer stays are more likely to return."""
    rng = np.random.default_rng(seed)
    age, nights = rng.uniform(20, 90, count), rng.poisson(3, count).astype(float)
    chance = 1 / (1 + np.exp(-(0.05 * (age - 55) + 0.4 * (nights - 3))))
    return pd.DataFrame(
        {
            "row_id": np.arange(count),
            "patient": [f"p{k}" for k in range(count)],
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(count), "D"),
            "age": age,
            "ward": rng.choice(["a", "b"], count),
            "nights": nights,
            "bill": nights * 100,
            "returned": rng.random(count) < chance,
        }
    )


def begun(*words: str, name: str = "toy"):
    plan, space = driver.make_plan([*QUICK, *words], name=name, storage=None)
    plan = keyed(plan, space)
    plan.folder.mkdir(parents=True)
    study = open_study(plan, space)
    write_plan(plan)
    return plan, space, study


def worked(*words: str, name: str = "toy"):
    """A study whose one worker has finished all trials."""
    plan, space, study = begun(*words, name=name)
    with FileLock(plan.folder / DRIVER_LOCK):
        work(plan.name)
    return plan, space, study
