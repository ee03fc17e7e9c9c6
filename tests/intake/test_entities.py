"""An owner of several rows is found by its values, whatever its name; what only repeats is not an owner."""

import numpy as np
import pandas as pd
import pytest
from drafts import ROOT, planned, visits

from cairn.intake.draft.entities import more_even_than_draws

ROWS = 600


def rng():
    return np.random.default_rng(5)


def plain(**columns):
    """Two honest columns, a category and a target of two values, beside what is asked about."""
    draw = rng()
    x = draw.normal(size=ROWS).round(4)
    table = pd.DataFrame({"x": x, "z": draw.normal(size=ROWS).round(4), "g": draw.choice(list("abcd"), ROWS)})
    return table.assign(**columns, y=np.where(x + draw.normal(size=ROWS) > 0, "yes", "no"))


def of_sizes(sizes):
    """The number of the owner of each row, in disorder."""
    sizes = np.array(sizes)
    owners = np.repeat(np.arange(len(sizes)), sizes)[:ROWS]
    return rng().permutation(np.r_[owners, np.arange(ROWS - len(owners)) % len(sizes)])


OWNERS = {
    "visits": of_sizes(rng().choice([2, 2, 2, 3, 3, 4], 240)),
    "pairs": np.arange(ROWS) // 2,
    "members": of_sizes(rng().integers(1, 5, 260)),
}


@pytest.mark.parametrize(("kind", "as_text"), [("visits", True), ("pairs", False), ("members", False)])
def test_a_key_that_repeats_evenly_is_an_owner_whatever_its_name(kind, as_text):
    owner = OWNERS[kind]
    column = [f"k{i * 7919 % 99991}" for i in owner] if as_text else owner * 17 + 3
    plan = planned(plain(chiffre=column), "y")
    assert (plan.data.group, plan.defaults.split.value) == ("chiffre", "group")
    assert plan.findings["chiffre"].column.group is None
    assert "of a row in train; alone it reaches ROC-AUC 0." in plan.owners and "by row and" in plan.owners


def test_an_owner_has_columns_that_are_constant_within_it_and_its_names_are_no_features():
    owner = rng().integers(0, 200, ROWS)  # as even as independent draws
    born = rng().integers(1950, 2000, 200)[owner]
    table = plain(chiffre=owner * 31, born=born, alias=[f"n{i * 7 % 211}" for i in owner])
    assert planned(table.drop(columns=["born", "alias"]), "y").data.group is None
    plan = planned(table, "y")
    assert plan.data.group in ("chiffre", "alias")
    assert "is constant within each value" in plan.findings[plan.data.group].note
    assert {"chiffre", "alias"} & set(plan.named("feature")) == set()
    assert "born" in plan.named("feature")


def test_names_whose_rows_nearly_all_have_one_class_are_owners_and_a_score_by_owner_is_lower():
    draw = rng()
    author = draw.integers(0, 170, ROWS)
    style = draw.normal(size=170)
    label = np.where(draw.random(170) < 0.5, "yes", "no")[author]
    label = np.where(draw.random(ROWS) < 0.02, "no", label)
    table = plain(author_name=[f"w{i}" for i in author]).assign(
        y=label, x=style[author] + draw.normal(0, 0.01, ROWS)
    )
    plan = planned(table, "y")
    assert plan.data.group == "author_name"
    by_row, by_owner = plan.owners.split("features reach ")[1].split(" by row and ")
    assert float(by_row) > float(by_owner.split()[0]) + 0.1
    assert plan.owners in (ROOT / "docs/new-data.md").read_text(encoding="utf-8")


NOT = {
    "airline": lambda: rng().choice([f"C{i}" for i in range(30)], ROWS),
    "amount": lambda: rng().integers(20, 300, ROWS),
    "rounded": lambda: (rng().lognormal(5, 0.4, ROWS)).round(),
    "income": lambda: (rng().lognormal(8, 0.2, ROWS)).round(-1).astype(int),
    "city": lambda: rng().choice([f"T{i}" for i in range(200)], ROWS),
    "surname": lambda: [f"S{i}" for i in rng().zipf(1.5, ROWS).clip(max=10**6)],
    "built": lambda: np.arange(ROWS) // 3 + 1850,
    "fraction": lambda: (np.arange(ROWS) // 2) / 7,
    "product": lambda: [f"P{i}" for i in np.arange(ROWS) // 3],
    "number": lambda: np.arange(ROWS),
}


@pytest.mark.parametrize("name", NOT)
def test_what_repeats_by_chance_or_is_a_category_is_no_owner(name):
    plan = planned(plain(**{name: NOT[name]()}), "y")
    assert (plan.data.group, plan.defaults.split.value) == (None, "random")


def test_what_follows_from_the_size_of_a_number_does_not_make_it_an_owner():
    metres = rng().integers(20, 260, ROWS)
    plan = planned(plain(metres=metres, feet=metres * 11, band=np.where(metres > 90, "large", "small")), "y")
    assert plan.data.group is None
    assert {"metres", "feet", "band"} <= set(plan.named("feature"))


def test_copies_of_rows_do_not_make_a_number_an_owner():
    once = plain(amount=np.arange(ROWS) * 13 % 7919).iloc[: ROWS // 2]
    assert planned(pd.concat([once, once], ignore_index=True), "y").data.group is None


def test_draws_of_any_distribution_are_not_called_even():
    draw, found = rng(), 0
    for _ in range(300):
        levels, rows = int(draw.integers(50, 3000)), int(draw.integers(300, 6000))
        weights = draw.gamma(draw.choice([0.3, 1, 5, 1000]), size=levels)
        repeats = np.bincount(draw.choice(levels, rows, p=weights / weights.sum()), minlength=levels)
        found += more_even_than_draws(repeats[repeats > 0])
    assert found <= 3


def test_a_wider_owner_holds_the_narrower_one_whole_and_a_row_without_one_is_left_out():
    person = np.arange(ROWS) // 2
    table = plain(person_id=person, household_id=pd.Series(person // 3, dtype="float64"))
    assert planned(table, "y").data.group == "household_id"
    table.loc[:4, "household_id"] = np.nan
    plan = planned(table, "y")
    assert (plan.data.group, list(plan.data.drop_where)) == ("household_id", ["no_owner"])


def test_a_time_split_says_that_it_does_not_keep_owners_together():
    table = visits().assign(patient=np.arange(400) % 130, day=pd.date_range("2021-01-01", periods=400))
    plan = planned(table, "bought")
    assert (plan.defaults.split.value, plan.data.group) == ("time", "patient")
    assert "100 % of the test rows have the patient of a row in train" in plan.owners
    assert plan.owners_comment == "owner of several rows; a time split does not keep them together"
