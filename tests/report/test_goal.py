"""The goal of a data set, held against the interval on test."""

import pytest
from card_inputs import record_of

from cairn.metrics.evaluation import Evaluation
from cairn.report.card.goal import reached
from cairn.settings.purpose import Goal


@pytest.mark.parametrize(
    ("task", "measure", "value", "verdict"),
    [
        # roc_auc 0.700 [0.688, 0.712]: higher is better
        ("binary", "roc_auc", 0.688, "reached"),
        ("binary", "roc_auc", 0.70, "not proven"),
        ("binary", "roc_auc", 0.713, "missed"),
        # saving 23,456 [22,656 to 24,256]
        ("binary", "saving", 22_656.0, "reached"),
        ("binary", "saving", 24_000.0, "not proven"),
        ("binary", "saving", 30_000.0, "missed"),
        # rmse 0.700 [0.688, 0.712]: lower is better
        ("regression", "rmse", 0.712, "reached"),
        ("regression", "rmse", 0.70, "not proven"),
        ("regression", "rmse", 0.687, "missed"),
        ("regression", "saving", 1.0, "not measured"),
    ],
)
def test_a_goal_is_reached_by_a_whole_interval_and_missed_by_a_whole_one(task, measure, value, verdict):
    record = Evaluation.model_validate(record_of(task, priced=task == "binary"))
    found = reached(Goal(measure=measure, value=value), record)
    assert found is not None
    assert found.verdict == verdict
    assert ("at most" in found.goal) == (measure == "rmse")


def test_a_goal_in_money_has_its_unit_and_no_goal_has_no_verdict():
    record = Evaluation.model_validate(record_of("binary", priced=True))
    found = reached(Goal(measure="saving", value=20_000.0), record)
    assert found is not None
    assert (found.goal, found.score) == (
        "saving of at least 20,000 EUR per 1,000 rows",
        "23,456 [22,656 to 24,256]",
    )
    assert reached(Goal(), record) is None
