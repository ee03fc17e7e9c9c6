"""The combinations of a sweep; DVC's own expansion of the same overrides is the oracle."""

import pytest
from dvc.utils.hydra import get_hydra_sweeps
from hydra.errors import HydraException
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.errors import UserError
from cairn.experiments.sweep import combinations

PLAIN = st.one_of(
    st.integers(-99, 99).map(str),
    st.floats(-1e6, 1e6, allow_nan=False).map(repr),
    st.sampled_from(["mlp", "hist_gbdt", "null", "true", "'a b'", '"x,y"', "[1,2]", "{a:1}", "1e-5", "a:b"]),
)
LISTS = st.lists(PLAIN, min_size=2, max_size=4).map(",".join)
RANGES = st.tuples(st.integers(-5, 5), st.integers(1, 6), st.integers(1, 3)).map(
    lambda r: f"range({r[0]},{r[0] + r[1]},{r[2]})"
)
CHOICES = st.lists(PLAIN, min_size=1, max_size=3).map(lambda values: f"choice({','.join(values)})")
SORTED = st.lists(st.integers(0, 9).map(str), min_size=2, max_size=4).map(lambda v: f"sort({','.join(v)})")
VALUES = st.one_of(PLAIN, LISTS, RANGES, CHOICES, SORTED)
KEYS = st.sampled_from(["seed", "model", "+new", "model.params.x", "model@baseline.linear", "data.until"])
WORDS = st.lists(st.tuples(KEYS, VALUES).map("=".join), min_size=1, max_size=3)


@settings(deadline=None)
@given(WORDS)
def test_overrides_list_the_combinations_that_dvc_lists(words):
    try:
        dvc = [found["params.yaml"] for found in get_hydra_sweeps({"params.yaml": words})]
    except HydraException:  # choice(null), for one
        with pytest.raises(UserError, match="cannot be read"):
            combinations(words)
    else:
        assert [list(found) for found in combinations(words)] == dvc


@settings(deadline=None)
@given(st.lists(st.integers(), min_size=2, max_size=5, unique=True))
def test_shuffled_values_list_the_same_combinations_in_some_order(values):
    shuffled = combinations([f"seed=shuffle({','.join(map(str, values))})"])
    assert sorted(shuffled) == sorted((f"seed={value}",) for value in values)


def test_the_first_override_is_the_slowest_and_a_range_excludes_its_stop():
    assert combinations(["model=a,b", "seed=range(1,3)"]) == [
        ("model=a", "seed=1"),
        ("model=a", "seed=2"),
        ("model=b", "seed=1"),
        ("model=b", "seed=2"),
    ]


def test_a_deletion_stays_one_that_hydra_accepts():
    assert combinations(["~model.params.x", "seed=1,2"]) == [
        ("seed=1", "~model.params.x"),
        ("seed=2", "~model.params.x"),
    ]


def test_all_overrides_without_a_list_of_values_are_named():
    with pytest.raises(UserError) as error:
        combinations(["lr=interval(0,1)", "seed=1,2", "model=glob(*)", "x=[1"])
    first, second, third = str(error.value).splitlines()
    assert first.startswith("-S lr=interval(0,1): ")
    assert "cairn search" in first
    assert second.startswith("-S model=glob(*): ")
    assert third.startswith("-S x=[1: cannot be read")
