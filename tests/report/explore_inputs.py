"""Small tables of every kind, prepared and split, and what the stage explore makes of them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from cairn.data.leakage import judge
from cairn.data.records import read_json
from cairn.data.tables import read_table
from cairn.pipeline import explore, prepare, split
from cairn.report.explore.findings import Finding, findings
from cairn.report.explore.study import Study, study
from cairn.settings.contract import Contract
from cairn.settings.data import DataConfig
from cairn.settings.evaluate import EvaluateConfig
from cairn.settings.split import RandomSplit, TimeSplit

SPLIT = RandomSplit(kind="random", validation=0.2, test=0.2, stratify=False, copies_together=False)
BY_TIME = TimeSplit(
    kind="time",
    train_from=None,
    validation_from=0.6,
    test_from=0.8,
    test_until=None,
    gap="0D",
)
PAGE = Path("reports/explore.html")
TASKS = ("binary", "multiclass", "regression")


def kind_of(values):
    if pd.api.types.is_bool_dtype(values):
        return "boolean"
    if pd.api.types.is_datetime64_any_dtype(values):
        return "datetime"
    return "numeric" if pd.api.types.is_numeric_dtype(values) else "categorical"


def prepared(
    table,
    task,
    *,
    kinds=None,
    features=None,
    columns=None,
    slices=(),
    trusted=(),
    bound=1.0,
    parts=SPLIT,
    **data,
):
    """Write a table and its contract into the current folder, run prepare and split; return the settings."""
    table.to_parquet("table.parquet")
    kinds = {name: kind_of(table[name]) for name in table} | (kinds or {})
    described = {}
    for name, kind in kinds.items():
        described[name] = {"kind": kind, "nullable": True}
        if name != "y" and kind != "datetime" and (features is None or name in features):
            described[name]["group"] = "main"
        described[name] |= (columns or {}).get(name, {})
    described["y"]["known"] = "after"
    Path("contract.yaml").write_text(json.dumps({"columns": described}, ensure_ascii=False), encoding="utf-8")
    config = DataConfig.model_validate(
        {
            "name": "small",
            "source": "table.parquet",
            "contract": "contract.yaml",
            "task": task,
            "target": "y",
            "positive": 1 if task == "binary" else None,
            "leakage": {"max_single_score": bound, "min_null_rows": 10**6, "trusted": list(trusted)},
            **data,
        }
    )
    evaluate = EvaluateConfig(
        primary=None,
        resamples=100,
        confidence=0.95,
        block=None,
        slices=list(slices),
        min_slice_rows=30,
        ceiling={},
    )
    prepare.main(data=config)
    split.main(data=config, split=parts, seed=0)
    return config, evaluate


def look(*args, **options):
    """Return the page of a table, with the arguments of `prepared`."""
    data, evaluate = prepared(*args, **options)
    explore.main(data=data, evaluate=evaluate, seed=0)
    return PAGE.read_text(encoding="utf-8")


def examine(*args, **options) -> tuple[Study, dict[str, Finding]]:
    """Return the study of a table and its findings by subject, with the arguments of `prepared`."""
    data, evaluate = prepared(*args, **options)
    contract = Contract.model_validate(read_json(Path("data/prepared/contract.json")))
    train, validation = (read_table(Path(f"data/splits/{part}.parquet")) for part in ("train", "validation"))
    validation = validation.drop(columns="y")
    judged = judge(train, contract, data, 0)
    found = study(train, validation, contract, data, judged, slices=evaluate.slices, seed=0)
    every = findings(found, data, evaluate, read_json(Path("metrics/split.json")))
    return found, {finding.subject: finding for finding in every}


def table(task, rows=600):
    """Return a table with a column of every kind, the target y among them."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=rows)
    y = x + rng.normal(size=rows)
    labels = np.select([y < -1, y < 1], ["<b>low</b>", "mittel größer"], "high")
    return pd.DataFrame(
        {
            "x": x,
            "gappy": np.where(rng.random(rows) < 0.6, np.nan, x),
            "whole": rng.integers(0, 7, rows),
            "flag": rng.random(rows) < 0.3,
            "city": rng.choice(["Köln", "Łódź", "<script>alert(1)</script>", "東京"], rows),
            "street": [f"street {i % 150}" for i in range(rows)],
            "at": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(rows), unit="D"),
            "empty": np.full(rows, np.nan),
            "same": 7.0,
            "endless": np.where(x > 2, np.inf, x),
            "y": {"binary": (y > 0).astype(int), "multiclass": labels, "regression": np.exp(3 * y)}[task],
        }
    )
