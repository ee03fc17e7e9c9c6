"""A small table whose truth is known: `signal` carries the target, `twin` says it again, `noise` nothing."""

from pathlib import Path

import numpy as np
import pandas as pd

from cairn.compose.conf import compose
from cairn.data.parts import Prepared
from cairn.settings.config import Config
from cairn.settings.contract import Column, Contract

ROOT = Path(__file__).resolve().parents[2]
GROUPS = {"signal": ["a", "b"], "twin": ["a2", "b2"], "noise": ["c", "d"]}
CHOICES = [
    "data=diabetes",
    "model=logistic",
    "cross_validation=none",
]


def config(*overrides: str, **data) -> Config:
    """The shipped config with a table of our own."""
    values = compose(ROOT / "conf", [*CHOICES, *overrides]).values
    values = {name: values[name] for name in Config.model_fields}
    values["data"] |= {"name": "toy", "task": "binary", "target": "y", "time": None, "group": None} | data
    values["evaluate"] |= {"resamples": 200}
    values["threads"] = 1
    return Config.model_validate(values)


def table(count: int, seed: int) -> pd.DataFrame:
    """Rows of ten a day."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({name: rng.normal(size=count) for name in "abcd"})
    frame["a2"], frame["b2"] = frame["a"], frame["b"]
    frame["y"] = (frame["a"] + frame["b"] + rng.normal(size=count) > 0).astype(int)
    frame["value"] = frame["a"] + frame["b"] + rng.normal(size=count)
    frame["when"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(count) // 10, unit="D")
    frame["who"] = rng.integers(0, count // 20, count)
    return frame


def prepared(*groups: str, rows: int = 400) -> Prepared:
    """The rows, with a contract that has these groups (all when none is named)."""
    columns = {
        column: Column(kind="numeric", group=group) for group in groups or GROUPS for column in GROUPS[group]
    }
    columns |= {"y": Column(kind="numeric", known="after"), "value": Column(kind="numeric", known="after")}
    return Prepared(Contract(columns=columns), table(rows, 0), table(1000, 1))
