"""The bootstrap: every draw is the metric of that draw's rows, and intervals cover what they say."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from resamples import draw_counts
from scipy.stats import norm
from sklearn.metrics import average_precision_score, roc_auc_score

from cairn.metrics import bootstrap as module
from cairn.metrics.bootstrap import Resampling, bootstrap, bootstrap_sums, interval, p_value
from cairn.metrics.scores import METRICS, score
from cairn.metrics.slices import MISSING, slice_levels, slice_scores, small_levels
from cairn.metrics.weighted import GroupedRanking, Ranking


def example(task, n=240, seed=0):
    rng = np.random.default_rng(seed)
    if task == "regression":
        y = 1e6 + rng.normal(0, 5, n).round(1)
        return y, y + rng.normal(0, 2, n)
    if task == "binary":
        p = rng.integers(0, 33, n) / 32
        return (rng.random(n) < p).astype(int), p
    p = rng.dirichlet([1, 1, 1], n)
    return np.where(rng.random(n) < 0.6, p.argmax(axis=1), rng.integers(0, 3, n)), p


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("blocked", [True, False])
def test_every_draw_is_the_metric_of_the_rows_drawn(task, blocked):
    y, p = example(task)
    blocks = np.random.default_rng(9).integers(0, 12, len(y)) if blocked else None
    draws = bootstrap(task, y, {"m": p}, Resampling(6, 3, blocks), thresholds={"m": 0.4})["m"]
    codes = np.arange(len(y)) if blocks is None else blocks
    for draw, counts in enumerate(draw_counts(codes, 6, 3)):
        rows = np.repeat(np.arange(len(y)), counts[codes])
        expected = score(task, y[rows], p[rows], threshold=0.4)
        assert {name: values[draw] for name, values in draws.items()} == pytest.approx(expected, rel=1e-6)


weighted_row = st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 3))


@settings(max_examples=200, deadline=None)
@given(st.lists(weighted_row, min_size=2, max_size=25))
def test_weighted_areas_with_ties_agree_with_scikit_learn(rows):
    y, p, w = (np.array(column, dtype=int) for column in zip(*rows, strict=True))
    roc_auc, pr_auc = Ranking(y == 1, p.astype(float), None).areas(w[:, None].astype(np.int32))
    if len(set(y[w > 0])) < 2:
        assert np.isnan([roc_auc[0], pr_auc[0]]).all()
    else:
        assert roc_auc[0] == pytest.approx(roc_auc_score(y, p, sample_weight=w))
        assert pr_auc[0] == pytest.approx(average_precision_score(y, p, sample_weight=w))


@pytest.mark.parametrize(
    ("rate", "weighted", "tied"), [(0.3, False, 0), (0.003, True, 0), (0.3, True, 0.6), (0.3, False, 0.9)]
)
def test_groups_of_a_long_ranking_give_the_areas_of_its_rows_within_a_part_of_their_spread(
    rate, weighted, tied
):
    rng = np.random.default_rng(0)
    n = 100_000
    signal = rng.normal(size=n)
    p = 1 / (1 + np.exp(-2 * signal - np.log(rate / (1 - rate))))
    y, blocks = rng.random(n) < p, rng.permutation(n) % 1000
    p = np.maximum(p, np.quantile(p, tied))
    weights = rng.integers(1, 4, n).astype(float) if weighted else None
    counts = rng.multinomial(1000, np.full(1000, 1 / 1000), 20).T.astype(np.int32)
    found = GroupedRanking(y, p, blocks, weights).areas(counts)
    copies = counts[blocks] * (1 if weights is None else weights[:, None])
    for area, drawn in zip((roc_auc_score, average_precision_score), found, strict=True):
        exact = np.array([area(y, p, sample_weight=w) for w in copies.T])
        assert np.abs(drawn - exact).max() < 0.05 * exact.std()


@given(st.lists(weighted_row, min_size=2, max_size=25))
def test_few_scores_are_groups_of_their_own_with_the_areas_of_their_rows(rows):
    y, p, w = (np.array(column, dtype=int) for column in zip(*rows, strict=True))
    arguments = (y == 1, p.astype(float), np.arange(len(y)))
    counts = w[:, None].astype(np.int32)
    exact, found = Ranking(*arguments).areas(counts), GroupedRanking(*arguments).areas(counts)
    np.testing.assert_allclose(found, exact, rtol=1e-12)


def test_a_draw_without_a_class_leaves_that_class_out_of_the_mean():
    y, p = np.array([0, 1, 2, 0, 1, 1]), np.random.default_rng(0).dirichlet([1, 1, 1], 6)
    draws = bootstrap("multiclass", y, {"m": p}, Resampling(60, 0))["m"]
    for draw, counts in enumerate(draw_counts(np.arange(6), 60, 0)):
        rows = np.repeat(np.arange(6), counts)
        found = {name: values[draw] for name, values in draws.items()}
        assert found == pytest.approx(score("multiclass", y[rows], p[rows]), nan_ok=True, abs=1e-6)


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not():
    y, p = example("binary")
    runs = [bootstrap("binary", y, {"m": p}, Resampling(20, seed))["m"] for seed in (1, 1, 2)]
    for name in runs[0]:
        assert runs[0][name].tobytes() == runs[1][name].tobytes()
        assert runs[0][name].tobytes() != runs[2][name].tobytes()


def test_the_draws_do_not_depend_on_how_much_memory_they_are_cut_into(monkeypatch):
    y, p = example("binary")
    whole = bootstrap("binary", y, {"m": p}, Resampling(20, 1))["m"]
    monkeypatch.setattr(module, "CHUNK_CELLS", 3 * len(y))
    monkeypatch.setattr("cairn.metrics.weighted.CACHED_CELLS", 2 * len(y))
    cut = bootstrap("binary", y, {"m": p}, Resampling(20, 1))["m"]
    assert all(whole[name].tobytes() == cut[name].tobytes() for name in whole)


def test_a_draw_takes_as_many_blocks_as_there_are():
    sums = bootstrap_sums(np.ones((70, 1)), Resampling(30, 0, np.arange(70) % 7))
    assert sums.shape == (30, 1)
    assert (sums == 70).all()


def test_the_rows_of_a_long_table_are_dealt_into_blocks_that_give_the_spread_of_independent_rows():
    values = np.random.default_rng(0).exponential(size=module.MOST_ALONE + 1)
    blocks = module.dealt(len(values), None, 5)
    assert np.bincount(blocks).min() == 20
    means = bootstrap_sums(np.column_stack([values, np.ones(len(values))]), Resampling(1000, 0, blocks))
    spread = (means[:, 0] / means[:, 1]).std()
    assert spread == pytest.approx(values.std() / len(values) ** 0.5, rel=0.1)
    assert module.dealt(module.MOST_ALONE, None, 5) is None
    assert module.dealt(10**6, blocks, 5) is blocks


def test_a_model_differs_from_itself_by_exactly_nothing():
    y, p = example("binary")
    draws = bootstrap("binary", y, {"a": p, "b": p.copy()}, Resampling(30, 0))
    for name in draws["a"]:
        difference = draws["a"][name] - draws["b"][name]
        assert (difference == 0).all()
        assert p_value(difference) == 1


def test_models_are_resampled_together():
    y, p = example("binary", n=2000)
    noise = np.random.default_rng(1).normal(0, 0.01, len(p))
    draws = bootstrap("binary", y, {"a": p, "b": (p + noise).clip(0, 1)}, Resampling(200, 0))
    difference = draws["a"]["roc_auc"] - draws["b"]["roc_auc"]
    assert difference.std() < 0.2 * draws["a"]["roc_auc"].std()


def covers(metric, make, truth, repeats=300):
    """The share of simulated samples whose 90 % interval holds the truth."""
    rng, inside = np.random.default_rng(11), 0
    for repeat in range(repeats):
        task, y, p = make(rng)
        draws = bootstrap(task, y, {"m": p}, Resampling(300, repeat), metrics=[metric])["m"][metric]
        low, high = interval(draws, 0.9)
        inside += low <= truth <= high
    return inside / repeats


# 300 samples have a Monte-Carlo error of 1.7 points; the percentile interval of 150 rows is a little narrow.
def test_the_90_percent_interval_covers_a_known_auc():
    def make(rng):
        y = np.repeat([0, 1], [100, 50])
        return "binary", y, norm.cdf(rng.normal(size=150) + y)

    assert 0.84 <= covers("roc_auc", make, norm.cdf(1 / np.sqrt(2))) <= 0.95


def test_the_90_percent_interval_covers_a_known_mean():
    def make(rng):
        return "regression", np.zeros(150) + 1, 1 + rng.normal(size=150)

    assert 0.84 <= covers("mae", make, np.sqrt(2 / np.pi)) <= 0.95


def test_drawing_days_gives_a_wider_interval_than_drawing_rows_where_rows_of_a_day_are_alike():
    rng = np.random.default_rng(0)
    day = np.repeat(np.arange(40), 50)
    error = rng.normal(size=40)[day] + 0.3 * rng.normal(size=2000)
    width = {}
    for name, blocks in {"days": day, "rows": None}.items():
        draws = bootstrap("regression", np.ones(2000), {"m": 1 + error}, Resampling(300, 0, blocks))
        low, high = interval(draws["m"]["mae"])
        width[name] = high - low
    assert width["days"] > 3 * width["rows"]


def test_sums_are_drawn_from_the_same_resamples_as_scores():
    y, p = example("regression")
    blocks = np.arange(len(y)) // 7
    columns = np.column_stack([np.abs(p - y), np.ones(len(y))])
    for codes in (blocks, None):
        drawn = bootstrap_sums(columns, Resampling(25, 4, codes))
        mae = bootstrap("regression", y, {"m": p}, Resampling(25, 4, codes), metrics=["mae"])["m"]["mae"]
        assert drawn[:, 0] / drawn[:, 1] == pytest.approx(mae)


def test_a_metric_the_bootstrap_has_no_formula_for_is_recomputed_on_the_rows(monkeypatch):
    y, p = example("binary", n=60)
    plain = METRICS["accuracy"]
    monkeypatch.setitem(METRICS, "mine", plain)
    draws = bootstrap("binary", y, {"m": p}, Resampling(5, 0, np.arange(60) // 4))["m"]
    assert draws["mine"] == pytest.approx(draws["accuracy"])


def test_a_row_without_a_block_is_refused():
    y, p = example("binary", n=4)
    with pytest.raises(ValueError, match="1 rows belong to no block"):
        bootstrap("binary", y, {"m": p}, Resampling(5, 0, np.array([0, -1, 1, 1])))


def test_undefined_draws_are_left_out_of_the_interval():
    draws = np.append(np.arange(101.0), [np.nan] * 2)
    assert interval(draws, 0.9) == pytest.approx((5, 95))
    assert np.isnan(interval(np.append(draws, np.nan), 0.9)).all()  # 3 of 104: too few events to go by
    assert np.isnan(interval(np.full(3, np.nan))).all()


def test_the_p_value_is_small_when_all_draws_agree_and_large_when_they_do_not():
    assert p_value(np.full(999, 0.1)) == pytest.approx(2 / 1000)
    assert p_value(np.random.default_rng(0).normal(size=999)) > 0.5


def test_slices_see_the_same_days_as_the_whole():
    y, p = example("binary", n=600)
    days = np.arange(600) // 20
    other = np.full(600, y.mean())
    models = {"m": p, "base": other}
    frame = pd.DataFrame({"part": np.where(days % 2 == 0, "even", "odd")})
    found = slice_scores(
        "binary",
        y,
        models,
        frame,
        Resampling(40, 5, days),
        model="m",
        reference="base",
        min_rows=10,
    ).set_index(["level", "metric"])
    rows = days % 2 == 0
    counts = draw_counts(days, 40, 5)
    losses = -np.log(np.where(y == 1, p, 1 - p).clip(2.3e-16, 1)) + np.log(np.where(y == 1, other, 1 - other))
    gains = [-np.average(losses[rows], weights=w[days][rows]) for w in counts]
    even = found.loc[("even", "log_loss")]
    assert (even["low"], even["high"]) == pytest.approx(interval(np.array(gains)))
    assert even["gain"] == pytest.approx(-losses[rows].mean())
    assert even["mean"] == pytest.approx(y[rows].mean())
    assert found.loc[("odd", "roc_auc"), "value"] == pytest.approx(roc_auc_score(y[~rows], p[~rows]))


def test_slices_have_the_primary_metric_whatever_it_is():
    y, p = example("binary", n=600)
    models = {"m": p, "base": np.full(600, y.mean())}
    frame = pd.DataFrame({"part": np.where(np.arange(600) % 2 == 0, "even", "odd")})
    for primary, alone in (("pr_auc", average_precision_score), ("accuracy", None), ("roc_auc", None)):
        found = slice_scores(
            "binary", y, models, frame, Resampling(40, 5, None), model="m", reference="base", min_rows=10,
            primary=primary, thresholds={"m": 0.3, "base": 0.5},
        )  # fmt: skip
        assert list(dict.fromkeys(found["metric"]))[:2] == ["roc_auc", "log_loss"]
        value = found.set_index(["level", "metric"]).loc[("even", primary), "value"]
        if alone:
            assert value == pytest.approx(alone(y[::2], p[::2]))
        if primary == "accuracy":
            assert value == pytest.approx(((p[::2] >= 0.3) == y[::2]).mean())


def test_levels_of_a_column():
    strings = pd.Series(["b", "a", None, "b", "a", "c"], index=[5, 5, 1, 0, 2, 3])
    assert {level: rows.tolist() for level, rows in slice_levels(strings, 1).items()} == {
        "a": [1, 4], "b": [0, 3], "c": [5], MISSING: [2],
    }  # fmt: skip
    assert list(slice_levels(strings, 2)) == ["a", "b"]
    table = pd.DataFrame({"text": strings.to_numpy(), "even": [1, 1, 1, 2, 2, 2]})
    assert small_levels(table, 2) == {"text": {"levels": 2, "rows": 2}}
    assert small_levels(table, 1) == {}
    assert list(slice_levels(pd.Series([10, 9, 10, 9]), 1)) == ["9", "10"]
    quartiles = slice_levels(pd.Series(np.arange(400.0)), 1)
    assert [len(rows) for rows in quartiles.values()] == [100] * 4
