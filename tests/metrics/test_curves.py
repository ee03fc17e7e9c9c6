"""Curves keep their shape in few rows; figures are the same bytes every time."""

import subprocess
import sys
from statistics import NormalDist
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import auc, average_precision_score, roc_auc_score

from cairn.metrics.bootstrap import Estimate
from cairn.metrics.curves import (
    calibration_table,
    confusion_per_thousand,
    pr_curve_points,
    regression_table,
    roc_curve_points,
)
from cairn.metrics.decisions import confusion
from cairn.report.plots import canvas, figures

RNG = np.random.default_rng(0)
P = RNG.beta(1, 3, 20_000)
Y = (RNG.random(20_000) < P).astype(int)


def test_a_thinned_roc_curve_keeps_its_ends_and_its_area():
    curve = roc_curve_points(Y, P)
    assert len(curve) <= 200
    assert curve.iloc[0].tolist() == [0, 0]
    assert curve.iloc[-1].tolist() == [1, 1]
    assert auc(curve["fpr"], curve["tpr"]) == pytest.approx(roc_auc_score(Y, P), abs=1e-3)


def test_a_thinned_pr_curve_keeps_its_area():
    curve = pr_curve_points(Y, P)
    assert len(curve) <= 200
    assert curve["recall"].is_monotonic_increasing
    assert curve["recall"].iloc[-1] == 1
    assert auc(curve["recall"], curve["precision"]) == pytest.approx(average_precision_score(Y, P), abs=5e-3)


def test_a_short_curve_is_not_thinned():
    assert len(roc_curve_points([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4])) == 5
    assert len(roc_curve_points(Y, np.full(len(Y), 0.2))) == 2


@pytest.mark.parametrize("curve", [roc_curve_points, pr_curve_points])
def test_one_class_has_no_curve(curve):
    assert curve(np.zeros(5), np.linspace(0, 1, 5)).empty


def test_calibration_bins_hold_equally_many_rows_and_the_wilson_interval():
    table = calibration_table(Y, P)
    assert table["rows"].tolist() == [2000] * 10
    bottom = np.argsort(P)[:2000]
    rate, z, n = Y[bottom].mean(), NormalDist().inv_cdf(0.975), 2000
    centre = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    assert table.loc[0, ["predicted", "observed", "low", "high"]].tolist() == pytest.approx(
        [P[bottom].mean(), rate, centre - reach, centre + reach], abs=1e-6
    )
    assert (table["low"] <= table["predicted"]).mean() >= 0.8


def test_equal_predictions_share_a_calibration_bin():
    table = calibration_table([0, 1, 1, 0], [0.5, 0.5, 0.5, 0.5])
    assert table[["rows", "predicted", "observed"]].to_numpy().tolist() == [[4, 0.5, 0.5]]
    assert calibration_table([0, 1, 1], [0.2, 0.8, 0.8])["rows"].sum() == 3


def test_regression_bins_hold_mean_and_spread_of_the_actual_values():
    table = regression_table(P * 3, P)
    # Both columns are rounded to 6 decimals.
    assert table["actual"].to_numpy() == pytest.approx(3 * table["predicted"].to_numpy(), abs=2.1e-6)
    assert (table["low"] < table["actual"]).all()
    assert (table["actual"] < table["high"]).all()


def test_the_confusion_table_has_exactly_a_thousand_rows_in_proportion():
    y, p = np.array([0] * 5 + [1] * 2), np.array([0.1] * 3 + [0.9] * 4)
    table = confusion_per_thousand("binary", y, p, classes=["no", "yes"])
    assert len(table) == 1000
    assert table.value_counts().to_dict() == {("no", "no"): 428, ("no", "yes"): 286, ("yes", "yes"): 286}


def slices_frame():
    rows = [("origin", "EWR", 90), ("origin", "JFK", 80)]
    return pd.DataFrame(
        [(*row, 0.2, "roc_auc", 0.8, 0.7, 0.1, 0.05, 0.15) for row in rows],
        columns=["column", "level", "rows", "mean", "metric", "value", "reference", "gain", "low", "high"],
    )


DRAWN = {
    "roc": lambda: figures.roc_figure({"model": roc_curve_points(Y, P)}, {"model": 0.7}),
    "pr": lambda: figures.pr_figure(
        {"model": pr_curve_points(Y, P), "rule": pr_curve_points(Y, P)}, {"model": 0.4, "rule": 0.4}, 0.25
    ),
    "calibration": lambda: figures.calibration_figure({"model": calibration_table(Y, P)}, P),
    "confusion": lambda: figures.confusion_figure(confusion("binary", Y, P)),
    "training": lambda: figures.training_figure([0.1, 0.2, 0.3], [0.1, 0.2, 0.15]),
    "regression": lambda: figures.regression_figure(Y + P, P, label="y"),
    "residual": lambda: figures.residual_figure(Y + P, P, label="y"),
    "interval": lambda: figures.interval_figure({"rule": Estimate(0.1, -0.1, 0.3)}, label="gain"),
    "slice": lambda: figures.slice_figure(slices_frame(), "roc_auc", model="model", reference="rule"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_drawn_twice_has_the_same_bytes(name):
    first, second = DRAWN[name](), DRAWN[name]()
    svg = canvas.to_svg(first)
    assert svg == canvas.to_svg(second)
    assert svg == canvas.to_svg(first)
    assert ET.fromstring(svg).tag.endswith("svg")
    assert "<dc:date>" not in svg


@pytest.mark.parametrize("name", ["late", "default_payment_next_month", "B" * 30])
def test_names_of_classes_leave_room_for_each_other_and_for_the_matrix(name):
    figure = figures.confusion_figure(confusion("binary", Y, P, classes=[f"not {name}", name]))
    figure.draw_without_rendering()
    axes = figure.axes[0]
    first, second = (label.get_window_extent() for label in axes.get_xticklabels())
    assert first.x1 < second.x0
    assert axes.get_window_extent().width > 0.6 * figure.bbox.width
    shown = [label.get_text().replace("\n", "") for label in axes.get_yticklabels()]
    assert shown == [f"not {name}", name]


def test_a_figure_with_a_flat_target_or_no_validation_is_drawn():
    canvas.to_svg(figures.regression_figure(np.ones(5), np.ones(5), label="y"))
    canvas.to_svg(figures.residual_figure(np.ones(5), np.ones(5), label="y"))
    canvas.to_svg(figures.training_figure([0.1, 0.2], []))


def test_letters_that_the_font_lacks_are_drawn_without_a_warning(recwarn):
    svg = canvas.to_svg(figures.interval_figure({"北京": Estimate(0.1, -0.1, 0.3)}, label="gain"))
    assert "北京" in svg
    assert not recwarn.list


def test_metrics_load_neither_torch_nor_matplotlib_until_asked():
    code = (
        "import sys, cairn.metrics.bootstrap, cairn.metrics.kpi, cairn.metrics.slices, cairn.metrics.curves;"
        "print([name for name in ('torch', 'sklearn', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
