"""Small inputs of the report stage with numbers that are easy to look for, and a reader of its page."""

import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import get_type_hints

import pandas as pd
from omegaconf import OmegaConf
from pydantic import TypeAdapter
from repository import ROOT

from cairn.metrics.evaluation import Evaluation
from cairn.pipeline import report
from cairn.report.card.page import model_card, read_inputs

VOID = {"meta", "link", "br", "img", "hr", "input"}
METRICS = {
    "binary": {"roc_auc": "higher", "log_loss": "lower", "ece": "lower"},
    "multiclass": {"log_loss": "lower", "accuracy": "higher", "ece": "lower"},
    "regression": {"rmse": "lower", "r2": "higher"},
}


def same_as_golden(html, name, without=("head", "script")):
    """Compare a page, without elements that belong to all pages, with the golden one.

    Or write that if CAIRN_GOLDEN is set.
    """
    for tag in without:
        html = re.sub(rf"<{tag}\b.*?</{tag}>", f"<{tag}/>", html, flags=re.DOTALL)
    golden = ROOT / "tests" / "report" / "golden" / name
    if "CAIRN_GOLDEN" in os.environ:
        golden.write_text(html, encoding="utf-8", newline="\n")
    assert html.splitlines() == golden.read_text(encoding="utf-8").splitlines()


class Page(HTMLParser):
    """What a browser would make of the page: its text, tags in balance, ids and addresses."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.tags, self.loads, self.words = [], [], [], [], []
        self.feed(html)
        self.close()
        assert self.open == []
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs, closed=False):
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in {"src", "href", "xlink:href", "srcset", "data", "action", "poster"}:
                self.loads.append(value)
        if tag not in VOID and not closed:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs, closed=True)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)


def estimate(value, width, **more):
    return {"value": value, "low": value - width, "high": value + width, **more}


def record_of(task, *, priced=False, gain=0.0213):
    better = METRICS[task]
    primary = next(iter(better))
    scores = {
        name: {metric: estimate(0.7 + 0.01 * i + 0.1 * j, 0.012) for i, metric in enumerate(better)}
        for j, name in enumerate(("model", "prior", "rule", "logistic"))
    }
    policy = dict.fromkeys(
        ("spent", "roi", "share_of_oracle", "acted", "precision", "recall"), estimate(0.5, 0.1)
    )
    savings = {"nothing": 23456.0, "always": 4321.0, "prior": 23456.0, "rule": 1234.0, "logistic": -150.0}
    saved = {name: 23456.0 - value for name, value in savings.items()} | {"model": 23456.0, "oracle": 70000.0}
    return {
        "task": task,
        "target": "late",
        "model": "forest",
        "primary": primary,
        "better": better,
        "best_baseline": "logistic",
        "same_as": [],
        "thresholds": dict.fromkeys(scores, 0.25),
        "confidence": 0.95,
        "resamples": 1000,
        "block": None,
        "rows": 12345,
        "validation": {name: dict.fromkeys(better, 0.70) for name in scores},
        "validation_kpi": {name: {"saving": value + 111.0} for name, value in saved.items()}
        if priced
        else None,
        "scores": scores,
        "gains": {
            name: {metric: estimate(gain, 0.0052, p=0.002) for metric in better}
            for name in ("prior", "rule", "logistic")
        },
        "mean_error": estimate(-3.1, 0.25) if task == "regression" else None,
        "kpi": {
            "currency": "EUR",
            "policies": {
                name: {**policy, "saving": estimate(value, 800.0), "cost": estimate(1.0, 0.1)}
                for name, value in saved.items()
            },
            "savings_of_model": {name: estimate(value, 500.0) for name, value in savings.items()},
        }
        if priced
        else None,
        "slices": [
            {"column": "carrier", "level": level, "rows": 900, "mean": 0.2, "metric": primary}
            | {**estimate(gain, 0.01), "gain": gain, "value": value, "reference": 0.68}
            for level, value, gain in (
                ("AA", 0.713, 0.03),
                ("HA", 0.531, -0.04),
                ("UA", 0.722, 0.002),
                ("DL", 0.735, 0.03),
            )
        ],
        "small_slices": {},
        "confusion": [
            {"actual": "a", "predicted": "a", "rows": 60},
            {"actual": "a", "predicted": "b", "rows": 40},
            {"actual": "b", "predicted": "b", "rows": 97},
            {"actual": "b", "predicted": "a", "rows": 3},
        ]
        if task != "regression"
        else None,
    }


def explanation_of(metric):
    """Return metrics/explain.json: a group that matters, another that may not, and no figure."""

    def importance(name, group, value, **more):
        return estimate(value, 0.011) | {"name": name, "group": group, "columns": 1} | more

    return {
        "metric": metric,
        "rows": 900,
        "column_rows": 800,
        "validation_rows": 1000,
        "repeats": 2,
        "confidence": 0.95,
        "resamples": 200,
        "block": None,
        "groups": [importance("schedule", "schedule", 0.123), importance("weather", "weather", 0.004)],
        "columns": [
            importance("carrier", "schedule", 0.123),
            *(importance(f"gust_{at}", "weather", 0.004) for at in range(13)),
        ],
        "dependence": [],
    }


def contract_of(target):
    return {
        "key": ["row"],
        "columns": {
            "row": {"kind": "numeric"},
            "carrier": {"kind": "categorical", "group": "schedule", "description": "airline"},
            "gust": {"kind": "numeric", "group": "weather", "nullable": True, "unit": "mph", "min": 0},
            target: {"kind": "boolean", "known": "after", "description": "later than 15 minutes"},
        },
    }


def parts_of(kind="random", **spans):
    """Return metrics/split.json of three parts, with the first and last time of those named."""
    parts = {name: {"rows": 1000, "rate": 0.2} for name in ("train", "validation", "test")}
    for name, (first, last) in spans.items():
        parts[name] |= {"from": first, "until": last}
    return {"kind": kind, "shared": {"rows": 0, "copies": 0}, "parts": parts, "left_out": 0}


PARTS = parts_of()
DECIDED = pd.DataFrame(
    {
        "row_id": range(40),
        "part": ["validation"] * 20 + ["test"] * 20,
        "target": [0, 0, 1, 0, 1] * 8,
        "model": [i / 20 for i in range(20)] * 2,
    }
)
"""What a binary model predicts: of the 20 validation rows 14 are above 0.25, and 6 of these are events."""


def write_inputs(record, *, target="late", folds=(), parts=PARTS, explanation=None):
    """Write everything the stage reads into the current folder."""
    train = {"multiclass": {"shares": {"a": 0.5, "b": 0.5}}, "regression": {"mean": 12.5}}
    target_in = train.get(record["task"], {"rate": 0.2})
    described = {
        name: {key: value for key, value in part.items() if key != "rate"} | target_in
        for name, part in parts["parts"].items()
    }
    files = {
        "metrics/evaluation.json": record,
        "metrics/explain.json": explanation or explanation_of(record["primary"]),
        "metrics/data.json": {
            "rows_in": 50321,
            "cleaned": {"impossible wind readings": 1},
            "dropped": {"cancelled": 321, "no_target": 0},
            "rows_out": 50000,
            "features": 2,
            "missing": {"gust": 0.81},
            "target": target,
        },
        "metrics/split.json": parts | {"parts": described},
        "metrics/cross_validation.json": {"kind": "kfold" if folds else "none", "folds": list(folds)},
        "data/prepared/contract.json": contract_of(target),
        "models/model/package.json": {
            "features": ["carrier"],
            "versions": {"numpy": "2.4.6"},
        },
    }
    for name, content in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(json.dumps(content), encoding="utf-8")
    Path("models/model/model.skops").write_bytes(b"weights")
    Path("predictions").mkdir(exist_ok=True)
    DECIDED.to_parquet("predictions/model.parquet")
    for folder in ("plots/curves", "plots/images"):
        Path(folder).mkdir(parents=True, exist_ok=True)
    Path("plots/training.csv").write_text("iteration,train,validation\n1,-0.5,-0.6\n2,-0.4,-0.5\n")


def sections(task, *, target="late", priced=False):
    def option(name):
        values = OmegaConf.to_container(OmegaConf.load(ROOT / "conf" / name))
        values.pop("space", None)  # what a search may vary, which no stage sees
        return values

    linear = option("model/logistic.yaml")
    stated = {
        "question": "Will it be late?",
        "decision": "whether to warn",
        "owner": "the desk",
        "intended_use": ["scheduled flights", "in good weather"],
        "misuse": ["to judge a pilot"],
        "licence": "CC0-1.0",
        "goal": {"measure": "saving", "value": 22000.0},
    }
    raw = {
        "data": {
            "name": "flights",
            "source": "data/raw/flights.csv",
            "contract": "conf/contract/flights.yaml",
            "load": None,
            "task": task,
            "target": target,
            "positive": None,
            "time": None,
            "group": None,
            "drop_where": {},
            "leakage": {"max_single_score": 0.9, "min_null_rows": 50, "trusted": []},
        },
        "split": option("split/random.yaml"),
        "features": option("features/all.yaml"),
        "model": option("model/hist_gbdt.yaml"),
        "train": option("train/default.yaml"),
        "calibration": option("calibration/none.yaml"),
        "baseline": {
            "rules": {"rule": {"kind": "rate", "by": ["carrier", "gust"], "smoothing": 50.0}},
            "linear": linear,
        },
        "evaluate": option("evaluate/default.yaml"),
        "cross_validation": option("cross_validation/none.yaml"),
        "explain": option("explain/default.yaml"),
        "kpi": option("kpi/cost.yaml" if priced else "kpi/none.yaml"),
        "purpose": stated if priced else option("purpose/none.yaml"),
        "seed": 7,
        "threads": 1,
    }
    hints = get_type_hints(report.main, include_extras=True)
    return {name: TypeAdapter(hints[name]).validate_python(value) for name, value in raw.items()}


def card_of(record, task, *, priced=False, target="late", **inputs):
    """Write the inputs into the current folder, and return what the page would show."""
    Evaluation.model_validate(record)
    write_inputs(record, target=target, **inputs)
    return SimpleNamespace(**model_card(read_inputs(), sections(task, target=target, priced=priced)))
