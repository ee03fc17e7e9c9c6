"""Contributions of a model whose inputs are computed by data.derive, against all orders of its groups."""

from dataclasses import replace
from functools import cache
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from http_service import in_thread
from synthetic import TARGETS, config, recipe, rows

from cairn.data.load import derived
from cairn.models.contributions import BACKGROUND_ROWS
from cairn.models.package import reference_rows, save
from cairn.serve.predictor import Predictor
from cairn.settings.contract import Column, Contract

CONTRACT = Contract(
    columns={
        "when": Column(kind="datetime"),
        "load": Column(kind="numeric", group="freight", nullable=True),
        "noise": Column(kind="numeric"),
        "stop": Column(kind="categorical"),
        "hour": Column(kind="numeric", group="time"),
        "weekend": Column(kind="boolean", group="time"),
        "heavy": Column(kind="boolean", group="freight", nullable=True),
        "line": Column(kind="categorical", group="place"),
    }
)
DERIVE = {
    "hour": "when.dt.hour",
    "weekend": "when.dt.day_of_week > 4",
    "heavy": "load > noise",
    "line": "stop.str[:2]",
}
GROUPS = {"freight": ["load", "heavy"], "time": ["hour", "weekend"], "place": ["line"]}


@cache
def model(name, task):
    """A model of synthetic rows with dates, and its rows after data.derive."""
    table = rows().assign(when=pd.date_range("2024-01-01", periods=1500, freq="7h"))
    made = recipe(config(name), CONTRACT, TARGETS[task], task)
    made = replace(made, data=made.data.model_copy(update={"derive": DERIVE}))
    table = derived(table[["when", "load", "noise", "stop", TARGETS[task]]], made.data, CONTRACT)
    package = made.fit(table)
    package = replace(package, config=package.config | {"kpi": {"kind": "none"}})
    return replace(package, reference=reference_rows(package, table)), table


def as_sent(table):
    source = table[["when", "load", "noise", "stop"]].astype({"when": str}).astype(object)
    return source.where(source.notna(), None).to_dict("records")


def shapley(package, row, background, output):
    """Return the mean change that each group makes to the mean score, over all orders of the groups."""

    def score(mixed):
        found = package.scores(mixed)
        return (found if output is None else found[:, output]).mean()

    total = dict.fromkeys(GROUPS, 0.0)
    orders = list(permutations(GROUPS))
    for order in orders:
        mixed, before = background, score(background)
        for group in order:
            mixed = mixed.copy()
            for name in GROUPS[group]:
                mixed[name] = pd.Series([row[name]] * len(mixed), mixed.index, dtype=mixed[name].dtype)
            now = score(mixed)
            total[group] += (now - before) / len(orders)
            before = now
    return total


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("hist_gbdt", "binary"),
        ("hist_gbdt", "multiclass"),
        ("hist_gbdt", "regression"),
        ("logistic", "binary"),
    ],
)
def test_groups_get_their_shapley_values_and_all_add_up(name, task):
    package, table = model(name, task)
    predictor = Predictor(package)
    assert predictor.compiled is None and "data.derive" in predictor.plain_because
    some = table.iloc[[3, 17, 40]]
    found = predictor.explain(as_sent(some))
    spaced = np.unique(np.linspace(0, len(package.reference) - 1, BACKGROUND_ROWS).astype(int))
    background = package.with_derived(package.reference.iloc[spaced])[package.features]
    scores, means = package.scores(some), package.scores(background).mean(axis=0)
    for at in range(len(some)):
        output = int(scores[at].argmax()) if task == "multiclass" else None
        base = means if output is None else means[output]
        expected = scores[at] if output is None else scores[at, output]
        assert found.prediction[at] == pytest.approx(expected, abs=1e-12)
        assert found.base[at] == pytest.approx(base, abs=1e-12)
        assert sum(values[at] for values in found.groups.values()) == pytest.approx(expected - base, abs=1e-9)
        for group, value in shapley(package, some.iloc[at], background, output).items():
            assert found.groups[group][at] == pytest.approx(value, abs=1e-9)
            columns = found.columns[group]
            assert list(columns) == GROUPS[group]
            assert sum(values[at] for values in columns.values()) == pytest.approx(value, abs=1e-9)


def test_the_service_explains_the_derived_columns_of_rows_with_odd_values(tmp_path):
    package, table = model("hist_gbdt", "binary")
    save(package, tmp_path / "model")
    sent = as_sent(table.iloc[:2])
    sent.append(sent[0] | {"load": None})
    with in_thread(str(tmp_path / "model")) as (client, _):
        said = client.predict({"rows": sent, "explain": True}).json["predictions"]
        (alone,) = client.predict({"rows": sent[2:], "explain": True}).json["predictions"]
        assert client.get("/model").json["contributions"] == "available"
        wrong = client.predict({"rows": [sent[0] | {"when": "soon"}], "explain": True})
    assert alone == said[2]
    for one in said:
        given = one["contributions"]
        assert list(given["columns"]) == ["load", "heavy", "hour", "weekend", "line"]
        change = one["probability"] - given["baseline"]
        assert sum(given["columns"].values()) == pytest.approx(change, abs=1e-9)
    assert wrong.status == 200 and wrong.json["predictions"][0]["violations"]
