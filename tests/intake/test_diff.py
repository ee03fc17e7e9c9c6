"""What changed between two snapshots: against counting by hand, the definitions, and simulated chance."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.errors import UserError
from cairn.intake import diff
from cairn.intake.diff import changes
from cairn.report.diff import to_markdown, to_text

VALUE = st.sampled_from(["a", "b", None])
ROWS = st.lists(st.tuples(st.integers(0, 2), VALUE), max_size=12)


def table(rows, columns=("n", "word")) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(columns))
    return frame.astype({"n": "int64", "word": "str"}) if "word" in columns else frame


def column(found, name):
    return next(change for change in found.columns if change.name == name)


@settings(max_examples=40, deadline=None)
@given(ROWS, ROWS, st.randoms())
def test_rows_that_came_and_went_are_those_a_counter_finds(old, new, random):
    random.shuffle(new)
    found = changes(table(old), table(new)).rows
    before, now = Counter(old), Counter(new)
    assert (found.added, found.removed) == ((now - before).total(), (before - now).total())
    assert (found.old, found.new, found.changed) == (len(old), len(new), None)


@settings(max_examples=40, deadline=None)
@given(*[st.dictionaries(st.integers(0, 9), VALUE)] * 2)
def test_rows_with_a_key_are_told_apart_by_it(old, new):
    found = changes(table(list(old.items())), table(list(new.items())), key=["n"]).rows
    if len(new) and len(old):
        assert found.changed == sum(old[key] != new[key] for key in old.keys() & new.keys())
    assert (found.added, found.removed) == (len(new.keys() - old.keys()), len(old.keys() - new.keys()))


def test_a_key_that_names_no_single_row_is_not_used():
    found = changes(table([(1, "a"), (1, "b")]), table([(1, "a"), (1, "c")]), key=["n"])
    assert (found.rows.key, found.rows.added, found.rows.removed) == ((), 1, 1)
    with pytest.raises(UserError, match="key: wrd is not in both snapshots; did you mean 'word"):
        changes(table([]), table([]), key=["wrd"])


def test_the_same_values_kept_in_another_way_are_no_change():
    old = pd.DataFrame({"n": [1, 2], "day": pd.to_datetime(["2024-01-01", "2024-01-02"]), "word": ["a", "b"]})
    new = old.astype({"n": "float64", "day": "datetime64[s]", "word": "category"})
    found = changes(old.astype({"day": "datetime64[us]"}), new)
    assert (found.rows.added, found.rows.removed) == (0, 0)
    assert found.retyped == []


def test_values_of_another_type_are_named_even_where_some_are_missing():
    old = pd.DataFrame({"n": [1, 2, 3], "yes": [True, False, True], "code": [7, 8, 9], "gone": [1, 2, 3]})
    new = pd.DataFrame(
        {"n": [1.5, None, 3], "yes": [None, True, True], "code": ["7", "8", "9"], "gone": None}
    )
    assert changes(old, new).retyped == [("n", "whole number", "number"), ("code", "whole number", "text")]
    assert changes(old, old.astype({"n": "float64"})).retyped == []


def test_columns_that_came_and_went_are_named_and_do_not_count_as_changed_rows():
    old = pd.DataFrame({"n": [1, 2], "fax": ["a", "b"]})
    found = changes(old, pd.DataFrame({"mail": [0.5, 1.5], "n": [2, 1]}))
    assert (found.added, found.removed) == ({"mail": "number"}, {"fax": "text"})
    assert (found.rows.added, found.rows.removed) == (0, 0)


@settings(max_examples=50, deadline=None)
@given(*[st.lists(st.integers(-3, 3), min_size=1, max_size=30)] * 2)
def test_the_distance_of_numbers_is_the_largest_gap_of_the_distribution_functions(old, new):
    found = column(changes(pd.DataFrame({"n": old}), pd.DataFrame({"n": new})), "n")
    gaps = [abs(np.mean(np.array(old) <= at) - np.mean(np.array(new) <= at)) for at in range(-3, 4)]
    assert found.distance == pytest.approx(max(gaps))


def test_the_distance_of_categories_is_the_share_of_rows_with_another_level():
    old = pd.DataFrame({"word": ["a"] * 50 + ["b"] * 50 + [None] * 100})
    new = pd.DataFrame({"word": ["a"] * 20 + ["b"] * 50 + ["c"] * 30 + [None] * 20})
    found = column(changes(old, new), "word")
    assert found.distance == pytest.approx(0.3)
    assert found.missing == pytest.approx((0.5, 1 / 6))
    assert (found.moved, found.more_missing) == (True, True)
    assert found.notes == ("new: c (30 rows)",)


def test_numbers_far_outside_their_old_range_are_named():
    old, new = pd.DataFrame({"n": range(101)}), pd.DataFrame({"n": [*range(100), 1048]})
    assert column(changes(old, new), "n").notes == ("up to 1048, was 100",)
    assert column(changes(old, pd.DataFrame({"n": range(106)})), "n").notes == ()


@pytest.mark.slow
def test_chance_alone_raises_no_alarm_and_a_true_shift_does():
    random = np.random.default_rng(0)
    alarms = {"same": 0, "other": 0}
    for _ in range(100):
        levels = random.choice(20, size=(2, 80)).astype(str)
        numbers = random.normal(size=(2, 80))
        for name, shift in (("same", 0.0), ("other", 1.5)):
            old = pd.DataFrame({"n": numbers[0], "word": levels[0]})
            new = pd.DataFrame({"n": numbers[1] + shift, "word": np.where(shift, "0", levels[1])})
            alarms[name] += sum(change.moved for change in changes(old, new).columns)
    # Two columns, 100 pairs: once in a thousand each is 0.2 alarms expected.
    assert alarms["same"] <= 2
    assert alarms["other"] == 200


def test_free_text_dates_and_empty_columns_have_no_distance():
    days = pd.date_range("2024-01-01", periods=10)
    old = pd.DataFrame({"name": [f"a{i}" for i in range(10)], "day": days, "none": [None] * 10})
    found = changes(old, old.assign(day=days + pd.Timedelta(days=5), name=old["name"] + "x"))
    assert {change.name: change.kind for change in found.columns} == {
        "name": "text", "day": "moment", "none": "category",
    }  # fmt: skip
    assert all(change.distance is None and not change.worth_a_word for change in found.columns)
    assert column(found, "day").typical == ("2024-01-10 00:00", "2024-01-15 00:00")


@pytest.mark.parametrize("rows", [[], [(1, "a")]])
def test_an_empty_snapshot_can_be_compared(rows):
    found = changes(table([]), table(rows))
    assert found.rows.added == len(rows)
    assert to_text(found, "t")


def test_the_text_shows_what_a_person_should_look_at():
    old = pd.DataFrame({"id": range(200), "n": range(200), "word": ["a|b", "c"] * 100, "fax": 1})
    new = pd.DataFrame({"id": range(10, 230), "n": 500.5, "word": ["a|b", "c"] * 110})
    found = changes(old, new, key=["id"])
    text = to_text(found, "loans:")
    assert text.splitlines()[:5] == [
        "loans:",
        "200 rows before, 220 now: 30 added, 10 removed, 190 changed (by id)",
        "column removed: fax (whole number)",
        "type changed: n: whole number -> number",
        "1 of 2 columns to look at: n",
    ]
    assert "moved; up to 500.5, was 199" in " ".join(text.split())
    assert "word" not in text
    assert "word" in to_text(found, "loans:", every_column=True)
    assert r"a\|b" in to_markdown(found, "loans", every_column=True)
    assert to_text(changes(old, old), "x").splitlines()[1:] == [
        "200 rows, the same as before",
        "no column has moved",
    ]


def test_a_source_is_compared_as_its_contract_reads_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(diff, "bring", lambda path, revision, folder: Path(revision))
    for name, last in (("old", "-"), ("new", "7,5")):
        lines = "".join(f"{i},5;{'?-'[i % 2]}\n" for i in range(40))
        Path(f"{name}.csv").write_text(f"n;word\n{lines}{last};b\n", encoding="utf-8")
    for folder in ("data", "contract"):
        Path("conf", folder).mkdir(parents=True)
    Path("conf/data/mine.yaml").write_text(
        "data:\n  source: data/raw/mine.csv\n  contract: conf/contract/mine.yaml\n"
        "  load: {_target_: pandas.read_csv, sep: ';', decimal: ','}\n",
        encoding="utf-8",
    )
    Path("conf/contract/mine.yaml").write_text(
        "columns:\n  n: {kind: numeric, missing: ['-']}\n  word: {kind: categorical, missing: ['?']}\n",
        encoding="utf-8",
    )
    found = diff.compare_versions("data/raw/mine.csv", "old.csv", "new.csv")
    assert found.retyped == [] and column(found, "n").kind == "number"
    assert column(found, "n").missing == pytest.approx((1 / 41, 0.0))
    assert column(found, "word").missing == pytest.approx((20 / 41, 20 / 41))
