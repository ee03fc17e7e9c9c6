"""Raw rows predicted as `evaluate` predicts them, and what is wrong with them said."""

import logging
import math
from dataclasses import replace
from datetime import datetime
from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier
from synthetic import CONTRACT, MODELS, TARGETS, config, fit, recipe, rows

from cairn.data.load import derived, parsed
from cairn.models.calibration import calibrate
from cairn.models.package import reference_rows
from cairn.serve.fields import Field
from cairn.serve.predictor import Predictor
from cairn.settings.contract import Column, Contract

RAW = ["load", "noise", "night", "línea", "stop"]


@cache
def package(name="hist_gbdt", task="binary", method="none"):
    made = calibrate(fit(name, task), rows(600, seed=1), method)
    return replace(made, reference=reference_rows(made, rows(600, seed=1)))


def odd_rows():
    """Rows with missing values and categories that train does not have."""
    table = rows(200, seed=5)[RAW]
    table.loc[::5, "stop"] = "s99"
    table.loc[::9, "línea"] = None
    return table


def as_dicts(table):
    records = table.astype(object).where(table.notna(), None).to_dict("records")
    return [
        {name: getattr(value, "item", lambda v=value: v)() for name, value in row.items()} for row in records
    ]


@pytest.mark.slow
@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize("name", MODELS)
def test_every_model_predicts_the_same_bits_one_by_one_and_as_a_table(name, task):
    model, table = package(name, task), odd_rows()
    expected = model.scores(table)
    predictor = Predictor(model)
    alone = np.concatenate([predictor.rows([row]).scores for row in as_dicts(table)[:40]])
    np.testing.assert_array_equal(predictor.table(pa.Table.from_pandas(table)).scores, expected)
    np.testing.assert_array_equal(predictor.rows(as_dicts(table)).scores, expected)
    np.testing.assert_array_equal(alone, expected[:40])


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_a_calibrated_model_predicts_the_same_bits_from_its_trees(method, task):
    model, table = package("hist_gbdt", task, method), odd_rows()
    predictor = Predictor(model)
    assert predictor.compiled is not None and predictor.compiled.trees is not None
    alone = np.concatenate([predictor.rows([row]).scores for row in as_dicts(table)[:40]])
    np.testing.assert_array_equal(alone, model.scores(table)[:40])
    np.testing.assert_array_equal(predictor.table(pa.Table.from_pandas(table)).scores, model.scores(table))


class Squared(HistGradientBoostingClassifier):
    """A classifier that does with its trees what the compiled model does not know of."""

    def predict_proba(self, X):
        event = super().predict_proba(X)[:, 1] ** 2
        return np.column_stack([1 - event, event])


def test_a_compiled_model_that_differs_is_not_used(caplog):
    model = package("hist_gbdt")
    estimator = Squared()
    estimator.__dict__.update(model.estimator.__dict__)
    model = replace(model, estimator=estimator)
    with caplog.at_level(logging.INFO):
        predictor = Predictor(model)
    assert predictor.compiled is None
    assert "differs" in predictor.plain_because and predictor.plain_because in caplog.text
    np.testing.assert_array_equal(predictor.rows(as_dicts(odd_rows())).scores, model.scores(odd_rows()))


def test_a_model_without_reference_rows_is_not_compiled():
    predictor = Predictor(replace(package("hist_gbdt"), reference=None))
    assert predictor.compiled is None and "reference rows" in predictor.plain_because
    np.testing.assert_array_equal(
        predictor.rows(as_dicts(odd_rows())).scores, package("hist_gbdt").scores(odd_rows())
    )


GOOD = {"load": 0.5, "noise": 1, "night": True, "línea": "Ω", "stop": "s1"}
WRONG = [
    ("load", None, None),
    ("load", "high", "is not a number"),
    ("load", True, "is not a number"),
    ("load", 10**400, "is not finite"),
    ("load", math.inf, "is not finite"),
    ("noise", None, "missing"),
    ("night", 1, None),
    ("night", 2, "is not true or false"),
    ("night", "yes", "is not true or false"),
    ("línea", None, None),
    ("línea", 3, None),
    ("línea", "ß", "was not seen in training"),
    ("stop", ["s1"], "is not a text or a number"),
]


@pytest.mark.parametrize(("column", "value", "reason"), WRONG)
@pytest.mark.parametrize("name", ["hist_gbdt", "mlp"])
def test_what_is_wrong_with_a_value_is_said_and_the_row_predicted(name, column, value, reason):
    found = Predictor(package(name)).rows([GOOD, GOOD | {column: value}])
    said = [violation[:3] for violation in found.violations]
    assert said == ([(1, column, reason)] if reason else [])
    assert np.isfinite(found.scores).all() and not found.refused.any()


def test_a_value_outside_the_bounds_is_said_and_used():
    bounded = dict(CONTRACT.columns) | {
        "noise": CONTRACT.columns["noise"].model_copy(update={"min": -1, "max": 1})
    }
    made = recipe(config("hist_gbdt"), Contract(columns=bounded), "late").fit(rows(), rows(600, seed=1))
    made = replace(made, reference=reference_rows(made, rows(600, seed=1)))
    found = Predictor(made).rows([GOOD | {"noise": -2.5}, GOOD | {"noise": 7}, GOOD])
    assert [v[:3] for v in found.violations] == [(0, "noise", "is below -1"), (1, "noise", "is above 1")]
    frame = pd.DataFrame([GOOD | {"noise": -2.5}, GOOD | {"noise": 7}, GOOD])
    np.testing.assert_array_equal(found.scores, made.scores(frame))


def test_each_policy_does_with_a_wrong_row_what_it_says():
    given_rows = [GOOD, GOOD | {"load": "high"}]
    flagged = Predictor(package(), "flag").rows(given_rows)
    ignored = Predictor(package(), "ignore").rows(given_rows)
    refused = Predictor(package(), "refuse").rows(given_rows)
    assert [len(p.violations) for p in (flagged, ignored, refused)] == [1, 0, 1]
    np.testing.assert_array_equal(flagged.scores, ignored.scores)
    assert refused.refused.tolist() == [False, True]
    assert refused.scores[0] == flagged.scores[0] and np.isnan(refused.scores[1])


@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize("name", MODELS)
def test_no_row_to_predict_is_no_prediction(name, task):
    predictor, table = Predictor(package(name, task), "refuse"), pa.Table.from_pandas(rows(4)[RAW])
    assert len(predictor.table(table.slice(0, 0)).scores) == 0
    found = predictor.rows([GOOD | {"load": "high"}])
    assert found.refused.all() and np.isnan(found.scores).all()
    assert found.scores.shape[1:] == package(name, task).scores(rows(4)).shape[1:]


@pytest.mark.parametrize("policy", ["flag", "ignore"])
def test_a_row_that_the_estimator_cannot_take_has_no_prediction(policy):
    contract = Contract(
        columns={"a": Column(kind="numeric", group="g"), "b": Column(kind="numeric", group="g")}
    )
    table = rows().rename(columns={"noise": "a"}).assign(b=1.0)
    settings_of = config("logistic")
    encoding = settings_of.encoding.model_copy(update={"numeric": "passthrough"})
    made = recipe(settings_of.model_copy(update={"encoding": encoding}), contract, "late").fit(table)
    made = replace(made, reference=reference_rows(made, table.head(50)))
    found = Predictor(made, policy).rows([{"a": 1.0, "b": 1.0}, {"a": None, "b": 1.0}])
    assert found.refused.tolist() == [False, True]
    assert np.isnan(found.scores[1]) and [v.row for v in found.violations] == [1]


def test_a_column_that_a_table_lacks_is_wrong_in_every_row():
    table = pa.Table.from_pandas(odd_rows().head(3).drop(columns="noise"))
    found = Predictor(package()).table(table)
    assert [v.row for v in found.violations if v.column == "noise"] == [0, 1, 2]


def test_inputs_that_are_derived_are_computed_from_the_raw_columns():
    contract = Contract(
        columns={
            "when": Column(kind="datetime", format="%d.%m.%Y %H:%M"),
            "load": Column(kind="numeric", nullable=True),
            "hour": Column(kind="numeric", group="g"),
            "heavy": Column(kind="numeric", group="g", nullable=True),
        }
    )
    derive = {"hour": "when.dt.hour", "heavy": "(load > 0) * 1"}
    moments = pd.date_range("2024-01-01", periods=1500, freq="47min")
    table = rows()[["load", "late"]].assign(when=moments)
    table = table.assign(hour=table["when"].dt.hour, heavy=(table["load"] > 0).astype(float))
    table["heavy"] = table["heavy"].mask(table["load"].isna())
    made = recipe(config("hist_gbdt"), contract, "late")
    made = replace(made, data=made.data.model_copy(update={"derive": derive})).fit(table)
    made = replace(made, reference=reference_rows(made, table))
    assert made.source_columns == ["when", "load"] and made.features == ["hour", "heavy"]
    expected = made.scores(table)
    raw = table[["when", "load"]].assign(when=table["when"].dt.strftime("%d.%m.%Y %H:%M"))
    np.testing.assert_array_equal(made.scores(raw), expected)
    predictor = Predictor(made)
    np.testing.assert_array_equal(predictor.table(pa.Table.from_pandas(raw)).scores, expected)
    found = predictor.rows([*as_dicts(raw.head(3)), {"when": "2024-01-01", "load": 1.0}])
    np.testing.assert_array_equal(found.scores[:3], expected[:3])
    assert [v[:2] for v in found.violations] == [(3, "when")]


@pytest.mark.parametrize("written", ["unix", "unix_ms", "%d.%m.%Y", None])
def test_a_date_of_another_form_is_wrong_and_does_not_change_how_the_others_are_read(written):
    column = Column(kind="datetime", format=written)
    right = {"unix": 1704067200, "unix_ms": "1704067200000", "%d.%m.%Y": "01.01.2024", None: "2024-01-01"}
    read = Field("when", column).reader()
    value, wrong = read(right[written])
    assert wrong == "" and value == pd.Timestamp("2024-01-01")
    other = "01/02/2024" if written is None else "2024-01-01T00:00:00+09:00"
    for value in (other, "x", "NaT", True, [], math.inf):
        assert read(value)[0] is None and "is not a date" in read(value)[1], value


DATED = Contract(
    columns={
        "when": Column(kind="datetime", nullable=True),
        "load": Column(kind="numeric", nullable=True),
        "size": Column(kind="numeric"),
        "hour": Column(kind="numeric", group="g", nullable=True),
        "digits": Column(kind="numeric", group="g", nullable=True),
        "heavy": Column(kind="numeric", group="g", nullable=True),
    }
)
DERIVE = {
    "hour": "when.dt.hour + when.dt.day_of_week / 10",
    "digits": "size.astype('str').str.len()",  # 3 is shorter than 3.0
    "heavy": "load.abs() > 1",
}
OFFSETS = ["", "Z", "+09:00", "-03:30"]
DATES = st.builds(
    "{:%Y-%m-%dT%H:%M:%S}{}".format,
    st.datetimes(pd.Timestamp("2023-01-01"), pd.Timestamp("2025-01-01")),
    st.sampled_from(OFFSETS),
)
DATED_ROWS = st.fixed_dictionaries(
    {
        "when": st.one_of(st.none(), st.just("soon"), DATES),
        "load": st.one_of(st.none(), st.floats(-3, 3)),
        "size": st.one_of(st.integers(1, 200), st.none(), st.just(2.5)),
    }
)


@cache
def dated(*offsets):
    """A model whose table had dates with these offsets, as text; its rows before and after preparing."""
    given_rows = rows()[["load"]].assign(size=np.arange(1500) % 120)
    moments = pd.date_range("2024-01-01", periods=1500, freq="47min").strftime("%Y-%m-%dT%H:%M:%S")
    given_rows["when"] = [moment + offsets[at % len(offsets)] for at, moment in enumerate(moments)]
    made = recipe(config("hist_gbdt"), DATED, "late")
    made = replace(made, data=made.data.model_copy(update={"derive": DERIVE}))
    table = derived(parsed(given_rows, DATED), made.data, DATED)
    event = (table["hour"] % 7 + table["digits"] + table["load"].fillna(0) > 5).astype(int)
    package = made.fit(table.assign(late=event))
    return given_rows, table, replace(package, reference=reference_rows(package, table))


PRICED = Contract(
    columns={
        "load": Column(kind="numeric", group="g", nullable=True),
        "price": Column(kind="numeric", group="g", nullable=True, decimal=",", thousands=".", unit="€"),
    }
)


def test_numbers_written_as_text_are_predicted_as_the_table_that_was_prepared():
    prices = np.round(np.random.default_rng(3).gamma(2, 800, 1500), 2)
    written = [f"{price:,.2f} €".translate(str.maketrans(",.", ".,")) for price in prices]
    raw = rows()[["load"]].assign(price=written)
    table = parsed(raw, PRICED)
    np.testing.assert_array_equal(table["price"], prices)
    made = recipe(config("hist_gbdt"), PRICED, "late")
    package = made.fit(table.assign(late=(table["price"] + 500 * table["load"].fillna(0) > 1600).astype(int)))
    model = replace(package, reference=reference_rows(package, table), raw=PRICED)
    predictor, some = Predictor(model), raw.iloc[::30]
    expected = model.scores(table.iloc[::30])
    assert predictor.compiled is not None and len(np.unique(expected)) > 10
    for given_rows in (some, some.assign(price=prices[::30])):
        np.testing.assert_array_equal(predictor.rows(as_dicts(given_rows)).scores, expected)
        np.testing.assert_array_equal(predictor.table(pa.Table.from_pandas(given_rows)).scores, expected)
    text = pa.Table.from_pandas(some.astype({"load": "str"}))
    np.testing.assert_array_equal(predictor.table(text, text=True).scores, expected)
    np.testing.assert_array_equal(model.scores(model.with_derived(some)), expected)
    for wrong in ("5 $", "1,063.5"):
        for found in (
            predictor.rows([{"load": 1.0, "price": wrong}]),
            predictor.table(pa.table({"load": ["1.0"], "price": [wrong]}), text=True),
        ):
            assert [(v.column, v.reason) for v in found.violations] == [("price", "is not a number")]


TABLES = [[""], ["Z"], ["+09:00"], ["+09:00", "-03:30"], ["", "Z"]]


@pytest.mark.slow
@pytest.mark.parametrize("offsets", TABLES, ids="|".join)
def test_rows_one_by_one_are_predicted_as_the_table_that_was_prepared_at_once(offsets):
    given_rows, table, model = dated(*offsets)
    predictor = Predictor(model)
    expected = model.scores(table.iloc[::30])
    assert len(np.unique(expected)) > 10
    found = [predictor.rows([row]).scores[0] for row in as_dicts(given_rows.iloc[::30])]
    np.testing.assert_array_equal(found, expected)
    text = pa.Table.from_pandas(given_rows.iloc[::30].astype({"size": str}))
    np.testing.assert_array_equal(predictor.table(text, text=True).scores, expected)


@pytest.mark.slow
@pytest.mark.parametrize("offsets", [*TABLES, []], ids="|".join)
@settings(max_examples=25, deadline=None)
@given(drawn=st.lists(DATED_ROWS, min_size=2, max_size=5))
def test_a_row_alone_is_predicted_as_among_others(offsets, drawn):
    model = dated(*offsets)[2] if offsets else replace(dated("")[2], reference=None)
    predictor = Predictor(model)
    alone = [predictor.rows([row]) for row in drawn]
    together = predictor.rows(drawn)
    np.testing.assert_array_equal(together.scores, np.concatenate([one.scores for one in alone]))
    assert [v[1:] for v in together.violations] == [v[1:] for one in alone for v in one.violations]


FRAMED = st.fixed_dictionaries(
    {
        "when": st.one_of(st.none(), DATES, st.datetimes(datetime(2023, 1, 1), datetime(2025, 1, 1))),
        "load": st.floats(-3, 3),
        "size": st.integers(1, 200),
    }
)


@pytest.mark.slow
@pytest.mark.parametrize("offsets", TABLES, ids="|".join)
@settings(max_examples=15, deadline=None)
@given(drawn=st.lists(FRAMED, min_size=2, max_size=5))
def test_a_row_of_a_frame_is_predicted_as_alone_and_as_by_the_service(offsets, drawn):
    model = dated(*offsets)[2]
    frame = pd.DataFrame(drawn).astype({"when": object})
    together = model.scores(frame)
    alone = [model.scores(frame.iloc[[at]]) for at in range(len(frame))]
    np.testing.assert_array_equal(together, np.concatenate(alone))
    np.testing.assert_array_equal(together, Predictor(model).rows(drawn).scores)


def test_a_date_that_derive_makes_has_the_clock_of_train_in_every_row():
    contract = Contract(
        columns={
            "day": Column(kind="categorical"),
            "zone": Column(kind="categorical"),
            "when": Column(kind="datetime"),
            "hour": Column(kind="numeric", group="g"),
        }
    )
    table = rows().assign(day=[f"2024-01-{1 + at % 28:02}T{at % 24:02}:00" for at in range(1500)])
    table["zone"] = np.where(table["load"] > 0, "+00:00", "+05:00")
    made = recipe(config("hist_gbdt"), contract, "late")
    derive = {"when": "day + zone", "hour": "when.dt.hour"}
    made = replace(made, data=made.data.model_copy(update={"derive": derive}))
    prepared = derived(table, made.data, contract)
    assert str(prepared["when"].dtype.tz) == "UTC"
    model = made.fit(prepared.assign(late=(prepared["hour"] % 5 > 1).astype(int)))
    model = replace(model, reference=reference_rows(model, prepared))
    expected = model.scores(prepared.iloc[:40])
    source = table[["day", "zone"]].iloc[:40]
    assert len(np.unique(expected)) > 1
    alone = np.concatenate([model.scores(source.iloc[[at]]) for at in range(40)])
    np.testing.assert_array_equal(alone, expected)
    predictor = Predictor(model)
    found = [predictor.rows([row]).scores[0] for row in as_dicts(source)]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("offsets", "hour"), [([""], 14), (["Z"], 14), (["+09:00"], 23), (["+09:00", "Z"], 14)], ids=str
)
def test_a_date_with_an_offset_is_read_by_the_clock_of_train(offsets, hour):
    read = Predictor(dated(*offsets)[2]).fields["when"].reader()
    assert read("2024-01-01T23:00:00+09:00")[0].hour == hour
    assert read(pd.Timestamp("2024-01-01T23:00:00+09:00"))[0].hour == hour


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-9, 9),
    st.floats(),
    st.sampled_from(["s1", "Ω", "3", "", "NA", "1e3"]),
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(st.fixed_dictionaries(dict.fromkeys(RAW, VALUES)), min_size=1, max_size=4))
def test_rows_and_a_table_of_text_agree(drawn):
    """A table of text, as in a CSV file, has the violations and predictions of the values it stands for."""
    predictor = Predictor(package())
    text = [{name: None if v is None else str(v) for name, v in row.items()} for row in drawn]
    table = pa.Table.from_pylist(text, schema=pa.schema([(name, pa.string()) for name in RAW]))
    one_by_one = [predictor.table(table.slice(at, 1), text=True) for at in range(len(drawn))]
    together = predictor.table(table, text=True)
    np.testing.assert_array_equal(together.scores, np.concatenate([p.scores for p in one_by_one]))
    assert [v[1:3] for v in together.violations] == [v[1:3] for p in one_by_one for v in p.violations]
    direct = predictor.rows([{n: _stands_for(n, v) for n, v in row.items()} for row in text])
    np.testing.assert_array_equal(direct.scores, together.scores)


def _stands_for(name, text):
    """Read a text of a CSV file by the rules of Python, for columns of numbers and of truth."""
    if text is None or text in ("", "NA", "nan", "None"):
        return None
    if name in ("línea", "stop"):
        return text
    if text in ("True", "False"):
        return text == "True"
    try:
        return float(text)
    except ValueError:
        return text
