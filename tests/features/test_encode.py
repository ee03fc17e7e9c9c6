"""Columns become numbers: which ones, in which order, and whatever the rows hold."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats
from sklearn.ensemble import HistGradientBoostingClassifier

from cairn.errors import UserError
from cairn.features.encode import UNSEEN, build_encoder, categorical_positions
from cairn.features.select import select_features
from cairn.settings.contract import Column, Contract
from cairn.settings.features import FeaturesConfig, SelectionConfig
from cairn.settings.model import Encoding

CONTRACT = Contract(
    columns={
        "size": Column(kind="numeric", group="body", nullable=True),
        "city": Column(kind="categorical", group="place"),
        "open": Column(kind="boolean", group="place"),
        "code": Column(kind="categorical", group="place"),
        "seen_at": Column(kind="datetime"),
        "paid": Column(kind="numeric", known="after"),
    }
)
FEATURES = ["size", "city", "open", "code"]
FRAME = pd.DataFrame(
    {
        "size": [1.0, np.nan, 4.0, 5.0, 9.0, 5.0],
        "city": ["Łódź", "東京", None, "Łódź", "Łódź", "東京"],
        "open": [True, False, True, True, False, True],
        "code": [1, "1", 1.0, True, "b", None],
    }
)


def encoding(numeric="passthrough", categorical="ordinal", min_frequency=1, max_categories=255):
    return Encoding(
        numeric=numeric, categorical=categorical, min_frequency=min_frequency, max_categories=max_categories
    )


def fitted(frame=FRAME, features=FEATURES, **choices):
    encoder = build_encoder(CONTRACT, features, encoding(**choices))
    encoder.fit(frame)
    return encoder


def choose(groups=None, exclude=(), target="paid"):
    every = SelectionConfig(kind="none", keep=1)
    features = FeaturesConfig(groups=groups, exclude=list(exclude), selection=every)
    return select_features(CONTRACT, target, features)


def test_features_are_the_grouped_columns_in_the_order_of_the_contract():
    assert choose() == ["size", "city", "open", "code"]
    assert choose(groups=["place"], exclude=["open"]) == ["city", "code"]


def test_the_target_is_never_a_feature_of_itself():
    assert "city" not in choose(target="city")


def test_a_choice_without_features_gives_one_line():
    with pytest.raises(UserError, match="no column is left") as error:
        choose(groups=["body"], exclude=["size"])
    assert "\n" not in str(error.value)


def test_a_date_cannot_be_a_feature_and_the_message_gives_the_fix():
    with pytest.raises(ValueError, match="derive numbers"):
        Column(kind="datetime", group="time")


def test_numbers_come_first_then_booleans_then_codes():
    matrix = fitted().transform(FRAME)
    assert matrix.dtype == np.float64
    assert matrix.flags.c_contiguous
    np.testing.assert_array_equal(matrix[:, 0], FRAME["size"])
    np.testing.assert_array_equal(matrix[:, 1], [1, 0, 1, 1, 0, 1])
    assert categorical_positions(fitted()) == [2, 3]


def test_each_category_has_its_code_missing_one_of_its_own_and_unseen_another():
    encoder = fitted()
    city = encoder.transform(FRAME)[:, 2]
    assert city[0] == city[3] == city[4]
    assert city[1] == city[5]
    assert len(set(city)) == 3
    new = FRAME.assign(city="Köln", code="zz")
    assert (encoder.transform(new)[:, 2:] == UNSEEN).all()


def test_1_and_1_point_0_and_the_text_1_are_one_category_and_true_is_another():
    code = fitted().transform(FRAME)[:, 3]
    assert code[0] == code[1] == code[2] != code[3]


def test_rare_categories_share_one_code_and_codes_stay_below_the_limit():
    many = pd.DataFrame({"city": [f"c{i}" for i in range(400)] * 2 + ["once"]})
    codes = fitted(many, ["city"], min_frequency=2, max_categories=255).transform(many)[:, 0]
    assert set(codes) == set(range(255))
    HistGradientBoostingClassifier(max_iter=1, categorical_features=[0]).fit(
        codes[:, None], np.arange(801) % 2
    )


def test_standard_is_the_textbook_formula_with_the_median_for_missing_numbers():
    matrix = fitted(features=["size"], numeric="standard").transform(FRAME)
    filled = np.array([1, 5, 4, 5, 9, 5.0])
    np.testing.assert_allclose(matrix[:, 0], (filled - filled.mean()) / filled.std())
    np.testing.assert_array_equal(matrix[:, 1], [0, 1, 0, 0, 0, 0])


def test_quantile_draws_any_distribution_to_a_bell_curve():
    skewed = pd.DataFrame({"size": np.random.default_rng(0).lognormal(size=4000)})
    spread = fitted(skewed, ["size"], numeric="quantile").transform(skewed)[:, 0]
    assert stats.kstest(spread, "norm").statistic < 0.01
    assert stats.spearmanr(spread, skewed["size"]).statistic > 0.999


def test_quantile_leaves_a_boolean_on_the_scale_of_the_others():
    assert np.abs(fitted(numeric="quantile", features=["open"]).transform(FRAME)).max() < 3


def test_onehot_is_what_pandas_makes_of_the_column():
    full = FRAME.dropna(subset=["city"])
    ours = fitted(full, ["city"], categorical="onehot").transform(full)
    np.testing.assert_array_equal(ours, pd.get_dummies(full["city"]).to_numpy())


def test_onehot_takes_an_unseen_category_for_a_rare_one():
    encoder = fitted(features=["city"], categorical="onehot", min_frequency=2)
    unseen, rare = encoder.transform(pd.DataFrame({"city": ["Köln", None]}))
    np.testing.assert_array_equal(unseen, rare)
    assert categorical_positions(encoder) == []


def test_many_onehot_columns_are_sparse_where_the_estimator_can_take_that():
    many = pd.DataFrame({"city": [f"c{i}" for i in range(50)]})
    onehot = encoding(categorical="onehot")
    thin = build_encoder(CONTRACT, ["city"], onehot, sparse=True).fit_transform(many)
    assert sparse.issparse(thin)
    np.testing.assert_array_equal(
        thin.toarray(), build_encoder(CONTRACT, ["city"], onehot).fit_transform(many)
    )


@pytest.mark.parametrize("numeric", ["passthrough", "standard", "quantile"])
@pytest.mark.parametrize("categorical", ["ordinal", "onehot"])
@pytest.mark.filterwarnings("ignore:n_quantiles")
class TestEveryEncoding:
    def test_one_row_alone_is_encoded_as_among_others(self, numeric, categorical):
        encoder = fitted(numeric=numeric, categorical=categorical)
        together = encoder.transform(FRAME)
        alone = [encoder.transform(FRAME.iloc[[i]])[0] for i in range(len(FRAME))]
        np.testing.assert_array_equal(alone, together)

    def test_the_order_of_columns_and_other_columns_do_not_matter(self, numeric, categorical):
        encoder = fitted(numeric=numeric, categorical=categorical)
        mixed = FRAME[FEATURES[::-1]].assign(paid=3.0)
        np.testing.assert_array_equal(encoder.transform(mixed), encoder.transform(FRAME))

    def test_a_row_without_any_value_is_encoded(self, numeric, categorical):
        empty = pd.DataFrame({name: [None] for name in FEATURES})
        row = fitted(numeric=numeric, categorical=categorical).transform(empty)
        assert np.isfinite(row).all() == (numeric != "passthrough")

    def test_a_column_without_any_value_in_train_is_no_error(self, numeric, categorical):
        empty = FRAME.assign(size=np.nan, city=None)
        encoder = fitted(empty, numeric=numeric, categorical=categorical)
        assert len(encoder.transform(FRAME)) == len(FRAME)

    def test_a_single_row_can_be_fitted(self, numeric, categorical):
        encoder = fitted(FRAME.iloc[[0]], numeric=numeric, categorical=categorical)
        assert len(encoder.transform(FRAME)) == len(FRAME)

    def test_infinite_counts_as_missing(self, numeric, categorical):
        encoder = fitted(numeric=numeric, categorical=categorical)
        np.testing.assert_array_equal(
            encoder.transform(FRAME.assign(size=np.inf)), encoder.transform(FRAME.assign(size=np.nan))
        )


CELL = st.one_of(st.none(), st.text(max_size=3), st.integers(-3, 3), st.booleans(), st.floats(width=16))


@settings(max_examples=60, deadline=None)
@given(st.lists(CELL, min_size=1, max_size=30), st.lists(CELL, min_size=1, max_size=30), st.integers(2, 6))
def test_no_category_is_an_error_or_a_code_out_of_range(train, later, most):
    encoder = fitted(pd.DataFrame({"city": train}, dtype=object), ["city"], max_categories=most)
    codes = encoder.transform(pd.DataFrame({"city": later}, dtype=object))
    assert ((codes >= UNSEEN) & (codes < most) & (codes % 1 == 0)).all()
    seen = encoder.transform(pd.DataFrame({"city": train}, dtype=object))
    assert (seen >= 0).all()
