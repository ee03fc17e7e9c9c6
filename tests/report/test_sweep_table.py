"""The table of a sweep: the settings that differ, and the scores."""

from cairn.experiments.sweep import Job
from cairn.report.sweep import score_cells, sweep_table


def test_only_settings_that_differ_have_a_column():
    jobs = [Job("a", ("model=mlp", "seed=1", "x=0")), Job("b", ("model=logistic", "seed=1", "x=10"))]
    assert sweep_table(jobs, {"b": score_cells({"val_roc_auc": 0.71234567})}) == [
        "experiment  model     x   val_roc_auc",
        "a           mlp       0",
        "b           logistic  10  0.712346",
    ]
