"""Scores with labels against scikit-learn, and their estimate without labels by simulation."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from cairn.monitor.performance import (
    Judging,
    change,
    estimated,
    expected,
    scored,
    slice_changes,
    stretches,
)
from cairn.monitor.rows import Rows, Windowed
from cairn.monitor.windows import length_of, windows_of
from cairn.settings.kpi import CostKpi

COSTS = CostKpi(kind="cost", currency="USD", action=100, loss=1000, share_saved=0.4)
JUDGING = Judging("binary", "roc_auc", 0.25, COSTS, seed=1, slices=["k"], min_slice_rows=50)


def windowed(days=20, rows=100, seed=0, flip=0.0):
    """Predictions that are right, or of which a share has nothing to do with the target."""
    rng = np.random.default_rng(seed)
    n = days * rows
    p = rng.beta(2, 5, n)
    y = (rng.random(n) < p).astype(float)
    given_scores = np.where(rng.random(n) < flip, rng.permutation(p), p)
    time = pd.Series(np.repeat(pd.date_range("2024-01-01", periods=days), rows))
    frame = pd.DataFrame({"k": rng.choice(["a", "b"], n)})
    found = Rows(frame, time, given_scores, y)
    return Windowed(found, windows_of(time, n, length_of("1D")))


def test_scores_are_those_of_scikit_learn_on_the_labelled_rows():
    part = windowed()
    part.rows.y[::3] = np.nan
    part.rows.scores[1::50] = np.nan
    there = ~np.isnan(part.rows.y) & ~np.isnan(part.rows.scores)
    y, p = part.rows.y[there], part.rows.scores[there]
    found = scored(part, JUDGING)
    assert found.rows == there.sum()
    assert found.scores["roc_auc"].value == pytest.approx(roc_auc_score(y, p))
    assert found.scores["log_loss"].value == pytest.approx(log_loss(y, p))
    assert found.scores["brier"].value == pytest.approx(brier_score_loss(y, p))
    assert found.scores["roc_auc"].low < found.scores["roc_auc"].value < found.scores["roc_auc"].high
    acted = p > 0.25
    saving = 1000 * (acted * (y * 400 - 100)).mean()
    assert found.saving.value == pytest.approx(saving) and found.saving.low < saving < found.saving.high
    assert found.observed == pytest.approx(y.mean()) and found.predicted == pytest.approx(p.mean())


def test_few_labels_have_no_score_and_few_windows_no_interval():
    part = windowed()
    part.rows.y[50:] = np.nan
    assert scored(part, JUDGING) is None
    few = scored(windowed(days=3), JUDGING)
    assert np.isnan(few.scores["roc_auc"].low) and len(few.draws) == 0


@pytest.mark.parametrize(("flip", "worse"), [(0.0, False), (0.6, True)])
def test_a_change_beyond_its_interval_is_one_of_the_model(flip, worse):
    before = scored(windowed(seed=5), JUDGING, salt=1)
    found = change(scored(windowed(flip=flip), JUDGING), before, JUDGING)
    assert (found.high < 0) == worse
    assert found.low < found.value < found.high


def test_a_change_of_a_loss_is_positive_where_it_falls():
    judging = Judging("binary", "log_loss", seed=1)
    before, now = windowed(seed=5, flip=0.6), windowed()
    assert change(scored(now, judging), scored(before, judging, 1), judging).value > 0


def test_a_slice_that_became_worse_is_told_from_one_that_did_not():
    now, before = windowed(days=60), windowed(days=60, seed=5)
    bad = (now.rows.frame["k"] == "a").to_numpy()
    rng = np.random.default_rng(0)
    now.rows.scores[bad] = rng.permutation(now.rows.scores[bad])
    found = {one.level: one.change for one in slice_changes(now, before, JUDGING)}
    assert found["a"].high < 0 < found["b"].high


@given(st.lists(st.sampled_from([0.05, 0.2, 0.5, 0.9]), min_size=2, max_size=7))
def test_the_expected_area_counts_every_pair(p):
    first, second = np.array(p)[:, None], np.array(p)[None, :]
    pairs = first * (1 - second) * (1 - np.eye(len(p)))
    ordered = pairs * ((first > second) + 0.5 * (first == second))
    assert expected(np.array(p))["roc_auc"] == pytest.approx(ordered.sum() / pairs.sum())


def test_the_estimate_is_right_where_probabilities_are_and_too_high_where_they_are_not():
    right, wrong = windowed(days=200, seed=2), windowed(days=200, seed=2, flip=0.5)
    for part, off in ((right, (-0.01, 0.01)), (wrong, (0.05, 0.3))):
        error = estimated(part.rows, JUDGING) - roc_auc_score(part.rows.y, part.rows.scores)
        assert off[0] < error < off[1]
    losses = expected(right.rows.scores)
    assert losses["log_loss"] == pytest.approx(log_loss(right.rows.y, right.rows.scores), abs=0.01)
    assert losses["brier"] == pytest.approx(brier_score_loss(right.rows.y, right.rows.scores), abs=0.005)


def test_only_binary_probabilities_have_an_estimate():
    rows = windowed().rows
    assert estimated(rows, Judging("regression", "rmse")) is None
    assert estimated(rows, Judging("binary", "mcc")) is None


@pytest.mark.parametrize(
    ("windows", "length", "found"),
    [
        (10, 4, [(0, 1), (2, 5), (6, 9)]),
        (9, 4, [(1, 4), (5, 8)]),
        (1, 28, [(0, 0)]),
        (8, 4, [(0, 3), (4, 7)]),
    ],
)
def test_stretches_are_counted_back_from_the_last_window(windows, length, found):
    assert stretches(windows, length) == found


def test_numbers_and_classes_are_scored_too():
    rng = np.random.default_rng(0)
    time = pd.Series(np.repeat(pd.date_range("2024-01-01", periods=10), 50))
    y, scores = rng.integers(0, 3, 500).astype(float), rng.dirichlet([1, 1, 1], 500)
    windows = windows_of(time, 500, length_of("1D"))
    classes = scored(
        Windowed(Rows(pd.DataFrame(index=range(500)), time, scores, y), windows),
        Judging("multiclass", "log_loss"),
    )
    assert classes.scores["log_loss"].value == pytest.approx(log_loss(y, scores))
    numbers = Rows(pd.DataFrame(index=range(500)), time, scores[:, 0], y)
    found = scored(Windowed(numbers, windows), Judging("regression", "rmse"))
    assert found.scores["rmse"].value == pytest.approx(np.sqrt(((y - scores[:, 0]) ** 2).mean()))
