"""Contributions against the definition: the mean change a player makes, over all orders of the players."""

from dataclasses import replace
from functools import cache
from itertools import chain, permutations

import numpy as np
import pytest
from synthetic import fit, rows

from cairn.errors import UserError
from cairn.models import contributions as module
from cairn.models.compiled import compile_model
from cairn.models.contributions import background_of, contributions, explain_rows, groups_of
from cairn.models.package import reference_rows

BACKGROUND = np.random.default_rng(1).normal(size=(7, 6))
ROWS = np.random.default_rng(2).normal(size=(3, 6))
GROUPS = {"a": {"x": [0], "y": [1, 2]}, "b": {"z": [3]}, "c": {"v": [4], "w": [5]}}


def crooked(matrix):
    """A score with interactions of three columns inside groups and between them; column 5 does nothing."""
    a, b, c, d, e, _ = matrix.T
    return a * b * d + np.maximum(c, e) * a + np.sin(d * e)


def worth(score, row, background, places):
    mixed = background.copy()
    mixed[:, places] = row[places]
    return score(mixed).mean()


def by_orders(score, row, background, players):
    """Shapley values by their definition; players is a list of lists of orders' blocks."""
    total, count = dict.fromkeys(players, 0.0), 0
    for order in permutations(players):
        taken, before, count = [], worth(score, row, background, []), count + 1
        for player in order:
            taken = [*taken, *players[player]]
            now = worth(score, row, background, taken)
            total[player] += now - before
            before = now
    return {name: value / count for name, value in total.items()}


def in_blocks(score, row, background, groups):
    """The Owen value by its definition: over the orders in which the columns of a group are neighbours."""
    total, count = {}, 0
    orders = [[]]
    for order in permutations(groups):
        orders = [[]]
        for group in order:
            orders = [[*known, *inner] for known in orders for inner in permutations(groups[group].items())]
        for columns in orders:
            taken, before, count = [], worth(score, row, background, []), count + 1
            for name, places in columns:
                taken = [*taken, *places]
                now = worth(score, row, background, taken)
                total[name] = total.get(name, 0.0) + now - before
                before = now
    return {name: value / count for name, value in total.items()}


def test_groups_get_their_shapley_values_and_columns_their_owen_values():
    found = contributions(crooked, ROWS, BACKGROUND, GROUPS)
    wholes = {name: list(chain(*columns.values())) for name, columns in GROUPS.items()}
    for at, row in enumerate(ROWS):
        for name, value in by_orders(crooked, row, BACKGROUND, wholes).items():
            assert found.groups[name][at] == pytest.approx(value, abs=1e-12)
        expected = in_blocks(crooked, row, BACKGROUND, GROUPS)
        for columns in found.columns.values():
            for name, values in columns.items():
                assert values[at] == pytest.approx(expected[name], abs=1e-12)


def adds_up(found):
    total = sum(found.groups.values())
    np.testing.assert_allclose(total, found.prediction - found.base, atol=1e-12)
    for group, columns in found.columns.items():
        np.testing.assert_allclose(sum(columns.values()), found.groups[group], atol=1e-12)


@pytest.mark.parametrize(("groups", "few"), [(10, 256), (10, 0), (1, 0)], ids=["exact", "single", "orders"])
def test_contributions_add_up_and_a_column_that_is_not_used_gets_nothing(monkeypatch, groups, few):
    monkeypatch.setattr(module, "MOST_GROUPS", groups)
    monkeypatch.setattr(module, "FEW", few)
    found = contributions(crooked, ROWS, BACKGROUND, GROUPS)
    adds_up(found)
    assert found.columns["c"]["w"] == pytest.approx(0, abs=1e-12)
    assert found.prediction == pytest.approx(crooked(ROWS))
    assert found.base == pytest.approx(crooked(BACKGROUND).mean())


def test_columns_that_do_the_same_get_the_same():
    def both(matrix):
        return matrix[:, 0] * matrix[:, 1] + matrix[:, 2]

    background = np.column_stack([BACKGROUND[:, [0, 0]], BACKGROUND[:, 2:]])
    row = np.array([[0.7, 0.7, 1, 0, 0, 0]])
    groups = {"a": {"x": [0]}, "b": {"y": [1]}, "c": {"z": [2], "w": [3]}}
    found = contributions(both, row, background, groups)
    assert found.groups["a"] == pytest.approx(found.groups["b"])


def test_one_column_at_a_time_is_exact_where_columns_interact_in_pairs(monkeypatch):
    def pairs(matrix):
        return matrix[:, 0] * matrix[:, 1] + matrix[:, 1] * matrix[:, 3] - matrix[:, 4] ** 2

    exact = contributions(pairs, ROWS, BACKGROUND, GROUPS)
    monkeypatch.setattr(module, "FEW", 0)
    quick = contributions(pairs, ROWS, BACKGROUND, GROUPS)
    for group, columns in exact.columns.items():
        for name, values in columns.items():
            np.testing.assert_allclose(quick.columns[group][name], values, atol=1e-12)


def test_many_groups_are_sampled_near_the_exact_values_and_always_alike(monkeypatch):
    exact = contributions(crooked, ROWS, BACKGROUND, GROUPS, within=False)
    monkeypatch.setattr(module, "MOST_GROUPS", 2)
    monkeypatch.setattr(module, "ORDERS", 200)
    first, again = (contributions(crooked, ROWS, BACKGROUND, GROUPS, within=False) for _ in range(2))
    for name, values in exact.groups.items():
        np.testing.assert_allclose(first.groups[name], values, atol=0.1)
        np.testing.assert_array_equal(first.groups[name], again.groups[name])
    assert first.columns == {}


@cache
def compiled(name, task):
    made = fit(name, task)
    return compile_model(replace(made, reference=reference_rows(made, rows(300, seed=1))))


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("logistic", "multiclass"),
        ("hist_gbdt", "binary"),
        ("hist_gbdt", "multiclass"),
        ("extra_trees", "regression"),
        ("mlp", "regression"),
    ],
)
def test_contributions_of_every_model_add_up_to_its_prediction(name, task):
    model, table = compiled(name, task), rows(3, seed=4)
    background, matrix = background_of(model), model.matrix(table)
    np.testing.assert_allclose(model.scores(matrix), model.package.scores(table), rtol=1e-12)
    found = explain_rows(model, matrix, background)
    adds_up(found)
    scores = model.package.scores(table)
    expected = scores.max(axis=1) if task == "multiclass" else scores
    np.testing.assert_allclose(found.prediction, expected, atol=1e-9)
    assert set(found.columns["g"]) == set(model.package.features)
    assert len(background) == 50


def test_the_column_that_decides_contributes_most():
    model = compiled("hist_gbdt", "regression")
    table = rows(1, seed=4).assign(load=3.0, noise=0.0)
    found = explain_rows(model, model.matrix(table), background_of(model)).columns["g"]
    assert found["load"][0] == max(values[0] for values in found.values()) > 1
    assert abs(found["noise"][0]) < 0.3


def test_groups_are_those_of_the_contract():
    model = compiled("logistic", "binary")
    places = groups_of(model)["g"]
    assert sorted(chain(*places.values())) == list(range(model.encoder.width))


def test_a_model_without_reference_rows_is_refused():
    model = compiled("logistic", "binary")
    with pytest.raises(UserError, match="reference"):
        background_of(replace(model, package=replace(model.package, reference=None)))
