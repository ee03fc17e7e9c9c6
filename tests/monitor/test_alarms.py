"""Alarms: the scale of the reference, the threshold, votes, and the rate of false alarms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.errors import UserError
from cairn.monitor.alarms import Votes, calibrate, largest_ratio, replayed
from cairn.monitor.monitoring import start_of
from cairn.monitor.statistics import FLOORS, Measured, Statistic

NAMES = [Statistic("drift", "a"), Statistic("missing", "a"), Statistic("stuck", "b")]
FLOOR = np.array([FLOORS[name.kind] for name in NAMES])


def made(values, seasonal=(False, False, False)):
    return Measured(NAMES, np.asarray(values, dtype=float), np.array(seasonal))


def nothing(windows):
    return np.zeros(windows, dtype=np.int64)


@given(st.integers(0, 10_000))
def test_each_window_of_the_reference_is_left_out_of_its_own_scale(seed):
    values = np.random.default_rng(seed).choice([0.0, 0.1, 0.5, 0.9], (25, 3))
    scale = calibrate(made(values), nothing(25), 0.1)
    expected = [
        (values[at] / (np.delete(values, at, axis=0).max(axis=0) + FLOOR)).max() for at in range(len(values))
    ]
    np.testing.assert_allclose(scale.maxima, expected)
    assert scale.threshold == pytest.approx(np.quantile(expected, 0.9))


def test_ratios_are_of_the_usual_worst_and_its_floor():
    values = np.tile([0.1, 0.0, 0.2], (30, 1))
    scale = calibrate(made(values), nothing(30), 0.01)
    ratios = scale.ratios(made([[0.26, 0.01, 0.2]]), nothing(1))
    np.testing.assert_allclose(ratios, [[2, 1, 0.8]])
    assert largest_ratio(ratios) == [2]
    assert largest_ratio(np.full((1, 3), np.nan)) == [0]


def test_a_statistic_that_the_source_lacks_is_not_assessed():
    scale = calibrate(made(np.full((30, 3), 0.1)), nothing(30), 0.01)
    part = Measured(NAMES[:1], np.array([[0.1]]), np.array([False]))
    assert np.isnan(scale.ratios(part, nothing(1))).tolist() == [[False, True, True]]


def test_a_seasonal_statistic_has_the_scale_of_its_months():
    months = np.repeat([1, 4, 7], 20)
    values = np.zeros((60, 3))
    values[:, 0] = np.repeat([0.1, 0.3, 0.6], 20)
    scale = calibrate(made(values, (True, False, False)), months, 0.01)
    ratios = scale.ratios(made([[0.6, 0, 0]] * 3, (True, False, False)), np.array([1, 7, 10]))
    assert ratios[0, 0] == pytest.approx(0.6 / 0.13) and ratios[1, 0] == pytest.approx(0.6 / 0.63)
    assert np.isnan(ratios[2, 0])


def test_few_windows_cannot_set_a_threshold():
    with pytest.raises(UserError, match="19 windows"):
        calibrate(made(np.zeros((19, 3))), nothing(19), 0.01)


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 3), st.integers(3, 4))
def test_votes_count_the_last_windows_and_the_latest(alarms, needed, of):
    counted = Votes(needed, of).count(np.array(alarms, dtype=bool))
    for at, alarm in enumerate(alarms):
        assert counted[at] == (alarm and sum(alarms[max(0, at - of + 1) : at + 1]) >= needed)


@pytest.mark.parametrize(
    ("alarms", "first"),
    [
        ([0, 0, 1, 1], 2),
        ([1, 1, 0, 0, 1, 1], 4),
        ([0, 1, 0, 1], 1),
        ([1, 1, 1], 0),
        ([1, 0, 1, 0, 1, 1], 2),
        ([1, 1, 0, 1, 1], 0),
    ],
)
def test_an_alarm_begins_with_the_first_of_its_windows(alarms, first):
    assert start_of(np.array(alarms, dtype=bool), Votes(2, 3)) == first


@pytest.mark.parametrize("rate", [0.01, 0.05])
def test_the_rate_of_false_alarms_is_the_setting_however_many_statistics_there_are(rate):
    """200 correlated statistics of windows in which nothing is wrong: 100 references, 100 windows each."""
    alarms = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        common = rng.exponential(size=(340, 1))
        values = np.abs(common + rng.exponential(size=(340, 200)))
        names = [Statistic("drift", str(at)) for at in range(200)]
        seasonal = np.zeros(200, dtype=bool)
        scale = calibrate(Measured(names, values[:240], seasonal), nothing(240), rate)
        later = Measured(names, values[240:], seasonal)
        alarms.append((largest_ratio(scale.ratios(later, nothing(100))) > scale.threshold).mean())
    assert rate / 2 < np.mean(alarms) < rate * 1.6


def test_a_replay_judges_each_fold_by_the_others():
    rng = np.random.default_rng(0)
    values = rng.random((100, 3))
    values[50] = 50
    alarms, voted = replayed(made(values), nothing(100), 0.02, Votes(1, 1))
    assert alarms[50] and voted[50] and alarms.sum() <= 8
