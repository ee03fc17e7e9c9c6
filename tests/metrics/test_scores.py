"""Scores agree with scikit-learn, on easy and on awkward data, by both ways to compute them."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from cairn.metrics import scores
from cairn.metrics.bootstrap import on_all_rows
from cairn.metrics.decisions import best_f1_threshold, confusion, decide
from cairn.metrics.scores import METRICS
from cairn.metrics.weighted import CLASS_VALUES, RANKED

RNG = np.random.default_rng(0)


def score(*args, **options):
    """Return the scores by the bootstrap's sums; torchmetrics agrees with them, as far as float32 goes."""
    found = on_all_rows(*args, **options)
    assert found == pytest.approx(scores.score(*args, **options), rel=1e-6, abs=1e-6, nan_ok=True)
    return found


def agree(found, reference):
    """Whether scores are equal to 6 digits, and those with a formula of the bootstrap to 11."""
    exact = {name for name in found if name in (*CLASS_VALUES, *RANKED)}
    assert found == pytest.approx(reference, rel=1e-6, abs=1e-6)
    return {n: found[n] for n in exact} == pytest.approx(
        {n: reference[n] for n in exact}, rel=1e-11, abs=1e-11
    )


def binary_reference(y, p, threshold=0.5):
    decided = (p > threshold).astype(int)
    return {
        "accuracy": sk.accuracy_score(y, decided),
        "precision": sk.precision_score(y, decided, zero_division=0),
        "recall": sk.recall_score(y, decided, zero_division=0),
        "f1": sk.f1_score(y, decided, zero_division=0),
        "balanced_accuracy": sk.balanced_accuracy_score(y, decided),
        "mcc": sk.matthews_corrcoef(y, decided),
        "roc_auc": sk.roc_auc_score(y, p),
        "pr_auc": sk.average_precision_score(y, p),
        "log_loss": sk.log_loss(y, p, labels=[0, 1]),
        "brier": sk.brier_score_loss(y, p),
        "ece": calibration_error(p, y, p),
    }


def multiclass_reference(y, p):
    decided, labels = p.argmax(axis=1), range(p.shape[1])
    each = [(y == k, p[:, k]) for k in np.unique(y)]
    return {
        "accuracy": sk.accuracy_score(y, decided),
        "precision": sk.precision_score(y, decided, average="macro", zero_division=0),
        "recall": sk.recall_score(y, decided, average="macro", zero_division=0),
        "f1": sk.f1_score(y, decided, average="macro", zero_division=0),
        "balanced_accuracy": sk.balanced_accuracy_score(y, decided),
        "mcc": sk.matthews_corrcoef(y, decided),
        "roc_auc": np.mean([sk.roc_auc_score(one, q) for one, q in each]),
        "pr_auc": np.mean([sk.average_precision_score(one, q) for one, q in each]),
        "log_loss": sk.log_loss(y, p, labels=labels),
        "brier": sk.brier_score_loss(y, p, labels=labels),
        "ece": calibration_error(p.max(axis=1), decided == y, p),
    }


def calibration_error(believed, came_true, p):
    """Straight from the definition; scikit-learn has none."""
    total = 0.0
    for low in np.arange(17) / 16:
        rows = (believed >= low) & (believed < low + 1 / 16)
        if rows.any():
            total += rows.mean() * abs(believed[rows].mean() - came_true[rows].mean())
    return total


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("name", "p"),
    [
        ("distinct", RNG.random(400)),
        ("ties", RNG.integers(0, 5, 400) / 4),
        ("constant", np.full(400, 0.3)),
        ("certain", (RNG.random(400) > 0.5).astype(float)),
        ("outside float32", 0.5 + np.arange(400) * 1e-12),
    ],
)
@pytest.mark.parametrize("threshold", [0.5, 0.25])
def test_binary_scores_agree_with_scikit_learn(name, p, threshold):
    y = (np.random.default_rng(1).random(400) < 0.2 + 0.5 * p).astype(int)
    assert agree(score("binary", y, p, threshold=threshold), binary_reference(y, p, threshold))


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=2, max_size=30))
def test_small_binary_samples_agree_with_scikit_learn(rows):
    y, p = np.array([row[0] for row in rows], dtype=int), np.array([row[1] for row in rows]) / 8
    found = score("binary", y, p)
    if y.min() == y.max():
        assert np.isnan(found["roc_auc"])
        assert np.isnan(found["pr_auc"])
    else:
        assert agree(found, binary_reference(y, p))


@pytest.mark.parametrize("only", [0, 1])
def test_one_class_gives_nan_where_undefined_and_never_a_crash(only):
    y, p = np.full(20, only), np.linspace(0, 1, 20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = score("binary", y, p)
    undefined = {name for name, value in found.items() if np.isnan(value)}
    assert undefined == {"roc_auc", "pr_auc"}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("present", [[0, 1, 2], [0, 2], [1, 2]])
def test_multiclass_scores_agree_with_scikit_learn_also_with_absent_classes(present):
    rng = np.random.default_rng(2)
    p = np.round(rng.dirichlet([1, 1, 1], 500), 2)
    p[:, 2] = 1 - p[:, 0] - p[:, 1]
    p = p.clip(0, 1)
    y = rng.choice(present, 500)
    assert agree(score("multiclass", y, p), multiclass_reference(y, p))


def test_a_multiclass_part_of_one_class_has_no_ranking():
    found = score("multiclass", [1, 1, 1], [[0.2, 0.7, 0.1], [0.5, 0.4, 0.1], [0, 1, 0]])
    assert np.isnan(found["roc_auc"])
    assert np.isnan(found["pr_auc"])
    assert found["accuracy"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("mean", [0.0, 1e3, 1e9])
def test_regression_scores_agree_with_scikit_learn_also_with_a_large_mean(mean):
    rng = np.random.default_rng(3)
    y = mean + rng.normal(0, 30, 500)
    p = y + rng.normal(0, 10, 500)
    error = y - p
    assert score("regression", y, p) == pytest.approx(
        {
            "rmse": sk.root_mean_squared_error(y, p),
            "mae": sk.mean_absolute_error(y, p),
            "median_ae": sk.median_absolute_error(y, p),
            "mape": sk.mean_absolute_percentage_error(y, p),
            "r2": 1 - (error @ error) / ((y - y.mean()) @ (y - y.mean())),
        },
        rel=1e-6,
        abs=1e-6,
    )


def test_mape_leaves_out_rows_whose_target_is_zero():
    assert score("regression", [0.0, 2.0, -4.0], [1.0, 1.0, -5.0])["mape"] == pytest.approx(0.375)
    assert np.isnan(score("regression", [0.0, 0.0], [1.0, 1.0])["mape"])


def test_a_constant_target_has_no_r2():
    assert np.isnan(score("regression", [2.0, 2.0], [1.0, 2.0], metrics=["r2"])["r2"])


def test_read_only_arrays_can_be_scored():
    y, p = np.array([0, 1, 1]), np.array([0.1, 0.8, 0.4])
    y.setflags(write=False)
    p.setflags(write=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert score("binary", y, p)["roc_auc"] == 1.0


@pytest.mark.parametrize(
    ("task", "y", "prediction", "says"),
    [
        ("binary", [0, 1], [-2.0, 3.0], "probabilities must lie in 0..1"),
        ("binary", [0, 2], [0.1, 0.2], "class codes must lie in 0..1"),
        ("binary", [0, 1], [0.1, np.nan], "NaN"),
        ("binary", [0, 1], [[0.1, 0.9], [0.2, 0.8]], "binary needs"),
        ("binary", [0, 1, 1], [0.1, 0.2], "binary needs"),
        ("multiclass", [0, 0.5], [[0.1, 0.9], [0.2, 0.8]], "whole number"),
        ("regression", [np.nan, 1.0], [0.1, 0.2], "target is NaN"),
        ("regression", [], [], "no rows"),
    ],
)
def test_inputs_that_make_no_sense_are_refused(task, y, prediction, says):
    with pytest.raises(ValueError, match=says):
        score(task, y, prediction)


def test_an_unknown_metric_is_refused_with_the_nearest_name():
    with pytest.raises(ValueError, match="did you mean 'roc_auc"):
        score("binary", [0, 1], [0.1, 0.2], metrics=["rocauc"])
    with pytest.raises(ValueError, match=r"f1.*metrics: rmse"):
        score("regression", [0.0, 1.0], [0.1, 0.2], metrics=["f1"])


def test_every_metric_says_what_it_means_and_works_for_its_tasks():
    examples = {
        "binary": ([0, 1, 1], [0.2, 0.9, 0.4]),
        "multiclass": ([0, 1, 2], np.eye(3) * 0.7 + 0.1),
        "regression": ([1.0, 2.0, 4.0], [1.5, 2.5, 3.5]),
    }
    for name, metric in METRICS.items():
        assert metric.meaning
        for task in metric.tasks:
            assert np.isfinite(score(task, *examples[task], metrics=[name])[name])


def test_confusion_counts_rows_by_actual_and_predicted_class():
    table = confusion(
        "binary", np.array([0, 0, 1, 1, 1]), np.array([0.1, 0.6, 0.4, 0.7, 0.8]), classes=["no", "yes"]
    )
    assert table.loc["no"].tolist() == [1, 1]
    assert table.loc["yes"].tolist() == [1, 2]
    assert (table.index.name, table.columns.name) == ("actual", "predicted")


def test_confusion_needs_a_name_for_every_class():
    with pytest.raises(ValueError, match="2 class names for predictions of 3"):
        confusion("multiclass", np.array([0]), np.array([[0.2, 0.3, 0.5]]), classes=["a", "b"])


def test_a_probability_equal_to_the_threshold_is_not_acted_on():
    assert decide(np.array([0.25, 0.2500001]), 0.25).tolist() == [0, 1]


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=25))
def test_no_threshold_has_a_better_f1_than_the_one_found(rows):
    y, p = np.array([row[0] for row in rows], dtype=int), np.array([row[1] for row in rows]) / 6

    def f1(threshold):
        return sk.f1_score(y, p > threshold, zero_division=0)

    found = best_f1_threshold(y, p)
    assert f1(found) == max(f1(t) for t in [0, *p])
    assert 0 <= found <= 1


def test_the_threshold_lies_between_neighbouring_floats():
    upper = np.nextafter(0.3, 1)
    assert 0.3 <= best_f1_threshold([0, 1], [0.3, upper]) < upper
