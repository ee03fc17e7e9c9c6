"""The curve behind the threshold slider of the card says what the metrics and the cost model say."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_score, recall_score

from cairn.metrics.decisions import decide
from cairn.metrics.kpi import policy_series
from cairn.report.card.threshold import STEPS, at_threshold, threshold_curve
from cairn.settings.kpi import CostKpi, NoKpi

PRICES = CostKpi(kind="cost", currency="EUR", action=10.0, loss=90.0, share_saved=0.5)


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    prediction = rng.beta(1, 6, 5000)
    return (rng.random(5000) < prediction).astype(float), prediction


def test_every_step_decides_as_scikit_learn_counts_it(rows):
    y, prediction = rows
    curve = threshold_curve(y, prediction, 0.2222, PRICES)
    assert STEPS / 2 < len(curve["thresholds"]) <= STEPS + 3
    assert curve["thresholds"] == sorted(set(curve["thresholds"]))
    for at, cut in enumerate(curve["thresholds"]):
        decided = decide(prediction, cut)
        acted, caught = curve["acted"][at], curve["caught"][at]
        cells = confusion_matrix(y, decided)
        assert [
            [len(y) - curve["events"] - acted + caught, acted - caught],
            [curve["events"] - caught, caught],
        ] == (cells.tolist())
        saving = policy_series(y, {"model": decided}, PRICES)["model"]["saving"][0]
        mine = (caught * curve["saved"] - acted * curve["action"]) * 1000 / curve["rows"]
        assert mine == pytest.approx(saving)


def test_the_threshold_in_use_is_a_step_and_its_numbers_are_shown_first(rows):
    y, prediction = rows
    curve = threshold_curve(y, prediction, 0.2222, PRICES)
    assert curve["thresholds"][curve["at"]] == 0.2222
    shown, decided = at_threshold(curve), decide(prediction, 0.2222)
    assert shown["threshold"] == "0.222"
    assert shown["precision"] == f"{100 * precision_score(y, decided):.1f}%"
    assert shown["recall"] == f"{100 * recall_score(y, decided):.1f}%"
    assert shown["decided"] == f"{100 * decided.mean():.1f}%"


def test_without_prices_there_is_no_money_and_without_decisions_no_precision(rows):
    y, prediction = rows
    shown = at_threshold(threshold_curve(y, prediction, 1.0, NoKpi(kind="none")))
    assert "saving" not in shown
    assert (shown["precision"], shown["recall"], shown["caught"]) == ("–", "0.0%", "0")
