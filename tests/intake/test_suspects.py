"""Planted leaks are found, each with its reason, and honest columns are left alone."""

from time import process_time

import numpy as np
import pandas as pd
import pytest
from drafts import planned, proven, visits

from cairn.intake.draft.suspects import accounts
from cairn.settings.contract import Column, Contract
from cairn.settings.data import DataConfig

ROWS = 1200


def honest(seed=3):
    """Visits and a number that is worth predicting."""
    rng = np.random.default_rng(seed)
    table = visits(ROWS, seed)
    table["spent"] = (table["age"] * 2 + rng.gamma(2, 30, ROWS)).round(2)
    return table


def later(values, share, seed=5):
    """Keep a share of the values, at random."""
    return pd.Series(values).where(np.random.default_rng(seed).random(len(values)) < share)


YES = (honest()["bought"] == "yes").to_numpy()
SPENT = honest()["spent"].to_numpy()
NOISE = np.random.default_rng(11).normal(size=ROWS)

OF_A_CLASS = {
    "a copy": ("flag", YES.astype(int), "alone it reaches ROC-AUC 1.000"),
    "a copy in other words": ("state", np.where(YES, "paid", "left"), "alone it reaches ROC-AUC 1.000"),
    "a gap that tells": ("receipt", later(NOISE, 0.98).where(YES), "the target is always the same"),
    "a gap that nearly tells": (
        "boat",
        pd.Series(NOISE).where(YES ^ (np.arange(ROWS) % 20 == 0)),
        "whether it is missing predicts the target (ROC-AUC 0.95",
    ),
    "far above the others": (
        "hint", YES * 2.9 + NOISE, "alone it reaches ROC-AUC 0.97", ),
    "known afterwards": ("call_duration", YES * 0.9 + NOISE, "'duration' sounds known only afterwards"),
    "akin to the target": ("bought_items", YES * 1.9 + NOISE, "shares 'bought' with bought"),
}  # fmt: skip


@pytest.mark.parametrize("case", OF_A_CLASS)
def test_a_column_that_gives_a_class_away_is_left_out_with_the_reason(case):
    name, values, said = OF_A_CLASS[case]
    table = honest().drop(columns="spent").assign(**{name: values}, extra=np.roll(NOISE, 7))
    plan = planned(table, "bought")
    assert plan.named("suspect") == [name]
    assert plan.findings[name].note.startswith(said)
    assert (plan.findings[name].column.known, plan.findings[name].column.group) == ("after", None)


def test_a_number_in_another_unit_is_left_out():
    plan = planned(honest().assign(cents=SPENT * 100 + 3), "spent")
    assert plan.named("suspect") == ["cents"]
    assert plan.findings["cents"].note.startswith("alone it reaches R2 0.99")


def test_a_column_in_the_order_of_a_target_with_a_long_tail_is_left_out():
    worth = np.exp(NOISE * 3)
    plan = planned(honest().assign(worth=worth, credit=np.log(worth) + 9), "worth")
    assert plan.named("suspect") == ["credit"]
    assert plan.findings["credit"].note == "it has the order of the target (rank correlation 1.0000)"


def test_numbers_that_add_up_to_the_target_are_found_together():
    rng = np.random.default_rng(2)
    table = honest().drop(columns="spent").assign(food=rng.gamma(2, 20, ROWS), drinks=rng.gamma(2, 20, ROWS))
    table["total"] = 2 * table["food"] + table["drinks"] + 5
    plan = planned(table, "total")
    assert plan.named("suspect") == ["food", "drinks"]
    assert plan.findings["food"].note == "the target is a sum of food and drinks"


def test_numbers_that_add_up_are_found_beside_a_copy_of_their_sum():
    rng = np.random.default_rng(2)
    table = honest().drop(columns="spent").assign(food=rng.gamma(2, 20, ROWS), drinks=rng.gamma(2, 20, ROWS))
    table["total"] = table["food"] + table["drinks"]
    plan = planned(table.assign(cents=table["total"] * 100), "total")
    assert set(plan.named("suspect")) == {"cents", "food", "drinks"}


def test_two_of_very_many_numbers_that_add_up_are_found_in_a_moment():
    rng = np.random.default_rng(2)
    X = pd.DataFrame(rng.normal(size=(5000, 600)), columns=[f"n{i}" for i in range(600)])
    contract = Contract(columns={name: Column(kind="numeric", group="g") for name in X})
    data = DataConfig(name="", source="", contract="", task="regression", target="y")
    started = process_time()
    found = accounts(X.assign(y=X["n7"] - 3 * X["n99"] + 5), list(X), contract, data)
    assert set(found) == {"n7", "n99"}
    assert accounts(X.assign(y=X.sum(axis=1)), list(X), contract, data) == {}
    assert process_time() - started < 20, "one fit with all columns takes seconds, and there were 600"


def test_what_came_of_a_plan_is_known_afterwards():
    rng = np.random.default_rng(2)
    sched = rng.integers(0, 1440, ROWS)
    table = honest().assign(sched_dep=sched, dep=sched + rng.integers(0, 60, ROWS))
    plan = planned(table, "bought")
    assert plan.named("suspect") == ["dep"]
    assert plan.findings["dep"].note == "sched_dep is the plan, so this is what came of it"


def test_a_kind_of_the_event_is_left_out_though_it_is_rare_and_an_earlier_event_is_not():
    rng = np.random.default_rng(9)
    kind = YES & (rng.random(ROWS) < 0.15) | (rng.random(ROWS) < 0.005)
    before = rng.random(ROWS) < np.where(YES, 0.3, 0.1)
    plan = planned(
        honest().assign(is_big_bought=kind.astype(int), bought_before=before.astype(int)), "bought"
    )
    assert plan.named("suspect") == ["is_big_bought"]
    assert (
        "shares 'bought' with bought, and where it is 1 the target is the same in 9"
        in plan.findings["is_big_bought"].note
    )


def test_parts_of_the_time_of_a_row_are_no_leaks_whatever_their_name():
    days = pd.Timestamp("2021-01-01") + pd.to_timedelta(np.arange(ROWS) // 2, "D")
    table = honest().assign(arrival_date=days, arrival_number=np.arange(ROWS) // 2)
    table["spent"] += np.arange(ROWS) / 4
    assert planned(table, "spent").named("suspect") == []
    assert "arrival_number" in planned(table, "spent", time="").named("suspect")


@pytest.mark.parametrize("target", ["bought", "spent"])
def test_honest_columns_are_left_alone(target):
    assert planned(honest(), target).named("suspect") == []


@pytest.mark.parametrize("shops", [8, 40])
def test_the_shop_of_a_table_sorted_by_shop_is_no_leak_and_a_class_of_the_target_is(shops):
    rng = np.random.default_rng(5)
    shop = np.repeat(np.arange(shops), 1600 // shops)
    table = pd.DataFrame({"shop": shop, "promo": rng.integers(0, 2, 1600), "sales": rng.gamma(3, 5, 1600)})
    table["sales"] += shop * 80 / shops
    table = table.assign(x=rng.normal(size=1600), z=rng.normal(size=1600))
    assert planned(table, "sales").named("suspect") == []
    table["band"] = pd.qcut(table["sales"], 6, labels=list("qwerty")).astype(str)
    assert planned(table, "sales").named("suspect") == ["band"]


@pytest.mark.slow
def test_a_strong_honest_column_among_strong_ones_is_no_leak():
    from sklearn.datasets import load_breast_cancer, load_iris

    for load in (load_breast_cancer, load_iris):
        assert proven(load(as_frame=True).frame, "target").named("suspect") == []


def test_the_user_may_keep_a_suspect():
    table = honest().assign(flag=YES.astype(int))
    plan = proven(table, "bought", keep=("flag",))
    assert "flag" in plan.named("feature")
    assert plan.data.leakage.trusted == ["flag"]


def test_parts_of_a_record_that_a_gap_gives_away_are_left_out_with_it():
    rng = np.random.default_rng(6)
    table = honest().drop(columns="spent")
    charged = pd.Series(rng.choice(["theft", "fraud"], ROWS)).where(YES & (rng.random(ROWS) < 0.95))
    amount = pd.Series(rng.gamma(2, 3, ROWS)).where(charged.notna() & (rng.random(ROWS) < 0.4))
    honest_gap = pd.Series(rng.normal(size=ROWS)).where(rng.random(ROWS) < 0.4)
    plan = proven(table.assign(charged=charged, amount=amount, other=honest_gap), "bought")
    assert set(plan.named("suspect")) == {"charged", "amount"}
