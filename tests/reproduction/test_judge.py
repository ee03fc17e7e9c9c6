"""Where a difference begins, and what only follows from it."""

import pandas as pd
import pytest

from cairn.reproduction.differences import difference
from cairn.reproduction.judge import Compared, in_order, judge, verdict
from cairn.reproduction.lock import Stage


def stage(name, deps, outs, cmd="run", **params):
    return Stage(name, cmd, deps, {f"params.yaml: {key}": value for key, value in params.items()}, outs)


def pipeline(*, conf="c", raw="r", settings="s", table="t", model="m", score="1", seed=1):
    stages = [  # as dvc.lock has them, not in the order in which they run
        stage("evaluate", {"model": model, "table/test": table}, {"score.json": score}),
        stage("train", {"table": table}, {"model": model}, seed=seed),
        stage("prepare", {"raw.csv": raw}, {"table": table}),
        stage("compose", {"conf": conf}, {"params.yaml": settings}),
    ]
    return {one.name: one for one in stages}


def names(result):
    return [one.path for one in result.changed]


def states(recorded, found):
    return {one.name: one.state for one in judge(recorded, found, {})}


def test_stages_come_after_those_that_they_read_from():
    order = in_order(pipeline())
    assert order.index("prepare") < order.index("train") < order.index("evaluate")
    assert order.index("compose") < order.index("train")


def test_a_difference_without_another_input_is_a_cause_and_what_reads_it_a_consequence():
    results = judge(pipeline(), pipeline(model="n", score="2"), {"train": 2.5})
    train, evaluate = results[-2:]
    assert (train.name, train.state, train.changed, train.seconds) == ("train", "cause", [], 2.5)
    assert (evaluate.state, evaluate.after) == ("consequence", ["train"])
    assert verdict(results, failed=False) == "different"


@pytest.mark.parametrize(
    ("found", "first", "changed"),
    [
        (pipeline(raw="q", table="u", model="n"), "prepare", ["raw.csv"]),
        (pipeline(conf="d", settings="z", seed=2, model="n"), "compose", ["conf"]),
    ],
)
def test_another_input_is_named_at_the_stage_that_reads_it(found, first, changed):
    results = {one.name: one for one in judge(pipeline(), found, {})}
    assert (results[first].state, names(results[first])) == ("cause", changed)
    assert (results["train"].state, results["train"].after) == ("consequence", [first])


def test_another_input_that_changes_nothing_is_reported_but_is_no_difference():
    results = judge(pipeline(), pipeline(raw="q"), {})
    assert [names(one) for one in results if one.name == "prepare"] == [["raw.csv"]]
    assert verdict(results, failed=False) == "identical"


def test_another_command_is_an_input():
    found = {**pipeline(model="n"), "train": stage("train", {"table": "t"}, {"model": "n"}, "walk", seed=1)}
    (train,) = [one for one in judge(pipeline(), found, {}) if one.name == "train"]
    assert train.state == "cause"
    assert train.changed == [Compared("command", "run", "walk")]


def test_what_has_no_record_or_did_not_run_is_not_called_identical():
    part = {name: one for name, one in pipeline().items() if name != "evaluate"}
    assert states(part, pipeline())["evaluate"] == "unrecorded"
    assert verdict(judge(part, pipeline(), {}), failed=False) == "undecided"
    assert states(pipeline(), part)["evaluate"] == "not run"
    assert verdict(judge(pipeline(), part, {}), failed=True) == "failed"
    assert verdict(judge({}, pipeline(), {}), failed=False) == "undecided"
    assert verdict([], failed=False) == "undecided"


def test_the_place_of_a_difference_is_found():
    old, new = b'{\n "a": 1,\n "b": 0.25\n}\n', b'{\n "a": 1,\n "b": 0.26\n}\n'
    assert difference("x.json", old, new) == {"line": 3, "recorded": '"b": 0.25', "found": '"b": 0.26'}
    assert difference("x.txt", b"a\n", b"a\nb\n") == {"line": 2, "recorded": "", "found": "b"}
    assert difference("x.bin", b"\xff\x00", b"\xff\x01") == {"byte": 1}


def test_the_columns_of_a_table_that_differ_are_named_with_the_largest_difference():
    table = pd.DataFrame({"id": [1, 2], "p": [0.5, 0.25]})
    other = table.assign(p=[0.5, 0.250001])
    found = difference("x.parquet", table.to_parquet(), other.to_parquet())
    assert found["columns"] == ["p"]
    assert found["largest"] == pytest.approx(1e-6)
    assert difference("x.parquet", table.to_parquet(), other[:1].to_parquet())["found"] == [1, 2]
