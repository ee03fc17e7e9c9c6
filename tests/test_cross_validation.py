"""Every fold is scored on rows that the model was neither fitted nor stopped on."""

import numpy as np
import pytest
from synthetic import CONTRACT, config, recipe, rows

from cairn.cross_validation import cross_validate
from cairn.data.folds import fold_rows
from cairn.errors import UserError
from cairn.settings.cross_validation import CrossValidationConfig


def settings(kind="kfold", folds=3):
    return CrossValidationConfig(kind=kind, folds=folds)


def data(**changes):
    return recipe(config("logistic"), CONTRACT, "late").data.model_copy(update=changes)


def test_kfold_scores_every_row_once_and_keeps_the_shares_of_the_classes():
    table = rows(300)
    folds = fold_rows(table, settings(), data(), seed=3)
    assert sorted(np.concatenate([scored for *_, scored in folds])) == list(range(300))
    for parts in folds:
        assert sorted(np.concatenate(parts)) == list(range(300))
        shares = [table["late"].iloc[part].mean() for part in parts]
        np.testing.assert_allclose(shares, table["late"].mean(), atol=0.01)


def test_kfold_keeps_groups_whole():
    table = rows(300)
    for parts in fold_rows(table, settings(), data(group="stop"), seed=3):
        names = [set(table["stop"].iloc[part]) for part in parts]
        assert sum(map(len, names)) == len(set.union(*names))


def test_rolling_fits_on_the_past_stops_on_the_next_period_and_scores_the_one_after():
    table = rows(300).assign(day=np.arange(300) // 7)
    folds = fold_rows(table, settings("rolling"), data(time="day"), seed=3)
    assert len(folds) == 3
    for fit, stop, scored in folds:
        days = [table["day"].iloc[part] for part in (fit, stop, scored)]
        assert days[0].max() < days[1].min()
        assert days[1].max() < days[2].min()


def test_folds_that_cannot_be_made_are_refused():
    with pytest.raises(UserError, match=r"rolling needs data\.time"):
        fold_rows(rows(50), settings("rolling"), data(), seed=3)
    with pytest.raises(UserError, match=r"cross_validation\.folds"):
        fold_rows(rows(50), settings(folds=40), data(group="línea"), seed=3)


def test_each_fold_has_its_sizes_and_the_scores_that_need_no_threshold():
    made = recipe(config("logistic"), CONTRACT, "late")
    folds = cross_validate(made, rows(600), settings())
    # A logistic regression does not stop early, so it is fitted on those rows too.
    assert [(fold["fit"], fold["rows"]) for fold in folds] == [(400, 200)] * 3
    assert all(fold["roc_auc"] > 0.9 for fold in folds)
    assert "f1" not in folds[0]
