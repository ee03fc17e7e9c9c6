"""The evaluation: its mean error against NumPy by hand, and records of older versions."""

import json
from pathlib import Path

import numpy as np
import pytest
from resamples import draw_counts

from cairn.data.records import rounded
from cairn.metrics.bootstrap import Resampling
from cairn.metrics.evaluation import Evaluated, Evaluation, mean_error

OLD = Path(__file__).with_name("evaluation_f2e801d.json")


@pytest.mark.parametrize("blocked", [True, False])
def test_the_mean_error_and_its_interval_are_those_of_the_rows_drawn(blocked):
    rng = np.random.default_rng(0)
    y = rng.normal(100, 20, 150)
    low = y - 19.3 + rng.normal(0, 5, 150)
    blocks = rng.permutation(np.arange(150) % 12) if blocked else None
    found = mean_error(y, low, Resampling(resamples=200, confidence=0.9, seed=4, blocks=blocks))
    codes = np.arange(150) if blocks is None else blocks
    drawn = [
        np.mean(np.repeat(low, counts[codes]) - np.repeat(y, counts[codes]))
        for counts in draw_counts(codes, 200, 4)
    ]
    by_hand = (np.mean(low - y), *np.quantile(drawn, [0.05, 0.95]))
    assert (found.value, found.low, found.high) == pytest.approx(by_hand)
    assert found.high < -15


def test_an_evaluation_of_commit_f2e801d_is_read():
    text = OLD.read_text(encoding="utf-8")
    found = Evaluation.model_validate_json(text)
    assert found.validation_kpi is None
    assert found.headline() == {
        "roc_auc": 0.778113, "pr_auc": 0.603136, "log_loss": 0.454984, "brier": 0.145396, "ece": 0.010346,
        "accuracy": 0.73992, "precision": 0.484491, "recall": 0.636748, "f1": 0.550282,
        "roc_auc_gain": 0.0132831, "saving_per_1000": 30805.1,
    }  # fmt: skip
    assert Evaluated.model_validate_json(text).thresholds["model"] == 0.25


def test_an_evaluation_written_and_read_again_is_equal_and_keeps_the_keys_of_older_versions():
    old = json.loads(OLD.read_text(encoding="utf-8"))
    found = Evaluation.model_validate(old)
    written = rounded(found.model_dump())
    assert Evaluation.model_validate(written) == found
    assert {key: written[key] for key in old} == old


def test_the_record_of_a_table_without_protected_columns_does_not_speak_of_fairness():
    old = json.loads(OLD.read_text(encoding="utf-8"))
    assert "fairness" not in Evaluation.model_validate(old).model_dump()
    row = {"column": "sex", "level": "f", "rows": 9, "measure": "calibration"}
    score = {"value": 0.1, "low": 0.0, "high": float("nan")}
    found = Evaluation.model_validate(old | {"fairness": [row | {"estimate": score, "gap": score}]})
    assert Evaluation.model_validate(rounded(found.model_dump())) == found
    assert (found.fairness[0].name, found.fairness[0].gap.high) == ("sex = f", None)


def test_what_is_undefined_is_none():
    old = json.loads(OLD.read_text(encoding="utf-8"))
    undefined = {"value": float("nan"), "low": np.float64("nan"), "high": None}
    found = Evaluation.model_validate(old | {"mean_error": undefined})
    assert (found.mean_error.value, found.mean_error.low, found.mean_error.high) == (None, None, None)
