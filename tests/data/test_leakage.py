"""Planted leaks are found on train alone, and honest columns are left in peace."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import TargetEncoder
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from test_split import DATA

from cairn.data.leakage import judge, single_scores, stop_on_leaks
from cairn.errors import UserError
from cairn.settings.contract import Contract


def contract(*categorical, **more):
    kinds = dict.fromkeys(("a", "b", "planted"), "numeric") | dict.fromkeys(categorical, "categorical") | more
    return Contract.model_validate(
        {"columns": {n: {"kind": k, "group": "g", "nullable": True} for n, k in kinds.items()}}
    )


def honest(rows=4000, seed=0):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, rows))
    return pd.DataFrame(
        {"a": a, "b": b, "planted": rng.normal(size=rows), "y": a + b + rng.normal(size=rows) > 0}
    )


def leaks(table, contract, data, seed):
    """Return the lines `COLUMN: reason` with which the stage split would stop; none if it would not."""
    try:
        stop_on_leaks(judge(table, contract, data, seed), contract, data)
    except UserError as error:
        return [line.removeprefix("looks like a leak: ") for line in str(error).splitlines()[:-1]]
    return []


def named(lines):
    return [line.split(":")[0] for line in lines]


def test_honest_columns_are_no_suspects():
    table = honest()
    table.loc[::3, "b"] = np.nan
    assert leaks(table, contract(), DATA, 0) == []


def test_a_copy_of_the_target_is_found_as_number_text_and_boolean():
    table = honest()
    for copy, kind in (
        (table["y"] * 2.0 - 5, "numeric"),
        (table["y"].map({True: "ja", False: "nein"}), "categorical"),
    ):
        assert named(leaks(table.assign(planted=copy), contract(planted=kind), DATA, 0)) == ["planted"]
    assert named(leaks(table.assign(planted=table["y"]), contract(planted="boolean"), DATA, 0)) == ["planted"]


def test_a_column_recorded_afterwards_is_found_though_it_is_no_copy():
    table = honest()
    late = np.where(table["y"], 30.0, 0.0) + np.random.default_rng(1).normal(0, 8, len(table))
    assert named(leaks(table.assign(planted=late), contract(), DATA, 0)) == ["planted"]


def test_a_relation_that_is_not_monotone_is_found():
    table = honest()
    folded = np.where(table["y"], 0.0, np.random.default_rng(1).choice([-3.0, 3.0], len(table)))
    assert named(leaks(table.assign(planted=folded), contract(), DATA, 0)) == ["planted"]


@pytest.mark.parametrize("missing_when", [True, False])
def test_a_null_pattern_that_tells_the_answer_is_found_even_in_few_rows(missing_when):
    table = honest()
    gone = table.index[table["y"] == missing_when][:60]
    table.loc[gone, "planted"] = np.nan
    assert leaks(table, contract(), DATA, 0) == [
        "planted: the target is always the same where it is missing (60 rows)"
    ]


def test_gaps_that_are_pure_by_chance_are_no_suspects():
    rng = np.random.default_rng(0)
    table = honest().assign(y=rng.random(4000) < 0.002)
    table.loc[table.index[~table["y"]][:20], "planted"] = np.nan
    assert leaks(table, contract(), DATA, 0) == []


def test_a_trusted_column_is_left_alone():
    table = honest().assign(planted=lambda t: t["y"] * 1.0)
    trusting = DATA.model_copy(update={"leakage": DATA.leakage.model_copy(update={"trusted": ["planted"]})})
    assert leaks(table, contract(), trusting, 0) == []


@pytest.mark.parametrize("task", ["regression", "multiclass"])
def test_copies_are_found_in_other_tasks_too(task):
    table = honest()
    table["y"] = (
        table["a"] * 3 + table["b"]
        if task == "regression"
        else pd.cut(table["a"], 3, labels=list("uvw")).astype(str)
    )
    table["a"] = 0.0
    data = DATA.model_copy(update={"task": task})
    assert leaks(table, contract(), data, 0) == []
    copy = table["y"] * 2 if task == "regression" else table["y"].map({"u": 1.0, "v": 5.0, "w": 2.0})
    assert named(leaks(table.assign(planted=copy), contract(), data, 0)) == ["planted"]


def test_infinite_and_enormous_numbers_are_judged_like_any_other():
    table = honest()
    table.loc[::5, "a"] = np.inf
    table.loc[::7, "b"] = 1e300
    assert leaks(table, contract(), DATA, 0) == []
    table["planted"] = np.where(table["y"], np.inf, 1e300)
    assert named(leaks(table, contract(), DATA, 0)) == ["planted"]


def test_a_handful_of_rows_tells_nothing():
    assert leaks(honest(12), contract("a", planted="categorical"), DATA, 0) == []


def test_prices_in_whole_numbers_are_no_classes_to_a_category():
    rng = np.random.default_rng(0)
    shop = rng.integers(0, 30, 4000)
    price = 1000 + 40 * shop + rng.integers(0, 2000, 4000)
    data = DATA.model_copy(update={"task": "regression"})
    whole = pd.DataFrame({"planted": shop.astype(str), "y": price})
    found = [
        dict(single_scores(table, ["planted"], contract("planted"), data))["planted"]
        for table in (whole, whole.assign(y=whole["y"] + 0.25))
    ]
    assert found[0] == found[1]
    assert found[0] == pytest.approx(0.26, abs=0.05)  # variance of 40 * shop over that of all


KINDS = {
    "numeric": lambda rng, rows: rng.normal(size=rows).round(rng.integers(0, 3)),
    "boolean": lambda rng, rows: rng.random(rows) < 0.3,
    "categorical": lambda rng, rows: rng.choice(["a", "b", "ü", None], rows),
}


def cross_validated(values, y, task, kind):
    """Score a column by scikit-learn alone."""
    tree = DecisionTreeRegressor if task == "regression" else DecisionTreeClassifier
    model = tree(max_depth=5, min_samples_leaf=10, random_state=0)
    if kind == "categorical":
        target_type = "continuous" if task == "regression" else task
        cv = KFold(5, shuffle=True, random_state=0)
        model = make_pipeline(TargetEncoder(target_type=target_type, cv=cv), model)
    folds = (KFold if task == "regression" else StratifiedKFold)(2, shuffle=True, random_state=0)
    scoring = {"binary": "roc_auc", "multiclass": "roc_auc_ovr", "regression": "r2"}[task]
    return cross_val_score(model, values, y, cv=folds, scoring=scoring, error_score="raise").mean()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), effect=st.sampled_from([0.0, 1.0, 10.0]))
def test_a_score_is_that_of_scikit_learns_cross_validation(task, kind, seed, effect):
    rng = np.random.default_rng(seed)
    planted = pd.Series(KINDS[kind](rng, 200))
    codes = pd.factorize(planted, use_na_sentinel=False)[0]
    y = effect * np.abs(codes - 2) + rng.normal(size=200)
    if task != "regression":
        y = pd.qcut(y, 2 if task == "binary" else 4, labels=False)
    values = codes if kind == "categorical" else planted.to_numpy(dtype=np.float64)
    if kind == "numeric":
        odd = rng.random(200) < 0.3
        planted[odd] = rng.choice([np.nan, np.inf, -np.inf], odd.sum())
        planted[:3] = 1e300
        values = np.where(np.arange(200) < 3, 1e30, np.where(odd, np.nan, values))
    table = pd.DataFrame({"planted": planted, "y": y})
    data = DATA.model_copy(update={"task": task})
    found = dict(single_scores(table, ["planted"], contract(planted=kind), data))
    assert found["planted"] == pytest.approx(cross_validated(values[:, None], y, task, kind), abs=1e-12)


def test_a_target_of_one_class_has_no_leak():
    table = honest().assign(y=True)
    assert dict(single_scores(table, ["a", "b"], contract(), DATA)) == {"a": 0.0, "b": 0.0}
