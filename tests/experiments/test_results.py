"""The table of a sweep: what differs, what was scored, which is best."""

from cairn.experiments.plan import Job
from cairn.experiments.results import best_of, shown, table


def test_only_settings_that_differ_have_a_column():
    jobs = [Job("a", ("model=mlp", "seed=1", "x=0")), Job("b", ("model=logistic", "seed=1", "x=10"))]
    assert table(jobs, {"b": shown({"val_roc_auc": 0.71234567})}).splitlines() == [
        "experiment  model     x   val_roc_auc",
        "a           mlp       0",
        "b           logistic  10  0.712346",
    ]


def test_the_best_has_the_highest_score_or_the_lowest_loss():
    assert best_of({"a": {"val_roc_auc": 0.7}, "b": {"val_roc_auc": 0.8}, "c": {}}) == "b"
    assert best_of({"a": {"val_log_loss": 0.7}, "b": {"val_log_loss": 0.8}}) == "a"
    assert best_of({"a": {}, "b": {}}) == "a"
