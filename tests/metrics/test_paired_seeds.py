"""Intervals over seeds: SciPy's where there is one source of chance, with the right coverage for both."""

import numpy as np
import pytest
from scipy import stats

from cairn.metrics.bootstrap import Resampling
from cairn.metrics.decisions import decide
from cairn.metrics.kpi import policy_series
from cairn.metrics.paired import (
    EvaluationSet,
    Predictor,
    Scores,
    difference_of,
    gain,
    mean_score,
    score_fits,
    seed_spread,
)
from cairn.settings.kpi import CostKpi

COSTS = CostKpi(kind="cost", currency="USD", action=1.0, loss=10.0, share_saved=0.5)


def evaluation_set(units: int, **changes) -> EvaluationSet:
    given = {
        "task": "binary", "y": np.zeros(units, dtype=np.int64), "blocks": None,
        "costs": None, "resamples": 500, "confidence": 0.95, "seed": 1,
    }  # fmt: skip
    return EvaluationSet(**given | changes)


def fits(values, draws) -> Scores:
    return Scores({"roc_auc": np.asarray(values)}, {"roc_auc": np.asarray(draws)})


def test_with_the_spread_between_seeds_alone_a_difference_is_welchs_t_test():
    rng = np.random.default_rng(0)
    one, other = rng.normal(0.7, 0.01, 4), rng.normal(0.68, 0.03, 7)
    still = np.full(500, 0.7)
    found = difference_of(evaluation_set(60), fits(other, still), fits(one, still), "roc_auc")
    welch = stats.ttest_ind(one, other, equal_var=False)
    assert found.p == pytest.approx(welch.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(welch.confidence_interval(0.95)))


def test_under_one_seed_the_interval_is_students_of_the_blocks():
    rng = np.random.default_rng(0)
    units = 12
    y = rng.normal(size=units)
    means = np.array([rng.choice(y, units).mean() for _ in range(20_000)])
    rows, zero = evaluation_set(units), fits([0.0], np.zeros(20_000))
    low, high = stats.t.interval(0.95, units - 1, y.mean(), stats.sem(y))
    found = difference_of(rows, zero, fits([y.mean()], means), "roc_auc")
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.01)
    alone = mean_score(rows, fits([y.mean()], means), "roc_auc")
    assert (alone.low, alone.high) == (found.low, found.high)
    assert found.p == pytest.approx(stats.ttest_1samp(y, 0).pvalue, abs=0.01)


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(3)
    rows, seeds, truth = 40, 3, 0.0
    held = 0
    for _ in range(600):
        row = rng.normal(size=rows)
        draws = row[rng.integers(0, rows, (200, rows))].mean(axis=1)
        refits = rng.normal(0, 0.15, seeds)
        scores = fits(row.mean() + refits, draws + refits.mean())
        found = mean_score(evaluation_set(rows), scores, "roc_auc")
        held += found.low <= truth <= found.high
    assert 0.925 < held / 600 < 0.985
    assert stats.binomtest(held, 600, 0.95).pvalue > 0.001


def test_scores_and_savings_are_those_of_the_metrics_and_the_kpi():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    blocks = np.repeat(np.arange(30), 10)
    predictions = [np.clip(0.5 * y + 0.5 * rng.random(300), 0, 1) for _ in range(2)]
    rows, both = evaluation_set(300, y=y, blocks=blocks, costs=COSTS), ["roc_auc", "saving"]
    measured = score_fits(rows, [[Predictor(p, 0.4)] for p in predictions], both)
    series = policy_series(
        y,
        {str(i): decide(p, 0.4) for i, p in enumerate(predictions)},
        COSTS,
        Resampling(500, 1, blocks),
    )
    for i in range(2):
        saving = series[str(i)]["saving"]
        assert measured[i].values["saving"][0] == pytest.approx(saving[0])
        assert measured[i].draws["saving"] == pytest.approx(saving[1:])
    (pooled,) = score_fits(rows, [[Predictor(p, 0.4) for p in predictions]], both)
    for name in both:
        alone = np.mean([one.draws[name] for one in measured], axis=0)
        np.testing.assert_allclose(pooled.draws[name], alone)


def test_a_loss_counts_as_better_where_it_is_lower():
    y = np.array([0, 1] * 20)
    good, bad = np.where(y == 1, 0.9, 0.1), np.where(y == 1, 0.6, 0.4)
    rows = evaluation_set(40, y=y)
    better, worse = score_fits(rows, [[Predictor(good)], [Predictor(bad)]], ["log_loss"])
    difference = difference_of(rows, worse, better, "log_loss")
    assert difference.difference == pytest.approx(np.log(0.6) - np.log(0.9))
    assert gain(difference, "log_loss").value == -difference.difference
    assert gain(difference, "log_loss").low == -difference.high


def test_the_spread_between_seeds_is_pooled_over_the_fits_and_unknown_for_one_seed():
    assert seed_spread([fits([1.0, 3.0], []), fits([5.0, 5.0], [])], "roc_auc") == pytest.approx(1.0)
    assert seed_spread([fits([1.0], [])], "roc_auc") is None
