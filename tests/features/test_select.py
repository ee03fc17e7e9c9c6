"""Columns are selected on train only: noise is dropped, and only one of several copies is kept."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score
from synthetic import TARGETS, config, recipe, rows

from cairn.features.select import _information, choose_columns
from cairn.models.package import class_labels, target_values
from cairn.settings.contract import Column, Contract
from cairn.settings.features import SelectionConfig

NOISE = [f"noise{i}" for i in range(6)]
SIGNAL = ["load", "night", "línea"]
KINDS = {
    "load": "numeric",
    "copy": "numeric",
    "night": "boolean",
    "línea": "categorical",
    "many": "categorical",
}
KINDS |= dict.fromkeys(NOISE, "numeric")
CONTRACT = Contract(
    columns={name: Column(kind=kind, group="g", nullable=True) for name, kind in KINDS.items()}
)


def table(count=3000, seed=0) -> pd.DataFrame:
    """Rows with signal, an exact copy of the best column, noise, and a noisy category of many values."""
    rng = np.random.default_rng([seed, 1])
    noise = {name: rng.normal(size=count) for name in NOISE}
    many = rng.choice([f"m{i}" for i in range(150)], count)
    return rows(count, seed).assign(**noise, many=many).assign(copy=lambda frame: frame["load"])


def chosen(frame, features, kind, keep, task="binary"):
    target = frame[TARGETS[task]]
    y = target_values(target, task, class_labels(target, task))
    selection = SelectionConfig(kind=kind, keep=keep)
    return choose_columns(
        frame, y, features, contract=CONTRACT, task=task, selection=selection, seed=3, threads=1
    )


def fitted(selection, train=None, validation=None):
    made = recipe(config("logistic"), CONTRACT, "late", selection=selection)
    return made.fit(table() if train is None else train, validation)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["univariate", "recursive"])
@pytest.mark.parametrize("task", TARGETS)
def test_noise_is_dropped_and_signal_of_every_kind_kept(kind, task):
    features = ["many", *NOISE, *SIGNAL]
    assert chosen(table(), features, kind, 3, task) == SIGNAL


@pytest.mark.parametrize("kind", ["univariate", "recursive"])
def test_only_one_of_two_copies_is_kept_in_any_unit(kind):
    frame = table()
    frame["copy"] = 1.8 * frame["load"] + 32
    left = chosen(frame, [*NOISE, "load", "copy", "night", "línea"], kind, 3)
    assert {"night", "línea"} < set(left)
    assert len({"load", "copy"} & set(left)) == 1


def test_missing_values_can_be_the_signal():
    frame = table()
    frame["noise0"] = frame["noise0"].where(frame["late"] == 0)
    assert chosen(frame, list(KINDS), "univariate", 1) == ["noise0"]


@pytest.mark.slow
@settings(max_examples=5, deadline=None)
@given(st.permutations(list(KINDS)), st.sampled_from(["univariate", "recursive"]))
def test_the_order_of_the_columns_does_not_matter(order, kind):
    frame = table(600)
    left = chosen(frame[[*order, "late"]], order, kind, 4)
    assert set(left) == set(chosen(frame, list(KINDS), kind, 4))
    assert left == [name for name in order if name in left]


@pytest.mark.slow
def test_information_is_less_its_mean_over_shuffled_targets():
    frame = table(1000)
    rng = np.random.default_rng(0)
    codes = np.stack(
        [pd.factorize(frame[name].astype(str))[0] for name in ("línea", "many", "night")], axis=1
    )
    y = frame["late"].to_numpy()
    expected = []
    for column in codes.T:
        shuffled = [mutual_info_score(rng.permutation(y), column) for _ in range(400)]
        expected.append(mutual_info_score(y, column) - np.mean(shuffled))
    np.testing.assert_allclose(_information(codes, y), expected, atol=0.001)
    assert mutual_info_score(y, codes[:, 1]) > 0.05


def test_only_rows_that_are_fitted_on_matter():
    lying = table(900, seed=9).assign(noise0=lambda frame: frame["late"], load=0.0)
    selection = SelectionConfig(kind="univariate", keep=3)
    assert fitted(selection, validation=lying).features == fitted(selection).features
    assert "noise0" in fitted(selection, train=lying).features


@pytest.mark.parametrize(("keep", "count"), [(4, 4), (0.5, 6), (0.01, 1), (99, len(KINDS))])
def test_the_package_needs_only_the_selected_columns(keep, count):
    package = fitted(SelectionConfig(kind="univariate", keep=keep))
    assert len(package.features) == count
    frame = table(50, seed=4)
    np.testing.assert_array_equal(package.scores(frame), package.scores(frame[package.features]))


def test_without_selection_every_feature_is_kept():
    assert fitted(SelectionConfig(kind="none", keep=1)).features == list(KINDS)
