"""Weights of a survey: as scikit-learn's sample_weight, and as copies of the rows."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from resamples import draw_counts
from sklearn import metrics as sk

from cairn.errors import UserError
from cairn.metrics import bootstrap as module
from cairn.metrics.bootstrap import Resampling, bootstrap, on_all_rows
from cairn.metrics.curves import pr_curve_points, roc_curve_points
from cairn.metrics.evaluation import MODEL, Predicted, evaluate_predictions, mean_error, row_weights
from cairn.metrics.fairness import fairness
from cairn.metrics.kpi import policy_series
from cairn.metrics.paired import EvaluationSet, Predictor, differences
from cairn.settings.data import DataConfig
from cairn.settings.evaluate import METRICS_OF, EvaluateConfig
from cairn.settings.kpi import CostKpi

RNG = np.random.default_rng(5)
N = 200
WEIGHTS = RNG.lognormal(0, 1, N) * (RNG.random(N) > 0.1)
COPIES = RNG.integers(0, 4, N)
PRICES = CostKpi(kind="cost", currency="EUR", action=10, loss=100, share_saved=0.4)


def example(task):
    if task == "regression":
        y = RNG.normal(5, 3, N).round(1)
        return y, y + RNG.normal(0, 1, N)
    if task == "multiclass":
        p = RNG.dirichlet([1, 1, 1], N)
        return np.where(RNG.random(N) < 0.6, p.argmax(axis=1), RNG.integers(0, 3, N)), p
    p = RNG.integers(0, 20, N) / 20
    return (RNG.random(N) < p).astype(int), p


def of_scikit_learn(task, y, p, w):
    if task == "regression":
        there = y != 0
        mape = sk.mean_absolute_percentage_error(y[there], p[there], sample_weight=w[there])
        return {
            "rmse": sk.root_mean_squared_error(y, p, sample_weight=w),
            "mae": sk.mean_absolute_error(y, p, sample_weight=w),
            "median_ae": sk.median_absolute_error(y, p, sample_weight=w),
            "mape": mape,
            "r2": sk.r2_score(y, p, sample_weight=w),
        }
    decided = p.argmax(axis=1) if task == "multiclass" else (p > 0.4).astype(int)
    average = "macro" if task == "multiclass" else "binary"
    common = {"average": average, "sample_weight": w, "zero_division": 0}
    one_hot = np.eye(3)[y] if task == "multiclass" else y
    return {
        "accuracy": sk.accuracy_score(y, decided, sample_weight=w),
        "precision": sk.precision_score(y, decided, **common),
        "recall": sk.recall_score(y, decided, **common),
        "f1": sk.f1_score(y, decided, **common),
        "balanced_accuracy": sk.balanced_accuracy_score(y, decided, sample_weight=w),
        "mcc": sk.matthews_corrcoef(y, decided, sample_weight=w),
        # With one column per class, each is weighted by itself.
        "roc_auc": np.mean([sk.roc_auc_score(one_hot[:, k], p[:, k], sample_weight=w) for k in range(3)])
        if task == "multiclass"
        else sk.roc_auc_score(y, p, sample_weight=w),
        "pr_auc": sk.average_precision_score(one_hot, p, sample_weight=w),
        "log_loss": sk.log_loss(y, p, sample_weight=w),
        "brier": np.average(((one_hot - p) ** 2).reshape(N, -1).sum(axis=1), weights=w),
    }


@pytest.mark.parametrize("task", METRICS_OF)
def test_weighted_metrics_are_those_of_scikit_learn(task):
    y, p = example(task)
    found = on_all_rows(task, y, p, threshold=0.4, weights=WEIGHTS)
    expected = of_scikit_learn(task, y, p, WEIGHTS)
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-9)
    assert {*METRICS_OF[task]} - {*expected} <= {"ece"}


@pytest.mark.parametrize("task", METRICS_OF)
@pytest.mark.parametrize("blocked", [True, False])
def test_whole_weights_are_copies_of_the_rows_in_every_draw(task, blocked):
    y, p = example(task)
    blocks = RNG.permutation(np.arange(N) % 12) if blocked else None
    resampling = Resampling(6, 3, blocks, weights=COPIES.astype(float))
    draws = bootstrap(task, y, {"m": p}, resampling, thresholds={"m": 0.4})["m"]
    codes = np.arange(N) if blocks is None else blocks
    for draw, counts in enumerate(draw_counts(codes, 6, 3)):
        rows = np.repeat(np.arange(N), counts[codes] * COPIES)
        expected = on_all_rows(task, y[rows], p[rows], threshold=0.4)
        assert {name: values[draw] for name, values in draws.items()} == pytest.approx(expected)


def test_money_errors_and_treatment_are_weighted():
    y, p = example("binary")
    acted, group = (p > 0.25).astype(int), pd.DataFrame({"sex": np.where(RNG.random(N) < 0.4, "f", "m")})
    copied = np.repeat(np.arange(N), COPIES)
    weighted, plain = Resampling(100, 0, weights=COPIES.astype(float)), Resampling(100, 0)
    ours = policy_series(y, {"model": acted}, PRICES, weighted)["model"]
    theirs = policy_series(y[copied], {"model": acted[copied]}, PRICES)["model"]
    assert {key: v[0] for key, v in ours.items()} == pytest.approx({key: v[0] for key, v in theirs.items()})
    without = policy_series(y, {"model": acted}, PRICES, weights=COPIES.astype(float))["model"]
    assert without["cost"][0] == ours["cost"][0]
    assert np.std(ours["cost"][1:]) > 0

    values = mean_error(y.astype(float), p, weighted)
    assert values.value == pytest.approx(np.mean(p[copied] - y[copied]))
    treated = fairness(y, p, 0.25, group, weighted, min_rows=1)
    again = fairness(y[copied], p[copied], 0.25, group.iloc[copied], plain, min_rows=1)
    for one, other in zip(treated, again, strict=True):
        assert (one["estimate"].value, one["gap"].value) == pytest.approx(
            (other["estimate"].value, other["gap"].value)
        )


def test_paired_differences_and_savings_are_weighted():
    y, p = example("binary")
    other = np.clip(p + RNG.normal(0, 0.2, N), 0, 1)
    rows = EvaluationSet("binary", y, None, PRICES, 200, 0, 0.95, weights=COPIES.astype(float))
    (found,) = differences(rows, Predictor(p, 0.25), [Predictor(other, 0.25)], ["log_loss", "saving"])
    copied = np.repeat(np.arange(N), COPIES)
    plain = replace(rows, y=y[copied], weights=None)
    pair = Predictor(p[copied], 0.25), [Predictor(other[copied], 0.25)]
    (expected,) = differences(plain, *pair, ["log_loss", "saving"])
    for name, one in found.items():
        assert one.difference == pytest.approx(expected[name].difference)
        assert one.error > expected[name].error  # copies are no new rows
    part = np.arange(50)
    assert rows.of(part).weights.tolist() == COPIES[:50].tolist()


def test_curves_are_weighted():
    y, p = example("binary")
    roc = roc_curve_points(y, p, WEIGHTS)
    assert np.trapezoid(roc["tpr"], roc["fpr"]) == pytest.approx(
        sk.roc_auc_score(y, p, sample_weight=WEIGHTS), abs=1e-4
    )
    pr = pr_curve_points(y, p, WEIGHTS)
    assert pr["precision"].iloc[-1] == pytest.approx(np.average(y, weights=WEIGHTS), abs=1e-6)


def evaluation(weight):
    y, p = example("binary")
    rows = pd.DataFrame({"w": WEIGHTS, "one": 3.0, "g": RNG.choice(["a", "b"], N), "y": y})
    part = Predicted(rows, y, {MODEL: p, "prior": np.full(N, 0.5), "linear": np.sqrt(p)}, ["no", "yes"])
    return evaluate_predictions(
        part,
        part,
        model="m",
        threshold=0.4,
        data=DataConfig(name="", source="", contract="", task="binary", target="y"),
        rules={},
        settings=EvaluateConfig(
            primary=None, resamples=100, confidence=0.9, block=None, slices=["g"], min_slice_rows=20,
            ceiling={}, weight=weight,
        ),
        kpi=PRICES,
        seed=1,
    ), part  # fmt: skip


def test_an_evaluation_is_weighted_by_the_column_it_names():
    state = RNG.bit_generator.state

    def found(weight):
        RNG.bit_generator.state = state
        return evaluation(weight)

    plain, part = found(None)
    weighted, _ = found("w")
    alike, _ = found("one")
    y, p = part.y, part.predictions[MODEL]
    assert weighted.scores[MODEL]["roc_auc"].value == pytest.approx(
        sk.roc_auc_score(y, p, sample_weight=WEIGHTS)
    )
    gain = sk.log_loss(y, part.predictions["linear"], sample_weight=WEIGHTS) - sk.log_loss(
        y, p, sample_weight=WEIGHTS
    )
    assert weighted.gains["linear"]["log_loss"].value == pytest.approx(gain)
    assert weighted.validation[MODEL]["brier"] == pytest.approx(
        sk.brier_score_loss(y, p, sample_weight=WEIGHTS)
    )
    inside = (part.rows["g"] == "a").to_numpy()
    (slice_,) = [s for s in weighted.slices if (s.level, s.metric) == ("a", "log_loss")]
    assert slice_.value == pytest.approx(sk.log_loss(y[inside], p[inside], sample_weight=WEIGHTS[inside]))
    assert slice_.mean == pytest.approx(np.average(y[inside], weights=WEIGHTS[inside]))
    assert weighted.kpi.policies["always"].acted.value == 1
    assert weighted.validation_kpi["always"]["cost"] == pytest.approx(
        1000 * (10 + 60 * np.average(y, weights=WEIGHTS))
    )
    # Weights that are all the same change nothing, and without any the record does not speak of them.
    assert "weight" not in plain.model_dump()
    for name, of_model in plain.scores.items():
        for metric, score in of_model.items():
            same = alike.scores[name][metric]
            assert (same.value, same.low, same.high) == pytest.approx((score.value, score.low, score.high))


@pytest.mark.parametrize("values", [[1.0, np.nan], [1.0, -1.0], [0.0, 0.0], [np.inf, 1.0]])
def test_weights_that_cannot_be_used_are_refused(values):
    with pytest.raises(UserError, match=r"evaluate\.weight: w is"):
        row_weights(pd.DataFrame({"w": values}), "w")
    assert row_weights(pd.DataFrame({"w": [2.0, 6.0]}), "w").tolist() == [0.5, 1.5]


def test_a_metric_without_a_formula_for_weights_is_not_scored_without_them(monkeypatch):
    y, p = example("regression")
    monkeypatch.setattr(module, "MEDIANS", {})
    with pytest.raises(UserError, match="no formula for weighted rows"):
        on_all_rows("regression", y, p, weights=WEIGHTS)
    assert on_all_rows("regression", y, p)["median_ae"] == np.median(np.abs(y - p))
