"""Baselines, against cases computed by hand."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning
from synthetic import CONTRACT, TARGETS, config, fit, recipe, rows

from cairn.data.predictions import from_columns, predictors
from cairn.errors import UserError
from cairn.metrics.bootstrap import on_all_rows
from cairn.models import baseline as module
from cairn.models.baseline import baseline_table, fit_linear, one_hot, predict_rule, prior
from cairn.settings.baseline import BaselineConfig, ColumnRule, RateRule

TRAIN = pd.DataFrame({"c": ["a", "a", "a", "b", None], "h": [1, 1, 2, 1, 1], "y": [1, 1, 0, 0, 1], "s": 0.0})
OUTCOME = one_hot(TRAIN["y"], "binary", [])


def given(table):
    return {"train": TRAIN, "outcome": OUTCOME, "table": table}


def rate(by, smoothing, table):
    return predict_rule("r", RateRule(kind="rate", by=by, smoothing=smoothing), "binary", **given(table))[
        :, 0
    ]


def test_the_prior_is_the_mean_of_train():
    assert prior(OUTCOME, 2).tolist() == [[0.6], [0.6]]


def test_a_rate_is_shrunk_towards_the_overall_mean():
    asked = pd.DataFrame({"c": ["a", "b", "z"], "h": [1, 1, 1]})
    assert rate(["c"], 2, asked) == pytest.approx([(2 + 2 * 0.6) / 5, (0 + 1.2) / 3, 0.6])


def test_a_rate_without_smoothing_is_the_group_mean_and_the_prior_for_new_groups():
    asked = pd.DataFrame({"c": ["a", "a", "b", "b"], "h": [1, 2, 1, 9]})
    assert rate(["c", "h"], 0, asked).tolist() == [1.0, 0.0, 0.0, 0.6]


def test_missing_is_a_group_of_its_own():
    assert rate(["c"], 0, pd.DataFrame({"c": [None, "b"], "h": [1, 1]})).tolist() == [1.0, 0.0]


def test_a_column_rule_is_the_column_and_the_prior_where_it_is_missing():
    table = pd.DataFrame({"s": [0.2, np.nan]})
    values = predict_rule(
        "live", ColumnRule(kind="column", column="s", missing=None), "binary", **given(table)
    )
    assert values[:, 0].tolist() == [0.2, 0.6]
    rule = ColumnRule(kind="column", column="s", missing=0.0)
    assert predict_rule("live", rule, "binary", **given(table))[:, 0].tolist() == [0.2, 0.0]


def test_rates_of_classes_sum_to_one():
    labels = pd.Series(["u", "v", "w", "v", "v"])
    outcome = one_hot(labels, "multiclass", ["u", "v", "w"])
    rates = predict_rule(
        "r",
        RateRule(kind="rate", by=["c"], smoothing=3),
        "multiclass",
        **(given(TRAIN) | {"outcome": outcome}),
    )
    assert rates.shape == (5, 3)
    assert rates.sum(axis=1) == pytest.approx(np.ones(5))


@pytest.mark.parametrize(("task", "columns"), [("binary", 3), ("multiclass", 9)])
def test_the_table_has_every_baseline_of_every_part(task, columns):
    rules = {"by_line": RateRule(kind="rate", by=["línea"], smoothing=2)}
    baseline = BaselineConfig(rules=rules, linear=config("logistic"))
    parts = {"validation": rows(30, seed=1), "test": rows(20, seed=2)}
    parts = {name: part.assign(row_id=range(len(part))) for name, part in parts.items()}
    linear = fit("logistic", task)
    table = baseline_table(rows(), parts, baseline, linear)
    assert table["part"].tolist() == ["validation"] * 30 + ["test"] * 20
    assert predictors(table) == ["prior", "by_line", "linear"]
    assert len(table.columns) == 2 + columns
    found = from_columns(table[table["part"] == "test"], "linear", task, linear.class_names)
    np.testing.assert_array_equal(found, linear.scores(parts["test"]))


@pytest.mark.parametrize(
    ("task", "grid", "metric"),
    [("binary", {"C": [1e-6, 0.5]}, "log_loss"), ("regression", {"alpha": [1e7, 1.0]}, "rmse")],
)
def test_the_penalty_of_the_linear_model_is_the_one_that_predicts_validation_best(task, grid, metric):
    made = recipe(config("logistic"), CONTRACT, TARGETS[task], task)
    validation = rows(400, seed=1)

    def loss(package):
        return on_all_rows(task, validation[package.target], package.scores(validation), metrics=[metric])[
            metric
        ]

    ((name, values),) = grid.items()
    for candidates in (values, values[::-1]):
        chosen = fit_linear(made, rows(), validation, {name: candidates})
        assert getattr(chosen.estimator, name) == values[1]
    assert loss(chosen) < loss(fit_linear(made, rows(), validation, {name: values[:1]}))
    plain = fit_linear(made, rows(), validation, {})
    np.testing.assert_array_equal(plain.scores(validation), made.fit(rows()).scores(validation))


def test_in_a_large_table_a_part_of_the_rows_chooses_and_all_of_them_are_fitted(monkeypatch):
    made = recipe(config("logistic"), CONTRACT, TARGETS["binary"], "binary")
    validation, grid = rows(400, seed=1), {"C": [1e-6, 0.5]}
    whole = fit_linear(made, rows(), validation, grid)
    monkeypatch.setattr(module, "MOST_TRIED", 100)
    chosen = fit_linear(made, rows(), validation, grid)
    assert chosen.estimator.C == 0.5
    np.testing.assert_array_equal(chosen.scores(validation), whole.scores(validation))


def test_a_whole_number_of_the_grid_stays_one():
    grid = {"classifier": {"max_iter": [3, 7], "C": [1.0]}}
    given = BaselineConfig(rules={}, linear=config("logistic"), candidates=grid).candidates["classifier"]
    made = recipe(config("logistic"), CONTRACT, TARGETS["binary"], "binary")
    with pytest.warns(ConvergenceWarning):  # which says that the fit ran with so few iterations
        chosen = fit_linear(made, rows(), rows(400, seed=1), given)
    assert type(chosen.estimator.max_iter) is int


def test_a_column_outside_0_to_1_is_refused_for_a_binary_target():
    rule = ColumnRule(kind="column", column="s", missing=None)
    table = pd.DataFrame({"s": [0.5, 3.0]})
    with pytest.raises(UserError, match=r"baseline\.rules\.live: s is not a probability"):
        predict_rule("live", rule, "binary", **given(table))
    assert predict_rule("live", rule, "regression", **given(table))[:, 0].tolist() == [0.5, 3.0]
