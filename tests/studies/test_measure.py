"""Intervals of differences: SciPy's where one source of chance is alone, honest where both are at work."""

import numpy as np
import pytest
from scipy import stats
from toy_study import config, prepared

from cairn.errors import UserError
from cairn.metrics.decisions import decide
from cairn.metrics.kpi import kpi_report
from cairn.settings.kpi import CostKpi
from cairn.studies.ablation.measure import Jury, Measured, jury_of, measure, refit_noise, weigh

COSTS = CostKpi(kind="cost", currency="USD", action=1.0, loss=10.0, share_saved=0.5)


def jury(units: int, **changes) -> Jury:
    given = {
        "task": "binary", "y": np.zeros(units, dtype=np.int64), "blocks": None, "decides": "roc_auc",
        "costs": None, "resamples": 500, "confidence": 0.95, "seed": 1,
    }  # fmt: skip
    return Jury(**given | changes)


def fits(values, draws) -> Measured:
    return Measured({"roc_auc": np.asarray(values)}, {"roc_auc": np.asarray(draws)})


def test_with_refit_noise_alone_a_difference_is_welchs_t_test():
    rng = np.random.default_rng(0)
    one, other = rng.normal(0.7, 0.01, 4), rng.normal(0.68, 0.03, 7)
    still = np.full(500, 0.7)
    found = weigh(jury(60), {1: fits(one, still), 2: fits(other, still)}, {1: 1.0, 2: -1.0}, "roc_auc")
    welch = stats.ttest_ind(one, other, equal_var=False)
    assert found.p == pytest.approx(welch.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(welch.confidence_interval(0.95)))


def test_under_one_seed_the_interval_is_students_of_the_blocks():
    rng = np.random.default_rng(0)
    units = 12
    y = rng.normal(size=units)
    means = np.array([rng.choice(y, units).mean() for _ in range(20_000)])
    found = weigh(jury(units), {1: fits([y.mean()], means)}, {1: 1.0}, "roc_auc")
    low, high = stats.t.interval(0.95, units - 1, y.mean(), stats.sem(y))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.01)
    assert found.p == pytest.approx(stats.ttest_1samp(y, 0).pvalue, abs=0.01)


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(3)
    rows, seeds, truth = 40, 3, 0.0
    held = 0
    for _ in range(600):
        row = rng.normal(size=rows)
        draws = row[rng.integers(0, rows, (200, rows))].mean(axis=1)
        refits = rng.normal(0, 0.15, seeds)
        found = weigh(jury(rows), {1: fits(row.mean() + refits, draws + refits.mean())}, {1: 1.0}, "roc_auc")
        held += found.low <= truth <= found.high
    assert 0.925 < held / 600 < 0.985
    assert stats.binomtest(held, 600, 0.95).pvalue > 0.001


def test_scores_and_savings_are_those_of_the_metrics_and_the_kpi():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    blocks = np.repeat(np.arange(30), 10)
    predictions = [np.clip(0.5 * y + 0.5 * rng.random(300), 0, 1) for _ in range(2)]
    court = jury(300, y=y, blocks=blocks, costs=COSTS)
    measured = [measure(court, [(p, 0.4)]) for p in predictions]
    report = kpi_report(
        y,
        {str(i): decide(p, 0.4) for i, p in enumerate(predictions)},
        COSTS,
        resamples=500,
        seed=1,
        blocks=blocks,
    )
    for i in range(2):
        saving = report.policies[str(i)]["saving"]
        assert measured[i].values["saving"][0] == pytest.approx(saving.value)
        assert np.quantile(measured[i].draws["saving"], [0.025, 0.975]) == pytest.approx(
            (saving.low, saving.high)
        )
    pooled = measure(court, [(p, 0.4) for p in predictions])
    for name in ("roc_auc", "saving"):
        alone = np.mean([one.draws[name] for one in measured], axis=0)
        np.testing.assert_allclose(pooled.draws[name], alone)


def test_a_loss_counts_as_better_where_it_is_lower():
    y = np.array([0, 1] * 20)
    good, bad = np.where(y == 1, 0.9, 0.1), np.where(y == 1, 0.6, 0.4)
    court = jury(40, y=y, decides="log_loss")
    both = {1: measure(court, [(good, 0.5)]), 2: measure(court, [(bad, 0.5)])}
    assert weigh(court, both, {1: 1.0, 2: -1.0}, "log_loss").value == pytest.approx(np.log(0.9) - np.log(0.6))


def test_what_decides_has_to_be_a_metric_of_the_task():
    with pytest.raises(UserError, match="--decide-by rmse: a binary task has accuracy"):
        jury_of(config(), prepared(), "rmse")
    with pytest.raises(UserError, match="--decide-by saving"):
        jury_of(config(), prepared(), "saving")


def test_refit_noise_is_pooled_over_the_fits_and_unknown_for_one_seed():
    assert refit_noise([fits([1.0, 3.0], []), fits([5.0, 5.0], [])], "roc_auc") == pytest.approx(1.0)
    assert refit_noise([fits([1.0], [])], "roc_auc") is None
