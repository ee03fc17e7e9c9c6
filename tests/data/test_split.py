"""No row, no copy, no group and no future crosses from one part to another."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.data.split import assign_parts, proof
from cairn.errors import UserError
from cairn.settings.contract import Contract
from cairn.settings.data import DataConfig
from cairn.settings.split import ColumnSplit, GroupSplit, RandomSplit, TimeSplit

CONTRACT = Contract.model_validate({"key": ["id"], "columns": {"id": {"kind": "numeric"}}})
DATA = DataConfig.model_validate(
    {
        "name": "made",
        "source": "x",
        "contract": "y",
        "load": None,
        "task": "binary",
        "target": "y",
        "positive": None,
        "time": "at",
        "group": "who",
        "drop_where": {},
        "leakage": {"max_single_score": 0.95, "min_null_rows": 10, "trusted": []},
    }
)
TIME = TimeSplit(
    kind="time",
    train_from=None,
    validation_from="2020-03-01",
    test_from="2020-04-01",
    test_until=None,
    gap="0D",
)
RANDOM = RandomSplit(kind="random", validation=0.2, test=0.2, stratify=True, copies_together=True)
GROUP = GroupSplit(kind="group", validation=0.2, test=0.2)


def made(rows=1000, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "row_id": np.arange(rows),
            "id": np.arange(rows) + 7000,
            "at": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 121 * 24 * 60, rows), "min"),
            "who": rng.integers(0, max(rows // 10, 4), rows),
            "x": rng.normal(size=rows),
            "y": (rng.random(rows) < 0.2).astype("int8"),
        }
    )


def parts(table, split, seed=1, data=DATA):
    part = assign_parts(table, split, data, CONTRACT, seed)
    return part, {name: table[part == name] for name in ("train", "validation", "test")}


def test_a_time_split_cuts_at_its_dates():
    part, by = parts(made(), TIME)
    assert by["train"]["at"].max() < pd.Timestamp("2020-03-01") <= by["validation"]["at"].min()
    assert by["validation"]["at"].max() < pd.Timestamp("2020-04-01") <= by["test"]["at"].min()
    assert (part != "").all()


def test_the_dates_of_a_time_split_are_by_the_clock_of_the_column():
    table = made().assign(at=lambda t: t["at"].dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo"))
    _, by = parts(table, TIME.model_copy(update={"train_from": "2020-01-03", "test_until": "2020-04-20"}))
    cut = pd.Timestamp("2020-03-01", tz="Asia/Tokyo")
    assert by["train"]["at"].max() < cut <= by["validation"]["at"].min()


def test_a_gap_empties_the_time_before_each_later_part():
    split = TIME.model_copy(update={"gap": "3D"})
    part, by = parts(made(), split)
    assert by["train"]["at"].max() < pd.Timestamp("2020-02-27")
    assert by["validation"]["at"].max() < pd.Timestamp("2020-03-29")
    left_out = made().loc[part == "", "at"]
    assert len(left_out) == proof(made(), part, split, DATA, CONTRACT)["left_out"] > 0


def test_train_from_and_test_until_cut_off_both_ends():
    split = TIME.model_copy(update={"train_from": "2020-02-01", "test_until": "2020-04-20"})
    _, by = parts(made(), split)
    assert by["train"]["at"].min() >= pd.Timestamp("2020-02-01")
    assert by["test"]["at"].max() < pd.Timestamp("2020-04-20")


@given(st.integers(30, 400), st.floats(0.3, 0.6), st.floats(0.65, 0.9), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_a_time_split_by_shares_never_lets_the_future_into_the_past(rows, first, second, seed):
    table = made(rows, seed)
    split = TIME.model_copy(update={"validation_from": first, "test_from": second})
    part, by = parts(table, split)
    assert (
        by["train"]["at"].max()
        < by["validation"]["at"].min()
        <= by["validation"]["at"].max()
        < by["test"]["at"].min()
    )
    assert abs(len(by["train"]) / rows - first) < 0.15
    proof(table, part, split, DATA, CONTRACT)


@given(st.integers(60, 500), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_a_stratified_split_keeps_the_rate_of_the_target_in_every_part(rows, seed):
    table = made(rows, seed)
    _, by = parts(table, RANDOM, seed)
    for name, share in (("train", 0.6), ("validation", 0.2), ("test", 0.2)):
        for label in (0, 1):
            wanted = share * (table["y"] == label).sum()
            assert abs((by[name]["y"] == label).sum() - wanted) <= 1.01


def test_planted_copies_never_land_on_two_sides_of_a_random_split():
    table = made(300)
    copies = table.sample(200, random_state=0).assign(
        row_id=lambda t: t["row_id"] + 10_000, id=lambda t: t["id"] + 1e6
    )
    both = pd.concat([table, copies], ignore_index=True)
    part, _ = parts(both, RANDOM)
    sides = both.assign(part=part).groupby(["at", "who", "x"])["part"].nunique()
    assert (sides == 1).all()
    apart = RANDOM.model_copy(update={"copies_together": False})
    other, _ = parts(both, apart)
    assert (both.assign(part=other).groupby(["at", "who", "x"])["part"].nunique() > 1).any()


@given(st.integers(100, 500), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_a_group_split_never_cuts_a_group(rows, seed):
    table = made(rows, seed)
    part, by = parts(table, GROUP, seed)
    assert (table.assign(part=part).groupby("who")["part"].nunique() == 1).all()
    assert abs(len(by["test"]) / rows - 0.2) < 0.15


def test_the_seed_decides_a_random_split():
    first, second = (assign_parts(made(), RANDOM, DATA, CONTRACT, 5) for _ in range(2))
    assert first.equals(second)
    assert not first.equals(assign_parts(made(), RANDOM, DATA, CONTRACT, 6))


def test_the_proof_refuses_copies_on_two_sides():
    table = made(100)
    part, _ = parts(table, TIME)
    before = table.index[part == "train"][0]
    after = table.index[part == "test"][0]
    table.loc[after, ["at", "who", "x", "y"]] = table.loc[before, ["at", "who", "x", "y"]]
    with pytest.raises(UserError, match="1 copies are in more than one part"):
        proof(table, part, RANDOM, DATA, CONTRACT)


def test_equal_values_at_another_time_or_of_another_group_are_no_copies():
    table = made(400).assign(x=0.0, y=0)
    keyed = Contract.model_validate(
        {"key": ["at", "who"], "columns": {"at": {"kind": "datetime"}, "who": {"kind": "numeric"}}}
    )
    for split in (TIME, GROUP):
        part = assign_parts(table, split, DATA, keyed, 1)
        assert proof(table, part, split, DATA, keyed)["shared"]["copies"] == 0


def test_the_proof_refuses_a_row_and_a_group_on_two_sides():
    table = made(200)
    part, _ = parts(table, GROUP)
    table.loc[part == "test", "who"] = table.loc[part == "train", "who"].iloc[0]
    with pytest.raises(UserError, match="1 groups are in more than one part"):
        proof(table, part, GROUP, DATA, CONTRACT)
    table.loc[table.index[part == "test"][0], "row_id"] = table.loc[part == "train", "row_id"].iloc[0]
    with pytest.raises(UserError, match="1 rows are in more than one part"):
        proof(table, part, GROUP, DATA, CONTRACT)


@pytest.mark.parametrize("split", [RANDOM, TIME, GROUP])
def test_groups_that_other_splits_cut_are_counted(split):
    table = made(200)
    part, _ = parts(table, split)
    inside = table.assign(part=part)[part != ""]
    cut = (inside.groupby("who")["part"].nunique() > 1).sum()
    assert (cut > 0) == (split is not GROUP)
    assert proof(table, part, split, DATA, CONTRACT)["shared"]["groups"] == cut


def test_the_proof_refuses_a_part_that_begins_before_an_earlier_one_ends():
    table = made(200)
    part, _ = parts(table, TIME)
    table.loc[part == "validation", "at"] -= pd.Timedelta("9D")
    with pytest.raises(UserError, match=r"validation begins at .* before train ends"):
        proof(table, part, TIME, DATA, CONTRACT)


@pytest.mark.parametrize(
    ("column", "split", "message"),
    [("at", TIME, "data.time: at is missing"), ("who", GROUP, "data.group: who is")],
)
def test_a_row_without_time_or_group_stops_the_split(column, split, message):
    table = made(100)
    table[column] = table[column].where(table.index > 2)
    with pytest.raises(UserError, match=message):
        assign_parts(table, split, DATA, CONTRACT, 0)


def test_a_part_without_rows_stops_the_split():
    with pytest.raises(UserError, match="test would have no rows"):
        assign_parts(made(), TIME.model_copy(update={"test_from": "2021-01-01"}), DATA, CONTRACT, 0)


def test_a_regression_is_stratified_by_the_size_of_its_target():
    table = made(1000).assign(y=np.random.default_rng(0).exponential(size=1000))
    data = DATA.model_copy(update={"task": "regression"})
    _, by = parts(table, RANDOM, data=data)
    top = table["y"].quantile(0.9)
    assert (by["test"]["y"] > top).mean() == pytest.approx(0.1, abs=0.006)


LABELS = {"train_labels": ["train"], "validation_labels": ["dev"], "test_labels": ["test"], "validation": 0.2}
COLUMN = ColumnSplit(kind="column", column="part", **LABELS)


def published(rows=600):
    named = np.random.default_rng(3).choice(
        ["train", "dev", "test", "unused"], rows, p=[0.6, 0.15, 0.15, 0.1]
    )
    return made(rows).assign(part=named)


def test_a_published_split_is_as_the_column_says_and_other_labels_are_in_no_part():
    table = published()
    part, by = parts(table, COLUMN)
    assert {name: set(rows["part"]) for name, rows in by.items()} == {
        "train": {"train"}, "validation": {"dev"}, "test": {"test"},
    }  # fmt: skip
    record = proof(table, part, COLUMN, DATA, CONTRACT)
    assert record["left_out"] == (table["part"] == "unused").sum()
    assert record["shared"]["groups"] > 0  # counted, not promised
    copy = table.iloc[:1].assign(
        row_id=9999, id=9999, part="test" if table.loc[0, "part"] == "train" else "train"
    )
    both = pd.concat([table, copy], ignore_index=True)
    assert proof(both, parts(both, COLUMN)[0], COLUMN, DATA, CONTRACT)["shared"]["copies"] == 1


@pytest.mark.parametrize("group", ["who", None])
def test_without_labels_of_validation_a_share_of_train_is_drawn(group):
    data = DATA.model_copy(update={"group": group})
    split = COLUMN.model_copy(update={"train_labels": ["train", "dev"], "validation_labels": []})
    _, by = parts(published(), split, data=data)
    held = len(by["validation"]) / (len(by["train"]) + len(by["validation"]))
    assert 0.1 < held < 0.3 and set(by["test"]["part"]) == {"test"}
    assert (set(by["train"]["who"]) & set(by["validation"]["who"]) == set()) == (group == "who")


def test_folds_are_chosen_by_their_numbers():
    folds = {"train_labels": [0, 1, 2], "validation_labels": [3], "test_labels": [4]}
    table = made().assign(fold=np.arange(1000) % 5)
    _, by = parts(table, COLUMN.model_copy(update={"column": "fold", **folds}))
    assert by["test"]["fold"].eq(4).all() and len(by["train"]) == 600


def test_a_label_that_no_row_has_and_a_column_that_is_not_there_are_named():
    wrong = COLUMN.model_copy(update={"test_labels": ["tset"]})
    with pytest.raises(
        UserError, match=r"split.test_labels: part has no value 'tset'; did you mean 'test'\?"
    ):
        parts(published(), wrong)
    with pytest.raises(UserError, match=r"split.column: no column 'prat'; did you mean 'part'\?"):
        parts(published(), COLUMN.model_copy(update={"column": "prat"}))
    with pytest.raises(ValueError, match="'train' is a label of more than one part"):
        ColumnSplit(kind="column", column="part", **LABELS | {"test_labels": ["train"]})
