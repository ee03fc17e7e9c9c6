"""The explanation of small models whose truth is known."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from synthetic import CONTRACT, TARGETS, config, recipe, rows

from cairn.data.records import rounded
from cairn.explanation import explain
from cairn.metrics.importance import Explanation
from cairn.settings.contract import Contract
from cairn.settings.data import DataConfig
from cairn.settings.evaluate import EvaluateConfig
from cairn.settings.explain import ExplainConfig

GROUPS = {"load": "traffic", "noise": "traffic", "night": "time", "línea": "place", "stop": "place"}
GROUPED = Contract(
    columns={
        name: column.model_copy(update={"group": GROUPS[name]}) for name, column in CONTRACT.columns.items()
    }
)
EVALUATE = EvaluateConfig(
    primary=None, resamples=100, confidence=0.9, block=None, slices=[], min_slice_rows=10, ceiling={}
)


@cache
def fitted(task, name="hist_gbdt"):
    return recipe(config(name), GROUPED, TARGETS[task], task).fit(rows(), rows(600, seed=1))


def explained(task, name="hist_gbdt", count=300, package=None, **more):
    settings = {
        "rows": 250,
        "column_rows": 200,
        "repeats": 2,
        "resamples": 100,
        "curves": 3,
        "points": 5,
    } | more
    data = DataConfig(name="toy", source="toy.csv", contract="toy.yaml", task=task, target=TARGETS[task])
    return explain(
        package or fitted(task, name),
        rows(count, seed=2),
        data=data,
        settings=ExplainConfig(**settings),
        evaluate=EVALUATE,
        seed=4,
    )


@pytest.mark.parametrize("task", TARGETS)
def test_the_columns_that_decide_come_first_and_noise_last(task):
    found = explained(task)
    assert found.metric == {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}[task]
    assert [each.name for each in found.columns[:2]] == ["load", "línea"]
    assert {each.name: (each.group, each.columns) for each in found.groups} == {
        "traffic": ("traffic", 2),
        "time": ("time", 1),
        "place": ("place", 2),
    }
    assert found.columns[0].low > 0
    noise = next(each for each in found.columns if each.name == "noise")
    assert noise.low < found.columns[1].low
    assert [each.value for each in found.groups] == sorted((e.value for e in found.groups), reverse=True)


def test_a_group_with_one_column_matters_as_much_as_the_column():
    found = explained("binary", rows=200)
    night = next(each for each in found.columns if each.name == "night")
    assert next(each for each in found.groups if each.name == "time").value == night.value


def test_partial_dependence_follows_the_truth():
    found = {each.name: each for each in explained("regression").dependence}
    load = found["load"]
    assert load.numeric and len(load.at) == 5
    assert load.predictions["delay"] == sorted(load.predictions["delay"])
    slope = np.polyfit(load.at, load.predictions["delay"], 1)[0]
    assert slope == pytest.approx(1.5, rel=0.25)
    line = dict(zip(found["línea"].at, found["línea"].predictions["delay"], strict=True))
    assert set(line) == {"Ω", "北", "3"}
    assert line["Ω"] - line["北"] == pytest.approx(2, abs=0.4)


def test_every_class_has_its_partial_dependence():
    for each in explained("multiclass").dependence:
        assert set(each.predictions) == {"early", "fair", "late"}
        np.testing.assert_allclose(np.sum(list(each.predictions.values()), axis=0), 1)


def test_the_record_says_which_rows_were_used_and_is_read_again():
    found = explained("binary", curves=0)
    assert (found.rows, found.column_rows, found.validation_rows) == (250, 200, 300)
    assert (found.repeats, found.dependence) == (2, [])
    assert explained("binary", count=90, curves=0).rows == 90
    written = rounded(found.model_dump())
    assert Explanation.model_validate(written).columns[0].name == found.columns[0].name


def test_an_encoder_that_makes_several_columns_of_one_is_explained_too():
    found = explained("binary", "logistic")
    assert found.columns[0].name == "load"
    assert found.dependence[0].predictions["late"][0] < found.dependence[0].predictions["late"][-1]


def test_a_model_that_serve_would_not_predict_with_alone_is_said(caplog):
    package = replace(fitted("binary"), reference=None)
    explained("binary", package=package)
    assert "predict and serve will take rows through pandas: the model has no reference rows" in caplog.text
