"""Differences between models: against SciPy, by hand, and what has to hold for any two models."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from cairn.data.prepare import encode_target
from cairn.experiments.history import Revision
from cairn.metrics.bootstrap import DEALT
from cairn.metrics.paired import (
    Difference,
    EvaluationSet,
    Predictor,
    Scores,
    difference_of,
    differences,
    holm,
    judged,
    quantities,
    slice_differences,
)
from cairn.settings.data import DataConfig
from cairn.settings.kpi import CostKpi
from cairn.studies.compare.evidence import Evidence

PRICES = CostKpi(kind="cost", currency="USD", action=100.0, loss=1000.0, share_saved=0.4)


def rows(seed=0, days=30, per_day=20):
    """Two models of the same rows; what happens on a day pulls all its rows one way."""
    rng = np.random.default_rng(seed)
    blocks = np.repeat(np.arange(days), per_day)
    signal = rng.normal(size=days)[blocks] + rng.normal(size=len(blocks))
    y = (rng.random(len(blocks)) < 1 / (1 + np.exp(1 - signal))).astype(np.int64)
    one, other = (1 / (1 + np.exp(1 - signal + rng.normal(size=len(blocks)))) for _ in range(2))
    return y, blocks, Predictor(one, 0.25), Predictor(other, 0.25)


def question(y, blocks, resamples=1000, seed=0, costs=PRICES):
    return EvaluationSet("binary", y, blocks, costs, resamples, seed, 0.95)


def test_values_are_those_of_scikit_learn():
    y, blocks, one, other = rows()
    (found,) = differences(question(y, blocks), one, [other], ["roc_auc", "log_loss", "brier"])
    for name, function in (("roc_auc", roc_auc_score), ("log_loss", log_loss), ("brier", brier_score_loss)):
        assert found[name].reference == pytest.approx(function(y, one.prediction), abs=1e-6)
        assert found[name].value == pytest.approx(function(y, other.prediction), abs=1e-6)
        assert found[name].difference == found[name].value - found[name].reference


def test_the_standard_error_is_that_of_scipys_paired_bootstrap():
    y, blocks, one, other = rows(days=25)
    blocks, y = blocks[5:], y[5:]  # days of different lengths, so that the statistic is a ratio
    one, other = Predictor(one.prediction[5:]), Predictor(other.prediction[5:])
    (found,) = differences(question(y, blocks, resamples=8000), one, [other], ["brier"])
    gain = (other.prediction - y) ** 2 - (one.prediction - y) ** 2
    sums, counts = np.bincount(blocks, gain), np.bincount(blocks)
    theirs = stats.bootstrap(
        (sums, counts),
        lambda s, n, axis: s.sum(axis=axis) / n.sum(axis=axis),
        paired=True, vectorized=True, n_resamples=8000, method="percentile", rng=1,
    )  # fmt: skip
    assert found["brier"].error == pytest.approx(theirs.standard_error * math.sqrt(25 / 24), rel=0.04)


def test_the_rows_of_a_long_table_are_dealt_and_the_error_is_that_of_independent_rows():
    y, _, one, other = rows(days=1_000, per_day=201)
    many = question(y, None, resamples=300)
    (found,) = differences(many, one, [other], ["brier"])
    gain = (other.prediction - y) ** 2 - (one.prediction - y) ** 2
    assert (many.units, many.blocks) == (DEALT, None) and question(y[:-2_000], None).units == len(y) - 2_000
    assert found["brier"].error == pytest.approx(gain.std() / math.sqrt(len(y)), rel=0.15)


def test_for_days_of_equal_length_it_is_the_paired_t_test_of_days():
    y, blocks, one, other = rows(days=12)
    (found,) = differences(question(y, blocks, resamples=30_000), one, [other], ["brier"])
    daily = [np.bincount(blocks, (model.prediction - y) ** 2) / np.bincount(blocks) for model in (one, other)]
    theirs = stats.ttest_rel(daily[1], daily[0])
    interval = theirs.confidence_interval(0.95)
    assert found["brier"].p == pytest.approx(theirs.pvalue, rel=0.05)
    assert [found["brier"].low, found["brier"].high] == pytest.approx([interval.low, interval.high], rel=0.03)


def test_the_saving_by_hand():
    y = np.array([1, 1, 0, 0])
    acts_on_all, acts_on_none = Predictor(np.full(4, 0.9), 0.25), Predictor(np.full(4, 0.1), 0.25)
    (found,) = differences(question(y, None), acts_on_none, [acts_on_all], ["saving"])
    # Two events of 1,000, 40 % of each saved, for 4 times 100: 400 over 4 rows, 100,000 over 1,000.
    assert found["saving"].reference == 0
    assert found["saving"].difference == pytest.approx(100_000)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), days=st.integers(2, 12))
def test_exchanging_the_two_models_changes_the_sign_and_nothing_else(seed, days):
    y, blocks, one, other = rows(seed, days)
    asked = ["log_loss", "roc_auc", "recall", "saving"]
    (there,) = differences(question(y, blocks, resamples=100), one, [other], asked)
    (back,) = differences(question(y, blocks, resamples=100), other, [one], asked)
    for name in asked:
        forth = there[name]
        assert (back[name].reference, back[name].value) == (forth.value, forth.reference)
        expected = [-forth.difference, -forth.high, -forth.low, forth.error, forth.p]
        got = [back[name].difference, back[name].low, back[name].high, back[name].error, back[name].p]
        assert got == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True)


def test_a_model_against_itself_is_no_difference():
    y, blocks, one, _ = rows()
    (found,) = differences(question(y, blocks), one, [one], quantities("binary", PRICES))
    assert {(d.difference, d.low, d.high, d.p) for d in found.values()} == {(0.0, 0.0, 0.0, 1.0)}


def test_one_block_or_an_undefined_metric_claims_nothing():
    y, blocks, one, other = rows(days=1)
    (found,) = differences(question(y, blocks), one, [other], ["log_loss"])
    assert math.isnan(found["log_loss"].p)
    assert judged(found["log_loss"], "log_loss", 0.05) == "unclear"
    undefined, known = (Scores({"f1": np.array([v])}, {"f1": np.full(10, v)}) for v in (np.nan, 0.5))
    nan = difference_of(question(y, None), undefined, known, "f1")
    assert math.isnan(nan.low) and math.isnan(nan.p)


def test_a_slice_is_the_same_question_asked_of_its_rows():
    y, blocks, one, other = rows(days=20)
    columns = pd.DataFrame({"half": np.where(blocks < 10, "first", "second")})
    (slices,) = slice_differences(
        question(y, blocks), one, [other], columns, quantity="log_loss", min_rows=10
    )
    assert [(s.column, s.level, s.rows) for s in slices] == [("half", "first", 200), ("half", "second", 200)]
    late = blocks >= 10
    (alone,) = differences(
        question(y[late], blocks[late] - 10),
        Predictor(one.prediction[late]), [Predictor(other.prediction[late])], ["log_loss"],
    )  # fmt: skip
    assert slices[1].difference == alone["log_loss"]


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.02, float("nan"), 0.6])[0] == 0.04
    assert math.isnan(holm([0.02, float("nan"), 0.6])[1])
    assert holm([0.3]) == [0.3]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.001, 0.5))
def test_holm_rejects_what_the_step_down_procedure_rejects(p, level):
    rejected = np.zeros(len(p), dtype=bool)
    for step, i in enumerate(np.argsort(p, kind="stable")):
        if p[i] * (len(p) - step) > level:
            break
        rejected[i] = True
    assert (np.array(holm(p)) <= level).tolist() == rejected.tolist()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_lies_between_no_correction_and_bonferronis_and_keeps_the_order(p):
    found = holm(p)
    assert all(one <= two <= min(1, len(p) * one) + 1e-12 for one, two in zip(p, found, strict=True))
    order = np.argsort(p)
    assert np.all(np.diff(np.array(found)[order]) >= 0)


@pytest.mark.parametrize(
    ("quantity", "difference", "p", "expected"),
    [
        ("roc_auc", 0.1, 0.01, "better"),
        ("log_loss", 0.1, 0.01, "worse"),
        ("log_loss", -0.1, 0.01, "better"),
        ("saving", -0.1, 0.01, "worse"),
        ("saving", -0.1, 0.05, "unclear"),
    ],
)
def test_the_direction_of_the_metric_says_what_is_better(quantity, difference, p, expected):
    assert judged(Difference(0, difference, difference, 0, 0, 0, 0.001, p), quantity, 0.05) == expected


def test_several_classes_and_values_reach_the_metrics_as_they_were_predicted():
    table = pd.DataFrame({"row_id": [1, 2], "target": [10, 7], "model|7": [0.1, 0.9], "model|10": [0.9, 0.1]})
    common = {"revision": Revision("a", None), "settings": {}, "target": "t", "model": "m", "threshold": 0.5}
    several = Evidence(**common, task="multiclass", classes=["7", "10"], table=table)
    assert several.y.tolist() == [1, 0]
    assert several.prediction.tolist() == [[0.1, 0.9], [0.9, 0.1]]
    value = Evidence(
        **common, task="regression", classes=[], table=table.rename(columns={"model|7": "model"})
    )
    assert value.y.tolist() == [10.0, 7.0]
    assert value.prediction.tolist() == [0.1, 0.9]


@pytest.mark.parametrize(
    ("positive", "labels"),
    [(None, [False, True]), ("yes", ["no", "yes"]), (0, [1, 0]), (False, [True, False])],
)
def test_the_event_is_what_prepare_has_made_of_the_settings(positive, labels):
    data = DataConfig(name="d", task="binary", target="t", positive=positive, source="s", contract="c")
    table = pd.DataFrame({"target": encode_target(pd.Series(labels), data)})
    one = Evidence(Revision("a", None), {"data": {"positive": positive}}, "binary", "t", "m", 0.5, [], table)
    assert one.y.tolist() == [0, 1]


def test_a_metric_that_rests_on_a_few_events_has_no_interval_and_no_p():
    rng = np.random.default_rng(0)
    false_alarms = {1: 0, 2: 0, 20: 0}
    for events in false_alarms:
        y = np.repeat([1, 0], [events, 300 - events])
        blocks = rng.permutation(np.arange(300) % 30)
        for seed in range(20):
            one, other = (Predictor(rng.uniform(size=300)) for _ in "ab")
            found = differences(question(y, blocks, resamples=300, seed=seed), one, [other], ["roc_auc"])[0][
                "roc_auc"
            ]
            assert math.isnan(found.p) == (events < 20)
            false_alarms[events] += found.p < 0.05
    assert false_alarms[20] <= 5  # 20 tests at 5 %: more than 5 happen once in 3,000 times
